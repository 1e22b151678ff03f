"""Export: everything the store knows as plain files, from one state, for readers that have no mlcycle.

The store's file is copied under the shared lock, which takes a second where writing Parquet takes twenty, and
the tables are written from the copy, while everybody else works on.
"""

from __future__ import annotations

import errno
import os
import shlex
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mlcycle import clock
from mlcycle.errors import Busy, CouldNot, UsageError
from mlcycle.hashing import sha256_file
from mlcycle.store.export_contents import contents, declarations
from mlcycle.store.export_format import (
    FORMAT,
    MANIFEST,
    README,
    SCRIPT,
    TABLES,
    Column,
    Manifest,
    Table,
    readme,
    script,
)
from mlcycle.store.model import Finding
from mlcycle.workspace import Workspace

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

__all__ = ["Exported", "export"]

WAIT_S = 30.0
OWN_FOLDER, OWN_FILE = 0o700, 0o600
ARCHIVES = """
    SELECT sha256, 'predictions of ' || day AS what FROM prediction_archive WHERE dropped_at IS NULL ORDER BY sha256
"""


@dataclass(frozen=True)
class Exported:
    """What an export holds."""

    path: Path
    tables: int
    rows: int
    """Rows of all tables together."""
    files: int
    """Contents and declarations."""
    bytes: int
    """Size of the folder."""
    missing: tuple[Finding, ...] = ()
    """Contents that rows name and that are gone or damaged."""


def export(workspace: Workspace, to: Path, *, wait_s: float = WAIT_S) -> Exported:
    """Write all tables, contents and declarations of a workspace into a new folder.

    The journal is folded first, so every record acknowledged before the call is in the tables. Public views
    are not written as files: they follow from the tables, and `views.sql` in the folder makes them.

    Parameters
    ----------
    workspace
        What to export. Where it may only be read, its store and journal are copied and folded there.
    to
        The folder, which must not be there or be empty. It appears when it is complete, for its owner alone:
        what it holds is as private as the workspace.
    wait_s
        How long to wait for the store.

    Raises
    ------
    UsageError
        If something is at `to`, or it lies in the workspace.
    Busy
        If the store was not to be had in time.
    CouldNot
        If the store cannot be read, or the folder cannot be written.
    """
    from mlcycle.store.connection import honest

    to = to.expanduser().absolute()
    part = to.parent / f".{to.name}.part-pid{os.getpid()}"
    try:
        with honest(to):
            with _within_reach(to):
                _verify_target(workspace, to)
                to.parent.mkdir(parents=True, exist_ok=True)
                _sweep(to)
                part.mkdir(mode=OWN_FOLDER)
            with _readable():
                manifest = _fill(workspace, part, wait_s)
            _make_private(part)
            with _within_reach(to):
                if to.exists():
                    to.rmdir()
                part.replace(to)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    files = (*manifest.tables, *manifest.contents, *manifest.declarations)
    return Exported(
        path=to,
        tables=len(manifest.tables),
        rows=sum(table.rows for table in manifest.tables),
        files=len(manifest.contents) + len(manifest.declarations),
        bytes=sum(file.bytes for file in files),
        missing=tuple(Finding("damaged", one.what, one.sha256[:8]) for one in manifest.missing),
    )


@contextmanager
def _within_reach(to: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise
        raise CouldNot(
            f"{to} cannot be written: {error.strerror or error}",
            hint="mlcycle store export DEST, where DEST is a new folder in one that you may write",
        ) from error


@contextmanager
def _readable() -> Iterator[None]:
    try:
        yield
    except PermissionError as error:
        raise CouldNot(
            f"{error.filename} cannot be read: permission denied",
            hint=f"look whose it is: ls -l {shlex.quote(str(error.filename))}",
        ) from error


def _make_private(folder: Path) -> None:
    # The folder itself has been closed to others since it was made; this is for whoever moves pieces of it.
    for place, _, names in os.walk(folder):
        Path(place).chmod(OWN_FOLDER)
        for name in names:
            (Path(place) / name).chmod(OWN_FILE)


def _verify_target(workspace: Workspace, to: Path) -> None:
    if to.resolve().is_relative_to(workspace.root.resolve()):
        raise UsageError(
            f"{to} lies in the workspace itself", hint="name a folder elsewhere, best on another disk"
        )
    if to.is_file():
        raise UsageError(f"{to} is a file", hint="name a folder that is not there yet")
    if to.is_dir() and any(to.iterdir()):
        raise UsageError(f"{to} is not empty", hint="name a folder that is not there yet, or empty that one")


def _sweep(to: Path) -> None:
    """Delete what killed exports to the same place have left."""
    import psutil

    for left in to.parent.glob(f".{to.name}.part-pid*"):
        pid = left.name.rpartition("pid")[2]
        if pid.isdecimal() and (int(pid) == os.getpid() or not psutil.pid_exists(int(pid))):
            shutil.rmtree(left)


def _fill(workspace: Workspace, part: Path, wait_s: float) -> Manifest:
    from mlcycle.store.connection import fetch
    from mlcycle.store.migrate import application, migrations, views
    from mlcycle.store.orphans import CONTENTS
    from mlcycle.store.rules import LIVE

    with _copied(workspace, part / ".copy", wait_s) as connection:
        tables = _tables(connection, part)
        named = [*fetch(connection, CONTENTS), *fetch(connection, ARCHIVES)]
    shutil.rmtree(part / ".copy")
    files, missing = contents(workspace, part, named)
    manifest = Manifest(
        format=FORMAT,
        mlcycle=application(),
        schema=migrations()[-1].version,
        created_at=clock.wall().isoformat(timespec="seconds") + "Z",
        workspace=workspace.root.name,
        tables=tables,
        contents=files,
        declarations=declarations(workspace.root, part),
        missing=missing,
    )
    (part / SCRIPT).write_text(script(manifest, views(), LIVE), encoding="utf-8")
    (part / README).write_text(readme(manifest), encoding="utf-8")
    (part / MANIFEST).write_text(manifest.text(), encoding="utf-8")
    return manifest


@contextmanager
def _copied(workspace: Workspace, folder: Path, wait_s: float) -> Iterator[DuckDBPyConnection]:
    """Open a copy of the store in which the journal is folded, with this program's schema."""
    from mlcycle.store.connection import close, connect, exclusive, shared, writable
    from mlcycle.store.fold import fold
    from mlcycle.store.migrate import open_for_writing
    from mlcycle.store.store import Store

    copy = Workspace(folder)
    copy.home.mkdir(parents=True)
    own = writable(workspace)
    if own and Store(workspace).fold(wait_s) is None:
        raise Busy(
            f"the journal of {workspace.root} could not be folded within {wait_s:g} s",
            hint="mlcycle store health",
        )
    if not own and not workspace.database.exists():
        Store(workspace).read("SELECT 1")  # raises what is to be said of a store that is not there
    with shared(workspace, wait_s):
        # A plain copy drops DuckDB's locks of this process on the file: it has none while this lock is held.
        for path in (workspace.database, workspace.database.with_name(workspace.database.name + ".wal")):
            if path.exists():
                shutil.copyfile(path, copy.home / path.name)
        if not own:
            _copy_journal(workspace.journal, copy.journal)
    with exclusive(copy, wait_s):
        connection = connect(copy.database, read_only=True) if own else open_for_writing(copy)
        try:
            while not own and fold(connection, copy).left:
                pass
            yield connection
        finally:
            close(connection)


def _copy_journal(journal: Path, target: Path) -> None:
    # Folders are made anew: of a journal that may only be read, copies of them could not be folded, nor deleted.
    for path in sorted(journal.rglob("*")):
        if path.is_file() and not path.is_symlink():
            place = target / path.relative_to(journal)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, place)
            found = path.stat()
            os.utime(place, ns=(found.st_atime_ns, found.st_mtime_ns))


def _tables(connection: DuckDBPyConnection, part: Path) -> tuple[Table, ...]:
    kinds: dict[str, list[Column]] = {}
    found = connection.execute(
        """SELECT table_name, column_name, data_type FROM duckdb_columns()
        SEMI JOIN duckdb_tables() USING (database_name, schema_name, table_name)
        WHERE database_name = 'store' ORDER BY table_name, column_index"""
    ).fetchall()
    for table, name, kind in found:
        kinds.setdefault(table, []).append(Column.of(name, kind))
    (part / TABLES).mkdir()
    return tuple(_table(connection, part, name, tuple(columns)) for name, columns in kinds.items())


def _table(connection: DuckDBPyConnection, part: Path, name: str, columns: tuple[Column, ...]) -> Table:
    relative = f"{TABLES}/{name}.parquet"
    path = part / relative
    where = str(path).replace("'", "''")
    picked = ", ".join(column.written for column in columns)
    (rows,) = connection.execute(
        f"COPY (SELECT {picked} FROM store.main.\"{name}\") TO '{where}' (FORMAT parquet, COMPRESSION zstd)"
    ).fetchall()
    return Table(relative, path.stat().st_size, sha256_file(path), name, int(rows[0]), columns)
