"""The budgets of the spine, in CPU seconds: wall time lies on busy machines.

    python benchmarks/spine.py              a minute or two
    python benchmarks/spine.py --demo       and the whole demo, its children counted, phase by phase

Prints a table and never fails on a number; README.md beside this file says how to read it.
"""

from __future__ import annotations

import http.client
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
from typing import TYPE_CHECKING

from large import large_tables  # type: ignore[import-not-found]  # beside this script

if TYPE_CHECKING:
    from mlcycle.declare import Place
    from mlcycle.quality.rules import Rule
    from mlcycle.workspace import Workspace

os.environ.setdefault("OMP_NUM_THREADS", "1")

ROWS: list[tuple[str, float, float | None]] = []
NOT_YET = ("no-op pipeline", "quality scan of 1e7 rows under 500 MB")


def _said(what: str, seconds: float, budget: float | None = None, floor: float | None = None) -> None:
    ROWS.append((what, seconds, budget))
    limit = "" if budget is None else _number(budget)
    share = "" if budget is None else f"{seconds / budget:.0%}"
    bare = "" if floor is None else f"{_number(floor)}, x{seconds / floor:.1f}"
    print(f"{what:<50} {_number(seconds):>10} {limit:>10} {share:>7}  {bare}", flush=True)


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
    bare = _median(lambda: _whole_process("-c", "pass"))
    version = _median(lambda: _whole_process("-m", "mlcycle_app", "--version"))
    _said("mlcycle --version, whole process", version, 0.06, bare)
    _said(
        "mlcycle --help, whole process",
        _median(lambda: _whole_process("-m", "mlcycle_app", "--help")),
        None,
        bare,
    )


FRAME = """
import asyncio, sys, time
from pathlib import Path
from mlcycle.workspace import Workspace
from mlcycle_app.gateway import Gateway
from mlcycle_app.tui.app import CycleApp

async def look():
    app = CycleApp(Gateway(Workspace(Path(sys.argv[1]))))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        if len(sys.argv) > 2:
            before = time.process_time()
            for _ in range(20):
                for key in "tab", "shift+tab":
                    await pilot.press(key)
            print((time.process_time() - before) / 40)

asyncio.run(look())
"""


def frames(root: Path) -> None:
    """The UI in a terminal that is not there: until Home is drawn, and from a key to the frame after it."""
    bare = _median(lambda: _whole_process("-c", "import textual.app"))
    seconds = _median(lambda: _whole_process("-c", FRAME, str(root)))
    _said("Home first frame, whole process", seconds, 0.45, bare)
    words = [sys.executable, "-c", FRAME, str(root), "keys"]

    def key() -> float:
        return float(subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout)

    _said("key to frame", _median(key), 0.015)


def logging_and_folding(folder: Path) -> None:
    """One metric, and a hundred thousand of them on their way into the tables."""
    import mlcycle
    from mlcycle import clock, ids
    from mlcycle.journal.frame import encode, frame
    from mlcycle.store import Store
    from mlcycle.workspace import MARKER, Workspace

    folder.mkdir()
    (folder / MARKER).write_text("name: bench\n", encoding="utf-8")
    workspace = Workspace.find(folder)
    store = Store.create(workspace)
    calls = 5000
    run_id, now = ids.new_id(), clock.wall().isoformat()
    records = [
        {"run_id": run_id, "key": f"k{number % 50}", "step": number // 50, "ts": now, "value": number / 7}
        for number in range(100_000)
    ]
    bare, line = os.open(folder / "bare", os.O_WRONLY | os.O_CREAT | os.O_APPEND), frame(encode(records[0]))

    def append() -> None:
        for _ in range(calls):
            os.write(bare, line)

    with mlcycle.start_run(name="bench", workspace=workspace):

        def log() -> None:
            for step in range(calls):
                mlcycle.log_metrics({"loss": 1.0 / (step + 1)}, step=step)

        log()
        floor = _median(lambda: _cpu(append)) / calls
        _said("logging one metric", _median(lambda: _cpu(log)) / calls, 20e-6, floor)
    os.close(bare)
    store.fold()

    def fold() -> float:
        for start in range(0, len(records), 1000):
            store.append("metric", records[start : start + 1000])
        return _cpu(store.fold)

    _said("fold 100,000 records", _median(fold), 1.0)


def scan(workspace: Workspace) -> float:
    """Count a waiting batch's bad rows, as `quality check` does before it mends and admits."""
    from mlcycle import declare
    from mlcycle.data import records
    from mlcycle.engines.local import session
    from mlcycle.quality.rules import rules_of
    from mlcycle.quality.scan import measure
    from mlcycle.quality.scene import Dataset, set_scene
    from mlcycle.store import Store

    declared = declare.load(workspace)
    [batch] = records.batches(Store(workspace), source="asks", states=["arrived"])
    rules = rules_of(declared.checks["asks"])
    state = {"asks": Dataset("asks", declared.data.sources["asks"], rules, None, [], _no_place)}
    with session(workspace) as engine:
        scene = set_scene(workspace, engine, batch, state, 0)
        return _cpu(lambda: measure(engine, rules, scene, found=batch.rows, malformed=0))


def _no_place(rule: Rule) -> Place:
    raise LookupError(rule)


def large(folder: Path) -> None:
    """A table of a million rows: judged, and joined with three views to what was known."""
    from mlcycle import data, features, quality
    from mlcycle.engines.local import session
    from mlcycle.store import Store

    workspace = large_tables(folder)
    Store.create(workspace)
    data.ingest(workspace)
    path = workspace.root / "asks.parquet"

    def hand_written() -> None:
        with session() as engine:
            wanted = ", ".join(f"count(*) FILTER (NOT v{number} BETWEEN 0 AND 1)" for number in range(8))
            engine.rows(f"SELECT {wanted}, count(DISTINCT ask_id) FROM read_parquet('{path}')")

    floor = _median(lambda: _cpu(hand_written))
    _said("quality scan of 1e6 x 12, 15 checks", _median(lambda: scan(workspace)), 0.6, floor)
    _said("judge, admit and fingerprint the same and 1.5e6 more", _cpu(lambda: quality.check(workspace)))
    seconds = _median(lambda: _cpu(lambda: features.build(workspace)), 3)
    _said("point-in-time set of 1e6 rows, 3 views", seconds, 2.0)


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
        seconds = _median(lambda: _cpu(lambda: features.build(workspace)))
        _said("point-in-time training set, 16,120 rows, 4 views", seconds)
        _said("train rule, linear and trees", _cpu(lambda: experiments.train(workspace)))
        one_row(workspace.root)
        frames(workspace.root)
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
    over_the_wire(workspace.artifact(version.sha256), body)


def over_the_wire(package: Path, body: bytes) -> None:
    """One prediction asked of a server, beside the emptiest question the same server answers."""
    import psutil

    calls = 500
    words = [sys.executable, "-m", "mlcycle.serving", str(package), "--deployment", "bench"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        assert server.stdout is not None
        address = json.loads(server.stdout.readline())["url"].removeprefix("http://")
        line, process = http.client.HTTPConnection(address), psutil.Process(server.pid)

        def ask(method: str, path: str, sent: bytes | None) -> float:
            before = process.cpu_times()
            for _ in range(calls):
                line.request(method, path, sent, {"Content-Type": "application/json"})
                line.getresponse().read()
            after = process.cpu_times()
            return (after.user + after.system - before.user - before.system) / calls

        try:
            ask("POST", "/predict", body)
            echo = _median(lambda: ask("GET", "/health", None))
            _said(
                "one-row prediction, in the server",
                _median(lambda: ask("POST", "/predict", body)),
                4 * echo,
                echo,
            )
        finally:
            line.close()
            server.terminate()


def demo(folder: Path) -> None:
    """The whole story, children counted, and what each phase took of it."""
    words = [sys.executable, "-m", "mlcycle_app", "demo", "--headless", "--json", "--dir", str(folder)]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    told = subprocess.run(words, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    for phase, spent in json.loads(told.stdout)["cpu_s"].items():
        if phase != "total":
            _said(f"demo: {phase}", spent)
    _said("mlcycle demo --headless, the whole process tree", seconds, 60)


def main() -> None:
    """Measure everything and print it."""
    print(f"{'CPU time, median of 5':<50} {'measured':>10} {'budget':>10} {'ratio':>7}  bare floor")
    with tempfile.TemporaryDirectory() as scratch:
        start_up()
        logging_and_folding(Path(scratch) / "store")
        drift()
        large(Path(scratch) / "large")
        phases(Path(scratch) / "sample")
        if "--demo" in sys.argv[1:]:
            demo(Path(scratch) / "demo")
    over = [what for what, seconds, budget in ROWS if budget is not None and seconds > budget]
    print("over budget: " + (", ".join(over) or "nothing"))
    print("not measured yet: " + ", ".join(NOT_YET))


if __name__ == "__main__":
    main()
