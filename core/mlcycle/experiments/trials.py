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
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
    if workers is None:
        before = time.process_time()
        found = [_trial(ready, kind, task, params, wanted, seed) for params in grid[:1]]
        left = (time.process_time() - before) * (len(grid) - 1)
        workers = MOST_WORKERS if left > SIDE_BY_SIDE_ABOVE_S and (os.cpu_count() or 1) > 1 else 0
    rest = list(grid[len(found) :])
    workers = min(workers, len(rest))
    if workers < 1:
        return found + [_trial(ready, kind, task, params, wanted, seed) for params in rest]
    common = {"kind": kind, "task": task, "wanted": wanted, "seed": seed}
    return found + _side_by_side(workspace, ready, common, rest, workers)


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
) -> list[Metrics]:
    import numpy as np

    workspace.tmp.mkdir(parents=True, exist_ok=True)
    path = workspace.tmp / f"{new_id()}.npz"
    started: list[subprocess.Popen[str]] = []
    try:
        arrays = {name: getattr(ready, name) for name in ARRAYS if getattr(ready, name) is not None}
        np.savez(path, **arrays)
        for first in range(workers):
            job = {**common, "arrays": str(path), "parent": os.getpid(), "grid": list(grid[first::workers])}
            started.append(_start(job))
        found: list[Metrics] = [{} for _ in grid]
        for first, process in enumerate(started):
            found[first::workers] = _collect(process)
        return found
    finally:
        for process in started:
            _end(process)
        path.unlink(missing_ok=True)


def _end(process: subprocess.Popen[str]) -> None:
    """Leave no process and no pipe behind when another trial failed or the user gave up."""
    if process.poll() is None:
        process.kill()
        process.communicate()
    for pipe in (process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()


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


def _collect(process: subprocess.Popen[str]) -> list[Metrics]:
    out, words = process.communicate()
    if process.returncode == UsageError.exit_code:
        raise UsageError(words.strip().splitlines()[-1] if words.strip() else "a trial cannot be fitted")
    if process.returncode != 0:
        raise EngineError(f"a trial's process ended with {process.returncode}: {words.strip()[-300:]}")
    return [json.loads(line) for line in out.splitlines()]


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
