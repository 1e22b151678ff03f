"""A data file looked at once: the type of every column as `data ingest` will cast it, and what it holds.

Text formats are read as text and typed from all their values, so that no value of the file is malformed afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlcycle.declare.model import ColumnType
from mlcycle.engines.local import Session, quote
from mlcycle.errors import DataError

__all__ = ["FEW", "Column", "FileProfile", "profile", "typed_table"]

FEW = 50
"""Distinct values up to which a column's values are listed."""
EXAMPLES = 3
RAW, TYPED = "raw", "typed"
RESERVED = ("__row", "batch_number")
"""Columns that ingested parts carry themselves."""

CASTS: dict[ColumnType, str] = {
    "integer": "try_cast({0} AS BIGINT)",
    "number": "CASE WHEN isfinite(try_cast({0} AS DOUBLE)) THEN try_cast({0} AS DOUBLE) END",
    "boolean": "try_cast({0} AS BOOLEAN)",
    "date": "try_cast({0} AS DATE)",
    "timestamp": "try_cast({0} AS TIMESTAMP)",
    "text": "{0}::VARCHAR",
}
FOUND: dict[str, ColumnType] = {
    **dict.fromkeys(
        ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER"), "integer"
    ),
    **dict.fromkeys(("UBIGINT", "HUGEINT", "UHUGEINT", "FLOAT", "DOUBLE"), "number"),
    "BOOLEAN": "boolean",
    "DATE": "date",
}
"""DuckDB's type of a typed format to ours; decimals, timestamps and the rest by their name."""


@dataclass(frozen=True)
class Column:
    """One column of the file."""

    name: str
    type: ColumnType
    found: str
    """DuckDB's type, VARCHAR for text formats."""
    rows: int
    missing: int
    distinct: int
    """Without the missing ones."""
    least: Any = None
    greatest: Any = None
    mean: float | None = None
    std: float | None = None
    length: float | None = None
    """Mean length of texts."""
    values: tuple[tuple[Any, int], ...] = ()
    """Values and their counts, the commonest first, if there are at most FEW."""
    examples: tuple[str, ...] = ()

    @property
    def numeric(self) -> bool:
        """Whether its values can be compared as numbers."""
        return self.type in ("integer", "number")


@dataclass(frozen=True)
class FileProfile:
    """What a file holds."""

    path: Path
    format: str
    table: str | None
    """Inside an SQLite file."""
    rows: int
    columns: Mapping[str, Column]


def typed_table(session: Session, found: Mapping[str, str], path: Path) -> dict[str, ColumnType]:
    """Make the table `typed` from the table `raw`; return the columns' types.

    Raises
    ------
    DataError
        If there is no row, or a column has a name that the data room needs.
    """
    for name in found:
        if name in RESERVED:
            raise DataError(f"{path}: a column cannot be called `{name}`", hint="rename it in the file")
    rows = int(session.one(f"SELECT count(*) AS n FROM {RAW}")["n"])
    if not rows:
        raise DataError(f"{path} has no row to learn from", hint="choose a file with data in it")
    types = {name: _typed(kind) for name, kind in found.items()}
    texts = [name for name, kind in found.items() if kind == "VARCHAR"]
    types.update(_infer(session, texts))
    listed = ", ".join(f"{CASTS[kind].format(quote(name))} AS {quote(name)}" for name, kind in types.items())
    session.execute(f"CREATE TABLE {TYPED} AS SELECT {listed} FROM {RAW}")
    return types


def _typed(found: str) -> ColumnType:
    if found.startswith("TIMESTAMP"):
        return "timestamp"
    if found.startswith("DECIMAL"):
        return "number"
    return FOUND.get(found, "text")


def _infer(session: Session, names: Sequence[str]) -> dict[str, ColumnType]:
    """Type columns of text by all their values. Numbers with leading zeros are codes, and stay text."""
    if not names:
        return {}
    tests = {
        "boolean": "lower({0}) IN ('true', 'false')",
        # pandas writes whole numbers beside missing ones as 1.0
        "integer": r"regexp_full_match({0}, '[+-]?(0|[1-9][0-9]*)(\.0)?') AND try_cast({0} AS BIGINT) IS NOT NULL",
        "number": "try_cast({0} AS DOUBLE) IS NOT NULL AND NOT regexp_matches({0}, '^[+-]?0[0-9]')",
        "date": r"regexp_full_match({0}, '\d{{4}}-\d{{1,2}}-\d{{1,2}}') AND try_cast({0} AS DATE) IS NOT NULL",
        "timestamp": r"regexp_matches({0}, '^\d{{4}}-\d{{1,2}}-\d{{1,2}}[ T]\d') "
        "AND try_cast({0} AS TIMESTAMP) IS NOT NULL",
    }
    parts = []
    for position, name in enumerate(names):
        parts.append(f"count({quote(name)}) AS n{position}")
        parts += [
            f"count(*) FILTER (WHERE {test.format(quote(name))}) AS {kind}{position}"
            for kind, test in tests.items()
        ]
    counts = session.one(f"SELECT {', '.join(parts)} FROM {RAW}")
    types: dict[str, ColumnType] = {}
    for position, name in enumerate(names):
        n = counts[f"n{position}"]
        fits = [kind for kind in CASTS if kind != "text" and n and counts[f"{kind}{position}"] == n]
        order = [kind for kind in ("boolean", "integer", "number", "date", "timestamp") if kind in fits]
        types[name] = order[0] if order else "text"
    return types


def profile(
    session: Session,
    path: Path,
    kind: str,
    table: str | None,
    types: Mapping[str, ColumnType],
    found: Mapping[str, str],
) -> FileProfile:
    """Summarise every column of the table `typed`."""
    rows = int(session.one(f"SELECT count(*) AS n FROM {TYPED}")["n"])
    columns = {name: _column(session, name, type_, found[name], rows) for name, type_ in types.items()}
    return FileProfile(path, kind, table, rows, columns)


def _column(session: Session, name: str, kind: ColumnType, found: str, rows: int) -> Column:
    column = quote(name)
    asked = [f"count({column}) AS n", f"count(DISTINCT {column}) AS many"]
    if kind != "text":
        asked += [f"min({column}) AS least", f"max({column}) AS greatest"]
    if kind in ("integer", "number"):
        asked += [f"avg({column}::DOUBLE) AS mean", f"stddev_samp({column}::DOUBLE) AS std"]
    if kind == "text":
        asked.append(f"avg(length({column})) AS length")
    one = session.one(f"SELECT {', '.join(asked)} FROM {TYPED}")
    values: tuple[tuple[Any, int], ...] = ()
    if one["many"] <= FEW:
        counted = session.rows(
            f"SELECT {column} AS v, count(*) AS n FROM {TYPED} WHERE {column} IS NOT NULL "
            "GROUP BY ALL ORDER BY n DESC, v"
        )
        values = tuple((row["v"], row["n"]) for row in counted)
        examples = [str(value) for value, _ in values[:EXAMPLES]]
    else:
        first = session.rows(
            f"SELECT {column}::VARCHAR AS v FROM {TYPED} WHERE {column} IS NOT NULL LIMIT {EXAMPLES}"
        )
        examples = [row["v"] for row in first]
    return Column(
        name, kind, found, rows, rows - one["n"], one["many"], one.get("least"), one.get("greatest"),
        one.get("mean"), one.get("std"), one.get("length"), values, tuple(examples),
    )  # fmt: skip
