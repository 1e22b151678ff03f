"""CSV and TSV. DuckDB reads a regular file at once; one with a broken line is read row by row, slower and exactly."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from mlcycle.data.model import ROW
from mlcycle.data.readers.found import Delivery, Found, Malformed, empty, unreadable
from mlcycle.data.readers.schema import settle
from mlcycle.data.readers.text import Record, Records, refuse_utf16
from mlcycle.engines.local import Session, SqlError, literal, quote

__all__ = ["read"]

LONGEST_LINE = 16 << 20


def read(session: Session, delivery: Delivery) -> Found:
    """Read a file with a header line; columns are found by name.

    A row with too many or too few fields, a quote that does not end, or bytes that are not UTF-8 is malformed. An
    empty field is a missing value.

    Raises
    ------
    DataError
        If the file is empty, has only a header, or its columns are not the declared ones.
    """
    path, table = delivery.path, delivery.table
    delimiter = "\t" if delivery.source.format == "tsv" else ","
    refuse_utf16(delivery)
    header = next(iter(Records(path, delimiter)), None)
    if header is None:
        raise empty(delivery, "is empty")
    if header.fields is None:
        raise unreadable(
            delivery, delivery.source.format, f"its header, line {header.line}, has {header.reason}"
        )
    names = [field.strip() for field in header.fields]
    columns = settle(delivery, names, lines=header.line)

    unparsed: list[Malformed] = []
    if len(names) == 1 or header.line > 1 or not _read_at_once(session, path, delimiter, names, table):
        unparsed = _read_row_by_row(session, delivery, delimiter, names)
    rows = int(session.one(f"SELECT count(*) AS n FROM {quote(table)}")["n"]) + len(unparsed)
    if not rows:
        raise empty(delivery, "has a header and no row")
    return Found(table, columns, rows, unparsed, lambda wanted: _locate(path, delimiter, len(names), wanted))


def _read_at_once(session: Session, path: Path, delimiter: str, names: Sequence[str], table: str) -> bool:
    try:
        session.execute(
            f"CREATE TABLE {quote(table)} AS SELECT row_number() OVER () AS {quote(ROW)}, * "
            f"FROM {_read_csv(path, delimiter, names, header=True)}"
        )
    except SqlError:
        return False
    return True


def _read_row_by_row(
    session: Session, delivery: Delivery, delimiter: str, names: Sequence[str]
) -> list[Malformed]:
    unparsed: list[Malformed] = []

    def good() -> Iterator[list[str]]:
        for number, record in enumerate(_rows(delivery.path, delimiter, len(names)), start=1):
            if record.fields is None:
                unparsed.append(Malformed(number, record.line, record.raw, f"malformed: {record.reason}"))
            else:
                yield [str(number), *record.fields]

    with delivery.scratch(".csv") as copy:
        with copy.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, quoting=csv.QUOTE_ALL).writerows(good())
        listed = ", ".join(quote(one) for one in names)
        session.execute(
            f"CREATE OR REPLACE TABLE {quote(delivery.table)} AS SELECT {quote(ROW)}::BIGINT AS {quote(ROW)}, {listed} "
            f"FROM {_read_csv(copy, ',', [ROW, *names], header=False)}"
        )
    return unparsed


def _read_csv(path: Path, delimiter: str, names: Sequence[str], *, header: bool) -> str:
    spec = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in names)
    return (
        f"read_csv({literal(str(path))}, columns = {{{spec}}}, delim = {literal(delimiter)}, quote = '\"', "
        f"escape = '\"', header = {literal(header)}, auto_detect = FALSE, strict_mode = TRUE, null_padding = FALSE, "
        f"max_line_size = {LONGEST_LINE})"
    )


def _rows(path: Path, delimiter: str, width: int) -> Iterator[Record]:
    return islice(iter(Records(path, delimiter, width)), 1, None)


def _locate(
    path: Path, delimiter: str, width: int, wanted: Sequence[int]
) -> dict[int, tuple[int | None, str]]:
    rows = set(wanted)
    found: dict[int, tuple[int | None, str]] = {}
    for number, record in enumerate(_rows(path, delimiter, width), start=1):
        if number in rows:
            found[number] = (record.line, record.raw)
    return found
