"""The store's face: append, fold, read, change. Nothing here keeps the file open between two calls."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from mlcycle.errors import Busy, CouldNot, WorkspaceError
from mlcycle.store import writers
from mlcycle.store.model import FoldReport, Health
from mlcycle.store.transaction import Transaction

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from mlcycle.store.changes import Draft
    from mlcycle.store.connection import Params
    from mlcycle.workspace import Workspace

__all__ = ["Ask", "Store"]

Ask = Callable[[str], list[dict[str, Any]]]

CHANGE_WAIT_S = 30.0
FOLD_FIRST_WAIT_S = 0.2
_inside = threading.local()


class Store:
    """The metadata of one workspace.

    Parameters
    ----------
    workspace
        Whose store. Nothing is opened or made; the first use does.
    """

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self._journal = str(workspace.journal)

    @classmethod
    def create(cls, workspace: Workspace) -> Store:
        """Make `.mlcycle/` and the store in it; where it is there, bring it up to this program's schema.

        Raises
        ------
        WorkspaceError
            If it was made by a newer program, is damaged, or the folder cannot be written.
        Busy
            If another process holds it.
        """
        store = cls(workspace)
        with store._writing(CHANGE_WAIT_S):
            return store

    def append(self, stream: str, records: Sequence[Mapping[str, object]], *, sync: bool = False) -> bool:
        """Write records to the journal; waits for nobody and needs no database.

        Parameters
        ----------
        stream
            `run`, `metric`, `prediction` or `sys`.
        records
            What `rules.STREAMS` lists for the stream.
        sync
            Whether to wait until the disk has them.

        Returns
        -------
        bool
            True once acknowledged: from then on no crash of this or another process loses them. False if
            they were refused, which has been said on stderr.
        """
        return writers.writer(self._journal, stream).append(records, sync=sync)

    def read(self, sql: str, params: Params = ()) -> list[dict[str, Any]]:
        """Run one query over tables and public views; every acknowledged record is seen.

        Inside a transaction of the same thread the query sees the transaction's changes.

        Parameters
        ----------
        sql
            One SELECT.
        params
            Values for `?`, or a mapping for `$name`.

        Returns
        -------
        list of dict
            UUIDs and JSON as text, times as naive UTC, VARIANT as Python objects.

        Raises
        ------
        Busy
            If a process held the store exclusively for longer than 10 s.
        WorkspaceError
            If there is no store and none can be made, or it is newer or damaged.
        """
        inside = self._current()
        if inside is not None:
            return inside.rows(sql, params)
        from mlcycle.store.connection import fetch, honest

        state = self._state()
        if state is not None:
            with honest(self.workspace.database):
                return fetch(state, sql, params)
        with self._reading() as connection:
            return fetch(connection, sql, params)

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Answer every `read` of this thread in the block from one opening, so from one state of the store.

        An opening costs about as much as ten queries. Others wait to change anything meanwhile: ask, do not
        compute. Inside a transaction, or inside another such block, it changes nothing.
        """
        if self._current() is not None or self._state() is not None:
            yield
            return
        with self._reading() as connection:
            _inside.state = (str(self.workspace.home), connection)
            try:
                yield
            finally:
                _inside.state = None

    @contextmanager
    def looking(self) -> Iterator[Ask]:
        """Ask several things of one state, the journal's tail included, and change nothing: for doctor.

        Raises
        ------
        WorkspaceError
            If the store cannot be read as it is; the cause is `DamagedWal` or `Outdated` where opening it
            for a change would put that right.
        """
        from mlcycle.store.connection import fetch, honest
        from mlcycle.store.opening import READ_WAIT_S, lay_tail, opened

        with opened(self.workspace, READ_WAIT_S, None) as connection:
            lay_tail(connection, self.workspace)

            def ask(sql: str) -> list[dict[str, Any]]:
                with honest(self.workspace.database):
                    return fetch(connection, sql)

            yield ask

    @contextmanager
    def transaction(self, action: str) -> Iterator[Transaction]:
        """Change the store: alone, all or nothing, and in the main file when the block has been left.

        Parameters
        ----------
        action
            What is done, for the audit rows: `promote`, `ingest`.

        Raises
        ------
        Busy
            If the store was not to be had for 30 s.
        CouldNot
            If the change cannot be written. Where only the last step failed, the checkpoint, the change may
            still be there at the next opening: look before doing it again.
        """
        from mlcycle.store.archive import lay
        from mlcycle.store.changes import Draft
        from mlcycle.store.fold import STEP, backlog, fold

        if backlog(self.workspace) > STEP:
            # Others get their turn between the steps; only what has come since is folded with them waiting.
            self.fold(CHANGE_WAIT_S)
        with self._writing(CHANGE_WAIT_S) as connection:
            while fold(connection, self.workspace).left:
                pass
            lay(connection, self.workspace, tables=False)
            connection.execute("BEGIN")
            draft = Draft()
            current = Transaction(connection, self.workspace, action, draft)
            _inside.current = (str(self.workspace.home), current)
            try:
                yield current
                _commit(connection, self.workspace, action, draft)
            except BaseException:
                _roll_back(connection)
                raise
            finally:
                _inside.current = None

    def fold(self, wait_s: float = FOLD_FIRST_WAIT_S) -> FoldReport | None:
        """Take the journal into the tables, in steps between which others get their turn.

        Returns
        -------
        FoldReport or None
            None if the lock was not had in time, or the folder cannot be written.

        Raises
        ------
        CouldNot
            If the tables cannot be written; the journal then keeps what it has.
        """
        import duckdb

        from mlcycle.store import fold as folding
        from mlcycle.store.connection import writable

        if self._current() is not None or self._state() is not None or not writable(self.workspace):
            return None
        total = FoldReport()
        while True:
            try:
                with self._writing(wait_s) as connection:
                    step = folding.fold(connection, self.workspace)
            except Busy:
                return total if total != FoldReport() else None
            except (duckdb.Error, OSError) as error:
                raise CouldNot(
                    f"the journal could not be folded: {str(error).splitlines()[0]}",
                    hint="look for free disk space, then mlcycle doctor",
                ) from error
            total = total + step
            if not step.left or not (step.records or step.bad or step.removed or step.killed):
                return total

    def sql(self, query: str) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Run a user's own query: one, that only reads, and reaches nothing but this store.

        Returns
        -------
        tuple
            Column names, and the rows.

        Raises
        ------
        UsageError
            With DuckDB's message, and the nearest view's name as a hint.
        """
        from mlcycle.store.query import run

        with self._reading(alone=True) as connection:
            return run(connection, query)

    def health(self) -> Health:
        """Say how far the tables are behind the journal, and who holds the store. Folds nothing."""
        from mlcycle.journal.locks import holder
        from mlcycle.journal.reader import segments
        from mlcycle.store.generations import current, size
        from mlcycle.store.opening import opened
        from mlcycle.store.tail import offsets

        there = segments(self.workspace.journal)
        done: dict[str, int] = {}
        row: dict[str, Any] = {}
        if os.access(self.workspace.database, os.F_OK):
            with (
                contextlib.suppress(Busy),
                opened(self.workspace, FOLD_FIRST_WAIT_S, self._open_once) as connection,
            ):
                done = offsets(connection)
                row = _sums(connection)
        generation = current(self.workspace)
        who = holder(self.workspace.home)
        refused = writers.refused(self._journal)
        return Health(
            backlog_bytes=sum(max(0, one.size - done.get(one.name, 0)) for one in there),
            segments=len(there),
            bad_lines=int(row.get("bad") or 0),
            refused=max(int(row.get("refused") or 0), refused),
            holder=f"pid {who.pid} ({who.command})" if who else "",
            generation=None if generation is None else generation.number,
            copied_at=None if generation is None or generation.from_nothing else generation.created_at,
            log_bytes=0 if generation is None else size(generation)[0],
        )

    def _current(self) -> Transaction | None:
        home, current = getattr(_inside, "current", None) or ("", None)
        return current if home == str(self.workspace.home) else None

    def _state(self) -> DuckDBPyConnection | None:
        home, connection = getattr(_inside, "state", None) or ("", None)
        return connection if home == str(self.workspace.home) else None

    @contextmanager
    def _writing(self, timeout_s: float) -> Iterator[DuckDBPyConnection]:
        from mlcycle.store.connection import close, exclusive, honest, writable
        from mlcycle.store.generations import begin, is_large
        from mlcycle.store.migrate import open_for_writing
        from mlcycle.store.strangers import renew

        if not writable(self.workspace):
            raise WorkspaceError(
                f"{self.workspace.home} cannot be written",
                hint="make it writable, or copy the workspace first",
            )
        with exclusive(self.workspace, timeout_s), honest(self.workspace.database):
            connection = open_for_writing(self.workspace)
            try:
                yield connection
            finally:
                close(connection)
                renew(self.workspace.database)
            # For want of room, or since the store is damaged, which is no reason to fail what has been done.
            with contextlib.suppress(OSError, WorkspaceError):
                if is_large(self.workspace):
                    begin(self.workspace, "the log had grown")

    @contextmanager
    def _reading(self, *, alone: bool = False) -> Iterator[DuckDBPyConnection]:
        from mlcycle.store.opening import reading

        with reading(self.workspace, self.fold, self._open_once, alone=alone) as connection:
            yield connection

    def _open_once(self) -> None:
        with self._writing(CHANGE_WAIT_S):
            return


def _commit(connection: DuckDBPyConnection, workspace: Workspace, action: str, draft: Draft) -> None:
    import duckdb

    from mlcycle.store import changes
    from mlcycle.store.generations import current

    generation = current(workspace)
    number = changes.last_number(connection) + 1
    if draft.lines and generation is not None:
        changes.write(generation.changes, number, action, _folded(connection, workspace), draft)
        changes.set_number(connection, number)
    try:
        connection.execute("COMMIT")
    except duckdb.Error as error:
        if generation is not None:
            with contextlib.suppress(CouldNot):
                changes.forget(generation.changes, number)
        raise _unwritten(error) from error
    try:
        connection.execute("CHECKPOINT")
    except duckdb.Error as error:
        raise _unwritten(error) from error


def _folded(connection: DuckDBPyConnection, workspace: Workspace) -> dict[str, int]:
    from mlcycle.journal.reader import segments
    from mlcycle.store.tail import offsets

    done = offsets(connection)
    return {one.name: done[one.name] for one in segments(workspace.journal) if one.name in done}


def _unwritten(error: Exception) -> CouldNot:
    return CouldNot(
        f"the change could not be written: {str(error).splitlines()[0]}",
        hint="look for free disk space, then try again",
    )


def _roll_back(connection: DuckDBPyConnection) -> None:
    import duckdb

    with contextlib.suppress(duckdb.Error):
        connection.execute("ROLLBACK")


def _sums(connection: DuckDBPyConnection) -> dict[str, Any]:
    from mlcycle.store.connection import fetch

    return fetch(connection, "SELECT sum(bad) AS bad, sum(refused) AS refused FROM segment")[0]
