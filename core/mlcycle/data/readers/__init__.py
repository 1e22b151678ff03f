"""One reader a family of formats. Each fills a table of rows as found and says which lines it could not parse."""

from __future__ import annotations

from mlcycle.data.readers import arrow, delimited, json_text, parquet, sqlite
from mlcycle.data.readers.found import Delivery, Found, Malformed
from mlcycle.engines.local import Session

__all__ = ["Delivery", "Found", "Malformed", "read"]

READERS = {
    "csv": delimited.read,
    "tsv": delimited.read,
    "jsonl": json_text.read_lines,
    "json": json_text.read_document,
    "parquet": parquet.read,
    "arrow": arrow.read,
    "sqlite": sqlite.read,
}


def read(session: Session, delivery: Delivery) -> Found:
    """Read a file into a new table of the session.

    Raises
    ------
    DataError
        If it is not a file of that format, holds no row, or its columns are not the declared ones.
    """
    return READERS[delivery.source.format](session, delivery)
