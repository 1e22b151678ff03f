"""Taking the journal into the tables: rows and offsets in one transaction, so that twice is once.

Order matters and is what the tests kill: bad lines are kept, then rows and offsets commit, then a checkpoint
puts them into the main file, and only then do finished segments leave the journal for the generation's log.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

from mlcycle import clock
from mlcycle.hashing import sha256_bytes
from mlcycle.journal.reader import BAD, Tail, claim, is_finished, segments
from mlcycle.store.connection import fetch
from mlcycle.store.generations import keep
from mlcycle.store.killed import deserted, end_them, over
from mlcycle.store.model import FoldReport
from mlcycle.store.rules import STREAMS, of_stream
from mlcycle.store.tail import LAST, ROLLUP, Loaded, derived, load, loaded_name, offsets, tails

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from mlcycle.workspace import Workspace

__all__ = ["STEP", "Hook", "backlog", "fold", "pending", "remember", "take"]

STEP = 32 << 20
"""Most bytes of journal taken while others wait."""
KEEP_ROWS = timedelta(days=30)
"""How long a deleted segment is remembered: a power cut may bring the file back, and it must not fold twice."""

Hook = Callable[[str], None]

_looked: set[str] = set()
"""Homes of workspaces in which this process has looked for runs of killed processes."""
_known: dict[str, dict[str, int]] = {}


def pending(workspace: Workspace) -> bool:
    """Whether the journal may hold what this process has not seen folded, or the runs of a process that has died."""
    if backlog(workspace) > 0:
        return True
    return any(is_finished(one) for one in segments(workspace.journal) if one.stream == "run")


def backlog(workspace: Workspace) -> int:
    """Return the most bytes that the journal may hold unfolded, as far as this process knows."""
    known = _known.get(str(workspace.home), {})
    return sum(
        max(0, segment.size - known.get(segment.name, 0))
        for segment in segments(workspace.journal)
        if segment.stream in STREAMS
    )


def remember(workspace: Workspace, done: dict[str, int]) -> None:
    """Note the offsets seen in the store, so that `pending` can tell."""
    _known[str(workspace.home)] = done


def fold(
    connection: DuckDBPyConnection,
    workspace: Workspace,
    *,
    limit: int | None = None,
    hook: Hook = lambda _stage: None,
) -> FoldReport:
    """Fold what the journal holds, at most about `limit` bytes. The caller holds the store exclusively.

    Parameters
    ----------
    connection
        Open for writing, outside a transaction.
    workspace
        Whose journal.
    limit
        Bytes of journal; None is `STEP`.
    hook
        Called with the name of each stage passed; for tests that die there.
    """
    done = offsets(connection)
    # Before reading: a writer found gone now cannot append behind what is read.
    finished = over(workspace)
    found, left = tails(segments(workspace.journal), done, STEP if limit is None else limit)
    for tail in found:
        if tail.whole and tail.torn and tail.segment.name in finished:
            tail.parsed.bad.append(tail.torn)
            tail.parsed.used += len(tail.torn)
            tail.torn = b""
    records, set_aside = take(connection, workspace, found, hook)
    done.update({tail.segment.name: tail.end for tail in found if tail.end > tail.start})
    remember(workspace, done)
    removed = _remove(connection, workspace, found, finished, done, hook)
    hook("after unlink")
    killed = 0 if left else _end_killed(connection, workspace, found, finished)
    return FoldReport(records, set_aside, removed, left or killed, killed)


def take(
    connection: DuckDBPyConnection,
    workspace: Workspace,
    found: list[Tail],
    hook: Hook = lambda _stage: None,
) -> tuple[int, int]:
    """Put records into the tables and the offsets behind them, in one transaction.

    Returns
    -------
    tuple
        Records put into tables, and lines set aside.
    """
    loads = [load(connection, stream, found, workspace.tmp) for stream in STREAMS]
    loaded = [one for one in loads if one is not None]
    bad = _bad_lines(found, loaded)
    _keep_bad(workspace, bad)
    hook("before commit")
    if any(tail.end > tail.start for tail in found):
        _commit(connection, workspace, found, loaded, bad)
    hook("after commit")
    for one in loaded:
        connection.execute(f"DROP TABLE {loaded_name(one.stream)}")
    return sum(one.records for one in loaded), sum(map(len, bad.values()))


def _end_killed(
    connection: DuckDBPyConnection, workspace: Workspace, found: list[Tail], finished: set[str]
) -> int:
    """Write ends for the runs of killed processes; asked only when a process has gone, and at first."""
    home = str(workspace.home)
    gone = any(tail.segment.stream == "run" and tail.segment.name in finished for tail in found)
    if not gone and home in _looked:
        return 0
    _looked.add(home)
    rows = deserted(workspace, lambda sql: fetch(connection, sql), finished)
    return len(rows) if rows and end_them(workspace, rows) else 0


def _bad_lines(found: list[Tail], loaded: list[Loaded]) -> dict[str, list[bytes]]:
    bad = {tail.segment.name: list(tail.parsed.bad) for tail in found if tail.parsed.bad}
    for one in loaded:
        for name, payload in one.bad:
            bad.setdefault(name, []).append(payload)
    return bad


def _keep_bad(workspace: Workspace, bad: dict[str, list[bytes]]) -> None:
    folder = workspace.journal / BAD
    for name, lines in bad.items():
        content = b"\n".join(lines) + b"\n"
        folder.mkdir(exist_ok=True)
        part = folder / f"{sha256_bytes(content)[:8]}-{name}.part"
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(part.with_suffix(""))


def _commit(
    connection: DuckDBPyConnection,
    workspace: Workspace,
    found: list[Tail],
    loaded: list[Loaded],
    bad: dict[str, list[bytes]],
) -> None:
    connection.execute("BEGIN")
    try:
        for one in loaded:
            name = loaded_name(one.stream)
            for rule in of_stream(one.stream):
                columns = ", ".join(rule.columns)
                connection.execute(f"INSERT INTO {rule.table} ({columns}) {rule.select(name)}")
            if one.stream == "prediction":
                _roll_up(connection)
            elif one.stream == "metric":
                _bring_along(connection)
        _note(connection, workspace, found, bad)
        connection.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(_transaction_error()):
            connection.execute("ROLLBACK")
        raise


def _roll_up(connection: DuckDBPyConnection) -> None:
    connection.execute(f"""
        MERGE INTO rollup_1m AS r USING ({derived(ROLLUP, "prediction")}) AS s
        ON r.minute = s.minute AND r.deployment = s.deployment AND r.bucket = s.bucket
        WHEN MATCHED THEN UPDATE SET n = r.n + s.n, errors = r.errors + s.errors
        WHEN NOT MATCHED THEN INSERT (minute, deployment, bucket, n, errors)
            VALUES (s.minute, s.deployment, s.bucket, s.n, s.errors)""")


def _bring_along(connection: DuckDBPyConnection) -> None:
    later = "(s.step, s.ts, s.value) >= (m.step, m.ts, m.value)"
    chosen = ", ".join(
        f"{name} = CASE WHEN {later} THEN s.{name} ELSE m.{name} END" for name in ("step", "ts", "value")
    )
    connection.execute(f"""
        MERGE INTO metric_last AS m USING ({derived(LAST, "metric")}) AS s
        ON m.run_id = s.run_id AND m.key = s.key
        WHEN MATCHED THEN UPDATE SET {chosen}, lo = least(m.lo, s.lo), hi = greatest(m.hi, s.hi), n = m.n + s.n
        WHEN NOT MATCHED THEN INSERT (run_id, key, step, ts, value, lo, hi, n)
            VALUES (s.run_id, s.key, s.step, s.ts, s.value, s.lo, s.hi, s.n)""")


def _note(
    connection: DuckDBPyConnection,
    workspace: Workspace,
    found: list[Tail],
    bad: dict[str, list[bytes]],
) -> None:
    now = clock.wall()
    for tail in found:
        if tail.end == tail.start:
            continue
        name = tail.segment.name
        refused = sum(
            int(fact.get("n", 0)) for fact in tail.parsed.controls if fact.get("_segment") == "refused"
        )
        connection.execute(
            """INSERT INTO segment (segment, stream, folded_to, bad, refused) VALUES (?, ?, ?, ?, ?)
            ON CONFLICT DO UPDATE SET folded_to = excluded.folded_to,
                bad = segment.bad + excluded.bad, refused = segment.refused + excluded.refused""",
            [name, tail.segment.stream, tail.end, len(bad.get(name, ())), refused],
        )
    there = [segment.name for segment in segments(workspace.journal)]
    connection.execute(
        "UPDATE segment SET done_at = ? WHERE done_at IS NULL AND NOT list_contains(?::VARCHAR[], segment)",
        [now, there],
    )
    connection.execute("DELETE FROM segment WHERE done_at < ?", [now - KEEP_ROWS])


def _remove(
    connection: DuckDBPyConnection,
    workspace: Workspace,
    found: list[Tail],
    finished: set[str],
    done: dict[str, int],
    hook: Hook,
) -> int:
    read = {tail.segment.name for tail in found}
    over = [
        segment
        for segment in segments(workspace.journal)
        if segment.name in finished & read and segment.size <= done.get(segment.name, 0)
    ]
    if not over:
        return 0
    connection.execute("CHECKPOINT")
    hook("after checkpoint")
    removed = 0
    for segment in over:
        # Held while it goes: a writer that has just made the file must not lock it in between.
        with claim(segment) as free:
            gone = free and segment.path.stat().st_size <= done.get(segment.name, 0)
            if gone and os.name != "nt":
                keep(workspace, segment)
        if gone and os.name == "nt":  # there an open file cannot be moved
            keep(workspace, segment)
        removed += gone
    return removed


def _transaction_error() -> type[Exception]:
    import duckdb

    return duckdb.Error
