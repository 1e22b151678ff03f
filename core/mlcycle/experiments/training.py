"""Training the declared models: one run each, with what it read, what it chose, how it did, and its package."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlcycle import clock, progress
from mlcycle.errors import NotFoundError, UsageError
from mlcycle.experiments import metrics, records
from mlcycle.experiments.fit import Fitted, Kind, Task, fit, missing_for
from mlcycle.experiments.matrix import Layout, encode_target, learn_classes, learn_layout
from mlcycle.experiments.model import RunResult, TrainingSet
from mlcycle.experiments.package import FORMAT, write_package
from mlcycle.experiments.rows import Rows, load_rows
from mlcycle.experiments.tracking import Run, start_run
from mlcycle.workspace import Workspace

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from mlcycle.declare.model import Model, Training
    from mlcycle.experiments.export import Exported

    Array = NDArray[Any]

__all__ = [
    "OF_OURS",
    "PACKAGE",
    "Job",
    "Prepared",
    "log_choice",
    "measure",
    "open_job",
    "prepare",
    "start_job_run",
    "train",
    "train_one",
]

PACKAGE = "model.zip"
DECLARATION = "training.yaml"
PACKAGED = ("linear", "boosted_trees")
OF_OURS = ("model", "kind", "seed", "fit_rows", "weight_newest")
"""Params that a run logs besides the estimator's own."""


@dataclass(frozen=True)
class Job:
    """What is to be learnt, from what."""

    workspace: Workspace
    training: Training
    chosen: TrainingSet
    whole: bool = False
    """Learn from all rows; somebody else judges."""
    weight_newest: bool = False

    def declared(self, name: str) -> Model:
        """Return a declared model.

        Raises
        ------
        NotFoundError
            If none has that name.
        """
        if name not in self.training.models:
            known = ", ".join(sorted(self.training.models))
            raise NotFoundError(
                f"training.yaml declares no model {name!r}, only {known}", hint="mlcycle train"
            )
        return self.training.models[name]

    @property
    def features(self) -> tuple[str, ...]:
        """The features to learn from.

        Raises
        ------
        UsageError
            If one is not in the training set.
        """
        wanted = tuple(self.training.features or self.chosen.features)
        strange = [name for name in wanted if name not in self.chosen.features]
        if strange:
            raise UsageError(
                f"training set {self.chosen.name!r} has no feature {', '.join(strange)}",
                hint="mlcycle features build",
            )
        return wanted


@dataclass(frozen=True)
class Prepared:
    """Matrices of one way to tell a model of missing numbers."""

    layout: Layout
    classes: tuple[str, ...] | None
    matrix: NDArray[np.float32]
    y: NDArray[np.float64]
    weight: NDArray[np.float64] | None
    judged_matrix: NDArray[np.float32]
    judged_y: NDArray[np.float64]
    """Validation rows whose class was seen in learning; none when all rows are learnt from."""
    strangers: int
    """Validation rows left out because their class was not."""


def train(
    workspace: Workspace,
    *,
    training_set_id: str | None = None,
    models: Sequence[str] | None = None,
    params: Mapping[str, Any] | None = None,
    weight_newest: bool = False,
    whole: bool = False,
    name: str | None = None,
) -> list[RunResult]:
    """Train declared models, one run each, in the order they are declared.

    Parameters
    ----------
    training_set_id
        What to learn from; the newest training set that does not look ahead if None.
    models
        Names from training.yaml; all if None.
    params
        Estimator params over the declared ones; then exactly one model is trained.
    weight_newest
        Whether rows of the newest moment weigh `weight_newest` of training.yaml.
    whole
        Whether to learn from validation rows too; the run then has no metrics, a gate judges it on later rows.
    name
        The run's name; the model's if None.

    Raises
    ------
    NotFoundError
        If there is no such training set or model.
    UsageError
        If a model cannot be fitted as declared.
    """
    job = open_job(workspace, training_set_id, whole=whole, weight_newest=weight_newest)
    chosen = list(models or job.training.models)
    if params and len(chosen) != 1:
        raise UsageError("params fit one model only", hint=f"name it: {' or '.join(chosen)}")
    for model in chosen:
        job.declared(model)
    results = []
    for done, model in enumerate(chosen):
        progress.tell("fit models", done, len(chosen))
        results.append(train_one(job, model, params=params, name=name))
    progress.tell("fit models", len(chosen), len(chosen))
    return results


def open_job(
    workspace: Workspace, training_set_id: str | None, *, whole: bool = False, weight_newest: bool = False
) -> Job:
    """Read the declarations and choose the training set."""
    from mlcycle.declare import load

    training = load(workspace).require_training()
    return Job(workspace, training, records.training_set(workspace, training_set_id), whole, weight_newest)


def train_one(
    job: Job,
    model: str,
    *,
    params: Mapping[str, Any] | None = None,
    name: str | None = None,
    ready: Prepared | None = None,
) -> RunResult:
    """Train one declared model in a run of its own, on matrices that are ready or else on those of its rows."""
    declared = job.declared(model)
    chosen = {**declared.params, **(params or {})}
    with start_job_run(job, name or model) as run:
        log_choice(run, job, model, declared.kind, chosen)
        if declared.kind == "rule":
            rows, rule = load_rows(job.workspace, job.chosen, rule=declared.score)
            return _judge_rule(run, job, model, chosen, rows, rule)
        if ready is None:
            ready = prepare(job, load_rows(job.workspace, job.chosen)[0], declared.kind)
        fitted = fit(
            declared.kind,
            _task(job),
            ready.matrix,
            ready.y,
            params=chosen,
            seed=job.training.seed,
            weight=ready.weight,
        )
        found = (
            measure(_task(job), ready.judged_y, fitted.scores(ready.judged_matrix))
            if len(ready.judged_y)
            else {}
        )
        run.log_metrics(found)
        exported, package = _package(run, job, ready, fitted) if declared.kind in PACKAGED else (None, None)
        return RunResult(
            run_id=run.run_id,
            name=run.name,
            model=model,
            kind=declared.kind,
            params=chosen,
            metrics=found,
            rows=len(ready.y),
            judged=len(ready.judged_y),
            training_set_id=job.chosen.training_set_id,
            package=package,
            runtime=exported.runtime if exported else None,
            parity=exported.parity if exported else None,
            note=_note(exported, ready),
        )


def start_job_run(job: Job, name: str) -> Run:
    """Start a run of a job, inside the active one if there is one, with the declaration as its script."""
    declaration = job.workspace.root / DECLARATION
    return start_run(
        name,
        experiment=job.training.experiment,
        nested=True,
        workspace=job.workspace,
        source=declaration if declaration.is_file() else None,
    )


def log_choice(run: Run, job: Job, model: str, kind: str, params: Mapping[str, Any]) -> None:
    """Log what was chosen and what is read."""
    ours: dict[str, Any] = {
        "model": model,
        "kind": kind,
        "seed": job.training.seed,
        "fit_rows": "all" if job.whole else "train",
    }
    if job.weight_newest:
        ours["weight_newest"] = job.training.weight_newest
    run.log_params({**params, **ours})
    run.log_input("training_set", job.chosen.training_set_id)
    for dataset, version in sorted(job.chosen.dataset_versions.items()):
        run.log_input("dataset_version", version if dataset in version else f"{dataset}@{version}")
    if job.chosen.look_ahead:
        run.set_tags({"look_ahead": job.chosen.look_ahead})


def prepare(job: Job, rows: Rows, kind: Kind) -> Prepared:
    """Lay out the matrices a kind of model learns from and is judged on."""
    import numpy as np

    fitted_rows = rows if job.whole else rows.of_split("train")
    judged = rows.take(np.zeros(len(rows), dtype=bool)) if job.whole else rows.of_split("validation")
    layout = learn_layout(fitted_rows.columns, job.features, missing_for(kind))
    classes = None if _task(job) == "regression" else learn_classes(fitted_rows.target)
    y = encode_target(fitted_rows.target, classes)
    known = np.isfinite(y)
    if not known.any():
        raise UsageError(
            f"training set {job.chosen.name!r} has no labelled row", hint="mlcycle features build"
        )
    fitted_rows, y = fitted_rows.take(known), y[known]
    judged_y = encode_target(judged.target, classes)
    sure = np.isfinite(judged_y)
    return Prepared(
        layout=layout,
        classes=classes,
        matrix=layout.matrix(fitted_rows.columns),
        y=y,
        weight=_weight(job, fitted_rows),
        judged_matrix=layout.matrix(judged.take(sure).columns),
        judged_y=judged_y[sure],
        strangers=int((~sure).sum()),
    )


def measure(task: Task, y: NDArray[np.float64], scores: NDArray[np.float64]) -> dict[str, float]:
    """Return the standard metrics of a task that can be measured on these rows."""
    found = {name: metrics.score(name, y, scores).value for name in metrics.standard(task)}
    return {name: value for name, value in found.items() if value is not None}


def _task(job: Job) -> Task:
    return job.training.task


def _weight(job: Job, rows: Rows) -> NDArray[np.float64] | None:
    import numpy as np

    times = rows.times
    if not job.weight_newest or times is None:
        return None
    return np.where(times == np.nanmax(times), job.training.weight_newest, 1.0)


def _judge_rule(
    run: Run, job: Job, model: str, params: dict[str, Any], rows: Rows, rule: Array | None
) -> RunResult:
    import numpy as np

    if rule is None:
        raise UsageError(f"the rule {model!r} says no score", hint="write score: in training.yaml")
    split = rows.columns.get("split")
    judged = np.ones(len(rows), dtype=bool) if split is None else split.astype(str) == "validation"
    classes = None if _task(job) == "regression" else learn_classes(rows.target)
    y = encode_target(rows.target, classes)
    judged = np.asarray(judged & np.isfinite(y))
    found = measure(_task(job), y[judged], rule[judged])
    run.log_metrics(found)
    return RunResult(
        run_id=run.run_id,
        name=run.name,
        model=model,
        kind="rule",
        params=params,
        metrics=found,
        rows=0,
        judged=int(judged.sum()),
        training_set_id=job.chosen.training_set_id,
        package=None,
        runtime=None,
        parity=None,
    )


def _package(run: Run, job: Job, ready: Prepared, fitted: Fitted) -> tuple[Exported, str]:
    from mlcycle.experiments.export import export  # onnx and skl2onnx: 0.3 CPU s

    exported = export(fitted, ready.judged_matrix if len(ready.judged_matrix) else ready.matrix)
    description = {
        "format": FORMAT,
        "model": job.training.model,
        "version": 0,
        "task": job.training.task,
        "runtime": exported.runtime,
        "file": exported.file,
        "key": list(job.chosen.keys),
        "run_id": run.run_id,
        "training_set_id": job.chosen.training_set_id,
        "created_at": clock.now().isoformat(),
        "features": ready.layout.describe(),
        "missing": ready.layout.missing,
        "classes": None if ready.classes is None else list(ready.classes),
        "output": exported.output,
        "parity": exported.parity,
        "fit_rows": "all" if job.whole else "train",
    }
    run.log_metrics({"parity": exported.parity})
    return exported, run.log_bytes(write_package(description, exported.content), PACKAGE)


def _note(exported: Exported | None, ready: Prepared) -> str:
    notes = [exported.why] if exported and exported.why else []
    if ready.strangers:
        notes.append(f"{ready.strangers} validation rows carry a class that no row to learn from has")
    return "; ".join(notes)
