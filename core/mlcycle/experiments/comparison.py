"""Reading runs back: lists, the best one, and several side by side."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from mlcycle.errors import NotFoundError, UsageError
from mlcycle.experiments import records
from mlcycle.experiments.artifacts import read_artifact, whole
from mlcycle.experiments.metrics import lower_is_better, standard
from mlcycle.experiments.model import Comparison, Difference, RunCurve, RunDetails, RunRow
from mlcycle.experiments.training import OF_OURS, PACKAGE
from mlcycle.workspace import Workspace

__all__ = ["best", "compare", "curves", "list_runs", "model_params", "run_package", "show", "winner"]

MOST_POINTS = 500
"""Points of a curve that are shown, of each run."""


def list_runs(workspace: Workspace, *, experiment: str | None = None, limit: int = 1000) -> list[RunRow]:
    """Return runs with params, last metrics and tags, the newest first."""
    return records.runs(workspace, experiment=experiment, limit=limit)


def show(workspace: Workspace, run: str) -> RunDetails:
    """Return all of the run of a name, an id, or an id's last digits; params and tags whole however long they are.

    Raises
    ------
    NotFoundError
        If there is none.
    """
    found = records.details(workspace, run)
    kept = {artifact.path: artifact.sha256 for artifact in found.artifacts}.get
    return replace(
        found,
        params=whole(workspace, "param", found.params, kept),
        tags=whole(workspace, "tag", found.tags, kept),
    )


def best(workspace: Workspace, metric: str | None = None, *, experiment: str | None = None) -> RunRow:
    """Return the finished run with the best last value of a metric; of equals the oldest.

    Parameters
    ----------
    metric
        The declared sweep's own, or the declared task's first, if None.

    Raises
    ------
    NotFoundError
        If no finished run has a value of that metric.
    """
    metric = metric or _chosen_metric(workspace)
    found = records.best_run(workspace, metric, lower=lower_is_better(metric), experiment=experiment)
    if found is None:
        names = ", ".join(records.metric_names(workspace, experiment))
        raise NotFoundError(
            f"no finished run has the metric {metric!r}", hint=f"known: {names}" if names else "mlcycle train"
        )
    return records.runs(workspace, ids=[found])[0]


def compare(workspace: Workspace, runs: Sequence[str]) -> Comparison:
    """Put runs side by side: params, metrics and what they read, those that differ marked.

    Raises
    ------
    NotFoundError
        If one is not there.
    UsageError
        If fewer than two are named.
    """
    if len(runs) < 2:
        raise UsageError("comparing takes two runs or more", hint="mlcycle runs compare RUN RUN")
    found = [records.run(workspace, run) for run in runs]
    read = [records.inputs(workspace, run.run_id) for run in found]
    rows = _rows("param", [run.params for run in found])
    rows += _rows("metric", [run.metrics for run in found])
    rows += _rows("input", read)
    return Comparison(tuple(found), tuple(rows))


def curves(workspace: Workspace, runs: Sequence[str], key: str, *, most: int = MOST_POINTS) -> list[RunCurve]:
    """Return one metric of runs over its steps, in the order of the runs.

    Parameters
    ----------
    runs
        Ids, last digits of ids, or names.
    key
        The metric.
    most
        Points of each run. One that has more is thinned: of equal stretches of its steps the first, the least, the
        greatest and the last point stay, so that no peak is lost.

    Returns
    -------
    list of RunCurve
        One a run; without points where it has none of that metric. Values that are not finite are left out.

    Raises
    ------
    NotFoundError
        If one of the runs is not there.
    """
    found = [records.run(workspace, run) for run in runs]
    rows = records.points(workspace, [run.run_id for run in found], [key], max(most, 4))
    kept = {row["run_id"]: row for row in rows}
    return [_curve(run, kept.get(run.run_id, {"points": 0, "steps": [], "values": []})) for run in found]


def run_curves(
    workspace: Workspace, run: RunRow, keys: Sequence[str], *, most: int = MOST_POINTS
) -> dict[str, RunCurve]:
    """Return metrics of one run over its steps, asked for at once; `curves` says how they are thinned.

    Parameters
    ----------
    run
        What `show` or `list_runs` returned.
    keys
        The metrics. One without a finite value is not in the answer.
    most
        Points of each metric.
    """
    rows = records.points(workspace, [run.run_id], keys, max(most, 4))
    return {row["key"]: _curve(run, row) for row in rows}


def _curve(run: RunRow, row: dict[str, Any]) -> RunCurve:
    steps, values = tuple(row["steps"]), tuple(row["values"])
    return RunCurve(run.run_id, run.name, steps, values, row["points"], len(steps) < row["points"])


def model_params(workspace: Workspace, run: str) -> tuple[str, dict[str, Any]]:
    """Return the declared model a run fitted, and its estimator's params, so that it can be fitted again.

    Raises
    ------
    UsageError
        If the run did not come from `train`.
    """
    found = records.run(workspace, run)
    if "model" not in found.params or "kind" not in found.params:
        raise UsageError(f"run {found.name!r} was not made by mlcycle train", hint="mlcycle runs list")
    params = {key: _value(text) for key, text in found.params.items() if key not in OF_OURS}
    return found.params["model"], params


def winner(workspace: Workspace) -> RunRow:
    """Return the newest sweep's winner; without a sweep the best run that kept a model.

    Raises
    ------
    NotFoundError
        If no finished run kept one.
    """
    chosen = records.newest_sweeps_best(workspace)
    if chosen is None:
        metric = _chosen_metric(workspace)
        chosen = records.best_run(workspace, metric, lower=lower_is_better(metric), kept=PACKAGE, newest=True)
    if chosen is not None and (found := records.runs(workspace, ids=[chosen])):
        return found[0]
    raise NotFoundError("no finished run kept a model package", hint="mlcycle sweep, or mlcycle train")


def run_package(workspace: Workspace, run: str) -> tuple[RunRow, bytes]:
    """Return a run and the model package it kept; of a sweep, its winner and that one's.

    Raises
    ------
    NotFoundError
        If there is no such run, or it kept none.
    """
    found = records.run(workspace, run)
    if "best_run" in found.tags:
        found = records.run(workspace, found.tags["best_run"])
    sha256 = records.artifact(workspace, found.run_id, PACKAGE)
    if sha256 is None:
        raise _no_package(workspace, found)
    return found, read_artifact(workspace, sha256)


def _no_package(workspace: Workspace, run: RunRow) -> NotFoundError:
    paths = [artifact.path for artifact in records.details(workspace, run.run_id).artifacts]
    pickles = [path for path in paths if path.startswith("models/") and path.endswith(".pkl")]
    if not pickles:
        return NotFoundError(
            f"run {run.name!r} kept no model package",
            hint="mlcycle train or mlcycle sweep makes runs that do",
        )
    return NotFoundError(
        f"run {run.name!r} kept no model package but a pickle, {', '.join(pickles)}, which nothing here loads",
        hint="log_model without allow_pickle, of a model that ONNX or skops can hold",
    )


def _chosen_metric(workspace: Workspace) -> str:
    from mlcycle.declare import load

    training = load(workspace).require_training()
    return training.sweep.choose if training.sweep else standard(training.task)[0]


def _rows(kind: str, sides: Sequence[dict[str, Any]]) -> list[Difference]:
    rows = []
    for key in sorted({key for side in sides for key in side}):
        values = tuple(side.get(key) for side in sides)
        rows.append(Difference(kind, key, values, any(value != values[0] for value in values)))
    return rows


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
