"""A user's own SQL: one query, over the store alone, with everything outside it out of reach."""

from __future__ import annotations

import difflib
import re
import threading
from concurrent.futures import Future, wait
from typing import TYPE_CHECKING, Any
from uuid import UUID

from mlcycle.errors import UsageError
from mlcycle.store.migrate import views

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

__all__ = ["DEADLINE_S", "run", "view_names"]

DEADLINE_S = 10.0
AGAIN_S = 0.05
"""Between two interrupts: one that comes before the query has begun is lost."""
ALLOWED = ("SELECT", "EXPLAIN", "MULTI")
"""Kinds of statement; MULTI is what PIVOT becomes, and the connection is read-only in any case."""
ZONED = "TIMESTAMP WITH TIME ZONE"


def view_names() -> list[str]:
    """Return the names of the public views."""
    return re.findall(r"CREATE VIEW (\w+)", views())


def run(
    connection: DuckDBPyConnection, text: str, *, deadline_s: float = DEADLINE_S
) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Run a user's query on a connection that is closed afterwards.

    Raises
    ------
    UsageError
        If it is not one query, reaches outside the store, is wrong, or takes longer than the deadline.
    """
    import duckdb

    try:
        statements = connection.extract_statements(text)
        if len(statements) != 1 or statements[0].type.name not in ALLOWED:
            raise UsageError(
                "sql takes one query that only reads",
                hint='mlcycle sql "SELECT * FROM runs"; changes have commands of their own',
            )
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
        return _within(connection, statements[0].query.strip().rstrip(";"), deadline_s)
    except duckdb.InterruptException as error:
        raise UsageError(
            f"the query took longer than {deadline_s:g} s, and others wait",
            hint="ask for less, such as the newest rows alone",
        ) from error
    except duckdb.Error as error:
        if "Corrupt database file" in str(error):
            raise
        raise _explained(str(error)) from error


def _within(
    connection: DuckDBPyConnection, query: str, deadline_s: float
) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Fetch in a thread of its own: DuckDB looks for ctrl+c only between its tasks, and one may last for minutes."""
    found: Future[tuple[list[str], list[tuple[Any, ...]]]] = Future()

    def fetch() -> None:
        try:
            found.set_result(_fetched(connection, query))
        except BaseException as error:  # noqa: BLE001 - raised again by `result`
            found.set_exception(error)

    thread = threading.Thread(target=fetch, name="sql", daemon=True)
    thread.start()
    try:
        wait((found,), deadline_s)
    finally:
        # After the deadline, and after ctrl+c, which the waiting thread hears at once.
        while thread.is_alive():
            if not found.done():
                connection.interrupt()
            thread.join(AGAIN_S)
    return found.result()


def _fetched(connection: DuckDBPyConnection, query: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    cursor = connection.execute(query)
    described = cursor.description or ()
    names = [str(column[0]) for column in described]
    zoned = [name for name, column in zip(names, described, strict=True) if str(column[1]) == ZONED]
    if zoned:
        # Python has no time zones that DuckDB would use without another package: UTC without a zone.
        columns = ", ".join(
            f'"{name.replace(chr(34), chr(34) * 2)}"::TIMESTAMP AS "{name.replace(chr(34), chr(34) * 2)}"'
            for name in dict.fromkeys(zoned)
        )
        cursor = connection.execute(f"SELECT * REPLACE ({columns}) FROM (\n{query}\n)")
    rows = cursor.fetchall()
    return names, [tuple(str(v) if isinstance(v, UUID) else v for v in row) for row in rows]


def _explained(text: str) -> UsageError:
    message = text.split("\n\n", maxsplit=1)[0].strip()
    missing = re.search(r"(?:Table|View) with name (\S+) does not exist", text)
    if missing:
        near = difflib.get_close_matches(missing[1].lower(), view_names(), n=1, cutoff=0.0)
        message = message.splitlines()[0]
        hint = f"did you mean {near[0]}? The views are: {', '.join(view_names())}"
        return UsageError(message, hint=hint)
    if "disabled by configuration" in text or "locked" in text:
        return UsageError(message, hint="sql reads the store and nothing else: no files, no settings")
    return UsageError(message, hint='mlcycle sql "DESCRIBE runs" shows a view\'s columns')
