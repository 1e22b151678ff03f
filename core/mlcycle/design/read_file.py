"""A file of any declared format into the table `raw` of a session, values as found."""

from __future__ import annotations

import csv
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

from mlcycle.engines.local import Session, SqlError, literal, quote
from mlcycle.errors import DataError, UsageError

__all__ = ["FORMATS", "format_of", "header", "json_layout", "read_file", "sqlite_tables", "unreadable"]

FORMATS = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".arrow": "arrow",
    ".feather": "arrow",
    ".sqlite": "sqlite",
    ".sqlite3": "sqlite",
    ".db": "sqlite",
}
LONGEST = 16 << 20
AT_ONCE = 20_000
"""Rows of an SQLite file handed over together."""


def format_of(path: Path) -> str:
    """Return the declared format that fits a file's ending.

    Raises
    ------
    UsageError
        If the ending is none of those known.
    """
    found = FORMATS.get(path.suffix.lower())
    if found is None:
        raise UsageError(
            f"{path}: the ending {path.suffix or '(none)'} names no format",
            hint=f"use one of {', '.join(FORMATS)}",
        )
    return found


def read_file(
    session: Session, path: Path, kind: str, target: str | None
) -> tuple[dict[str, str], str | None]:
    """Fill the table `raw`.

    Parameters
    ----------
    target
        Of several tables in an SQLite file the one with this column is taken.

    Returns
    -------
    tuple
        Column to DuckDB type, and the table inside an SQLite file.

    Raises
    ------
    DataError
        If the file cannot be read as that format or is empty.
    """
    if path.stat().st_size == 0:
        raise DataError(f"{path} is empty", hint="choose a file with data in it")
    table = None
    try:
        if kind in ("csv", "tsv"):
            _delimited(session, path, "," if kind == "csv" else "\t")
        elif kind in ("json", "jsonl"):
            _json(session, path, json_layout(path))
        elif kind == "sqlite":
            table = _sqlite(session, path, target)
        else:
            _typed(session, path, kind)
    except SqlError as error:
        raise unreadable(path, kind, error) from error
    described = session.rows("DESCRIBE raw")
    return {column["column_name"]: column["column_type"] for column in described}, table


def unreadable(path: Path, kind: str, why: object) -> DataError:
    """Return the error for a file that is not what its ending says."""
    lines = str(why).strip().splitlines() or ["unknown reason"]
    return DataError(f"{path} cannot be read as {kind}: {lines[0]}", hint="check the file and its ending")


def _delimited(session: Session, path: Path, delimiter: str) -> None:
    names = header(path, delimiter)
    _refuse_names(path, names)
    spec = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in names)
    session.execute(
        f"CREATE TABLE raw AS FROM read_csv({literal(str(path))}, columns = {{{spec}}}, delim = {literal(delimiter)}, "
        f"quote = '\"', escape = '\"', header = TRUE, auto_detect = FALSE, ignore_errors = TRUE, "
        f"max_line_size = {LONGEST})"
    )


def header(path: Path, delimiter: str) -> list[str]:
    """Return the names in the first line of a delimited file.

    Raises
    ------
    DataError
        If the line is no header, or the file is separated by something else.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            names = next(iter(csv.reader(file, delimiter=delimiter, strict=True)), [])
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataError(
            f"{path}: the first line is no header: {error}", hint="save the file as UTF-8 text"
        ) from error
    names = [name.strip() for name in names]
    if len(names) == 1:
        for other, word in ((";", "semicolons"), ("\t", "tabs"), ("|", "bars"), (",", "commas")):
            if other in names[0]:
                wanted = "tabs" if delimiter == "\t" else "commas"
                raise DataError(
                    f"{path} is separated by {word}, not {wanted}",
                    hint="save it with commas as .csv, or with tabs as .tsv",
                )
    return names


def _refuse_names(path: Path, names: Sequence[str]) -> None:
    if not names:
        raise DataError(f"{path} has no header line", hint="its first line must name the columns")
    seen: dict[str, str] = {}
    for position, name in enumerate(names, start=1):
        if not name:
            raise DataError(f"{path}: column {position} has no name", hint="name it in the first line")
        if len(name) > 500:
            raise DataError(f"{path}: the name of column {position} is {len(name)} characters long")
        if name.casefold() in seen:
            raise DataError(
                f"{path}: two columns are called `{seen[name.casefold()]}` and `{name}`; SQL tells no case apart",
                hint="rename one of them",
            )
        seen[name.casefold()] = name


def json_layout(path: Path) -> str:
    """Return DuckDB's word for how a JSON file is laid out: one array, or an object a line."""
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        return "array" if file.read(4096).lstrip().startswith("[") else "newline_delimited"


def _json(session: Session, path: Path, layout: str) -> None:
    ignore = ", ignore_errors = TRUE" if layout == "newline_delimited" else ""
    session.execute(
        f"CREATE TABLE objects AS SELECT json FROM read_json_objects({literal(str(path))}, format = '{layout}', "
        f"maximum_object_size = {LONGEST}{ignore}) WHERE json_type(json) = 'OBJECT'"
    )
    found = session.rows(
        "SELECT key FROM (SELECT unnest(json_keys(json)) AS key, row_number() OVER () AS n FROM objects) "
        "GROUP BY key ORDER BY min(n)"
    )
    names = [row["key"] for row in found]
    if not names:
        raise unreadable(path, "json", "it holds no object")
    _refuse_names(path, names)
    pointers = [literal("/" + name.replace("~", "~0").replace("/", "~1")) for name in names]
    listed = ", ".join(
        f"json_extract_string(json, {pointer}) AS {quote(name)}"
        for pointer, name in zip(pointers, names, strict=True)
    )
    session.execute(f"CREATE TABLE raw AS SELECT {listed} FROM objects")


def _typed(session: Session, path: Path, kind: str) -> None:
    if kind == "parquet":
        session.execute(f"CREATE TABLE raw AS FROM read_parquet({literal(str(path))})")
        return
    import polars as pl  # 200 ms: only Arrow files need it

    with TemporaryDirectory() as folder:
        copy = Path(folder) / "copy.parquet"
        try:
            pl.read_ipc(path).write_parquet(copy)
        except (pl.exceptions.PolarsError, OSError) as error:
            raise unreadable(path, kind, error) from error
        session.execute(f"CREATE TABLE raw AS FROM read_parquet({literal(str(copy))})")


def _sqlite(session: Session, path: Path, target: str | None) -> str:
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as connection:
            table = _sqlite_table(connection, path, target)
            cursor = connection.execute(f"SELECT * FROM {quote(table)}")
            names = [column[0] for column in cursor.description]
            _refuse_names(path, names)
            spec = ", ".join(f"{quote(name)} VARCHAR" for name in names)
            session.execute(f"CREATE TABLE raw ({spec})")
            for rows in _chunks(cursor):
                session.insert("raw", [dict(zip(names, map(_text, row), strict=True)) for row in rows])
    except sqlite3.Error as error:
        raise unreadable(path, "sqlite", error) from error
    return table


def sqlite_tables(connection: sqlite3.Connection) -> dict[str, list[str]]:
    """Return the tables and views of an SQLite file with their columns."""
    found = connection.execute(
        "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite_%'"
    )
    return {
        name: [row[1] for row in connection.execute(f"PRAGMA table_info({quote(name)})")]
        for (name,) in found.fetchall()
    }


def _sqlite_table(connection: sqlite3.Connection, path: Path, target: str | None) -> str:
    tables = sqlite_tables(connection)
    fitting = [name for name, columns in tables.items() if target is None or target in columns]
    if len(fitting) == 1:
        return fitting[0]
    if not tables:
        raise DataError(f"{path} holds no table", hint="choose a file with data in it")
    listed = ", ".join(tables)
    if fitting:
        raise UsageError(
            f"{path} holds several tables with `{target}`: {', '.join(fitting)}",
            hint="export one of them to CSV",
        )
    if len(tables) == 1:
        return next(iter(tables))
    raise UsageError(
        f"no table of {path} has a column `{target}`; there are: {listed}", hint="--target COLUMN"
    )


def _chunks(cursor: sqlite3.Cursor) -> Iterator[list[tuple[object, ...]]]:
    while rows := cursor.fetchmany(AT_ONCE):
        yield rows


def _text(value: object) -> str | None:
    if value is None:
        return None
    return value.hex() if isinstance(value, bytes) else str(value)
