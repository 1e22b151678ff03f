"""Bringing a store's file into being, and up to the schema of this program; never back from a newer one."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import metadata, resources
from typing import TYPE_CHECKING

from mlcycle import clock
from mlcycle.errors import WorkspaceError
from mlcycle.ids import new_id
from mlcycle.store.changes import forget, last_number, line, newest, set_line
from mlcycle.store.connection import DamagedWal, close, connect
from mlcycle.store.generations import begin, begin_line, current
from mlcycle.store.lost import MADE, loss
from mlcycle.store.strangers import refuse
from mlcycle.store.swap import set_aside
from mlcycle.trust import is_made_here
from mlcycle.workspace import DATABASE, Workspace

if TYPE_CHECKING:
    from pathlib import Path

    from duckdb import DuckDBPyConnection


__all__ = [
    "Migration",
    "Outdated",
    "application",
    "bring_up",
    "check",
    "lay_folders",
    "make",
    "migrations",
    "newer",
    "open_for_writing",
    "views",
]

FOLDERS = ("journal", "data", "artifacts", "online", "tmp")


class Outdated(Exception):
    """The store is older than the program, or its views are: a signal between two openings, never shown."""

    def __init__(self, version: int) -> None:
        super().__init__(version)
        self.version = version


@dataclass(frozen=True)
class Migration:
    """One numbered SQL file."""

    version: int
    name: str
    text: str

    @property
    def sha256(self) -> str:
        """Hash of the text, as noted in the store."""
        return hashlib.sha256(self.text.encode()).hexdigest()


@cache
def migrations() -> tuple[Migration, ...]:
    """Return the migrations this program knows, in order."""
    folder = resources.files("mlcycle.store") / "migrations"
    files = [file for file in folder.iterdir() if file.name.endswith(".sql")]
    found = [
        Migration(int(file.name[:4]), file.name[5:-4], file.read_text(encoding="utf-8"))
        for file in sorted(files, key=lambda file: file.name)
    ]
    return tuple(found)


@cache
def views() -> str:
    """Return the SQL that makes the public views."""
    return (resources.files("mlcycle.store") / "views.sql").read_text(encoding="utf-8")


def application() -> str:
    """Return the version of this program."""
    try:
        return metadata.version("mlcycle")
    except metadata.PackageNotFoundError:
        return "0"


def check(connection: DuckDBPyConnection, path: Path, known: tuple[Migration, ...] | None = None) -> int:
    """Return the schema version of a store just attached; nothing it holds is run before it was looked at.

    Raises
    ------
    WorkspaceError
        If it is newer than this program, or holds SQL that this program did not put there.
    Outdated
        If it is older, or if its views are not this program's.
    """
    known = known or migrations()
    newest = known[-1].version
    made_here = path.name == DATABASE and is_made_here(Workspace(path.parent.parent))
    views_are_ours = made_here or refuse(connection, path, known)
    version, made_by = _version(connection)
    if version > newest:
        raise WorkspaceError(
            f"the store was made by mlcycle {made_by}; this is {application()}",
            hint=f'pip install "mlcycle>={made_by}"',
        )
    if version < newest or not views_are_ours or _views_noted(connection) != _views_hash():
        raise Outdated(version)
    return version


def newer(connection: DuckDBPyConnection) -> WorkspaceError | None:
    """Return the error that says a store was made by a newer program; None if it was not."""
    version, made_by = _version(connection)
    if version <= migrations()[-1].version:
        return None
    return WorkspaceError(
        f"the store was made by mlcycle {made_by}; this is {application()}",
        hint=f'pip install "mlcycle>={made_by}"',
    )


def open_for_writing(
    workspace: Workspace, *, known: tuple[Migration, ...] | None = None
) -> DuckDBPyConnection:
    """Open the store, made, mended and migrated as needed. The caller holds it exclusively, and closes.

    Raises
    ------
    WorkspaceError
        If the store is newer than this program, damaged, or gone while its files are there.
    """
    known = known or migrations()
    lost = loss(workspace)
    if lost is not None:
        raise lost
    lay_folders(workspace)
    if not workspace.database.exists():
        _create(workspace, known)
    connection = _recovered(workspace)
    try:
        check(connection, workspace.database, known)
    except Outdated as old:
        if old.version < known[-1].version:
            connection = _copied(workspace, connection, f"before migration {known[-1].version}")
        _migrate(connection, known, old.version)
    except BaseException:
        close(connection)
        raise
    generation = current(workspace)
    if generation is None:
        connection = _copied(workspace, connection, "first copy")
    else:
        logged, last = newest(generation.changes), last_number(connection)
        if logged > last + 1 or (generation.facts and generation.line != line(connection)):
            # Somebody has put another file in its place: what would be logged now is no continuation.
            connection = _copied(workspace, connection, "another store was put in place", begin_line)
        elif logged > last:  # killed before the commit: nobody was told that it was made
            forget(generation.changes, logged)
    return connection


def _copied(
    workspace: Workspace,
    connection: DuckDBPyConnection,
    why: str,
    copy: Callable[[Workspace, str], object] = begin,
) -> DuckDBPyConnection:
    # A copy taken while the file is open here would drop DuckDB's lock on it.
    connection.execute("CHECKPOINT")
    close(connection)
    copy(workspace, why)
    return connect(workspace.database, read_only=False)


def lay_folders(workspace: Workspace) -> None:
    """Make the folders of everything the tool writes."""
    workspace.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    for folder in FOLDERS:
        (workspace.home / folder).mkdir(exist_ok=True)


def make(path: Path, known: tuple[Migration, ...] | None = None, *, line_id: str) -> None:
    """Make an empty store of a line at a place where nothing is."""
    connection = connect(path, read_only=False)
    try:
        _migrate(connection, known or migrations(), 0)
        facts = [("created_by", application()), ("created_at", clock.wall().isoformat())]
        for key, value in facts:
            connection.execute("INSERT INTO meta (key, value) VALUES (?, ?)", [key, value])
        set_line(connection, line_id)
        connection.execute("CHECKPOINT")
    finally:
        close(connection)


def bring_up(connection: DuckDBPyConnection, version: int) -> None:
    """Migrate an open store from a version to this program's, without a copy of it."""
    _migrate(connection, migrations(), version)


def _create(workspace: Workspace, known: tuple[Migration, ...]) -> None:
    # Made under another name: a file that a killed process left half made would never open again.
    path = workspace.tmp / f"new-pid{os.getpid()}.duckdb"
    path.unlink(missing_ok=True)
    generation = current(workspace)
    line_id = generation.line if generation is not None and generation.line else new_id()
    make(path, known, line_id=line_id)
    if generation is None:
        begin(workspace, "new", empty=line_id)
    path.replace(workspace.database)
    ignore = workspace.home / MADE
    if not ignore.exists():
        ignore.write_text("*\n")


def _migrate(connection: DuckDBPyConnection, known: tuple[Migration, ...], version: int) -> None:
    try:
        for migration in known:
            if migration.version <= version:
                continue
            connection.execute("BEGIN")
            _run(connection, migration.text)
            connection.execute(
                "INSERT INTO schema_version VALUES (?, ?, ?, ?, ?)",
                [migration.version, migration.name, migration.sha256, application(), clock.wall()],
            )
            connection.execute("COMMIT")
        connection.execute("BEGIN")
        lay_views(connection)
        connection.execute("COMMIT")
        connection.execute("CHECKPOINT")
    except BaseException:
        close(connection)
        raise


def lay_views(connection: DuckDBPyConnection) -> None:
    """Make the persistent views anew and note which they are."""
    from mlcycle.store.rules import LIVE

    old = connection.execute(
        "SELECT view_name FROM duckdb_views() WHERE NOT internal AND database_name = 'store'"
    ).fetchall()
    for (name,) in old:
        connection.execute(f'DROP VIEW IF EXISTS "{name}"')
    for table in LIVE:
        connection.execute(f"CREATE VIEW live_{table} AS SELECT * FROM {table}")
    _run(connection, views())
    connection.execute("INSERT OR REPLACE INTO meta (key, value) VALUES ('views_sha256', ?)", [_views_hash()])


def lay_own_views(connection: DuckDBPyConnection) -> None:
    """Make all views for this connection only, so that none of the stored ones is read."""
    from mlcycle.store.rules import LIVE

    for table in LIVE:
        connection.execute(f"CREATE OR REPLACE TEMP VIEW live_{table} AS SELECT * FROM store.main.{table}")
    lay_temporary_views(connection)


def lay_temporary_views(connection: DuckDBPyConnection) -> None:
    """Make the public views for this connection only, over whatever live_* are to it."""
    _run(connection, views().replace("CREATE VIEW ", "CREATE OR REPLACE TEMP VIEW "))


def _run(connection: DuckDBPyConnection, text: str) -> None:
    for statement in connection.extract_statements(text):
        connection.execute(statement)


def _version(connection: DuckDBPyConnection) -> tuple[int, str]:
    row = connection.execute(
        "SELECT version, app_version FROM schema_version ORDER BY version DESC LIMIT 1"
    ).fetchone()
    return (int(row[0]), str(row[1])) if row else (0, "")


def _views_hash() -> str:
    return hashlib.sha256(views().encode()).hexdigest()


def _views_noted(connection: DuckDBPyConnection) -> str:
    row = connection.execute("SELECT value FROM meta WHERE key = 'views_sha256'").fetchone()
    return str(row[0]) if row else ""


def _recovered(workspace: Workspace) -> DuckDBPyConnection:
    try:
        return connect(workspace.database, read_only=False)
    except DamagedWal as error:
        why = error.message
    # Nothing acknowledged is in the log alone: the journal still has what was folded since the checkpoint,
    # and commands are acknowledged after it.
    wal = _wal(workspace)
    kept = set_aside(workspace, wal)
    try:
        connection = connect(workspace.database, read_only=False)
    except WorkspaceError:
        kept.replace(wal)
        raise
    refuse(connection, workspace.database, migrations())  # before the first statement that could meet a macro
    connection.execute(
        "INSERT INTO audit_log (audit_id, ts, actor, action, object, after)"
        " VALUES (?, ?, 'mlcycle', 'recover', ?, to_json(?))",
        [new_id(), clock.wall(), f"recovery/{kept.name}", why.splitlines()[0]],
    )
    return connection


def _wal(workspace: Workspace) -> Path:
    return workspace.database.with_name(workspace.database.name + ".wal")
