"""Stores of a given size, made by SQL in the store's own transactions: for what only shows at that size."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from mlcycle import clock
from mlcycle.store import Store
from mlcycle.store.rules import bucket
from mlcycle.workspace import MARKER, Workspace

__all__ = ["empty", "fill_events", "fill_points", "fill_runs", "run_id", "size"]

RUNS, VALUES, PARAMS = 10_000, 20, 5
EVENTS_PER_S = 100
STEP = 1_000_000
"""Rows in one transaction."""
RUN = "('01900000-0000-7000-8000-' || lpad(to_hex({0}), 12, '0'))::UUID"


def empty(folder: Path) -> Workspace:
    """Make a workspace with a store that holds nothing."""
    folder.mkdir()
    (folder / MARKER).write_text("name: bench\n", encoding="utf-8")
    workspace = Workspace.find(folder)
    Store.create(workspace)
    return workspace


def size(workspace: Workspace) -> int:
    """Return the bytes of the store's file."""
    return workspace.database.stat().st_size


def run_id(number: int) -> str:
    """Return the id of a run that `fill_runs` made."""
    return f"01900000-0000-7000-8000-{number:012x}"


def fill_runs(workspace: Workspace) -> None:
    """Add 10,000 finished runs, each with 20 metrics, 5 params and a tag."""
    run, began = RUN.format("i"), "TIMESTAMP '2026-01-01' + INTERVAL 1 MINUTE * i"
    runs = f"FROM range({RUNS}) AS t(i)"
    with Store(workspace).transaction("fill") as change:
        change.execute(
            "INSERT INTO run_start (run_id, name, experiment, started_at, command, segment)"
            f" SELECT {run}, 'run-' || i, 'default', {began}, 'train.py', '1-w.jnl' {runs}"
        )
        change.execute(f"INSERT INTO run_writer (run_id, writer, ts) SELECT {run}, 'w', {began} {runs}")
        change.execute(
            "INSERT INTO run_end (run_id, status, ended_at, writer)"
            f" SELECT {run}, 'finished', {began} + INTERVAL 1 MINUTE, 'w' {runs}"
        )
        change.execute(
            f"INSERT INTO tag (run_id, key, value, ts) SELECT {run}, 'owner', 'me', {began} {runs}"
        )
        change.execute(
            "INSERT INTO param (run_id, key, value, ts)"
            f" SELECT {run}, 'p' || k, (hash(i + k) % 100)::VARCHAR, {began} {runs}, range({PARAMS}) AS u(k)"
        )
        change.execute(
            "INSERT INTO metric_last (run_id, key, step, ts, value, lo, hi, n)"
            f" SELECT {run}, 'm' || k, 0, {began}, (hash(i + k) % 1000) / 7.0, 0, 143, 1"
            f" {runs}, range({VALUES}) AS u(k)"
        )


def fill_points(workspace: Workspace, count: int) -> None:
    """Add metric points to those runs: as many steps of every metric as it takes."""
    run = RUN.format(f"(i * {RUNS} // {count})")
    for numbers in _numbers(count):
        with Store(workspace).transaction("fill") as change:
            change.execute(f"""
                INSERT INTO metric (run_id, key, step, ts, value)
                SELECT {run}, 'm' || (i % {VALUES}), i // {VALUES},
                    TIMESTAMP '2026-01-01' + to_milliseconds(i), 1.0 / (1 + hash(i) % 100000)
                FROM {numbers}""")


def fill_events(workspace: Workspace, count: int) -> None:
    """Add predictions with four features, 100 a second up to now, of three deployments, and what is kept of them."""
    gap_us = 1_000_000 // EVENTS_PER_S
    first = clock.wall() - timedelta(microseconds=gap_us * count)
    for numbers in _numbers(count):
        with Store(workspace).transaction("fill") as change:
            change.execute(f"""
                INSERT INTO prediction (prediction_id, ts, as_of, deployment, model, version, entity, score,
                    latency_ms, status, features)
                SELECT (lpad(to_hex(epoch_ms(ts)), 12, '0') || '7' || left(word, 3) || '8' || right(word, 15))::UUID,
                    ts, ts, 'd' || (i % 3), 'm', 1, (hash(i) % 50000)::VARCHAR, (hash(i + 4) % 100000) / 100000.0,
                    exp((hash(i + 5) % 6000) / 1000.0), CASE WHEN i % 997 = 0 THEN 500 ELSE 200 END,
                    {{'age': 18 + hash(i) % 60, 'spend': (hash(i + 1) % 1000000) / 100.0,
                      'plan': 'p' || (hash(i + 2) % 5), 'visits': hash(i + 3) % 40}}::JSON::VARIANT
                FROM (SELECT i, md5(i::VARCHAR) AS word,
                    TIMESTAMP '{first.isoformat()}' + to_microseconds(i * {gap_us}) AS ts FROM {numbers})""")
    with Store(workspace).transaction("fill") as change:
        change.execute(f"""
            INSERT INTO rollup_1m (minute, deployment, bucket, n, errors)
            SELECT date_trunc('minute', ts), deployment, {bucket("latency_ms")}, count(*),
                count(*) FILTER (status >= 400) FROM prediction GROUP BY ALL""")
        change.execute("""
            INSERT INTO resource_sample (ts, deployment, cpu_pct, rss_mb)
            SELECT min(ts), deployment, 20 + hash(min(ts)) % 30, 150 FROM prediction
            GROUP BY deployment, time_bucket(INTERVAL 5 SECOND, ts)""")
        change.execute("""
            INSERT INTO window_metric (window_id, deployment, metric, subject, starts, ends, n, value, verdict,
                model, version, computed_at)
            SELECT uuid(), 'd0', 'psi', 'f' || i, d, d, 1000, 0.1, 'ok', 'm', 1, d
            FROM range(20) AS t(i), (SELECT max(ts) AS d FROM prediction)""")


def _numbers(count: int) -> list[str]:
    """Return sources of the numbers up to a count, in the column `i`, each for one transaction."""
    return [f"range({start}, {min(start + STEP, count)}) AS t(i)" for start in range(0, count, STEP)]
