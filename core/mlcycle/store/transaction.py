"""One short change of the store: a transaction under the exclusive lock, with its audit rows."""

from __future__ import annotations

import getpass
import json
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mlcycle import clock
from mlcycle.errors import NotFoundError
from mlcycle.ids import new_id
from mlcycle.journal.frame import encode
from mlcycle.store.connection import bind, fetch, plain
from mlcycle.store.tail import read_json, scratch

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from mlcycle.store.changes import Draft
    from mlcycle.store.connection import Params
    from mlcycle.workspace import Workspace

__all__ = ["Transaction", "user"]

READING = ("SELECT", "FROM", "WITH", "DESCRIBE")
DOCUMENTS = ("JSON", "VARIANT")


class Transaction:
    """What may be done between BEGIN and COMMIT. Made by `Store.transaction` alone.

    Keep it short: nobody can read or write meanwhile.
    """

    def __init__(
        self, connection: DuckDBPyConnection, workspace: Workspace, action: str, draft: Draft
    ) -> None:
        self._connection, self._workspace, self._action, self._draft = connection, workspace, action, draft

    def execute(self, sql: str, params: Params = ()) -> None:
        """Run one statement that changes rows.

        It goes into the log of changes and is run once more should the store have to be made again, so it
        depends on its values and the tables alone: no now(), no random(), no files.
        """
        values = bind(params)
        self._connection.execute(sql, values).fetchall()
        self._draft.do(sql, values)

    def rows(self, sql: str, params: Params = ()) -> list[dict[str, Any]]:
        """Run one query, or a change with RETURNING, and return all rows.

        UUIDs and JSON come as text, VARIANT as Python objects. A change goes into the log, as with `execute`.
        """
        found = fetch(self._connection, sql, params)
        text = sql.lstrip(" (\n").upper()
        if not text.startswith(READING) or "RETURNING" in text:
            self._draft.do(sql, bind(params))
        return found

    def one(self, sql: str, params: Params = ()) -> dict[str, Any] | None:
        """Return the first row of a query, or None."""
        found = self.rows(sql, params)
        return found[0] if found else None

    def insert(self, table: str, rows: Sequence[Mapping[str, object]]) -> int:
        """Add rows in bulk and return how many.

        Parameters
        ----------
        table
            The table's name.
        rows
            Column name to value. Columns that no row names take their default; those that only some name
            are NULL in the others. JSON columns take JSON text, or mappings and lists.

        Raises
        ------
        NotFoundError
            If there is no such table or column.
        """
        if not rows:
            return 0
        kinds = self._kinds(table)
        names = list(dict.fromkeys(name for row in rows for name in row))
        if unknown := [name for name in names if name not in kinds]:
            raise NotFoundError(f"table {table} has no column {unknown[0]}")
        lines = [_line(row, kinds) for row in rows]
        with scratch(lines, self._workspace.tmp) as path:
            source = read_json(path, {name: _read_as(kinds[name]) for name in names})
            values = ", ".join(_value(name, kinds[name]) for name in names)
            columns = ", ".join(f'"{name}"' for name in names)
            self._connection.execute(
                f'INSERT INTO "{table}" ({columns}) SELECT {values} FROM {source}'
            ).fetchall()
        self._draft.add(table, lines)
        return len(rows)

    def audit(self, object: str, *, before: object = None, after: object = None) -> None:  # noqa: A002
        """Note who did this transaction's action to what, and how it was before and after."""
        self.execute(
            "INSERT INTO audit_log (audit_id, ts, actor, action, object, before, after) VALUES (?, ?, ?, ?, ?, ?, ?)",
            [new_id(), clock.wall(), user(), self._action, object, _document(before), _document(after)],
        )

    def _kinds(self, table: str) -> dict[str, str]:
        found = self._connection.execute(
            "SELECT column_name, data_type FROM duckdb_columns() WHERE database_name = 'store' AND table_name = ?",
            [table],
        ).fetchall()
        if not found:
            raise NotFoundError(f"the store has no table {table}")
        return dict(found)


def user() -> str:
    """Return the name of who runs this process."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return str(os.getuid()) if hasattr(os, "getuid") else "unknown"


def _line(row: Mapping[str, object], kinds: Mapping[str, str]) -> bytes:
    return encode({name: _written(value, kinds[name]) for name, value in row.items()}) + b"\n"


def _written(value: object, kind: str) -> object:
    if kind in DOCUMENTS:
        return value if isinstance(value, str) or value is None else encode({"": value})[4:-1].decode()
    return plain(value)


def _read_as(kind: str) -> str:
    return "VARCHAR" if kind in DOCUMENTS else "TIMESTAMPTZ" if kind == "TIMESTAMP" else kind


def _value(name: str, kind: str) -> str:
    if kind == "VARIANT":
        return f'"{name}"::JSON::VARIANT'
    return f'"{name}"::{kind}' if _read_as(kind) != kind else f'"{name}"'


def _document(value: object) -> str | None:
    return None if value is None else json.dumps(json.loads(encode({"": value}))[""])
