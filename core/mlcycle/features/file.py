"""Rows of a file to be scored, read and typed exactly as a delivery of their source is, so that no value differs."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from mlcycle.data.casting import PROBLEM, cast_rows
from mlcycle.data.model import ROW
from mlcycle.data.readers import Delivery, read
from mlcycle.declare.model import Source, all_columns
from mlcycle.design.read_file import FORMATS
from mlcycle.engines.local import quote
from mlcycle.errors import DataError
from mlcycle.features.compile import columns_of
from mlcycle.features.tables import Opened
from mlcycle.workspace import Workspace

__all__ = ["LINE", "TABLE", "load_file"]

TABLE = "__file"
"""Table of the session that the rows go to."""
LINE = "__line"
"""Its column with the rows' numbers, from 1."""
FOUND = "__found"


def load_file(workspace: Workspace, tables: Opened, path: Path) -> dict[str, str]:
    """Read a file into the table `__file`: declared columns in their types, others as found; return DuckDB's types.

    Raises
    ------
    DataError
        If it cannot be read, or a row or a value in it cannot: every row is to be answered, so none is left out.
    """
    session, spine = tables.session, tables.features.spine
    kind: Any = FORMATS.get(path.suffix.lower())
    if kind is None or not path.is_file():
        what = "is not there" if kind else f"ends in none of {', '.join(FORMATS)}"
        raise DataError(f"{path} {what}")
    declared = tables.declarations.data.sources.get(spine.table)
    table = _sqlite_table(path, declared) if kind == "sqlite" else None
    source = Source(str(path), kind, spine.key, {}, table=table, on_schema_change="add")
    found = read(session, Delivery(path, path, path.stem, source, FOUND, workspace.tmp))
    if found.unparsed:
        first = found.unparsed[0]
        raise DataError(f"{path.name}, line {first.line or first.row}: {first.reason}", hint="mend that line")
    types = columns_of(session, FOUND)
    # What the file says of the target does not matter: it is what is asked.
    known = {} if declared is None else all_columns(declared)
    typed = {
        name: known[name]
        for name in found.columns
        if name in known and name not in (spine.target, spine.known)
    }
    zone = (declared.time_zone if declared else None) or tables.declarations.product.time_zone
    cast = cast_rows(FOUND, types, typed, zone) if typed else f"SELECT {ROW}, NULL AS {PROBLEM} FROM {FOUND}"
    problems = session.rows(
        f"SELECT {ROW} AS row, {PROBLEM} AS problem FROM ({cast}) WHERE {PROBLEM} IS NOT NULL ORDER BY 1 LIMIT 1"
    )
    if problems:
        raise DataError(
            f"{path.name}: row {problems[0]['row']}: {problems[0]['problem']}", hint="mend that value"
        )
    others = "".join(f", f.{quote(name)}" for name in found.columns if name not in typed)
    listed = "".join(f", t.{quote(name)}" for name in typed)
    session.execute(
        f"CREATE TEMP TABLE {TABLE} AS SELECT f.{ROW} AS {LINE}{listed}{others} "
        f"FROM {FOUND} AS f JOIN ({cast}) AS t USING ({ROW})"
    )
    return columns_of(session, TABLE)


def _sqlite_table(path: Path, declared: Source | None) -> str | None:
    """Return the table of the source's name, else the only one there is."""
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as connection:
            rows = connection.execute(
                "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite_%'"
            ).fetchall()
    except sqlite3.Error as error:
        raise DataError(f"{path} cannot be read as SQLite: {error}") from error
    names = [name for (name,) in rows]
    wanted = declared.table if declared else None
    return names[0] if len(names) == 1 and wanted not in names else wanted
