"""A sweep: every point of a declared grid as a child run, and the winner fitted and packaged."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mlcycle.errors import UsageError
from mlcycle.experiments.metrics import lower_is_better
from mlcycle.experiments.model import SweepResult, Trial
from mlcycle.experiments.rows import load_rows
from mlcycle.experiments.training import Job, log_choice, open_job, prepare, start_job_run, train_one
from mlcycle.experiments.trials import run_trials
from mlcycle.workspace import Workspace

if TYPE_CHECKING:
    from mlcycle.declare.model import Sweep

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
    asked = _asked(job, model, grid, choose)
    kind = job.declared(asked.model).kind
    if kind == "rule":
        raise UsageError(f"model {asked.model!r} is a rule: it has no params to sweep over")
    points = _points(asked.grid)
    full = [{**job.declared(asked.model).params, **point} for point in points]
    with start_job_run(job, name or f"{asked.model} sweep") as parent:
        parent.log_params({"model": asked.model, "choose": asked.choose, "trials": len(points)})
        parent.log_input("training_set", job.chosen.training_set_id)
        ready = prepare(job, load_rows(workspace, job.chosen)[0], kind)
        found = run_trials(
            workspace,
            ready,
            kind,
            job.training.task,
            full,
            choose=asked.choose,
            seed=job.training.seed,
            workers=workers,
        )
        trials = [_trial_run(job, asked, kind, *pair) for pair in zip(full, found, strict=True)]
        best = _best(trials, asked.choose)
        result = train_one(job, asked.model, params=best.params, name=f"{asked.model} best", ready=ready)
        parent.log_metrics({asked.choose: best.value} if best.value is not None else {})
        parent.set_tags({"best_run": result.run_id})
    order = sorted(trials, key=lambda trial: _rank(trial, asked.choose))
    return SweepResult(parent.run_id, result, asked.choose, tuple(order))


def _asked(job: Job, model: str | None, grid: Mapping[str, list[Any]] | None, choose: str | None) -> Sweep:
    from mlcycle.declare.model import Sweep

    declared = job.training.sweep
    model = model or (declared.model if declared else None)
    choose = choose or (declared.choose if declared else None)
    if model is None or choose is None:
        raise UsageError(
            "training.yaml declares no sweep",
            hint="write sweep: with model, grid and choose in training.yaml",
        )
    return Sweep(
        model=model, grid=dict(declared.grid if grid is None and declared else grid or {}), choose=choose
    )


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
    job: Job, asked: Sweep, kind: str, params: dict[str, Any], values: Mapping[str, float]
) -> Trial:
    varied = " ".join(f"{key}={value}" for key, value in params.items() if key in asked.grid)
    with start_job_run(job, f"{asked.model} {varied}"[:200]) as run:
        log_choice(run, job, asked.model, kind, params)
        run.log_metrics(values)
    return Trial(run.run_id, params, values.get(asked.choose))


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
