"""The text of the other declarations for a profiled file: design, features, training, deployment and monitoring."""

from __future__ import annotations

import math
from collections.abc import Iterator

from mlcycle.declare import scalar
from mlcycle.design.plan import SHARE_TO_JUDGE, Plan
from mlcycle.design.profile import FileProfile
from mlcycle.design.write_data import comment, comment_line, describe

__all__ = ["DEPLOY", "design_yaml", "features_yaml", "monitor_yaml", "product_yaml", "training_yaml"]

Proposal = tuple[str, str, str, float, str, str]
"""id (and metric), role, comparison, value, phases, statement."""

DEPLOY = """\
# Where the champion answers: a server of its own on this machine, on a port the system chooses.
deployment: local
host: 127.0.0.1
port: 0
# base_image: python:3.11-slim # for images; without it one that the container engine has already is used
"""
TOO_FEW = 30
"""Rows below which nothing is said of a window."""


def product_yaml(name: str, description: str) -> str:
    """Return `mlcycle.yaml`."""
    return (
        "# The product: what it is called and what it is for. Everything else lies in the files beside this one.\n"
        f"name: {scalar(name)}\ndescription: {scalar(description)}\n"
        "# Zone of times that carry none, such as Europe/Berlin.\ntime_zone: UTC\n"
    )


def monitor_yaml(profile: FileProfile | None = None, plan: Plan | None = None) -> str:
    """Return `monitor.yaml`: a window a scored moment, or a day where a moment has too few rows to be judged."""
    window = "window: batch # one window a scored moment; `day` and `hour` are for steady traffic"
    if profile is not None and plan is not None and plan.time is not None:
        moments = profile.columns[plan.time]
        if moments.type == "timestamp" and moments.rows - moments.missing < TOO_FEW * moments.distinct:
            window = (
                f"window: day # `{comment(plan.time)}` has few rows a moment; "
                "`hour` for more traffic, `batch` for one window a scored moment"
            )
    return (
        "# How live predictions are judged. The limits of design.yaml apply by themselves; these are for drift.\n"
        f"{window}\n"
        "psi: {watch: 0.1, alert: 0.2} # distance from the rows on which the champion was judged\n"
        f"too_few: {TOO_FEW} # rows below which nothing is said\n"
        "retrain_on: [requirement, untrained data]\n"
    )


def design_yaml(profile: FileProfile, plan: Plan) -> tuple[str, tuple[str, ...]]:
    """Return `design.yaml` and the ids in it."""
    proposals = list(_proposals(profile, plan))
    lines = [
        "# What the product must achieve. The numbers are modest guesses from the file: replace them by what your",
        "# product needs, and say who answers for each. Each target names the phases it binds:",
        "#   data     checked when a batch arrives          gate     a model that misses it cannot become champion",
        "#   monitor  the limit line over live predictions  retrain  what a challenger has to prove",
        "# roles: business, subject expert, data scientist, compliance, operations",
        "requirements:",
    ]
    for name, role, comparison, value, phases, statement in proposals:
        lines += [
            f"  - id: {name}",
            f"    role: {role}",
            f"    statement: {scalar(statement)}",
            f"    metric: {name}",
            f'    comparison: "{comparison}"',
            f"    value: {scalar(value)}",
            f"    phases: [{phases}]",
            "",
        ]
    return "\n".join(lines[:-1]) + "\n", tuple(proposal[0] for proposal in proposals)


def _proposals(profile: FileProfile, plan: Plan) -> Iterator[Proposal]:
    target = profile.columns[plan.target]
    everywhere = "gate, monitor, retrain"
    if plan.task == "binary":
        yield (
            "auc",
            "data scientist",
            ">=",
            0.6,
            everywhere,
            "The scores order the rows clearly better than chance (0.5) does.",
        )
        counts = dict(target.values)
        positives = counts[plan.classes[-1]] / max(1, sum(counts.values()))
        best = min(1.0, 0.2 / positives)
        limit = min(0.25, _floor(0.2 + 0.25 * (best - 0.2)))
        wanted = f"{comment(plan.target)} = {comment(plan.classes[-1])}"
        said = f"The fifth with the highest scores holds more of the rows with {wanted} than chance (0.20)."
        yield "recall_at_20", "business", ">=", limit, everywhere, said
    elif plan.task == "multiclass":
        commonest = max(count for _, count in target.values) / max(
            1, sum(count for _, count in target.values)
        )
        said = "At least as often right as somebody who always says the commonest class."
        yield "accuracy", "data scientist", ">=", _floor(commonest), "gate, retrain", said
        yield (
            "macro_f1",
            "business",
            ">=",
            _floor(1 / len(plan.classes)),
            "gate, retrain",
            "The rare classes are found too.",
        )
    else:
        limit = float(f"{0.9 * (target.std or 1.0):.3g}")
        said = f"Clearly closer than always guessing the mean (standard deviation {target.std or 0:.4g})."
        yield "rmse", "business", "<=", limit, everywhere, said
        yield (
            "r2",
            "data scientist",
            ">=",
            0.1,
            everywhere,
            "At least a tenth of the target's variance is explained.",
        )
    yield "latency_p95", "operations", "<=", 100, "gate, monitor", "95 of 100 answers come within 100 ms."


def _floor(value: float) -> float:
    return math.floor(100 * value) / 100


def features_yaml(profile: FileProfile, plan: Plan, source: str) -> str:
    """Return `features.yaml`: every fit column as a feature, the others as comments with the reason."""
    lines = [
        "# What a model is asked about (the spine) and what it may know (the views).",
        "spine:",
        f"  table: {scalar(source)}",
        f"  key: {scalar(plan.key)}",
        f"  target: {scalar(plan.target)} # {describe(profile.columns[plan.target])}",
    ]
    if plan.time is not None:
        lines += [
            f"  time: {scalar(plan.time)} # the moment a row is about",
            "  # known: COLUMN # when the target became known, if later",
        ]
    lines += [
        "",
        "views:",
        f"  {scalar(source + '_columns')}:",
        "    description: The columns of the row itself.",
        f"    table: {scalar(source)}",
        f"    key: {scalar(plan.key)}",
        "    features: # name: SQL over the columns of the row",
    ]
    for feature, sql in plan.features.items():
        seen = describe(profile.columns[plan.feature_of[feature]])
        lines.append(f"      {scalar(feature)}: {scalar(sql)} # {seen}")
    if plan.left_out:
        lines.append("    # Left out, with the reason:")
        lines += [
            f"    #  {comment_line(f'{scalar(name)}: {scalar(plan.references[name])}')} # {comment_line(reason)}"
            for name, reason in plan.left_out.items()
        ]
    return "\n".join(lines) + "\n"


def training_yaml(profile: FileProfile, plan: Plan, name: str) -> str:
    """Return `training.yaml`: the task, an honest split, a baseline, two models and a small sweep."""
    leaf = max(2, min(20, profile.rows // 50))
    choose = {"binary": "auc", "multiclass": "accuracy", "regression": "rmse"}[plan.task]
    lines = ["# What is fitted, on which rows, and how the best is chosen.", f"model: {scalar(name)}"]
    if plan.classes:
        classes = ", ".join(comment(value) for value in plan.classes)
        last = f"; scores are the probability of {comment(plan.classes[-1])}" if plan.task == "binary" else ""
        lines.append(f"task: {plan.task} # {classes}{last}")
    else:
        lines.append(
            f"task: {plan.task} # the target is a number; `multiclass` would take each value for a class"
        )
    lines += ["seed: 0", ""]
    if plan.newest is not None:
        lines += [
            "# The newest moments judge; a random split would let the model see its own future.",
            f"split: {{newest: {plan.newest}}} # distinct values of {comment(plan.time)}: about a quarter of the rows",
        ]
    else:
        lines += [
            "# A share of the rows judges, chosen by a hash of the key.",
            f"split: {{fraction: {SHARE_TO_JUDGE}}}",
        ]
    lines += [
        "",
        "models:",
        "  constant: {kind: constant} # what every model has to beat",
        "  linear: {kind: linear}",
        f"  trees: {{kind: boosted_trees, params: {{max_iter: 100, min_samples_leaf: {leaf}}}}}",
        "",
        "sweep:",
        "  model: trees",
        "  grid:",
        "    learning_rate: [0.05, 0.1]",
        "    max_leaf_nodes: [4, 15]",
        f"  choose: {choose}",
    ]
    return "\n".join(lines) + "\n"
