"""Opening the store to read: mended or migrated first if it can be, and with the journal laid over the tables."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from mlcycle.errors import CouldNot, WorkspaceError
from mlcycle.journal.reader import segments
from mlcycle.store import archive
from mlcycle.store.connection import DamagedWal, close, connect, honest, readable, shared, writable
from mlcycle.store.fold import pending, remember
from mlcycle.store.lost import loss
from mlcycle.store.migrate import Outdated, check, lay_own_views, lay_temporary_views, migrations
from mlcycle.store.rules import STREAMS
from mlcycle.store.tail import load, offsets, shadow, tails

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from mlcycle.workspace import Workspace

__all__ = ["READ_WAIT_S", "behind", "lay_tail", "opened", "reading"]

READ_WAIT_S = 10.0

Mend = Callable[[], object]


def behind(workspace: Workspace) -> bool:
    """Whether there is something to fold before reading: a journal, or a store not made yet."""
    return not os.access(workspace.database, os.F_OK) or pending(workspace)


@contextmanager
def reading(
    workspace: Workspace, fold: Mend, mend: Mend, *, alone: bool = False
) -> Iterator[DuckDBPyConnection]:
    """Open one state of the store in which every acknowledged record is seen.

    Parameters
    ----------
    workspace
        Whose store.
    fold
        Takes the journal into the tables, if the store can be had.
    mend
        Opens the store for writing and closes it, which mends and migrates.
    alone
        Whether the connection's settings will be changed.
    """
    if behind(workspace):
        # A full disk stops the fold, not the look: the tail is read instead.
        with contextlib.suppress(CouldNot):
            fold()
    with opened(workspace, READ_WAIT_S, mend, alone=alone) as connection:
        lay_tail(connection, workspace)
        yield connection


@contextmanager
def opened(
    workspace: Workspace, timeout_s: float, mend: Mend | None, *, alone: bool = False
) -> Iterator[DuckDBPyConnection]:
    """Open the tables to read, without the journal's tail; `mend` None takes the store as it is."""
    for again in (False,) if mend is None else (True, False):
        with shared(workspace, timeout_s), honest(workspace.database):
            connection = _connect(workspace, again=again, alone=alone)
            if connection is not None:
                try:
                    yield connection
                finally:
                    close(connection)
                return
        # Only who may write can mend or migrate what a reader has found.
        if mend is not None:
            mend()


def lay_tail(connection: DuckDBPyConnection, workspace: Workspace) -> None:
    """Lay what is not folded yet over the tables, for this connection."""
    done = offsets(connection)
    remember(workspace, done)
    found, _ = tails(segments(workspace.journal), done)
    loads = [load(connection, stream, found, workspace.tmp) for stream in STREAMS]
    streams = [one.stream for one in loads if one is not None]
    if streams:
        shadow(connection, streams)
        lay_temporary_views(connection)
    archive.lay(connection, workspace, streams)


def _connect(workspace: Workspace, *, again: bool, alone: bool) -> DuckDBPyConnection | None:
    """Open the file; None if who may write should put it right first."""
    path = workspace.database
    if not readable(path):
        raise WorkspaceError(f"{path} cannot be read: permission denied")
    if not path.exists():
        if again and writable(workspace):
            return None
        raise loss(workspace) or WorkspaceError(f"{workspace.root} has no store", hint="mlcycle init")
    try:
        connection = connect(path, read_only=True, alone=alone)
    except DamagedWal as error:
        if again and writable(workspace):
            return None
        raise WorkspaceError(
            f"{path} has a damaged log", hint="copy the workspace to where it can be written"
        ) from error
    try:
        check(connection, path)
    except Outdated as old:
        if again and writable(workspace):
            close(connection)
            return None
        if old.version < migrations()[-1].version:
            close(connection)
            raise WorkspaceError(
                f"{path} was made by an older mlcycle and cannot be brought up to date here",
                hint="copy the workspace to where it can be written",
            ) from old
        lay_own_views(connection)
    except BaseException:
        close(connection)
        raise
    return connection
