"""The budgets of the spine, in CPU seconds: wall time lies on busy machines.

    python benchmarks/spine.py              about a minute
    python benchmarks/spine.py --demo       and the whole demo, its children counted

Prints a table and never fails on a number; whoever changes something looks at the table before and after.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

ROWS: list[tuple[str, float, float | None]] = []


def _said(what: str, seconds: float, budget: float | None = None) -> None:
    ROWS.append((what, seconds, budget))
    share = "" if budget is None else f"{seconds / budget:8.0%} of {budget:g}"
    print(f"{what:<58} {_number(seconds):>12} {share}", flush=True)


def _number(seconds: float) -> str:
    return f"{seconds * 1e6:.1f} us" if seconds < 1e-3 else f"{seconds:.3f} s"


def _cpu(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def _whole_process(*words: str) -> float:
    """Return user and system seconds of one command, its children included."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _median(measure: Callable[[], float], times: int = 5) -> float:
    return statistics.median(measure() for _ in range(times))


def start_up() -> None:
    """What a user waits for before anything happens."""
    _said(
        "mlcycle --version, whole process",
        _median(lambda: _whole_process("-m", "mlcycle_app", "--version")),
        0.06,
    )
    _said("mlcycle --help, whole process", _median(lambda: _whole_process("-m", "mlcycle_app", "--help")))
    _said("an empty Python, for comparison", _median(lambda: _whole_process("-c", "")))


def logging_and_folding(folder: Path) -> None:
    """One metric, and a hundred thousand of them on their way into the tables."""
    import mlcycle
    from mlcycle import clock, ids
    from mlcycle.store import Store
    from mlcycle.workspace import MARKER, Workspace

    folder.mkdir()
    (folder / MARKER).write_text("name: bench\n", encoding="utf-8")
    workspace = Workspace.find(folder)
    store = Store.create(workspace)
    calls = 5000
    with mlcycle.start_run(name="bench", workspace=workspace):

        def log() -> None:
            for step in range(calls):
                mlcycle.log_metrics({"loss": 1.0 / (step + 1)}, step=step)

        log()
        _said("logging one metric", _median(lambda: _cpu(log)) / calls, 20e-6)
    store.fold()
    run_id, now = ids.new_id(), clock.wall().isoformat()
    records = [
        {"run_id": run_id, "key": f"k{number % 50}", "step": number // 50, "ts": now, "value": number / 7}
        for number in range(100_000)
    ]

    def fold() -> float:
        for start in range(0, len(records), 1000):
            store.append("metric", records[start : start + 1000])
        return _cpu(store.fold)

    _said("fold 100,000 records", _median(fold, 3), 1.0)


def drift() -> None:
    """Twenty columns of a window against their profiles."""
    import numpy as np

    from mlcycle.engines.local import session
    from mlcycle.models import profile
    from mlcycle.monitor import bins
    from mlcycle.monitor import drift as formulas
    from mlcycle.monitor.model import Profile

    random = np.random.default_rng(0)
    profiles = []
    for number in range(20):
        row = profile(f"c{number}", random.normal(size=10_000).astype(np.float32))
        profiles.append(
            Profile(row.subject, row.kind, tuple(row.edges), tuple(row.counts), row.rows, row.missing)
        )
    with session() as engine:
        drawn = (f"(random() + random() - {number / 10})::FLOAT AS c{number}" for number in range(20))
        columns = ", ".join(drawn)
        engine.execute(f"CREATE TABLE seen AS SELECT {columns} FROM range(100000)")
        query = ", ".join(f"{bins.count_sql(one, one.subject)} AS {one.subject}" for one in profiles)

        def judge() -> None:
            found = engine.one(f"SELECT {query} FROM seen")
            for one in profiles:
                formulas.psi(bins.reference(one), bins.counts(one, found[one.subject]))

        _said("drift of 20 columns over 100,000 rows", _median(lambda: _cpu(judge)), 0.1)


def phases(folder: Path) -> None:
    """The sample product up to a trained model, phase by phase."""
    from mlcycle import clock, data, experiments, features, quality
    from mlcycle.store import Store
    from mlcycle.workspace import Workspace
    from mlcycle_sample.workspace import write_workspace

    _said("sample: 180,000 rows in four formats", _cpu(lambda: write_workspace(folder)))
    workspace = Workspace.find(folder)
    clock.set_now(datetime(2026, 1, 1))
    try:
        Store.create(workspace)
        _said("ingest five sources", _cpu(lambda: data.ingest(workspace)))
        _said("judge, mend and admit 153,000 rows, 27 checks", _cpu(lambda: quality.check(workspace)))
        _said(
            "point-in-time training set, 16,120 rows, 4 views",
            _median(lambda: _cpu(lambda: features.build(workspace)), 3),
        )
        _said("train rule, linear and trees", _cpu(lambda: experiments.train(workspace)))
        one_row(workspace.root)
    finally:
        clock.set_now(None)


def one_row(root: Path) -> None:
    """From the bytes of a request to a score, without the network."""
    from mlcycle import models
    from mlcycle.serving.matrix import Decoder, MatrixBuilder
    from mlcycle.serving.package import open_package
    from mlcycle.serving.runtime import load
    from mlcycle.store import Store
    from mlcycle.workspace import Workspace

    workspace = Workspace.find(root)
    trees = Store(workspace).read("SELECT run_id FROM runs WHERE name = 'trees'")
    version = models.register(workspace, trees[0]["run_id"])
    package = open_package(workspace.artifact(version.sha256))
    scorer, decode, build = (
        load(package),
        Decoder(package.signature, max_rows=1),
        MatrixBuilder(package.signature),
    )
    row = {
        feature.name: feature.categories[0] if feature.categories else 1.0
        for feature in package.signature.features
    }
    body = json.dumps({"instances": [{"entity": "1", "features": row}]}).encode()
    calls = 2000

    def predict() -> None:
        for _ in range(calls):
            scorer(build(decode(body).instances).values)

    predict()
    _said("one prediction, from bytes to score", _median(lambda: _cpu(predict)) / calls)


def demo(folder: Path) -> None:
    """The whole story, children counted."""
    seconds = _whole_process("-m", "mlcycle_app", "demo", "--headless", "--json", "--dir", str(folder))
    _said("mlcycle demo --headless, the whole process tree", seconds, 60)


def main() -> None:
    """Measure everything and print it."""
    with tempfile.TemporaryDirectory() as scratch:
        start_up()
        logging_and_folding(Path(scratch) / "store")
        drift()
        phases(Path(scratch) / "sample")
        if "--demo" in sys.argv[1:]:
            demo(Path(scratch) / "demo")
    over = [what for what, seconds, budget in ROWS if budget is not None and seconds > budget]
    print("over budget: " + (", ".join(over) or "nothing"))


if __name__ == "__main__":
    main()
