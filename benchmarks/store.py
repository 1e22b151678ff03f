"""The budgets of the store: writing, folding, opening, reading, and how each grows from 1e4 to 1e7 rows.

    python benchmarks/store.py              two or three minutes, up to 1e6 rows
    python benchmarks/store.py --large      and 1e7: some minutes more, about 1 GB of disk for as long

Prints a table and never fails on a number; README.md beside this file says how to read it.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import store_fill as fill  # type: ignore[import-not-found]  # beside this script
from ledger import Ledger, cpu, median, number, wall  # type: ignore[import-not-found]

if TYPE_CHECKING:
    from mlcycle.workspace import Workspace

MLFLOW_US = 2114
"""CPU of one metric a call to MLflow 3.17.2 with its SQLite store, measured on the machine of the specs."""
SPEC_MB = 32
"""Bytes per million events with features, in MB, as the specs measured them."""
CALLS = 5000
ROWS = 100_000
WORKER = """
import json, sys, time
import mlcycle
count = int(sys.argv[2])
with mlcycle.start_run(name="bench", workspace=sys.argv[1]):
    for step in range(500):
        mlcycle.log_metrics({"warm": 1.0}, step=step)
    print("ready", flush=True)
    sys.stdin.readline()
    begun, spent = time.time(), time.process_time()
    for step in range(count):
        mlcycle.log_metrics({"loss": 1.0 / (step + 1)}, step=step)
    print(json.dumps([begun, time.time(), time.process_time() - spent]), flush=True)
"""


def logging(ledger: Ledger, folder: Path) -> None:
    """One metric a call, beside the line it writes and beside MLflow."""
    import mlcycle
    from mlcycle import clock
    from mlcycle.journal.frame import encode, frame

    workspace = fill.empty(folder)
    now = clock.wall().isoformat()
    line = frame(encode({"run_id": fill.run_id(1), "key": "loss", "step": 1, "ts": now, "value": 1 / 7}))
    bare = os.open(folder / "bare", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def append() -> None:
        for _ in range(CALLS):
            os.write(bare, line)

    with mlcycle.start_run(name="bench", workspace=workspace):

        def log() -> None:
            for step in range(CALLS):
                mlcycle.log_metrics({"loss": 1.0 / (step + 1)}, step=step)

        log()
        floor = median(lambda: cpu(append)) / CALLS
        took = median(lambda: cpu(log)) / CALLS
    os.close(bare)
    ledger.said("log_metrics, one metric a call", took, 20e-6, floor)
    theirs, where = _mlflow(folder / "mlflow")
    aim = "aim: 100x less" if theirs / took < 100 else "100x less, as aimed at"
    ledger.said(
        "  the same call to MLflow's SQLite store", theirs, note=f"{theirs / took:.0f}x ours; {aim}; {where}"
    )


def _mlflow(folder: Path) -> tuple[float, str]:
    try:
        import mlflow  # type: ignore[import-not-found]
    except ModuleNotFoundError:
        return MLFLOW_US / 1e6, "not installed: measured in the specs"
    folder.mkdir()
    mlflow.set_tracking_uri(f"sqlite:///{folder / 'mlflow.db'}")
    with mlflow.start_run():

        def log() -> None:
            for step in range(100):
                mlflow.log_metrics({"loss": 1.0 / (step + 1)}, step=step)

        log()
        return median(lambda: cpu(log)) / 100, f"measured here, {mlflow.__version__}"


def several(ledger: Ledger, folder: Path, count: int = 20_000) -> None:
    """One process that logs as fast as it can, then four at once into the same workspace."""
    workspace = fill.empty(folder)
    # In turns, and of the rates the best: what passes on the wall is the neighbours' doing too.
    told = [(_together(workspace, 1, count), _together(workspace, 4, count)) for _ in range(5)]
    one, four = (
        (max(rate for rate, _ in mine), statistics.median(spent for _, spent in mine))
        for mine in zip(*told, strict=True)
    )
    ledger.said(
        "1 process, records a second (wall, best of 5)", one[0], 40_000, unit="/s", more_is_better=True
    )
    ledger.said(
        "4 processes together (wall, best of 5)",
        four[0],
        one[0],
        unit="/s",
        more_is_better=True,
        note="budget: as 1 process",
    )
    ledger.said(
        "1 process, CPU a record, the process over", one[1], 25e-6, note="budget: 40,000 a CPU second"
    )
    ledger.said(
        "4 processes, CPU a record",
        four[1],
        note=f"{four[1] / one[1]:.2f} of 1 process: what they cost each other",
    )


def _together(workspace: Workspace, processes: int, count: int) -> tuple[float, float]:
    """Return records a second between the first's begin and the last's end, and CPU seconds a record."""
    words = [sys.executable, "-c", WORKER, str(workspace.root), str(count)]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    running: list[Any] = [subprocess.Popen(words, **pipes) for _ in range(processes)]
    for one in running:
        one.stdout.readline()
    for one in running:
        one.stdin.write("\n")
        one.stdin.flush()
    told = [json.loads(one.communicate()[0]) for one in running]
    passed = max(end for _, end, _ in told) - min(begun for begun, _, _ in told)
    return processes * count / passed, sum(spent for _, _, spent in told) / (processes * count)


def folding(ledger: Ledger, folder: Path) -> None:
    """A hundred thousand records of each kind into the tables, beside DuckDB alone reading the same JSON."""
    workspace = fill.empty(folder)
    lines = folder / "lines.jsonl"
    for stream in ("metric", "prediction"):
        records = list(_records(stream, ROWS))
        lines.write_text("\n".join(json.dumps(record) for record in records), encoding="utf-8")
        floor = median(lambda: cpu(lambda: _bare_insert(folder, lines)), 3)
        took = median(partial(_fold, workspace, stream, records))
        ledger.said(f"fold of 100,000 {stream} records", took, 1.0, floor)


def _records(stream: str, count: int) -> Iterator[dict[str, object]]:
    from mlcycle import clock, ids

    now = clock.wall().isoformat()
    for at in range(count):
        if stream == "metric":
            run = fill.run_id(at // 1000)
            yield {"run_id": run, "key": f"m{at % 20}", "step": at // 20, "ts": now, "value": at / 7}
        else:
            features = {
                "age": 18 + at % 60,
                "spend": at % 1000 / 100,
                "plan": f"p{at % 5}",
                "visits": at % 40,
            }
            yield {
                "prediction_id": ids.new_id(),
                "ts": now,
                "as_of": now,
                "deployment": "d",
                "model": "m",
                "version": 1,
                "entity": str(at),
                "score": at % 100 / 100,
                "latency_ms": 1 + at % 300,
                "status": 200,
                "features": features,
            }


def _fold(workspace: Workspace, stream: str, records: list[dict[str, object]]) -> float:
    from mlcycle.store import Store

    store = Store(workspace)
    for start in range(0, len(records), 1000):
        store.append(stream, records[start : start + 1000])
    return float(cpu(store.fold))


def _bare_insert(folder: Path, lines: Path) -> None:
    import duckdb

    path = folder / "bare.duckdb"
    with duckdb.connect(str(path)) as bare:
        bare.execute(f"CREATE TABLE t AS SELECT * FROM read_json('{lines}', format = 'newline_delimited')")
        bare.execute("CHECKPOINT")
    path.unlink()


BARE_LIST = """
    SELECT s.run_id, any_value(s.name), list(key), list(value)
    FROM (FROM run_start ORDER BY started_at DESC LIMIT {}) AS s JOIN metric_last USING (run_id) GROUP BY s.run_id
"""


def opening(ledger: Ledger, workspace: Workspace) -> None:
    """One question to a store with 10,000 runs, and the list of the newest of them."""
    from mlcycle import experiments
    from mlcycle.store import Store
    from mlcycle_app.gateway import Gateway

    store = Store(workspace)
    store.read("SELECT 1")
    took = median(lambda: cpu(lambda: store.read("SELECT 1")))
    floor = median(lambda: cpu(lambda: _bare_ask(workspace, "SELECT 1")))
    ledger.said("open read-only, ask, close", took, 15e-3, floor, note="a DuckDB is kept, without a file")
    shown = partial(Gateway(workspace).table, "runs")
    took = median(lambda: cpu(shown))
    floor = median(lambda: cpu(lambda: _bare_ask(workspace, BARE_LIST.format(500))))
    ledger.said("run list as shown: newest 500 of 10,000 x 20 values", took, 50e-3, floor)
    for limit, budget in ((50, 50e-3), (1000, None)):
        listed = partial(experiments.list_runs, workspace, limit=limit)
        took = median(lambda listed=listed: cpu(listed))
        floor = median(lambda limit=limit: cpu(lambda: _bare_ask(workspace, BARE_LIST.format(limit))))
        ledger.said(f"runs with all their values: newest {limit:,}", took, budget, floor)


def _bare_ask(workspace: Workspace, query: str) -> None:
    import duckdb

    with duckdb.connect(str(workspace.database), read_only=True) as bare:
        bare.execute(query).fetchall()


def growth(ledger: Ledger, folder: Path, sizes: list[int]) -> None:
    """The same questions to stores of growing size; each size has a store of its own."""
    folder.mkdir()
    found = []
    for count in sizes:
        with _store_of(folder / str(count), count) as (workspace, event_bytes, point_bytes):
            floor = median(lambda workspace=workspace: cpu(lambda: _bare_ask(workspace, _bare_panel())))
            found.append(_asked(workspace) | {"file, MB a million events": event_bytes})
            found[-1]["file, MB a million points"] = point_bytes
    events = f"{sizes[-1]:.0e} events"
    ledger.said(f"panel over {events}", found[-1][PANEL], 50e-3, floor)
    ledger.said(f"file, a million of {events}", event_bytes, SPEC_MB, unit="MB", note="4 features each")
    ledger.said("file, a million metric points", point_bytes, unit="MB")
    heads = "".join(f"{size:>12.0e}" for size in sizes)
    print(f"\n{'growth: so many events and as many metric points':<50}{heads}   last over first")
    for name in found[0]:
        cells = "".join(f"{number(row[name], 'MB' if 'MB' in name else 's'):>12}" for row in found)
        first = found[0][name]
        print(
            f"{name:<50}{cells}   {f'x{found[-1][name] / first:.2g}' if first and 'MB' not in name else ''}"
        )
    print()


PANEL = "panel, the last 15 minutes"


def _asked(workspace: Workspace) -> dict[str, float]:
    from mlcycle import experiments, monitor
    from mlcycle.store import Store
    from mlcycle_app.gateway import Gateway

    store, shown = Store(workspace), partial(Gateway(workspace).table, "runs")
    monitor.panel(workspace)
    found = {
        "open read-only, ask, close": median(lambda: cpu(lambda: store.read("SELECT 1"))),
        "run list as shown, newest 500 of 10,000": median(lambda: cpu(shown)),
        "runs with all their values, newest 50": median(
            lambda: cpu(lambda: experiments.list_runs(workspace, limit=50))
        ),
        PANEL: median(lambda: cpu(lambda: monitor.panel(workspace))),
        f"{PANEL} (wall)": median(lambda: wall(lambda: monitor.panel(workspace))),
    }
    # Only now: so many live objects would make what is measured above pay for looking through them.
    records = list(_records("metric", ROWS))
    return found | {"fold of 100,000 metric records": median(lambda: _fold(workspace, "metric", records), 3)}


@contextmanager
def _store_of(folder: Path, count: int) -> Iterator[tuple[Workspace, float, float]]:
    """Make a store with 10,000 runs, events and metric points; MB a million of either come with it."""
    workspace = fill.empty(folder)
    fill.fill_runs(workspace)
    sizes = [fill.size(workspace)]
    for more in (fill.fill_points, fill.fill_events):
        more(workspace, count)
        sizes.append(fill.size(workspace))
    yield workspace, (sizes[2] - sizes[1]) / count, (sizes[1] - sizes[0]) / count
    shutil.rmtree(folder)


def _bare_panel() -> str:
    from datetime import timedelta

    from mlcycle import clock

    since = clock.wall() - timedelta(minutes=15)
    return (
        "SELECT count(*), quantile_cont(latency_ms, [0.5, 0.95, 0.99]), count(*) FILTER (status <> 200)"
        f" FROM prediction WHERE ts >= TIMESTAMP '{since.isoformat()}'"
    )


def main() -> None:
    """Measure everything and print it."""
    sizes = [10_000, 100_000, 1_000_000] + ([10_000_000] if "--large" in sys.argv[1:] else [])
    ledger = Ledger("CPU time unless said otherwise, median of 5", [])
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        logging(ledger, folder / "logging")
        several(ledger, folder / "several")
        folding(ledger, folder / "folding")
        workspace = fill.empty(folder / "runs")
        fill.fill_runs(workspace)
        opening(ledger, workspace)
        growth(ledger, folder / "growth", sizes)
    print("over budget: " + (", ".join(ledger.missed) or "nothing"))
    if "--large" not in sys.argv[1:]:
        print("the panel's budget is over 1e7 events: --large")


if __name__ == "__main__":
    main()
