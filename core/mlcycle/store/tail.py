"""Journal lines on their way into DuckDB: loaded into temporary tables, bad ones sorted out."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mlcycle.journal.reader import Segment, Tail, read_tail
from mlcycle.store.rules import NUMBER, RULES, SEGMENT, STREAMS, bucket, of_stream

if TYPE_CHECKING:
    from collections.abc import Iterator

    from duckdb import DuckDBPyConnection

__all__ = [
    "LAST",
    "ROLLUP",
    "Loaded",
    "derived",
    "load",
    "loaded_name",
    "offsets",
    "read_json",
    "scratch",
    "tails",
]

ROLLUP = f"""
    SELECT date_trunc('minute', ts) AS minute, deployment, {bucket("latency_ms")} AS bucket,
        count(*) AS n, count(*) FILTER (status >= 400) AS errors
    FROM ({{source}}) GROUP BY ALL
"""
"""Predictions by minute, deployment and bucket of latency."""
LAST = """
    SELECT run_id, key, max(step) AS step, arg_max(ts, (step, ts, value)) AS ts,
        arg_max_null(value, (step, ts, value)) AS value,
        min(value) FILTER (NOT isnan(value)) AS lo, max(value) FILTER (NOT isnan(value)) AS hi, count(*) AS n
    FROM ({source}) GROUP BY run_id, key
"""
"""Metric points by run and key: the last one, the range of the numbers among them, how many."""
BOTH = """
    SELECT run_id, key, max(step) AS step, arg_max(ts, (step, ts, value)) AS ts,
        arg_max_null(value, (step, ts, value)) AS value, min(lo) AS lo, max(hi) AS hi, sum(n)::BIGINT AS n
    FROM ({source}) GROUP BY run_id, key
"""
"""Rows of `LAST` for the same run and key, as one."""


@dataclass
class Loaded:
    """What became of the lines of one stream."""

    stream: str
    records: int
    bad: list[tuple[str, bytes]]
    """Segment and payload of the lines that no rule can take."""


def offsets(connection: DuckDBPyConnection) -> dict[str, int]:
    """Return how far each segment is folded."""
    return dict(connection.execute("SELECT segment, folded_to FROM segment").fetchall())


def tails(
    there: Iterable[Segment],
    done: Mapping[str, int],
    limit: int | None = None,
    until: Mapping[str, int] | None = None,
) -> tuple[list[Tail], int]:
    """Read what lies behind the offsets.

    Parameters
    ----------
    there
        The segments, oldest first.
    done
        How far each is folded.
    limit
        The most bytes to read, about; None reads all.
    until
        Where to stop in each segment, one that is not named here is not read; None reads to the end of each.

    Returns
    -------
    tuple
        The tails, and how many bytes were left unread.
    """
    found, room, left = [], limit, 0
    for segment in there:
        if segment.stream not in STREAMS:
            continue
        start = done.get(segment.name, 0)
        size = segment.size if until is None else min(segment.size, until.get(segment.name, 0))
        if (room is not None and room <= 0) or (until is not None and size <= start):
            left += max(0, size - start)
            continue
        most = room if until is None else min(size - start, room or size)
        tail = read_tail(segment, start, most)
        if tail is None:
            continue
        taken = tail.parsed.used + len(tail.torn)
        if room is not None:
            room -= taken
        if not tail.whole:
            left += max(0 if until is not None else 1, size - start - taken)
        found.append(tail)
    return found, left


def load(connection: DuckDBPyConnection, stream: str, found: Iterable[Tail], folder: Path) -> Loaded | None:
    """Fill the temporary table of a stream with the records of its tails; None if there are none."""
    lines = [
        (tail.segment, payload)
        for tail in found
        if tail.segment.stream == stream
        for payload in tail.parsed.records
    ]
    if not lines:
        return None
    with scratch(_numbered(lines), folder) as path:
        try:
            connection.execute(_create(stream, read_json(path, _read_as(stream, strict=True))))
        except _errors():
            # One record that is not as promised must not stop all that come after it.
            _create_leniently(connection, stream, path)
    name = loaded_name(stream)
    wanted = " OR ".join(f"({rule.condition})" for rule in of_stream(stream))
    connection.execute(f"DELETE FROM {name} WHERE NOT coalesce({wanted}, false)")
    [(count,)] = connection.execute(f"SELECT count(*) FROM {name}").fetchall()
    bad = []
    if count < len(lines):
        good = {row[0] for row in connection.execute(f"SELECT {NUMBER} FROM {name}").fetchall()}
        bad = [
            (segment.name, payload) for number, (segment, payload) in enumerate(lines) if number not in good
        ]
    return Loaded(stream, count, bad)


def loaded_name(stream: str) -> str:
    """Return the name of the temporary table of a stream."""
    return f"tail_{stream}"


def shadow(connection: DuckDBPyConnection, streams: Sequence[str]) -> None:
    """Lay temporary views over the tables that loaded streams fill: the table and the tail as one."""
    for rule in RULES:
        if rule.stream in streams:
            tail = rule.select(loaded_name(rule.stream))
            for view in (rule.table, f"live_{rule.table}"):
                connection.execute(
                    f"CREATE OR REPLACE TEMP VIEW {view} AS"
                    f" SELECT * FROM store.main.{rule.table} UNION ALL BY NAME {tail}"
                )
    if "metric" in streams:
        both = f"FROM store.main.metric_last UNION ALL BY NAME {derived(LAST, 'metric')}"
        for view in ("metric_last", "live_metric_last"):
            connection.execute(f"CREATE OR REPLACE TEMP VIEW {view} AS {BOTH.format(source=both)}")
    if "prediction" in streams:
        tail = derived(ROLLUP, "prediction")
        connection.execute(
            f"CREATE TEMP VIEW rollup_1m AS SELECT * FROM store.main.rollup_1m UNION ALL BY NAME {tail}"
        )


def derived(query: str, stream: str) -> str:
    """Return `ROLLUP` or `LAST` over the loaded tail of its stream."""
    return query.format(source=of_stream(stream)[0].select(loaded_name(stream)))


def read_json(path: Path, columns: dict[str, str], *, lenient: bool = False) -> str:
    """Return the SQL of a table function that reads lines of JSON with these columns and types."""
    pieces = ", ".join(f"'{name}': '{kind}'" for name, kind in columns.items())
    where = str(path).replace("'", "''")
    return (
        f"read_json('{where}', format = 'newline_delimited', columns = {{{pieces}}},"
        f" ignore_errors = {str(lenient).lower()})"
    )


@contextmanager
def scratch(lines: Sequence[bytes], folder: Path) -> Iterator[Path]:
    """Write lines to a file that is gone afterwards, in `folder` or, where that cannot be written, elsewhere."""
    try:
        path = _written(lines, folder)
    except OSError:
        path = _written(lines, None)
    try:
        yield path
    finally:
        with suppress(OSError):  # of a disk that can only be read now, and has another error to tell
            path.unlink()


def _written(lines: Sequence[bytes], folder: Path | None) -> Path:
    handle, name = tempfile.mkstemp(prefix=f"lines-pid{os.getpid()}-", suffix=".jsonl", dir=folder)
    try:
        with os.fdopen(handle, "wb") as file:
            file.writelines(lines)
    except BaseException:
        Path(name).unlink()
        raise
    return Path(name)


def _numbered(lines: list[tuple[Segment, bytes]]) -> list[bytes]:
    numbered: list[bytes] = []
    last, head = None, b""
    for number, (segment, payload) in enumerate(lines):
        if segment is not last:
            last, head = (
                segment,
                b'{"%s":"%s","%s":' % (SEGMENT.encode(), segment.name.encode(), NUMBER.encode()),
            )
        numbered.append(b"%b%d%b%b\n" % (head, number, b"" if payload == b"{}" else b",", payload[1:]))
    return numbered


def _read_as(stream: str, *, strict: bool) -> dict[str, str]:
    types = STREAMS[stream] if strict else dict.fromkeys(STREAMS[stream], "VARCHAR")
    return {NUMBER: "BIGINT", SEGMENT: "VARCHAR"} | types


def _create(stream: str, source: str, cast: Callable[[str, str], str] | None = None) -> str:
    columns = [NUMBER, SEGMENT]
    for key, kind in STREAMS[stream].items():
        value = cast(f'"{key}"', kind) if cast else f'"{key}"'
        columns.append(f'{value}::TIMESTAMP AS "{key}"' if kind == "TIMESTAMPTZ" else f'{value} AS "{key}"')
    return f"CREATE OR REPLACE TEMP TABLE {loaded_name(stream)} AS SELECT {', '.join(columns)} FROM {source}"


def _create_leniently(connection: DuckDBPyConnection, stream: str, path: Path) -> None:
    source = read_json(path, _read_as(stream, strict=False), lenient=True)
    broken = " OR ".join(
        f'("{key}" IS NOT NULL AND TRY_CAST("{key}" AS {kind}) IS NULL)'
        for key, kind in STREAMS[stream].items()
        if kind != "VARCHAR"
    )
    kept = f"(FROM {source} WHERE {NUMBER} IS NOT NULL AND NOT ({broken}))"
    connection.execute(_create(stream, kept, lambda value, kind: f"TRY_CAST({value} AS {kind})"))


def _errors() -> type[Exception]:
    import duckdb

    return duckdb.Error
