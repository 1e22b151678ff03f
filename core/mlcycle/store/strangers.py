"""What somebody else left in a store's file: macros, triggers, types and views that this program did not make.

A store is data, but DuckDB keeps SQL in the same file and runs it without a word: a macro called `count` takes the
place of the function, a view called `runs` may read any file of whoever looks. So before anything is asked of a store
its catalogue is compared with the one this program makes; the comparison runs on a cursor of its own, whose search
path does not lead into the store, and which therefore finds DuckDB's own functions only.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

from mlcycle import clock
from mlcycle.errors import WorkspaceError
from mlcycle.hashing import sha256_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from duckdb import DuckDBPyConnection

    from mlcycle.store.migrate import Migration
    from mlcycle.workspace import Workspace

__all__ = ["Catalogue", "Stranger", "expected", "note", "evict", "refuse", "renew", "strangers", "take_out"]

NOTE = "catalogue.json"
"""Digests of what the migrations make, kept beside them, because making it again costs 25 ms. It says what it was
made from: a stale one, or another DuckDB that spells SQL otherwise, costs that time and nothing else."""
OURS = "expected"
MOST = 64
"""Stores whose last look is remembered."""

_FOREIGN = """
    SELECT CASE function_type WHEN 'macro' THEN 'MACRO' ELSE 'MACRO TABLE' END AS kind, schema_name, function_name
    FROM system.main.duckdb_functions() WHERE database_name = 'store'
    UNION SELECT 'TYPE', schema_name, type_name FROM system.main.duckdb_types()
    WHERE database_name = 'store' AND NOT internal
    UNION SELECT 'SCHEMA', schema_name, schema_name FROM system.main.duckdb_schemas()
    WHERE database_name = 'store' AND schema_name <> 'main'
    UNION SELECT 'TRIGGER', table_name, trigger_name FROM system.main.duckdb_triggers()
    WHERE database_name = 'store'
    ORDER BY ALL
"""

_TEXTS = """
    SELECT 'CREATE MACRO ' || function_name || '(' || list_aggregate(parameters, 'string_agg', ', ') || ') AS '
        || CASE function_type WHEN 'table_macro' THEN 'TABLE ' ELSE '' END || macro_definition || ';'
    FROM system.main.duckdb_functions() WHERE database_name = 'store'
    UNION ALL SELECT sql FROM system.main.duckdb_triggers() WHERE database_name = 'store'
    UNION ALL SELECT 'type ' || type_name || ' ' || coalesce(labels::VARCHAR, logical_type)
    FROM system.main.duckdb_types() WHERE database_name = 'store' AND NOT internal
"""
_FULL = "SELECT schema_name FROM system.main.duckdb_tables() WHERE database_name = 'store'"

_Signature = tuple[tuple[int, ...], ...]
_seen: dict[str, tuple[_Signature, bool]] = {}


@dataclass(frozen=True)
class Stranger:
    """One thing in the store's file that does not belong there."""

    kind: str
    """MACRO, MACRO TABLE, TYPE, SCHEMA, TRIGGER, or TABLE."""
    schema: str
    """Its schema; a trigger's table."""
    name: str

    def __str__(self) -> str:
        """Return how it is named in messages."""
        return f"{self.kind.lower()} {self.name}"

    @property
    def drop(self) -> str:
        """The SQL that takes it out of the database `store`."""
        if self.kind == "TRIGGER":
            return f"DROP TRIGGER {_quoted(self.name)} ON store.main.{_quoted(self.schema)}"
        if self.kind == "SCHEMA":
            return f"DROP SCHEMA IF EXISTS store.{_quoted(self.name)} CASCADE"
        return f"DROP {self.kind} IF EXISTS store.{_quoted(self.schema)}.{_quoted(self.name)} CASCADE"


@dataclass(frozen=True)
class Catalogue:
    """Tables and views by name, each with its SQL as DuckDB itself spells it."""

    tables: Mapping[str, str]
    views: Mapping[str, str]


def refuse(connection: DuckDBPyConnection, path: Path, known: Sequence[Migration]) -> bool:
    """Compare a store that has just been attached with what this program makes. Nothing of the store is run.

    A file that has not changed since this process last looked, or wrote it, is not looked at again.

    Parameters
    ----------
    connection
        Where the file is attached as `store`.
    path
        The file.
    known
        The migrations of this program.

    Returns
    -------
    bool
        Whether the stored views are this program's; if not they must be neither read nor kept.

    Raises
    ------
    WorkspaceError
        If the file holds something that could run in place of what this program means; names it.
    """
    signature = _signature(path)
    before = _seen.get(str(path))
    if before is not None and before[0] == signature:
        return before[1]
    cursor = connection.cursor()
    try:
        found = strangers(cursor, known)
        if found:
            raise _refusal(path, found)
        mine = _views_are_ours(cursor, known)
    finally:
        cursor.close()
    _remember(path, signature, mine=mine)
    return mine


def renew(path: Path) -> None:
    """Say that this process itself has written the file last, after `refuse`. The caller holds it exclusively."""
    if str(path) in _seen:
        _remember(path, _signature(path), mine=True)


def strangers(cursor: DuckDBPyConnection, known: Sequence[Migration]) -> list[Stranger]:
    """Return what the store holds and should not, or holds otherwise than this program makes it.

    Further tables and views of somebody's own are no strangers: nothing of this program asks for them.
    """
    found = [Stranger(*row) for row in cursor.execute(_FOREIGN).fetchall()]
    if found:
        return found
    there = _tables(cursor, "store")
    if "schema_version" not in there:
        return [Stranger("TABLE", "main", "schema_version")]
    version = _version(cursor)
    if version > known[-1].version:  # another message says so; what a newer program makes cannot be known
        return []
    if _digest(there) == _noted(tuple(known)).get(f"tables {version}"):
        return []
    wanted = dict(expected(cursor, known, version).tables)
    return [Stranger("TABLE", "main", name) for name in wanted if there.get(name) != wanted[name]]


def expected(cursor: DuckDBPyConnection, known: Sequence[Migration], version: int) -> Catalogue:
    """Return the catalogue at a schema version, made anew in memory; views at the newest only."""
    from mlcycle.store.migrate import views
    from mlcycle.store.rules import LIVE

    scripts = [migration.text for migration in known if migration.version <= version]
    if version == known[-1].version:
        scripts += [f"CREATE VIEW live_{table} AS SELECT * FROM {table}" for table in LIVE] + [views()]
    cursor.execute(f"ATTACH ':memory:' AS {OURS}")
    try:
        cursor.execute(f"USE {OURS}")
        for script in scripts:
            for statement in cursor.extract_statements(script):
                cursor.execute(statement)
        return Catalogue(_tables(cursor, OURS), _views(cursor, OURS))
    finally:
        cursor.execute("USE memory")
        cursor.execute(f"DETACH {OURS}")


def note(cursor: DuckDBPyConnection, known: Sequence[Migration]) -> str:
    """Return what `catalogue.json` has to hold for these migrations and the public views."""
    facts = {"made from": _made_from(known)}
    for migration in known:
        made = expected(cursor, known, migration.version)
        facts[f"tables {migration.version}"] = _digest(made.tables)
        facts["views"] = _digest(made.views)
    return json.dumps(facts, indent=1) + "\n"


def _views_are_ours(cursor: DuckDBPyConnection, known: Sequence[Migration]) -> bool:
    if _version(cursor) != known[-1].version:
        return False
    there = _views(cursor, "store")
    if _digest(there) == _noted(tuple(known)).get("views"):
        return True
    return expected(cursor, known, known[-1].version).views.items() <= there.items()


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _refusal(path: Path, found: Sequence[Stranger]) -> WorkspaceError:
    names = ", ".join(str(one) for one in found[:3]) + (", ..." if len(found) > 3 else "")
    if found[0].kind == "TABLE":
        message = f"{path} is not a store that mlcycle made: {names} is missing or is not as mlcycle makes it"
        return WorkspaceError(message, hint="mlcycle store restore, or ask for another copy of the workspace")
    message = f"{path} holds SQL that mlcycle did not put there and that would run when it is read: {names}"
    return WorkspaceError(message, hint="mlcycle doctor --mend takes it out")


def _tables(cursor: DuckDBPyConnection, database: str) -> dict[str, str]:
    query = """SELECT table_name, sql FROM system.main.duckdb_tables()
        WHERE database_name = ? AND schema_name = 'main' AND NOT temporary"""
    return dict(cursor.execute(query, [database]).fetchall())


def _views(cursor: DuckDBPyConnection, database: str) -> dict[str, str]:
    query = """SELECT view_name, sql FROM system.main.duckdb_views()
        WHERE database_name = ? AND schema_name = 'main' AND NOT internal"""
    return dict(cursor.execute(query, [database]).fetchall())


def _version(cursor: DuckDBPyConnection) -> int:
    row = cursor.execute("SELECT max(version) FROM store.main.schema_version").fetchone()
    return int(row[0]) if row and row[0] is not None else 0


def _digest(texts: Mapping[str, str]) -> str:
    return sha256_bytes("\n".join(texts[name] for name in sorted(texts)).encode())


@cache
def _noted(known: tuple[Migration, ...]) -> dict[str, str]:
    facts: dict[str, str] = json.loads(
        (resources.files("mlcycle.store") / "migrations" / NOTE).read_text(encoding="utf-8")
    )
    return facts if facts["made from"] == _made_from(known) else {}


def _made_from(known: Sequence[Migration]) -> str:
    from mlcycle.store.migrate import views
    from mlcycle.store.rules import LIVE

    texts = [migration.text for migration in known]
    return sha256_bytes("\n".join([*texts, views(), *LIVE]).encode())


def _remember(path: Path, signature: _Signature, *, mine: bool) -> None:
    while len(_seen) >= MOST:
        _seen.pop(next(iter(_seen)), None)
    _seen[str(path)] = (signature, mine)


def _signature(path: Path) -> _Signature:
    """Return what changes when the file or its log is written: a look at its name alone, it is never opened."""
    found: list[tuple[int, ...]] = []
    for place in (path, path.with_name(path.name + ".wal")):
        try:
            now = place.stat()
        except FileNotFoundError:
            found.append(())
        else:
            found.append((now.st_dev, now.st_ino, now.st_size, now.st_mtime_ns, now.st_ctime_ns))
    return tuple(found)


def evict(workspace: Workspace, timeout_s: float) -> list[str]:
    """Take what is foreign out of a workspace's store, and keep its SQL in `recovery/`: for `doctor --mend`.

    Returns
    -------
    list of str
        What was taken out, by kind and name; nothing if there was nothing.

    Raises
    ------
    Busy
        If another process holds the store.
    WorkspaceError
        If the file cannot be opened.
    """
    from mlcycle.store.connection import close, connect, exclusive, honest

    with exclusive(workspace, timeout_s), honest(workspace.database):
        connection = connect(workspace.database, read_only=False)
        try:
            cursor = connection.cursor()
            found = [Stranger(*row) for row in cursor.execute(_FOREIGN).fetchall()]
            cursor.close()
            if found:
                texts = "\n".join(take_out(connection)) + "\n"
                folder = workspace.home / "recovery"
                folder.mkdir(exist_ok=True)
                name = f"{clock.wall():%Y%m%dT%H%M%S}-{sha256_bytes(texts.encode())[:8]}.sql.txt"
                (folder / name).write_text(texts, encoding="utf-8")
                connection.execute("CHECKPOINT store")
        finally:
            close(connection)
    return [str(one) for one in found]


def take_out(connection: DuckDBPyConnection) -> list[str]:
    """Drop what is foreign from a store that is open for writing, and return the SQL that would make it again.

    Nothing is dropped that holds rows: a further schema goes only if it is empty of tables. The caller commits.

    Returns
    -------
    list of str
        One statement each, for a file beside the store.
    """
    cursor = connection.cursor()
    try:
        kept = [str(row[0]) for row in cursor.execute(_TEXTS).fetchall()]
        found = [Stranger(*row) for row in cursor.execute(_FOREIGN).fetchall()]
        full = {row[0] for row in cursor.execute(_FULL).fetchall()}
        # A trigger or a macro may stand on a type, a view on all of them.
        for kind in ("TRIGGER", "SCHEMA", "MACRO TABLE", "MACRO", "TYPE"):
            for one in found:
                if one.kind == kind and (kind != "SCHEMA" or one.name not in full):
                    cursor.execute(one.drop)
        return kept
    finally:
        cursor.close()
