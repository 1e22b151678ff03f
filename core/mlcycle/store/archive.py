"""Predictions that were moved out of the table: files of their own, one or more a UTC day, read as if they had stayed.

A file is written, checked and renamed to its hash first; then one transaction names it and deletes its rows. So
each row is in the table or in a named file, whenever a process dies. A file without a row is a leftover.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlcycle.disk import sync
from mlcycle.errors import CouldNot
from mlcycle.hashing import sha256_file
from mlcycle.ids import new_id
from mlcycle.store.model import Finding
from mlcycle.store.rules import of_stream
from mlcycle.store.tail import loaded_name

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from mlcycle.store.store import Store
    from mlcycle.store.transaction import Transaction
    from mlcycle.workspace import Workspace

__all__ = [
    "ARCHIVED",
    "KEPT",
    "Changed",
    "Piece",
    "check",
    "days",
    "discard",
    "drop",
    "droppable",
    "lay",
    "path_of",
    "rule_out",
    "sweep",
    "take",
    "unreadable",
    "without_damaged",
    "write",
]

KEPT = "kept_prediction"
"""View of the rows that are in the table (and the tail); there where anything was ever archived."""
ARCHIVED = "archived_prediction"
"""View of the rows that are in files; there where anything was ever archived."""
MAGIC = b"PAR1"
LIVING = """
    SELECT sha256, bytes, first_ts, last_ts FROM store.main.prediction_archive
    WHERE dropped_at IS NULL ORDER BY first_ts DESC
"""
# JSON text: a VARIANT in Parquet refuses whole numbers above 2^63 and renames a field without a name.
PACKED = "* REPLACE (features::JSON::VARCHAR AS features)"
UNPACKED = "* REPLACE (features::JSON::VARIANT AS features)"
IN_DAY = "ts >= ? AND ts < ?"

_ruled_out: set[tuple[str, int, int]] = set()
"""Path, size and time of change of the files that this process has found damaged."""


class Changed(Exception):
    """Rows of the day have come or gone since its file was written: a signal to write it again, never shown."""


@dataclass(frozen=True)
class Piece:
    """One archive file, written and checked, that no row names yet."""

    sha256: str
    day: date
    rows: int
    bytes: int
    first_ts: datetime
    last_ts: datetime
    ids: str
    """Sum over the hashes of id and time of its rows: to recognise them in the table."""
    archives: int
    """Archive rows, and dropped ones twice, when it was written: what was counted stands on these."""


def path_of(workspace: Workspace, sha256: str) -> Path:
    """Return where the archive file of that hash lies."""
    return workspace.home / "archive" / f"{sha256}.parquet"


def lay(
    connection: DuckDBPyConnection, workspace: Workspace, streams: Sequence[str] = (), *, tables: bool = True
) -> None:
    """Make archived predictions part of `live_prediction` and `predictions` for this connection.

    Where nothing was ever archived it is one short query. A file that is missing or damaged is left out.

    Parameters
    ----------
    connection
        The store's, outside a transaction, before its configuration is locked.
    workspace
        Whose files.
    streams
        Streams whose tail was loaded and laid over the tables.
    tables
        Whether the name of the table shall mean the whole as well; not where rows are to be changed.
    """
    if not connection.execute("SELECT count(*) FROM store.main.prediction_archive").fetchall()[0][0]:
        return
    kept = "SELECT * FROM store.main.prediction"
    if "prediction" in streams:
        kept += f" UNION ALL BY NAME {of_stream('prediction')[0].select(loaded_name('prediction'))}"
    connection.execute(f"CREATE OR REPLACE TEMP VIEW {KEPT} AS {kept}")
    if not _lay_archived(connection, workspace):
        rule_out(workspace, [row[0] for row in connection.execute(LIVING).fetchall()])
        _lay_archived(connection, workspace)
    for view in ("live_prediction", *(("prediction",) if tables else ())):
        connection.execute(
            f"CREATE OR REPLACE TEMP VIEW {view} AS FROM {KEPT} UNION ALL BY NAME FROM {ARCHIVED}"
        )
    connection.execute(_public().replace("CREATE VIEW", "CREATE OR REPLACE TEMP VIEW"))


def _lay_archived(connection: DuckDBPyConnection, workspace: Workspace) -> bool:
    """Lay the view of the files; False if one of them stood in the way."""
    import duckdb

    living = connection.execute(LIVING).fetchall()
    rows = [row for row in living if _looks_sound(path_of(workspace, row[0]), row[1])]
    paths = [str(path_of(workspace, row[0])) for row in rows]
    listed = "[" + ", ".join(_text(path) for path in paths) + "]"
    found = "SELECT * FROM store.main.prediction WHERE false"
    if rows:
        # The bounds let a question about the last minutes be answered without opening any file.
        first, last = min(row[2] for row in rows), max(row[3] for row in rows)
        found = (
            f"SELECT {UNPACKED} FROM read_parquet({listed}) "
            f"WHERE ts BETWEEN TIMESTAMP '{first}' AND TIMESTAMP '{last}'"
        )
    # What `sql` may read when all else outside the store is out of its reach.
    connection.execute(f"SET allowed_paths = {listed}")
    try:
        connection.execute(f"CREATE OR REPLACE TEMP VIEW {ARCHIVED} AS {found}")
    except duckdb.Error:
        if not rows:
            raise
        return False
    return True


def _holds(path: Path, sha256: str) -> bool:
    try:
        return sha256_file(path, own=True) == sha256
    except OSError:  # a link, or closed to us
        return False


def rule_out(workspace: Workspace, hashes: Sequence[str]) -> bool:
    """Read archive files whole and leave out from now on those that are damaged; True if there are any new.

    For a reader whose query failed: what is lost is one file, not all questions.
    """
    new = False
    for sha256 in hashes:
        path = path_of(workspace, sha256)
        mark = _mark(path)
        if mark is not None and mark not in _ruled_out and not _holds(path, sha256):
            _ruled_out.add(mark)
            new = True
    return new


def without_damaged(connection: DuckDBPyConnection, workspace: Workspace) -> bool:
    """Tell, after a query has failed, whether an archive file was to blame: it is left out then, so ask again.

    Reads all files of the archive, so only ask after a failure; and not inside a transaction.
    """
    laid = connection.execute("SELECT 1 FROM duckdb_views() WHERE view_name = ?", [ARCHIVED]).fetchall()
    if not laid:
        return False
    living = [row[0] for row in connection.execute(LIVING).fetchall()]
    return rule_out(workspace, living) and _lay_archived(connection, workspace)


def unreadable(workspace: Workspace, rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the hashes of those rows of `prediction_archive` whose predictions cannot be read any more.

    Parameters
    ----------
    rows
        With `sha256`, `bytes` and `dropped_at`.
    """
    return [
        row["sha256"]
        for row in rows
        if row["dropped_at"] is not None or not _looks_sound(path_of(workspace, row["sha256"]), row["bytes"])
    ]


def days(store: Store, before: datetime) -> list[date]:
    """Return the UTC days that ended by then and have rows in the table, oldest first."""
    rows = store.read(
        "SELECT DISTINCT ts::DATE AS day FROM store.main.prediction WHERE ts < ? ORDER BY day",
        [datetime.combine(before.date(), time())],
    )
    return [row["day"] for row in rows]


def write(store: Store, day: date) -> Piece | None:
    """Write the rows that the table has of a day to a file; None if there are none. Changes no row.

    Raises
    ------
    CouldNot
        If the file cannot be written, or does not read back as what the table holds.
    Changed
        If rows of the day came meanwhile.
    """
    workspace = store.workspace
    path = workspace.tmp / f"archive-pid{os.getpid()}-{new_id()}.parquet"
    workspace.tmp.mkdir(exist_ok=True)
    table = f"FROM store.main.prediction WHERE {IN_DAY}"
    try:
        store.read(
            f"COPY (SELECT {PACKED} {table}) TO {_text(path)} (FORMAT parquet, COMPRESSION zstd)", _span(day)
        )
        with path.open("rb+") as file:
            os.fsync(file.fileno())
        with store.reading():
            held = _content(store, f"(SELECT {PACKED} {table})", _span(day))
            written = _content(store, f"read_parquet({_text(path)})")
            facts = store.read("SELECT count(*) + count(dropped_at) AS n FROM prediction_archive")[0]
        if held["ids"] != written["ids"] or held["rows"] != written["rows"]:
            raise Changed
        if held["content"] != written["content"]:
            raise CouldNot(f"the predictions of {day} cannot be archived: they do not read back as they are")
        if not written["rows"]:
            return None
        sha256, size = sha256_file(path), path.stat().st_size
        target = path_of(workspace, sha256)
        target.parent.mkdir(exist_ok=True)
        path.replace(target)
        sync(target.parent)
    except OSError as error:
        raise CouldNot(
            f"the predictions of {day} cannot be archived: {error.strerror}",
            hint="free some space, then try again",
        ) from error
    finally:
        with suppress(OSError):  # a disk that can only be read now has said so above
            path.unlink()
    return Piece(
        sha256,
        day,
        written["rows"],
        size,
        written["first_ts"],
        written["last_ts"],
        written["ids"],
        facts["n"],
    )


def take(change: Transaction, piece: Piece, at: datetime) -> None:
    """Name a file in the store and delete its rows from the table.

    Raises
    ------
    Changed
        If the table's rows of that day are no longer those of the file, or other files were named or dropped
        since. Nothing has been changed then.
    """
    ids = "coalesce(sum(hash(prediction_id, ts)::HUGEINT), 0)::VARCHAR"
    there = change.rows(
        f"""SELECT count(*) AS rows, {ids} AS ids,
            (SELECT count(*) + count(dropped_at) FROM prediction_archive) AS archives
        FROM store.main.prediction WHERE {IN_DAY}""",
        _span(piece.day),
    )[0]
    if there != {"rows": piece.rows, "ids": piece.ids, "archives": piece.archives}:
        raise Changed
    change.insert(
        "prediction_archive",
        [
            {
                "sha256": piece.sha256,
                "day": piece.day,
                "rows": piece.rows,
                "bytes": piece.bytes,
                "first_ts": piece.first_ts,
                "last_ts": piece.last_ts,
                "archived_at": at,
            }
        ],
    )
    # Counted once more in the statement itself: when a log of changes is replayed, no row may go that is in no file.
    change.execute(
        f"""DELETE FROM prediction WHERE {IN_DAY} AND CASE
            WHEN (SELECT count(*) FROM prediction WHERE {IN_DAY}) = ? THEN true
            ELSE error('other predictions than those archived') END""",
        [*_span(piece.day), *_span(piece.day), piece.rows],
    )


def discard(store: Store, sha256: str) -> None:
    """Delete a file that was written in vain, unless a row names it."""
    if not store.read("SELECT 1 AS one FROM prediction_archive WHERE sha256 = ?", [sha256]):
        path_of(store.workspace, sha256).unlink(missing_ok=True)


def droppable(store: Store, before: datetime) -> list[dict[str, Any]]:
    """Return sha256, day and rows of the files of days that ended by then and have not been dropped."""
    return store.read(
        "SELECT sha256, day, rows FROM prediction_archive WHERE dropped_at IS NULL AND day < ? ORDER BY day, sha256",
        [before.date()],
    )


def drop(change: Transaction, hashes: Sequence[str], at: datetime) -> None:
    """Note that files are given up; they are deleted once this is committed, by `sweep`."""
    for sha256 in hashes:
        change.execute(
            "UPDATE prediction_archive SET dropped_at = ? WHERE sha256 = ? AND dropped_at IS NULL",
            [at, sha256],
        )


def sweep(store: Store) -> None:
    """Delete the files that were dropped, those too whose deletion a killed process left undone."""
    rows = store.read(
        "SELECT sha256 FROM prediction_archive GROUP BY sha256 HAVING bool_and(dropped_at IS NOT NULL)"
    )
    for row in rows:
        path_of(store.workspace, row["sha256"]).unlink(missing_ok=True)


def check(workspace: Workspace, ask: Callable[[str], list[dict[str, Any]]]) -> Iterator[Finding]:
    """Look at the archive's files; the rows are asked for at once, the files read as findings are taken.

    Parameters
    ----------
    workspace
        Whose files.
    ask
        Runs a query; not used once this has returned.
    """
    rows = ask("SELECT sha256, day, rows, bytes, dropped_at FROM prediction_archive ORDER BY day, sha256")
    return _findings(workspace, rows)


def _findings(workspace: Workspace, rows: Sequence[Mapping[str, Any]]) -> Iterator[Finding]:
    folder = workspace.home / "archive"
    named = {row["sha256"]: row for row in rows}
    for row in rows:
        path, digits = path_of(workspace, row["sha256"]), row["sha256"][:8]
        what = f"{row['rows']} predictions of {row['day']}"
        where = path.relative_to(workspace.root).as_posix()
        if row["dropped_at"] is not None:
            if path.exists():
                yield Finding(
                    "note", f"archive file {digits} was dropped, and goes at the next retention", where
                )
        elif not path.exists():
            yield Finding("damaged", f"archive file {digits} is missing: {what}", where)
        elif not _holds(path, row["sha256"]):
            yield Finding("damaged", f"archive file {digits} does not hold what was written: {what}", where)
    for path in sorted(folder.glob("*.parquet")) if folder.is_dir() else ():
        if path.stem not in named:
            where = path.relative_to(workspace.root).as_posix()
            yield Finding("note", f"no row names archive file {path.stem[:8]}, which is kept", where)


def _content(store: Store, source: str, params: Sequence[object] = ()) -> dict[str, Any]:
    return store.read(
        f"""SELECT count(*) AS rows, min(ts) AS first_ts, max(ts) AS last_ts,
            coalesce(sum(hash(prediction_id, ts)::HUGEINT), 0)::VARCHAR AS ids,
            coalesce(sum(hash(p)::HUGEINT), 0)::VARCHAR AS content
        FROM {source} AS p""",
        params,
    )[0]


def _span(day: date) -> list[datetime]:
    start = datetime.combine(day, time())
    return [start, start + timedelta(days=1)]


def _public() -> str:
    from mlcycle.store.migrate import views

    found = re.search(r"^CREATE VIEW predictions AS .*?;$", views(), re.MULTILINE | re.DOTALL)
    if found is None:
        raise CouldNot("views.sql has no view of predictions")
    return found[0]


def _looks_sound(path: Path, size: int) -> bool:
    """Whether a file has its length and a Parquet file's two ends; reading it whole would cost too much here."""
    mark = _mark(path)
    if mark is None or mark[1] != size or mark in _ruled_out:
        return False
    try:
        with path.open("rb") as file:
            head = file.read(len(MAGIC))
            file.seek(-len(MAGIC), os.SEEK_END)
            return head == file.read() == MAGIC
    except OSError:
        return False


def _mark(path: Path) -> tuple[str, int, int] | None:
    try:
        facts = path.stat()
    except OSError:
        return None
    return str(path), facts.st_size, facts.st_mtime_ns


def _text(value: str | Path) -> str:
    return "'" + str(value).replace("'", "''") + "'"
