"""Compaction: the store's file written anew without the room that deleted and rewritten rows have left."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mlcycle.disk import sync
from mlcycle.errors import CouldNot, WorkspaceError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from mlcycle.workspace import Workspace

__all__ = ["Compacted", "compact"]

WAIT_S = 30.0
ROOM = 16 << 20
"""Bytes that must stay free beside the new file, for those who write meanwhile."""
NEW = "compacted"

Hook = Callable[[str], None]


@dataclass(frozen=True)
class Compacted:
    """How large the store's file was and is."""

    before_bytes: int
    after_bytes: int


def compact(workspace: Workspace, *, wait_s: float = WAIT_S, hook: Hook = lambda _stage: None) -> Compacted:
    """Write the store's file anew, and put it in the old one's place if it is equal and smaller.

    Nobody can read or change anything meanwhile; writers of the journal are not disturbed. Killed at any
    point, the workspace has the old file or the new one.

    Parameters
    ----------
    workspace
        Whose store.
    wait_s
        How long to wait for it.
    hook
        Called with the name of each stage passed; for tests that die there.

    Raises
    ------
    Busy
        If the store was not to be had in time.
    WorkspaceError
        If the workspace can only be read.
    CouldNot
        If the disk has less room than the file needs a second time, or the copy is not equal.
    """
    from mlcycle.store.connection import close, exclusive, honest, writable
    from mlcycle.store.fold import fold
    from mlcycle.store.migrate import open_for_writing

    if not writable(workspace):
        raise WorkspaceError(
            f"{workspace.home} cannot be written",
            hint="copy the workspace to where you may write, then mlcycle -w COPY store compact",
        )
    new = workspace.tmp / f"compact-pid{os.getpid()}.duckdb"
    try:
        with exclusive(workspace, wait_s), honest(workspace.database):
            connection = open_for_writing(workspace)
            try:
                while fold(connection, workspace).left:
                    pass
                connection.execute("CHECKPOINT")
                before = workspace.database.stat().st_size
                _verify_room(workspace, before)
                hook("before copying")
                _copy(connection, new)
                hook("after copying")
            finally:
                close(connection)
            after = new.stat().st_size
            if after >= before:
                return Compacted(before, before)
            sync(new)
            hook("before the swap")
            new.replace(workspace.database)
            hook("after the swap")
            sync(workspace.home)
            return Compacted(before, after)
    finally:
        for path in (new, new.with_name(new.name + ".wal")):
            path.unlink(missing_ok=True)


def _verify_room(workspace: Workspace, needed: int) -> None:
    free = shutil.disk_usage(workspace.home).free
    if free < needed + ROOM:
        raise CouldNot(
            f"compacting needs {(needed + ROOM) / 1e6:,.0f} MB of free disk, and there are {free / 1e6:,.0f}",
            hint="make room on the disk; nothing was changed",
        )


def _copy(connection: DuckDBPyConnection, new: Path) -> None:
    import duckdb

    from mlcycle.store.connection import FORMAT

    new.unlink(missing_ok=True)
    where = str(new).replace("'", "''")
    connection.execute(f"ATTACH '{where}' AS {NEW} (STORAGE_VERSION '{FORMAT}')")
    try:
        connection.execute(f"COPY FROM DATABASE store TO {NEW}")
        connection.execute(f"CHECKPOINT {NEW}")
        if (one := _what(connection, "store")) != (other := _what(connection, NEW)):
            differs = sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))
            raise CouldNot(
                f"the compacted copy differs in {', '.join(differs)}; the store is as it was",
                hint="mlcycle doctor",
            )
    finally:
        # After a full disk the instance is of no more use, and is closed with all it has attached.
        with suppress(duckdb.Error):
            connection.execute(f"DETACH {NEW}")


def _what(connection: DuckDBPyConnection, database: str) -> dict[str, tuple[object, ...]]:
    """Return what a file holds: of each table its definition, row count and sum of hashes; the views' texts."""
    views = "SELECT view_name, sql FROM duckdb_views() WHERE NOT internal AND database_name = ?"
    tables = "SELECT table_name, sql FROM duckdb_tables() WHERE database_name = ?"
    found: dict[str, tuple[object, ...]] = {
        name: (text,) for name, text in connection.execute(views, [database]).fetchall()
    }
    for name, text in connection.execute(tables, [database]).fetchall():
        sums = connection.execute(
            f'SELECT count(*), sum(hash(t)::HUGEINT) FROM {database}.main."{name}" AS t'
        )
        found[name] = (text, *sums.fetchall()[0])
    return found
