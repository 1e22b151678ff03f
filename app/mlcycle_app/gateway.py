"""The one door from app to core. Opens a workspace, calls core's verbs, and loads each room only when it is used.

What comes back are frozen dataclasses and plain rows; no connection, cursor or frame leaves core.
"""

from __future__ import annotations

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
from mlcycle.workspace import Workspace

if TYPE_CHECKING:
    from mlcycle.board import Board, PhaseState  # noqa: TC004 - exported for annotations alone
    from mlcycle.monitor.panel import Panel  # noqa: TC004 - the same
    from mlcycle.settings import Settings

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
]


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

    def table(self, name: str) -> list[dict[str, Any]]:
        """Return the rows of one of `tables.TABLES`."""
        from mlcycle_app.tables import TABLES

        return self.rows(TABLES[name].sql)

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
