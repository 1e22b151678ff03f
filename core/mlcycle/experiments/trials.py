"""The trials of a sweep: here, one after the other, while they are quick; side by side in processes when they are not.

Every trial uses one thread. A process costs 2 CPU seconds of imports before its first fit, so a sweep of small
fits is cheapest where scikit-learn is loaded already. Workers are started as `python -m mlcycle.experiments.trials`,
since multiprocessing would run the user's script again.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlcycle import progress
from mlcycle.errors import EngineError, UsageError
from mlcycle.experiments.fit import Kind, Task, fit
from mlcycle.experiments.metrics import score, standard
from mlcycle.ids import new_id
from mlcycle.workspace import Workspace

if TYPE_CHECKING:
    from mlcycle.experiments.training import Prepared

__all__ = ["run_trials"]

SIDE_BY_SIDE_ABOVE_S = 20.0
"""CPU seconds left after the first trial from which processes pay for their imports."""
MOST_WORKERS = 2
ARRAYS = ("matrix", "y", "weight", "judged_matrix", "judged_y")
WORK = "fit trials"
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}

Metrics = dict[str, float]


def run_trials(
    workspace: Workspace,
    ready: Prepared,
    kind: Kind,
    task: Task,
    grid: Sequence[Mapping[str, Any]],
    *,
    choose: str,
    seed: int,
    workers: int | None = None,
) -> list[Metrics]:
    """Fit every point of a grid and return its metrics on the judged rows, in the grid's order.

    Parameters
    ----------
    choose
        A metric to measure besides the task's standard ones.
    workers
        Processes; 0 for none, None to decide by what the first trial cost.
    """
    wanted = tuple(dict.fromkeys((choose, *standard(task))))
    found: list[Metrics] = []
    progress.tell(WORK, 0, len(grid))
    if workers is None:
        before = time.process_time()
        found = [_trial(ready, kind, task, params, wanted, seed) for params in grid[:1]]
        left = (time.process_time() - before) * (len(grid) - 1)
        workers = MOST_WORKERS if left > SIDE_BY_SIDE_ABOVE_S and (os.cpu_count() or 1) > 1 else 0
    rest = list(grid[len(found) :])
    workers = min(workers, len(rest))
    if workers < 1:
        for params in rest:
            progress.tell(WORK, len(found), len(grid))
            found.append(_trial(ready, kind, task, params, wanted, seed))
        progress.tell(WORK, len(grid), len(grid))
        return found
    common = {"kind": kind, "task": task, "wanted": wanted, "seed": seed}
    return found + _side_by_side(workspace, ready, common, rest, workers, len(found))


def _trial(
    ready: Any, kind: Kind, task: Task, params: Mapping[str, Any], wanted: Sequence[str], seed: int
) -> Metrics:
    fitted = fit(kind, task, ready.matrix, ready.y, params=params, seed=seed, weight=ready.weight)
    scores = fitted.scores(ready.judged_matrix)
    measured = {name: score(name, ready.judged_y, scores).value for name in wanted}
    return {name: value for name, value in measured.items() if value is not None}


def _side_by_side(
    workspace: Workspace,
    ready: Prepared,
    common: Mapping[str, Any],
    grid: Sequence[Mapping[str, Any]],
    workers: int,
    before: int,
) -> list[Metrics]:
    import numpy as np

    workspace.tmp.mkdir(parents=True, exist_ok=True)
    path = workspace.tmp / f"{new_id()}.npz"
    started: list[_Worker] = []
    count = _Count(len(grid), before)
    try:
        arrays = {name: getattr(ready, name) for name in ARRAYS if getattr(ready, name) is not None}
        np.savez(path, **arrays)
        for first in range(workers):
            job = {**common, "arrays": str(path), "parent": os.getpid(), "grid": list(grid[first::workers])}
            started.append(_Worker(_start(job), count))
        found: list[Metrics] = [{} for _ in grid]
        for first, worker in enumerate(started):
            found[first::workers] = worker.collect()
        return found
    finally:
        for worker in started:
            worker.end()
        path.unlink(missing_ok=True)


def _start(job: Mapping[str, Any]) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "mlcycle.experiments.trials"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        env={**os.environ, **ONE_THREAD},
    )
    if process.stdin is not None:
        process.stdin.write(json.dumps(job))
        process.stdin.close()
        process.stdin = None
    return process


class _Count:
    """Trials done, in whichever process."""

    def __init__(self, rest: int, before: int) -> None:
        self._done, self._total = before, rest + before
        self._lock = threading.Lock()

    def one_more(self) -> None:
        with self._lock:
            self._done += 1
            progress.tell(WORK, self._done, self._total)


class _Worker:
    """One process, read while others work, so that none waits for a full pipe."""

    def __init__(self, process: subprocess.Popen[str], count: _Count) -> None:
        self._process, self._count = process, count
        self._lines: list[str] = []
        self._words = ""
        self._threads = [threading.Thread(target=read, daemon=True) for read in (self._answers, self._said)]
        for thread in self._threads:
            thread.start()

    def collect(self) -> list[Metrics]:
        """Wait for the process and return its answers."""
        for thread in self._threads:
            thread.join()
        code, words = self._process.wait(), self._words.strip()
        if code == UsageError.exit_code:
            raise UsageError(words.splitlines()[-1] if words else "a trial cannot be fitted")
        if code != 0:
            raise EngineError(f"a trial's process ended with {code}: {words[-300:]}")
        return [json.loads(line) for line in self._lines]

    def end(self) -> None:
        """Leave no process and no pipe behind when another trial failed or the user gave up."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        for thread in self._threads:
            thread.join()
        for pipe in (self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()

    def _answers(self) -> None:
        for line in self._process.stdout or ():
            self._lines.append(line)
            self._count.one_more()

    def _said(self) -> None:
        if self._process.stderr is not None:
            self._words = self._process.stderr.read()


def _work() -> int:
    """Run the trials that standard input describes; one JSON line of metrics each on standard output."""
    import numpy as np

    job = json.load(sys.stdin)
    with np.load(Path(job["arrays"]), allow_pickle=False) as arrays:
        ready = _Arrays({name: arrays[name] for name in arrays.files})
    for params in job["grid"]:
        if os.name == "posix" and os.getppid() != job["parent"]:
            return 1  # nobody waits for the answer any more
        try:
            found = _trial(ready, job["kind"], job["task"], params, job["wanted"], job["seed"])
        except UsageError as error:
            sys.stderr.write(error.message + "\n")
            return UsageError.exit_code
        sys.stdout.write(json.dumps(found) + "\n")
        sys.stdout.flush()
    return 0


class _Arrays:
    """The arrays of a `Prepared`, read back."""

    def __init__(self, arrays: Mapping[str, Any]) -> None:
        for name in ARRAYS:
            setattr(self, name, arrays.get(name))


if __name__ == "__main__":
    sys.exit(_work())
