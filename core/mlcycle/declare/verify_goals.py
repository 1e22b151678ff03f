"""Requirements, training, deployment and monitoring against the metrics, features and sources that exist."""

from __future__ import annotations

from collections.abc import Sequence

from mlcycle.declare import metrics
from mlcycle.declare.document import Document, Where
from mlcycle.declare.model import (
    Data,
    Deploy,
    Design,
    Features,
    Model,
    Monitor,
    Requirement,
    Scalar,
    Training,
    all_columns,
)
from mlcycle.declare.names import suggestion
from mlcycle.declare.verify_data import table
from mlcycle.declare.verify_features import feature_names, unknown_feature

__all__ = ["verify_deploy", "verify_design", "verify_monitor", "verify_training"]

SCORE = "score"
"""The drift subject that is no feature."""
FITTED = ("linear", "boosted_trees")


def verify_design(
    document: Document, design: Design, data: Data, features: Features | None, training: Training | None
) -> None:
    """Refuse requirements whose id repeats, whose metric is unknown, or whose parameters do not fit it."""
    seen: dict[str, int] = {}
    for position, requirement in enumerate(design.requirements):
        where: Where = ("requirements", position)
        if not requirement.id.strip():
            raise document.error((*where, "id"), "`id` is empty")
        if requirement.id in seen:
            line = document.place(("requirements", seen[requirement.id], "id")).line
            raise document.error(
                (*where, "id"),
                f"requirement `{requirement.id}` is declared twice; the first is on line {line}",
            )
        seen[requirement.id] = position
        if not requirement.phases:
            raise document.error(
                (*where, "phases"),
                f"requirement `{requirement.id}` binds no phase",
                hint="phases: [gate, monitor]",
            )
        _verify_metric(document, where, requirement, training)
        _verify_params(document, where, requirement, data, features)


def _verify_metric(
    document: Document, where: Where, requirement: Requirement, training: Training | None
) -> None:
    kind = metrics.find(requirement.metric)
    if kind is None:
        raise document.error((*where, "metric"), metrics.unknown(requirement.metric))
    if training is not None and training.task not in kind.tasks:
        fitting = ", ".join(metrics.names(training.task))
        raise document.error(
            (*where, "metric"),
            f"`{requirement.metric}` does not fit the task {training.task} of training.yaml",
            hint=f"metrics that fit: {fitting}",
        )


def _verify_params(
    document: Document, where: Where, requirement: Requirement, data: Data, features: Features | None
) -> None:
    kind = metrics.find(requirement.metric)
    needed = {} if kind is None else kind.params
    at: Where = (*where, "params")
    for name, value in requirement.params.items():
        if name not in needed:
            raise document.error(
                (*at, name),
                f"`{requirement.metric}` has no parameter `{name}`{suggestion(name, needed, what='it has')}",
                key=True,
            )
        _verify_param(document, (*at, name), needed[name], value)
    missing = [name for name in needed if name not in requirement.params]
    if missing:
        listed = " and ".join(f"`{name}`" for name in missing)
        written = ", ".join(f"{name}: ..." for name in needed)
        raise document.error(at, f"`{requirement.metric}` needs {listed}", hint=f"params: {{{written}}}")
    if "top" in needed and not 0 < float(str(requirement.params["top"])) <= 100:
        raise document.error((*at, "top"), "`top` is a percentage above 0 and at most 100")
    if "source" in needed:
        name = str(requirement.params["source"])
        if table(document, (*at, "source"), name, data).time is None:
            raise document.error(
                (*at, "source"), f"source `{name}` declares no `time`, so its newest row is unknown"
            )
    if "by" in needed and features is not None:
        _verify_group(document, (*at, "by"), str(requirement.params["by"]), features, data)


def _verify_param(document: Document, where: Where, kind: metrics.ParamType, value: Scalar) -> None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if kind == "number" and not is_number:
        raise document.error(where, f"`{where[-1]}` must be a number")
    if kind == "text" and (not isinstance(value, str) or not value):
        raise document.error(where, f"`{where[-1]}` must be text")


def _verify_group(document: Document, where: Where, name: str, features: Features, data: Data) -> None:
    declared = feature_names(features)
    columns = all_columns(data.sources[features.spine.table])
    if declared is not None and name not in declared and name not in columns:
        raise document.error(where, unknown_feature(name, [*declared, *columns]))


def verify_training(document: Document, training: Training, features: Features | None) -> None:
    """Refuse splits, models and sweeps that cannot run."""
    _verify_split(document, training, features)
    if not training.models:
        raise document.error(("models",), "`models` is empty; declare at least one")
    for name, model in training.models.items():
        _verify_model(document, ("models", name), model, training)
    if training.sweep is not None:
        _verify_sweep(document, training)
    known = None if features is None else feature_names(features)
    for position, name in enumerate(training.features or []):
        if known is not None and name not in known:
            raise document.error(("features", position), unknown_feature(name, known))
    if training.features is not None and not training.features:
        raise document.error(("features",), "`features` is empty; leave it out to take all")
    if training.weight_newest <= 0:
        raise document.error(("weight_newest",), "`weight_newest` must be above 0")


def _verify_split(document: Document, training: Training, features: Features | None) -> None:
    split = training.split
    if (split.newest is None) == (split.fraction is None):
        raise document.error(
            ("split",),
            "`split` needs exactly one of `newest` and `fraction`",
            hint="split: {newest: 2} or split: {fraction: 0.25}",
        )
    if split.newest is not None and split.newest < 1:
        raise document.error(("split", "newest"), "`newest` must be at least 1")
    if split.newest is not None and features is not None and features.spine.time is None:
        raise document.error(
            ("split", "newest"),
            "`newest` counts spine times, and the spine in features.yaml declares no `time`",
            hint="split: {fraction: 0.25}",
        )


def _verify_model(document: Document, where: Where, model: Model, training: Training) -> None:
    if model.kind == "rule":
        if model.score is None or not model.score.strip():
            raise document.error(
                where,
                f"model `{where[-1]}` is a rule: it needs `score`",
                hint="score: an SQL expression over features",
            )
        if training.task == "multiclass":
            raise document.error(
                where, f"model `{where[-1]}` is a rule: one score cannot tell several classes"
            )
    elif model.score is not None:
        raise document.error(
            (*where, "score"), f"`score` is for rules; model `{where[-1]}` is {model.kind}", key=True
        )


def _verify_sweep(document: Document, training: Training) -> None:
    sweep = training.sweep
    if sweep is None:
        return
    if sweep.model not in training.models:
        raise document.error(
            ("sweep", "model"),
            f"unknown model `{sweep.model}`{suggestion(sweep.model, training.models, what='declared')}",
        )
    if training.models[sweep.model].kind not in FITTED:
        raise document.error(("sweep", "model"), f"model `{sweep.model}` has no parameters to sweep")
    for name, values in sweep.grid.items():
        if not values:
            raise document.error(("sweep", "grid", name), f"`{name}` has no values to try")
    if not sweep.grid:
        raise document.error(("sweep", "grid"), "`grid` is empty")
    kind = metrics.find(sweep.choose)
    if kind is None:
        raise document.error(("sweep", "choose"), metrics.unknown(sweep.choose, training.task))
    if training.task not in kind.tasks or not kind.chooses:
        fitting = [one.name for one in metrics.METRICS if training.task in one.tasks and one.chooses]
        raise document.error(
            ("sweep", "choose"),
            f"`{sweep.choose}` cannot choose among {training.task} models",
            hint=f"one of {', '.join(fitting)}",
        )


def verify_deploy(document: Document, deploy: Deploy) -> None:
    """Refuse names and ports that no server can have."""
    if not deploy.deployment.strip():
        raise document.error(("deployment",), "`deployment` is empty")
    if not 0 <= deploy.port <= 65535:
        raise document.error(("port",), f"`port` must be from 0 to 65535, found {deploy.port}")


def verify_monitor(document: Document, monitor: Monitor, features: Features | None) -> None:
    """Refuse limits in the wrong order and subjects that are no feature."""
    limits = {("psi",): monitor.psi} | {("subjects", name): one for name, one in monitor.subjects.items()}
    for where, limit in limits.items():
        if not 0 <= limit.watch <= limit.alert:
            raise document.error(
                where, f"`watch` ({limit.watch:g}) must not be above `alert` ({limit.alert:g})"
            )
    known: Sequence[str] | None = None if features is None else feature_names(features)
    for name in monitor.subjects:
        if known is not None and name not in (*known, SCORE):
            raise document.error(("subjects", name), unknown_feature(name, [*known, SCORE]), key=True)
    if monitor.consecutive is not None and monitor.consecutive < 1:
        raise document.error(("consecutive",), "`consecutive` must be at least 1")
    if monitor.too_few < 1:
        raise document.error(("too_few",), "`too_few` must be at least 1")
