"""The local engine: one in-memory DuckDB a session, fed from Parquet parts, forgotten at its end.

SQL that a workspace brought (checks, features) runs here, so a session may touch only the workspace's parts, its
temporary folder and the files it was opened for; the configuration is locked and no extension is fetched.
"""

from __future__ import annotations

import errno
import json
import math
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlcycle.errors import DataError, EngineError, WorkspaceError
from mlcycle.hashing import sha256_file
from mlcycle.ids import new_id
from mlcycle.workspace import Workspace

if TYPE_CHECKING:
    import duckdb

__all__ = ["Part", "Session", "SqlError", "add_fingerprints", "fingerprint", "literal", "quote", "session"]

THREADS = 2


class SqlError(EngineError):
    """A query was refused by DuckDB; the message is DuckDB's own first lines."""


@dataclass(frozen=True)
class Part:
    """An immutable Parquet file in `.mlcycle/data`, named by its content."""

    sha256: str
    rows: int
    bytes: int


def quote(identifier: str) -> str:
    """Return an SQL identifier in double quotes."""
    return '"' + identifier.replace('"', '""') + '"'


def literal(value: object) -> str:
    """Return a Python value as an SQL literal; lists become SQL lists, times timestamps."""
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, int | float):
        return repr(value) if value == value and abs(value) != float("inf") else f"'{value}'::DOUBLE"
    if isinstance(value, datetime):
        return f"TIMESTAMP '{value.isoformat(sep=' ')}'"
    if isinstance(value, date):
        return f"DATE '{value.isoformat()}'"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(literal(item) for item in value) + "]"
    return "'" + str(value).replace("'", "''") + "'"


class Session:
    """One in-memory database; opened by `session()`."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, workspace: Workspace | None) -> None:
        self._connection = connection
        self._workspace = workspace

    def execute(self, sql: str, params: Sequence[object] | Mapping[str, object] = ()) -> None:
        """Run a statement and forget its result."""
        self._run(sql, params)

    def rows(self, sql: str, params: Sequence[object] | Mapping[str, object] = ()) -> list[dict[str, Any]]:
        """Return all rows as dictionaries."""
        cursor = self._run(sql, params)
        names = [column[0] for column in cursor.description or []]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def one(self, sql: str, params: Sequence[object] | Mapping[str, object] = ()) -> dict[str, Any]:
        """Return the only row.

        Raises
        ------
        EngineError
            If there is not exactly one.
        """
        rows = self.rows(sql, params)
        if len(rows) != 1:
            raise EngineError(f"one row was expected, {len(rows)} came back")
        return rows[0]

    def columns(self, sql: str, params: Sequence[object] | Mapping[str, object] = ()) -> dict[str, Any]:
        """Return the result column by column: numpy arrays, masked where a value is NULL."""
        return dict(self._run(sql, params).fetchnumpy())

    def table(self, name: str, parts: Sequence[Path], *, places: bool = False) -> None:
        """Make Parquet parts readable under a name; columns are matched by name.

        With `places` each row says where it lies: `__file`, the part's path, and `__line`, its number there from 1.
        """
        for part in parts:
            if part.exists() and not part.is_file():  # a pipe would be waited for
                raise DataError(f"{part} is no file", hint="mlcycle doctor")
        files = literal([str(part) for part in parts])
        rows = f"FROM read_parquet({files}, union_by_name = TRUE)"
        if places:
            more = "union_by_name = TRUE, filename = '__file', file_row_number = TRUE"
            rows = (
                "SELECT * EXCLUDE (file_row_number), file_row_number + 1 AS __line "
                f"FROM read_parquet({files}, {more})"
            )
        self.execute(f"CREATE OR REPLACE VIEW {quote(name)} AS {rows}")

    def insert(self, table: str, rows: Sequence[Mapping[str, object]]) -> int:
        """Append rows to a table by column name, all in one go; returns their number."""
        if not rows:
            return 0
        names = list(rows[0])
        described = self.rows(f"DESCRIBE {quote(table)}")
        types = {column["column_name"]: column["column_type"] for column in described}
        with self._scratch(".json") as path:
            with path.open("w", encoding="utf-8") as file:
                for row in rows:
                    encoded = {name: _encodable(row.get(name), types[name]) for name in names}
                    file.write(json.dumps(encoded, default=str) + "\n")
            listed = ", ".join(quote(name) for name in names)
            spec = ", ".join(f"{literal(name)}: {literal(types[name])}" for name in names)
            self.execute(
                f"INSERT INTO {quote(table)} ({listed}) SELECT {listed} FROM "
                f"read_json({literal(str(path))}, format = 'newline_delimited', columns = {{{spec}}})"
            )
        return len(rows)

    def write_part(self, query: str) -> Part:
        """Write a query's result as a Parquet part: to `tmp/`, fsync, rename to its hash.

        Raises
        ------
        DataError
            If the file cannot be written; nothing is left behind.
        WorkspaceError
            If the workspace cannot be written at all.
        """
        if self._workspace is None:
            raise EngineError("this session was opened without a workspace")
        _demand_writable(self._workspace)
        path = self._workspace.tmp / f"pid{os.getpid()}-{new_id()}.parquet"
        try:
            rows = self._run(
                f"COPY ({query}) TO {literal(str(path))} (FORMAT parquet, COMPRESSION zstd)", ()
            ).fetchall()
            with path.open("rb") as file:
                os.fsync(file.fileno())
            sha256, size = sha256_file(path), path.stat().st_size
            self._workspace.data.mkdir(parents=True, exist_ok=True)
            path.replace(self._workspace.part(sha256))
        except (OSError, SqlError) as error:
            why = error.strerror if isinstance(error, OSError) else _refused(str(error))
            if why is None:
                raise
            raise DataError(f"cannot write {path}: {why}", hint="free some space, then try again") from error
        finally:
            with suppress(OSError):  # a disk that can only be read now has said so above
                path.unlink()
        return Part(sha256=sha256, rows=int(rows[0][0]), bytes=size)

    def _run(self, sql: str, params: Sequence[object] | Mapping[str, object]) -> duckdb.DuckDBPyConnection:
        import duckdb  # 70 ms: only a session needs it

        try:
            return self._connection.execute(sql, params or None)
        except duckdb.Error as error:
            raise SqlError(str(error).strip()) from error

    @contextmanager
    def _scratch(self, suffix: str) -> Iterator[Path]:
        ours = self._workspace.tmp if self._workspace else None
        folder = ours if ours and os.access(ours, os.W_OK) else Path(tempfile.gettempdir())
        path = folder / f"pid{os.getpid()}-{new_id()}{suffix}"
        try:
            yield path
        finally:
            with suppress(FileNotFoundError):
                path.unlink()


def _refused(text: str) -> str | None:
    """Return which refusal of the operating system DuckDB's text is about; None if it is about the query."""
    said = (os.strerror(code) for code in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO))
    return next((words for words in said if words in text), None)


@contextmanager
def session(
    workspace: Workspace | None = None, *, reads: Sequence[Path] = (), memory_limit: str = "1GB"
) -> Iterator[Session]:
    """Open an in-memory database for a while.

    Parameters
    ----------
    workspace
        Whose parts may be read and written.
    reads
        Files or folders outside it that this session may read.
    memory_limit
        Beyond it DuckDB spills to the workspace's `tmp/`.
    """
    import duckdb  # 70 ms: only a session needs it

    scratch = Path(tempfile.gettempdir())
    folders = [str(path) for path in reads if path.is_dir()]
    if workspace is not None:
        with suppress(OSError):  # a workspace that may only be read spills elsewhere
            workspace.tmp.mkdir(parents=True, exist_ok=True)
        scratch = workspace.tmp if os.access(workspace.tmp, os.W_OK) else scratch
        folders.append(str(workspace.data))
    folders.append(str(scratch))
    connection = duckdb.connect(
        config={
            "threads": THREADS,
            "memory_limit": memory_limit,
            "temp_directory": str(scratch / f"spill-pid{os.getpid()}"),
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        }
    )
    try:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("SET enable_progress_bar = FALSE")
        connection.execute(f"SET allowed_directories = {literal(folders)}")
        connection.execute(
            f"SET allowed_paths = {literal([str(path) for path in reads if not path.is_dir()])}"
        )
        connection.execute("SET enable_external_access = FALSE")
        connection.execute("SET lock_configuration = TRUE")
        yield Session(connection, workspace)
    finally:
        connection.close()


def _demand_writable(workspace: Workspace) -> None:
    for folder in (workspace.tmp, workspace.data):
        if not os.access(folder if folder.exists() else workspace.root, os.W_OK):
            raise WorkspaceError(
                f"{workspace.root} cannot be written: {folder} is read-only for this user",
                hint="copy the workspace to where you may write, and use the copy",
            )


def _encodable(value: object, kind: str) -> object:
    if kind == "JSON" and isinstance(value, str):
        return json.loads(value)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)  # JSON has no NaN; DuckDB reads the word
    return value


def fingerprint(session: Session, relation: str) -> str:
    """Return an additive content fingerprint of a relation: `<rows>-<hex sum of row hashes>`.

    The sum of the low 64 bits of each row's MD5 over its values as text, so that it is equal for any order or split
    of the same rows, two fingerprints of disjoint parts add up (`add_fingerprints`), and no library's own hash
    function, which may change with a version, is in it.
    """
    names = sorted(column["column_name"] for column in session.rows(f"DESCRIBE SELECT * FROM {relation}"))
    text = " || chr(31) || ".join(f"coalesce({quote(name)}::VARCHAR, chr(30))" for name in names)
    total = f"(coalesce(sum(md5_number_lower({text})), 0) % {1 << 64})::HUGEINT"
    found = session.one(f"SELECT count(*) AS n, {total} AS total FROM {relation}")
    return f"{found['n']}-{int(found['total']):016x}"


def add_fingerprints(first: str, second: str) -> str:
    """Return the fingerprint of two disjoint sets of rows together."""
    rows, total = (sum(pair) for pair in zip(_split(first), _split(second), strict=True))
    return f"{rows}-{total % (1 << 64):016x}"


def _split(text: str) -> tuple[int, int]:
    rows, _, total = text.partition("-")
    return int(rows), int(total, 16)
