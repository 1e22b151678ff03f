"""One table of an SQLite file, read with the standard library: the DuckDB wheel has no SQLite extension."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing

from mlcycle.data.readers.found import Delivery, Found, unreadable
from mlcycle.data.readers.parquet import from_relation
from mlcycle.declare.names import suggestion
from mlcycle.engines.local import Session, literal, quote
from mlcycle.errors import DataError

__all__ = ["read"]

STEP = 20_000
"""Rows fetched at a time."""


def read(session: Session, delivery: Delivery) -> Found:
    """Read the source's table in the order of its rowid; values are taken as text and cast like a CSV file's.

    Raises
    ------
    DataError
        If it is no SQLite file, lacks the table, has no row, or its columns are not the declared ones.
    """
    wanted = delivery.source.table or delivery.name
    with delivery.scratch(".jsonl") as copy:
        try:
            with closing(
                sqlite3.connect(f"{delivery.path.resolve().as_uri()}?mode=ro", uri=True)
            ) as connection:
                columns = _columns(connection, delivery, wanted)
                with copy.open("w", encoding="utf-8") as file:
                    for row in _rows(connection, wanted):
                        file.write(json.dumps(dict(zip(columns, row, strict=True))) + "\n")
        except (sqlite3.Error, UnicodeEncodeError) as error:
            raise unreadable(delivery, "SQLite", error) from error
        spec = ", ".join(f"{literal(column)}: 'VARCHAR'" for column in columns)
        relation = f"read_json({literal(str(copy))}, format = 'newline_delimited', columns = {{{spec}}})"
        return from_relation(session, delivery, relation, "SQLite")


def _columns(connection: sqlite3.Connection, delivery: Delivery, wanted: str) -> list[str]:
    tables = [
        row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')")
    ]
    if wanted not in tables:
        raise DataError(
            f"{delivery.shown} has no table `{wanted}`{suggestion(wanted, tables, what='its tables')}",
            hint="name it under `table` of the source in data.yaml",
        )
    return [row[1] for row in connection.execute(f"PRAGMA table_info({quote(wanted)})")]


def _rows(connection: sqlite3.Connection, table: str) -> Iterator[list[str | None]]:
    cursor = connection.execute(f"SELECT * FROM {quote(table)}")
    while rows := cursor.fetchmany(STEP):
        for row in rows:
            yield [_text(value) for value in row]


def _text(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return value.hex() if isinstance(value, bytes) else repr(value)
