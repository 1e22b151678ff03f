"""A sweep: every point of a declared grid as a child run, and the winner fitted and packaged."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

from mlcycle.errors import UsageError
from mlcycle.experiments.metrics import lower_is_better
from mlcycle.experiments.model import SweepResult, Trial
from mlcycle.experiments.rows import load_rows
from mlcycle.experiments.training import Job, log_choice, open_job, prepare, start_job_run, train_one
from mlcycle.experiments.trials import run_trials
from mlcycle.workspace import Workspace

__all__ = ["sweep"]

MOST_TRIALS = 10_000


def sweep(
    workspace: Workspace,
    *,
    training_set_id: str | None = None,
    model: str | None = None,
    grid: Mapping[str, list[Any]] | None = None,
    choose: str | None = None,
    name: str | None = None,
    workers: int | None = None,
) -> SweepResult:
    """Try a grid and keep the best.

    Parameters
    ----------
    training_set_id
        What to learn from; the newest training set that does not look ahead if None.
    model, grid, choose
        As under `sweep:` in training.yaml, which they replace piece by piece.
    workers
        Processes for the trials; decided by what the first one costs if None.

    Raises
    ------
    UsageError
        If nothing declares a grid, or the metric has no value on the validation rows.

    Notes
    -----
    The winner of many trials is measured on rows that chose it, so its number is a little too good: the gate says so
    by judging retrained models on later rows. Of equal values the first in the grid wins.
    """
    job = open_job(workspace, training_set_id)
    declared = job.training.sweep
    wanted = model or (declared.model if declared else None)
    points = _points(dict(grid) if grid is not None else dict(declared.grid) if declared else {})
    metric = choose or (declared.choose if declared else None)
    if wanted is None or metric is None:
        raise UsageError(
            "training.yaml declares no sweep",
            hint="write sweep: with model, grid and choose in training.yaml",
        )
    kind = job.declared(wanted).kind
    if kind == "rule":
        raise UsageError(f"model {wanted!r} is a rule: it has no params to sweep over")
    rows, _ = load_rows(workspace, job.chosen)
    with start_job_run(job, name or f"{wanted} sweep") as parent:
        parent.log_params({"model": wanted, "choose": metric, "trials": len(points)})
        parent.log_input("training_set", job.chosen.training_set_id)
        ready = prepare(job, rows, kind)
        full = [{**job.declared(wanted).params, **point} for point in points]
        found = run_trials(
            workspace,
            ready,
            kind,
            job.training.task,
            full,
            choose=metric,
            seed=job.training.seed,
            workers=workers,
        )
        trials = [
            _trial_run(job, wanted, kind, point, metric, values)
            for point, values in zip(full, found, strict=True)
        ]
        best = _best(trials, metric)
        result = train_one(job, wanted, params=best.params, name=f"{wanted} best")
        parent.log_metrics({metric: best.value} if best.value is not None else {})
        parent.set_tags({"best_run": result.run_id})
    order = sorted(trials, key=lambda trial: _rank(trial, metric))
    return SweepResult(parent.run_id, result, metric, tuple(order))


def _points(grid: dict[str, list[Any]]) -> list[dict[str, Any]]:
    count = 1
    for values in grid.values():
        count *= len(values)
    if not grid or count == 0:
        raise UsageError(
            "a sweep needs a grid with a value for each param", hint="see sweep: in training.yaml"
        )
    if count > MOST_TRIALS:
        raise UsageError(f"the grid has {count} points, more than {MOST_TRIALS}")
    return [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]


def _trial_run(
    job: Job, model: str, kind: str, params: dict[str, Any], metric: str, values: Mapping[str, float]
) -> Trial:
    varied = job.training.sweep.grid if job.training.sweep else params
    name = " ".join(f"{key}={value}" for key, value in params.items() if key in varied)
    with start_job_run(job, f"{model} {name}"[:200]) as run:
        log_choice(run, job, model, kind, params)
        run.log_metrics(values)
    return Trial(run.run_id, params, values.get(metric))


def _rank(trial: Trial, metric: str) -> tuple[bool, float]:
    if trial.value is None:
        return True, 0.0
    return False, trial.value if lower_is_better(metric) else -trial.value


def _best(trials: list[Trial], metric: str) -> Trial:
    best = min(trials, key=lambda trial: _rank(trial, metric))
    if best.value is None:
        raise UsageError(
            f"{metric} has no value on the validation rows of any trial",
            hint="choose a metric that fits the task",
        )
    return best
