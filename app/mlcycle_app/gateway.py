"""The one door from app to core. Opens a workspace, calls core's verbs, and loads each room only when it is used.

What comes back are frozen dataclasses and plain rows; no connection, cursor or frame leaves core.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlcycle import clock
from mlcycle.errors import CouldNot, MlcycleError, NotFoundError, NotMet, UsageError, WorkspaceError
from mlcycle.progress import listen
from mlcycle.workspace import Workspace

if TYPE_CHECKING:
    from mlcycle.board import Board, PhaseState  # noqa: TC004 - exported for annotations alone
    from mlcycle.monitor.panel import Panel  # noqa: TC004 - the same
    from mlcycle.settings import Settings
    from mlcycle_app.pages import Arrangement, Page
    from mlcycle_app.tables import Table

__all__ = [
    "Board",
    "CouldNot",
    "Gateway",
    "MlcycleError",
    "NotFoundError",
    "NotMet",
    "Panel",
    "PhaseState",
    "UsageError",
    "Workspace",
    "WorkspaceError",
    "free",
    "listen",
]

MOST = 500
"""Rows of a table that are taken unless more are asked for."""


@dataclass(frozen=True)
class Gateway:
    """One workspace, seen from outside."""

    workspace: Workspace

    @classmethod
    def open(cls, folder: str | Path | None = None) -> Gateway:
        """Find the workspace; see `Workspace.find`."""
        return cls(Workspace.find(folder))

    @staticmethod
    def set_now(text: str | None) -> None:
        """Set the simulated time from an ISO text, for this process and its children."""
        if text:
            clock.set_now(clock.parse(text))

    @staticmethod
    def now() -> datetime:
        """Return the time commands act at."""
        return clock.now()

    @staticmethod
    def moment(text: str | None) -> datetime | None:
        """Read an ISO text as a time; None stays None."""
        return clock.parse(text) if text else None

    @staticmethod
    def wall() -> datetime:
        """Return the real time."""
        return clock.wall()

    @staticmethod
    def is_simulated() -> bool:
        """Tell whether a time was set by hand."""
        return clock.is_simulated()

    @staticmethod
    def settings() -> Settings:
        """Return the user's settings; see `mlcycle.settings.load`."""
        from mlcycle.settings import load

        return load()

    @property
    def name(self) -> str:
        """Name of the folder."""
        return self.workspace.root.name

    def do(self, verb: str, *arguments: Any, **options: Any) -> Any:
        """Call a verb of core on this workspace.

        Parameters
        ----------
        verb
            Room and function, such as `data.ingest`; a test holds that every verb named in app exists.
        arguments, options
            Passed on after the workspace.
        """
        room, _, name = verb.rpartition(".")
        return getattr(import_module(f"mlcycle.{room}"), name)(self.workspace, *arguments, **options)

    def rows(self, sql: str, params: list[Any] | None = None) -> list[dict[str, Any]]:
        """Ask the store one question."""
        from mlcycle.store import Store

        return Store(self.workspace).read(sql, params or [])

    def sql(self, query: str) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Ask a user's question over the public views; nothing outside the store can be read."""
        from mlcycle.store import Store

        return Store(self.workspace).sql(query)

    def health(self) -> Mapping[str, Any]:
        """Return how the store fares: what is behind, what was refused, who holds it, when it was copied last."""
        from dataclasses import asdict

        from mlcycle.store import Store

        return asdict(Store(self.workspace).health())

    def page(
        self,
        name: str,
        *,
        start: int = 0,
        count: int = 200,
        sort: str | None = None,
        descending: bool = False,
        words: str = "",
    ) -> Page:
        """Return some rows of one of `tables.TABLES`, and how many there are; both from one state of the store.

        Parameters
        ----------
        name
            The table.
        start, count
            Place of the first row, and how many rows at most.
        sort, descending
            The column to sort by instead of the table's own order; where there is nothing comes last.
        words
            Only rows that hold this text in some column, written large or small; taken literally.

        Raises
        ------
        NotFoundError
            If the table has no such column.
        """
        from mlcycle_app.pages import KEY, TOTAL, Arrangement, Page, counting, selecting

        table = _table(name, sort)
        arranged = Arrangement(sort, descending, words)
        params: list[Any] = [words] if words else []
        with self.one_state():
            rows = self.rows(selecting(table, arranged, start=start, count=count), params)
            if words and (rows or not start):
                total = max((row.pop(TOTAL) for row in rows), default=0)
            else:
                total = self.rows(counting(table, arranged), params)[0]["total"]
        keys = [row.pop(KEY) for row in rows]
        return Page(rows, start, total, keys)

    def place(
        self, name: str, value: str, arranged: Arrangement, *, by_key: bool = False
    ) -> tuple[int, str] | None:
        """Return where a row of a table is and its key, or None if it is not there.

        Parameters
        ----------
        name, arranged
            The table and how it is arranged.
        value
            What commands call the row: its `Table.id`; or its key, from a page, if `by_key`.
        """
        from mlcycle_app.pages import placing

        table = _table(name, arranged.sort)
        if not by_key and not table.id:
            return None
        params = [arranged.words, value] if arranged.words else [value]
        found = self.rows(placing(table, arranged, by_key=by_key), params)
        return (found[0]["place"], found[0]["key"]) if found else None

    def pages(self, name: str, arranged: Arrangement, *, count: int = 5000) -> Iterator[Page]:
        """Yield every page of a table, all from one state of the store; others wait to change it meanwhile."""
        with self.one_state():
            start = 0
            while True:
                page = self.page(
                    name,
                    start=start,
                    count=count,
                    sort=arranged.sort,
                    descending=arranged.descending,
                    words=arranged.words,
                )
                yield page
                start += len(page.rows)
                if not page.rows or start >= page.total:
                    return

    def page_sql(self, name: str, arranged: Arrangement) -> str:
        """Return the query behind a table as it is arranged, to be typed after `mlcycle sql`."""
        from mlcycle_app.pages import literal, selecting

        return selecting(_table(name, arranged.sort), arranged, words=literal(arranged.words), keys=False)

    def table(self, name: str, *, most: int | None = MOST) -> list[dict[str, Any]]:
        """Return the first rows of one of `tables.TABLES`, in its own order; all if `most` is None."""
        from mlcycle_app.pages import Arrangement, selecting

        return self.rows(selecting(_table(name), Arrangement(), count=most, keys=False))

    def tables(self, names: Sequence[str]) -> Mapping[str, list[dict[str, Any]]]:
        """Return the rows of several of `tables.TABLES`."""
        with self.one_state():
            return {name: self.table(name) for name in names}

    @contextmanager
    def one_state(self) -> Iterator[None]:
        """Answer all that is asked in the block from one opening of the store, and so from one state of it."""
        from mlcycle.store import Store

        with Store(self.workspace).reading():
            yield

    def board(self) -> Board:
        """Return the lifecycle board."""
        from mlcycle.board import board

        return board(self.workspace)

    def panel(self) -> Panel:
        """Return what the live panels draw."""
        from mlcycle.monitor import panel

        with self.one_state():
            return panel(self.workspace)

    def signs(self) -> Mapping[tuple[str, int], str]:
        """Return the comparison of every requirement, by id and version."""
        rows = self.rows("SELECT requirement_id, version, comparison FROM requirements")
        return {(row["requirement_id"], row["version"]): row["comparison"] for row in rows}

    def stamp(self) -> tuple[object, ...]:
        """Return something that differs once anything was written here. Opens nothing, and costs some file sizes."""
        return tuple(sorted(_sizes(self.workspace.database, self.workspace.journal)))

    def busy(self) -> str:
        """Return which other process has the store now, such as `pid 123 (mlcycle data ingest)`; empty if none.

        Never waits, and opens no store: one try of the lock.
        """
        from mlcycle.journal.locks import holder

        who = holder(self.workspace.home)
        return "" if who is None or who.pid == os.getpid() else f"pid {who.pid} ({_short(who.command)})"

    def typed(self, words: str) -> str:
        """Return words after `mlcycle` as a command for this workspace that can be typed where the program started."""
        try:
            nearest = Workspace.find()
        except WorkspaceError:
            nearest = None
        place = "" if nearest == self.workspace else f"-w {shlex.quote(str(self.workspace.root))} "
        return f"mlcycle {place}{words}"

    def log_files(self) -> Iterator[Path]:
        """Yield where the UI may log, the best place first: one that cannot be written is to be passed over."""
        yield self.workspace.home / "ui.log"
        from platformdirs import user_log_dir

        yield Path(user_log_dir("mlcycle", appauthor=False)) / "ui.log"


def free(verb: str, *arguments: Any, **options: Any) -> Any:
    """Call a verb of core that needs no workspace, such as `design.init`."""
    room, _, name = verb.rpartition(".")
    return getattr(import_module(f"mlcycle.{room}"), name)(*arguments, **options)


def _table(name: str, sort: str | None = None) -> Table:
    from mlcycle_app.tables import TABLES

    table = TABLES.get(name)
    if table is None:
        raise NotFoundError(f"there is no table {name!r}", hint=f"the tables are: {', '.join(TABLES)}")
    if sort is not None and sort not in table.columns:
        raise NotFoundError(
            f"{table.title} have no column {sort!r}", hint=f"the columns are: {', '.join(table.columns)}"
        )
    return table


def _short(command: str) -> str:
    """Return a command line without its folders, and ours without its interpreter and workspace."""
    first, *words = command.split() or [""]
    for place, word in enumerate((first, *words)):
        if Path(word).name in ("mlcycle", "mlcycle_app", "mlcycle.exe"):
            first, words = "mlcycle", words[place:]
            if words[:1] == ["-w"]:
                words = words[2:]
            break
    return " ".join((Path(first).name, *words))[:60]


def _sizes(*places: Path) -> Iterator[tuple[str, int, int]]:
    for place in places:
        try:
            found = place.stat()
            if place.is_dir():
                yield from _sizes(*place.iterdir())
            else:
                yield str(place), found.st_size, found.st_mtime_ns
        except OSError:
            continue  # folded away, or not there yet
