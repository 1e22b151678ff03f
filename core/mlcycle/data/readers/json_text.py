"""JSON lines (one object a line) and JSON documents (one array of objects)."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from mlcycle.data.model import ROW
from mlcycle.data.readers.found import Delivery, Found, Malformed, empty, unreadable
from mlcycle.data.readers.schema import settle
from mlcycle.data.readers.text import legible, lines, refuse_utf16
from mlcycle.engines.local import Session, SqlError, literal, quote

__all__ = ["read_document", "read_lines"]

LARGEST_OBJECT = 16 << 20
OBJECT = "kind = 'OBJECT'"
BLANKS = " \t\r"
SEPARATOR = "\x01"
"""Splits no line: a raw control character cannot stand in JSON, so a line with one is malformed anyway."""


def read_lines(session: Session, delivery: Delivery) -> Found:
    """Read one JSON object a line.

    A line that is no JSON object is malformed; blank lines are no rows. A key that a row lacks is a missing value,
    one that every row lacks is a missing column.

    Raises
    ------
    DataError
        If the file is empty, no line is a JSON object, or its keys are not the declared columns.
    """
    path, texts = delivery.path, f"{delivery.table}_texts"
    refuse_utf16(delivery)
    with ExitStack() as stack:
        try:
            _split(session, path, texts)
        except SqlError:
            copy = stack.enter_context(delivery.scratch(".jsonl"))
            with copy.open("w", encoding="utf-8", newline="") as file:
                shown = SEPARATOR.encode("unicode_escape").decode()
                file.writelines((legible(line) or line).replace(SEPARATOR, shown) for line in lines(path))
            try:
                _split(session, copy, texts)
            except SqlError as error:
                raise unreadable(delivery, "JSON lines", error) from error
    return _objects(session, delivery, texts)


def read_document(session: Session, delivery: Delivery) -> Found:
    """Read one JSON array of objects; a file that does not begin with `[` is read as JSON lines.

    Raises
    ------
    DataError
        If the array is broken, empty, or the keys are not the declared columns.
    """
    path, texts = delivery.path, f"{delivery.table}_texts"
    refuse_utf16(delivery)
    begins = next((text for line in lines(path) if (text := line.strip())), "")
    if not begins:
        raise empty(delivery, "is empty")
    if not begins.startswith("["):
        return read_lines(session, delivery)
    if not _ends_with_bracket(path):  # DuckDB takes an array cut between two objects for a whole one
        raise unreadable(delivery, "a JSON array", "it does not end with ]")
    try:
        session.execute(
            f"CREATE TABLE {quote(texts)} AS SELECT row_number() OVER () AS {quote(ROW)}, NULL::BIGINT AS line, "
            f"json::VARCHAR AS raw, json_type(json) AS kind "
            f"FROM read_json_objects({literal(str(path))}, format = 'array', maximum_object_size = {LARGEST_OBJECT})"
        )
    except SqlError as error:
        raise unreadable(delivery, "a JSON array", error) from error
    return _objects(session, delivery, texts)


def _ends_with_bracket(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 4096))
        return file.read().rstrip().endswith(b"]")


def _split(session: Session, path: Path, texts: str) -> None:
    whole_lines = (
        f"read_csv({literal(str(path))}, columns = {{'raw': 'VARCHAR'}}, delim = {literal(SEPARATOR)}, quote = '', "
        f"escape = '', header = FALSE, auto_detect = FALSE, strict_mode = FALSE, max_line_size = {LARGEST_OBJECT})"
    )
    session.execute(
        f"CREATE OR REPLACE TABLE {quote(texts)} AS SELECT row_number() OVER () AS {quote(ROW)}, line, raw, "
        f"CASE WHEN json_valid(raw) THEN json_type(raw) END AS kind "
        f"FROM (SELECT row_number() OVER () AS line, raw FROM {whole_lines}) WHERE trim(raw, {literal(BLANKS)}) <> ''"
    )


def _objects(session: Session, delivery: Delivery, texts: str) -> Found:
    counts = session.one(f"SELECT count(*) AS n, count(*) FILTER ({OBJECT}) AS good FROM {quote(texts)}")
    if not counts["n"]:
        raise empty(delivery, "has no line")
    unparsed = [
        Malformed(
            row[ROW],
            row["line"],
            row["raw"],
            f"malformed: {'not a JSON object' if row['kind'] else 'not valid JSON'}",
        )
        for row in session.rows(
            f"FROM {quote(texts)} WHERE NOT coalesce({OBJECT}, FALSE) ORDER BY {quote(ROW)}"
        )
    ]
    if not counts["good"]:
        first = unparsed[0]
        what = first.reason.removeprefix("malformed: ")
        raise unreadable(delivery, "JSON", f"line {first.line or 1} is {what}")
    present = _keys(session, texts)
    columns = settle(delivery, list(present), lines=present)

    pointers = literal(["/" + column.replace("~", "~0").replace("/", "~1") for column in columns])
    taken = ", ".join(
        f"found[{position}] AS {quote(column)}" for position, column in enumerate(columns, start=1)
    )
    session.execute(
        f"CREATE TABLE {quote(delivery.table)} AS SELECT {quote(ROW)}, {taken} FROM (SELECT {quote(ROW)}, "
        f"json_extract_string(raw, {pointers}) AS found FROM {quote(texts)} WHERE {OBJECT})"
    )
    return Found(
        delivery.table, columns, counts["n"], unparsed, lambda wanted: _locate(session, texts, wanted)
    )


def _keys(session: Session, texts: str) -> dict[str, int]:
    found = session.rows(
        f"WITH shapes AS (SELECT json_keys(raw) AS keys, min(line) AS line FROM {quote(texts)} "
        f"WHERE {OBJECT} GROUP BY ALL), each AS (SELECT unnest(keys) AS key, line FROM shapes) "
        f"SELECT key, min(line) AS line FROM each GROUP BY key ORDER BY line, key"
    )
    return {row["key"]: row["line"] or 1 for row in found}


def _locate(session: Session, texts: str, wanted: Sequence[int]) -> dict[int, tuple[int | None, str]]:
    rows = session.rows(
        f"SELECT {quote(ROW)}, line, raw FROM {quote(texts)} WHERE {quote(ROW)} IN (SELECT unnest(?))",
        [list(wanted)],
    )
    return {row[ROW]: (row["line"], row["raw"]) for row in rows}
