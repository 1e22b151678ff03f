"""The columns of a data file at a glance: names, likely types and a few values, from its first rows only."""

from __future__ import annotations

import csv
import itertools
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from mlcycle.declare.model import ColumnType
from mlcycle.design.read_file import format_of, header, json_layout, sqlite_tables, unreadable
from mlcycle.engines.local import SqlError, literal, quote, session
from mlcycle.errors import DataError, UsageError

__all__ = ["FileColumn", "columns"]

GLANCE = 200
"""Rows that are looked at."""
EXAMPLES = 3
LONGEST = 1 << 20
"""Characters of one line."""


@dataclass(frozen=True)
class FileColumn:
    """One column, as far as the first rows tell; `init` reads all rows and may find another type."""

    name: str
    type: ColumnType
    examples: tuple[str, ...]
    """Different values, in the order of the file."""
    varies: bool
    """Whether more than one value was seen."""
    unique: bool
    """Whether no value was seen twice, and none was missing."""


def columns(path: Path | str) -> tuple[FileColumn, ...]:
    """Look at the first rows of a file that `init` can begin from.

    Raises
    ------
    UsageError
        If there is no such file, or its ending names no known format.
    DataError
        If it is empty or cannot be read as what its ending says.
    """
    path = Path(path).expanduser().resolve()
    if not path.is_file():
        raise UsageError(f"there is no file {path}")
    kind = format_of(path)
    try:
        if path.stat().st_size == 0:
            raise DataError(f"{path} is empty", hint="choose a file with data in it")
        names, rows = _READERS[kind](path)
    except (SqlError, sqlite3.Error, csv.Error, UnicodeDecodeError) as error:
        raise unreadable(path, kind, error) from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from error
    return tuple(_column(name, [row[place] for row in rows]) for place, name in enumerate(names))


_Rows = tuple[Sequence[str], Sequence[Sequence[Any]]]


def _delimited(path: Path, delimiter: str) -> _Rows:
    names = header(path, delimiter)
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        lines = (line for line in iter(lambda: file.readline(LONGEST), ""))
        read = itertools.islice(csv.reader(lines, delimiter=delimiter), 1, GLANCE + 1)
        rows = [row for row in read if len(row) == len(names)]
    return names, rows


def _sqlite(path: Path) -> _Rows:
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
        tables = list(sqlite_tables(connection))
        if not tables:
            raise DataError(f"{path} holds no table", hint="choose a file with data in it")
        if len(tables) > 1:
            # Which of them it is follows from the target, which is not known yet: all columns are offered.
            found = sqlite_tables(connection)
            names = list(dict.fromkeys(itertools.chain.from_iterable(found.values())))
            return names, []
        cursor = connection.execute(f"SELECT * FROM {quote(tables[0])} LIMIT {GLANCE}")
        return [column[0] for column in cursor.description], cursor.fetchall()


def _json(path: Path) -> _Rows:
    with session(reads=[path]) as opened:
        found = opened.rows(
            f"SELECT json FROM read_json_objects({literal(str(path))}, format = '{json_layout(path)}', "
            f"ignore_errors = {json_layout(path) != 'array'}) WHERE json_type(json) = 'OBJECT' LIMIT {GLANCE}"
        )
    objects = [_object(row["json"]) for row in found]
    names = list(dict.fromkeys(itertools.chain.from_iterable(objects)))
    if not names:
        raise unreadable(path, "json", "it holds no object")
    return names, [[one.get(name) for name in names] for one in objects]


def _object(text: str) -> Mapping[str, Any]:
    import json

    found: Mapping[str, Any] = json.loads(text)
    return found


def _parquet(path: Path) -> _Rows:
    with session(reads=[path]) as opened:
        relation = f"read_parquet({literal(str(path))})"
        names = [row["column_name"] for row in opened.rows(f"DESCRIBE FROM {relation}")]
        rows = opened.rows(f"FROM {relation} LIMIT {GLANCE}")
    return names, [list(row.values()) for row in rows]


def _arrow(path: Path) -> _Rows:
    import polars as pl  # 200 ms: only Arrow files need it

    try:
        frame = pl.scan_ipc(path).head(GLANCE).collect()
    except pl.exceptions.PolarsError as error:
        raise unreadable(path, "arrow", error) from error
    return frame.columns, frame.rows()


_READERS: Mapping[str, Callable[[Path], _Rows]] = {
    "csv": lambda path: _delimited(path, ","),
    "tsv": lambda path: _delimited(path, "\t"),
    "json": _json,
    "jsonl": _json,
    "sqlite": _sqlite,
    "parquet": _parquet,
    "arrow": _arrow,
}


def _column(name: str, values: Sequence[Any]) -> FileColumn:
    there = [value for value in values if value is not None and value != ""]
    texts = list(dict.fromkeys(str(value) for value in there))
    text: ColumnType = "text"
    kind = next((kind for kind, fits in _TYPES if there and all(map(fits, there))), text)
    unique = bool(values) and len(texts) == len(values)
    return FileColumn(name, kind, tuple(texts[:EXAMPLES]), len(texts) > 1, unique)


def _reads(read: Callable[[str], object]) -> Callable[[Any], bool]:
    def fits(value: Any) -> bool:
        try:
            read(str(value))
        except (ValueError, OverflowError):
            return False
        return True

    return fits


def _is_boolean(value: Any) -> bool:
    return isinstance(value, bool) or str(value).lower() in ("true", "false")


def _types() -> Iterator[tuple[ColumnType, Callable[[Any], bool]]]:
    yield "boolean", _is_boolean
    yield "integer", _reads(int)
    yield "number", _reads(float)
    yield "date", _reads(date.fromisoformat)
    yield "timestamp", _reads(datetime.fromisoformat)


_TYPES = tuple(_types())
