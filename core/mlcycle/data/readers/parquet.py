"""Parquet files, and the rows of tables that have a schema but no lines."""

from __future__ import annotations

from collections.abc import Sequence

from mlcycle.data.model import ROW
from mlcycle.data.readers.found import Delivery, Found, empty, unreadable
from mlcycle.data.readers.schema import settle
from mlcycle.engines.local import Session, SqlError, literal, quote

__all__ = ["from_relation", "read"]


def read(session: Session, delivery: Delivery) -> Found:
    """Read a Parquet file.

    Raises
    ------
    DataError
        If it is damaged or cut short, has no row, or its columns are not the declared ones.
    """
    return from_relation(session, delivery, f"read_parquet({literal(str(delivery.path))})", "Parquet")


def from_relation(session: Session, delivery: Delivery, relation: str, what: str) -> Found:
    """Copy a relation's rows in their order; a row's text is its JSON.

    Raises
    ------
    DataError
        As `read`; `what` names the format.
    """
    table = delivery.table
    try:
        present = [row["column_name"] for row in session.rows(f"DESCRIBE SELECT * FROM {relation}")]
        columns = settle(delivery, present, lines=None)
        listed = ", ".join(quote(column) for column in columns)
        session.execute(
            f"CREATE TABLE {quote(table)} AS SELECT row_number() OVER () AS {quote(ROW)}, {listed} FROM {relation}"
        )
    except SqlError as error:
        raise unreadable(delivery, what, error) from error
    rows = int(session.one(f"SELECT count(*) AS n FROM {quote(table)}")["n"])
    if not rows:
        raise empty(delivery, "has no row")
    return Found(table, columns, rows, [], lambda wanted: _locate(session, table, wanted))


def _locate(session: Session, table: str, wanted: Sequence[int]) -> dict[int, tuple[int | None, str]]:
    rows = session.rows(
        f"SELECT {quote(ROW)}, to_json(t)::VARCHAR AS raw FROM {quote(table)} AS t "
        f"WHERE {quote(ROW)} IN (SELECT unnest(?))",
        [list(wanted)],
    )
    return {row[ROW]: (None, row["raw"]) for row in rows}
