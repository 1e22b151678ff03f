"""From values as found to values as declared: SQL that casts a column, and SQL that says why it cannot."""

from __future__ import annotations

from collections.abc import Mapping

from mlcycle.data.model import ROW, SQL_TYPES
from mlcycle.declare.model import ColumnType
from mlcycle.engines.local import literal, quote

__all__ = ["PROBLEM", "cast", "cast_rows"]

PROBLEM = "__problem"
"""Column that says why a row is malformed, NULL for a good one."""

FLOATS = ("FLOAT", "DOUBLE")
SHOWN = 60
"""Characters of a bad value in its reason."""
WITH_ZONE = r"[0-9]:[0-9]{2}.*([A-Za-z]|[+-][0-9:]{2,})\s*$"
"""A time of day, then `Z`, an offset or a zone's name: DuckDB's cast to TIMESTAMP reads those and ignores them."""
WORDS: dict[ColumnType, str] = {
    "integer": "an integer",
    "number": "a number",
    "text": "text",
    "boolean": "a boolean",
    "date": "a date",
    "timestamp": "a timestamp",
}


def cast_rows(relation: str, found: Mapping[str, str], columns: Mapping[str, ColumnType], zone: str) -> str:
    """Return the SELECT of `__row`, the typed columns and `__problem` over a relation of rows as found.

    Parameters
    ----------
    relation
        Quoted SQL; has `__row` and every column under its own name.
    found
        DuckDB type of each column as found.
    columns
        Declared types.
    zone
        Time zone of times that carry none.
    """
    typed = {name: quote(f"__typed_{position}") for position, name in enumerate(columns)}
    inner = ", ".join(
        f"{cast(quote(name), found[name], columns[name], zone)} AS {typed[name]}" for name in columns
    )
    problems = [
        f"CASE WHEN {typed[name]} IS NULL AND {_given(quote(name), found[name])} "
        f"THEN {literal(name + ': ')} || left({quote(name)}::VARCHAR, {SHOWN}) "
        f"|| {literal(f' is not {WORDS[declared]}')} END"
        for name, declared in columns.items()
        if declared != "text"
    ]
    problem = f"nullif(concat_ws('; ', {', '.join(problems)}), '')" if problems else "NULL::VARCHAR"
    outer = ", ".join(f"{typed[name]} AS {quote(name)}" for name in columns)
    return f"SELECT {quote(ROW)}, {outer}, {problem} AS {quote(PROBLEM)} FROM (SELECT *, {inner} FROM {relation})"


def cast(value: str, found: str, declared: ColumnType, zone: str) -> str:
    """Return SQL that is the value in its declared type, NULL if it has none or cannot be cast.

    A fraction is no integer (DuckDB would round it). Times with an offset become UTC, times without are read in
    the zone. NaN in a column that is not a number is a missing value.
    """
    if declared == "integer":
        if found in (
            "BIGINT",
            "INTEGER",
            "SMALLINT",
            "TINYINT",
            "UTINYINT",
            "USMALLINT",
            "UINTEGER",
            "BOOLEAN",
        ):
            return f"{value}::BIGINT"
        whole = f"try_cast({value} AS DOUBLE)"
        return f"CASE WHEN {whole} = trunc({whole}) THEN try_cast({value} AS BIGINT) END"
    if declared == "timestamp":
        return _timestamp(value, found, zone)
    if declared == "date" and found == "TIMESTAMP WITH TIME ZONE":
        return f"timezone('UTC', {value})::DATE"
    if declared == "text" and found in FLOATS:
        return f"CASE WHEN NOT isnan({value}) THEN {value}::VARCHAR END"
    return f"try_cast({value} AS {SQL_TYPES[declared]})"


def _timestamp(value: str, found: str, zone: str) -> str:
    if found == "TIMESTAMP WITH TIME ZONE":
        return f"timezone('UTC', {value})"
    naive = f"try_cast({value} AS TIMESTAMP)"
    local = naive if zone == "UTC" else f"timezone('UTC', timezone({literal(zone)}, {naive}))"
    if found != "VARCHAR":
        return local
    aware = f"timezone('UTC', try_cast({value} AS TIMESTAMPTZ))"
    return f"CASE WHEN regexp_matches({value}, {literal(WITH_ZONE)}) THEN {aware} ELSE {local} END"


def _given(value: str, found: str) -> str:
    return f"{value} IS NOT NULL AND NOT isnan({value})" if found in FLOATS else f"{value} IS NOT NULL"
