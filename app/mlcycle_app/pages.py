"""How a page of a table is asked for: filtered, sorted and cut in DuckDB, so that a list may be of any length.

Names are quoted, values are parameters: what a user types into a filter is text and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlcycle_app.tables import PAGE, Table

__all__ = ["KEY", "TOTAL", "Arrangement", "Page", "counting", "literal", "placing", "quoted", "selecting"]

PARAMETER = "$1"
KEY, TOTAL = " key ", " total "
"""Names of the columns beside those shown: what tells a row from others, and how many rows a filter leaves."""


@dataclass(frozen=True)
class Arrangement:
    """Which rows of a table, in which order."""

    sort: str | None = None
    """The column; None is the table's own order."""
    descending: bool = False
    """The highest first; with the table's own order, its last row first."""
    words: str = ""
    """What a row must hold somewhere, whether written large or small; empty takes all."""


@dataclass(frozen=True)
class Page:
    """Some rows of a table that follow each other."""

    rows: Sequence[Mapping[str, Any]]
    start: int
    """Place of the first of them; the first row of all has place 0."""
    total: int
    """How many rows the arrangement has."""
    keys: Sequence[str] = ()
    """What tells each row from all others, for as long as it exists."""

    def row_at(self, place: int) -> Mapping[str, Any] | None:
        """Return the row at a place of the whole table, if it is on this page."""
        index = place - self.start
        return self.rows[index] if 0 <= index < len(self.rows) else None

    def key_at(self, place: int) -> str:
        """Return the key of the row at a place of the whole table; empty if it is not on this page."""
        index = place - self.start
        return self.keys[index] if 0 <= index < len(self.keys) else ""


def quoted(name: str) -> str:
    """Return a name as SQL takes any."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Return a text as SQL takes any: for a query that a person copies; programs bind parameters."""
    return "'" + text.replace("'", "''") + "'"


def selecting(
    table: Table,
    arranged: Arrangement,
    *,
    start: int = 0,
    count: int | None = None,
    words: str = PARAMETER,
    keys: bool = True,
) -> str:
    """Return the query for a page.

    Parameters
    ----------
    table
        One of `tables.TABLES`.
    arranged
        Which rows, in which order; its column must be one of the table's.
    start, count
        The first row's place, and how many at most; all if None.
    words
        What stands for the filter's text: the parameter, or the text as a literal.
    keys
        Whether the rows carry what tells them apart and, if there is a filter, how many pass it: so it runs once.
    """
    order = f"ORDER BY {_order(table, arranged)}"
    cut = "" if count is None else f" LIMIT {int(count)} OFFSET {int(start)}"
    inner = table.sql
    if PAGE in inner and cut and not arranged.words and arranged.sort in (None, *table.early):
        inner, cut = inner.replace(PAGE, f"ORDER BY {_order(table, arranged, table.early)}{cut}"), ""
    shown = ", ".join(quoted(column) for column in table.columns)
    more = f", ({table.key})::VARCHAR AS {quoted(KEY)}" if keys else ""
    if keys and arranged.words:
        more += f", count(*) OVER () AS {quoted(TOTAL)}"
    return f"SELECT {shown}{more} FROM (\n{_bare(inner)}\n){_where(table, arranged, words)}\n{order}{cut}"


def placing(table: Table, arranged: Arrangement, *, by_key: bool) -> str:
    """Return the query for where a row is, as `place` and `key`, from its key or else from what commands call it.

    Parameters
    ----------
    table, arranged
        As for `selecting`; a filter's text is parameter 1, if there is one.
    by_key
        Whether the last parameter is the row's key, or the value of its `Table.id`.
    """
    wanted = f"({table.key})::VARCHAR" if by_key else f"{quoted(table.id)}::VARCHAR"
    last = "$2" if arranged.words else "$1"
    return (
        f"SELECT place, key FROM (SELECT row_number() OVER (ORDER BY {_order(table, arranged)}) - 1 AS place,"
        f" ({table.key})::VARCHAR AS key, {wanted} AS wanted\n"
        f"FROM (\n{_bare(table.sql)}\n){_where(table, arranged, PARAMETER)})"
        f" WHERE wanted = {last} ORDER BY place LIMIT 1"
    )


def counting(table: Table, arranged: Arrangement) -> str:
    """Return the query for how many rows there are, as `total`."""
    if table.count and not arranged.words:
        return table.count
    return f"SELECT count(*) AS total FROM (\n{_bare(table.sql)}\n){_where(table, arranged, PARAMETER)}"


def _bare(sql: str) -> str:
    return sql.replace(f" {PAGE}", "")


def _order(table: Table, arranged: Arrangement, early: Mapping[str, str] | None = None) -> str:
    if arranged.sort is None:
        return _reversed(table.order) if arranged.descending else table.order
    if early:
        by: tuple[str, ...] = (early[arranged.sort],)
    else:
        by = table.sorts.get(arranged.sort, (quoted(arranged.sort),))
    way = "DESC" if arranged.descending else "ASC"
    return ", ".join([*(f"{term} {way} NULLS LAST" for term in by), table.order])


def _reversed(order: str) -> str:
    terms = order.split(", ")
    return ", ".join(
        term.removesuffix(" DESC") if term.endswith(" DESC") else f"{term} DESC" for term in terms
    )


def _where(table: Table, arranged: Arrangement, words: str) -> str:
    if not arranged.words:
        return ""
    texts = ", ".join(f"{quoted(column)}::VARCHAR" for column in table.columns)
    holds = [f"list_bool_or([contains(lower(text), lower({words})) FOR text IN [{texts}]])"]
    # Numbers are shown with commas that the store does not have.
    if table.right and (digits := arranged.words.replace(",", "")) != arranged.words and digits.strip():
        numbers = ", ".join(f"{quoted(column)}::VARCHAR" for column in table.right)
        holds.append(f"list_bool_or([contains(text, replace({words}, ',', '')) FOR text IN [{numbers}]])")
    return f"\nWHERE {' OR '.join(holds)}"
