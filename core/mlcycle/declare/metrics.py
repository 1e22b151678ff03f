"""The metrics a requirement or a sweep may name: tasks, parameters, which way is better. No formulas."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

from mlcycle.declare.names import nearest, suggestion

__all__ = ["METRICS", "MetricKind", "find", "names", "percent", "unknown"]

Basis = Literal["labels", "latency", "freshness", "count"]
ParamType = Literal["number", "text"]

BINARY = frozenset({"binary"})
CLASSES = frozenset({"binary", "multiclass"})
REGRESSION = frozenset({"regression"})
ANY = frozenset({"binary", "multiclass", "regression"})


@dataclass(frozen=True)
class MetricKind:
    """One metric, or a family of them: `N` in the name stands for a percentage from 1 to 100."""

    name: str
    words: str
    """What it measures, in half a sentence."""
    tasks: frozenset[str] = ANY
    higher_is_better: bool = True
    basis: Basis = "labels"
    """What it is measured on: labels, the latency of predictions, a source's newest row, or a count."""
    params: dict[str, ParamType] = field(default_factory=dict)
    """Required parameters."""

    @property
    def chooses(self) -> bool:
        """Whether a sweep can pick its winner by it: it needs labels and nothing else."""
        return self.basis == "labels" and not self.params


METRICS = (
    MetricKind("auc", "area under the ROC curve", BINARY),
    MetricKind("average_precision", "area under the precision-recall curve", BINARY),
    MetricKind("brier", "mean squared error of the probability", BINARY, higher_is_better=False),
    MetricKind("log_loss", "negative log-likelihood a row", CLASSES, higher_is_better=False),
    MetricKind("accuracy", "share of rows whose label is right", CLASSES),
    MetricKind("macro_f1", "F1 score, mean over the classes", CLASSES),
    MetricKind("recall_at_N", "share of all positives among the N % of rows with the highest scores", BINARY),
    MetricKind("precision_at_N", "share of positives in the N % of rows with the highest scores", BINARY),
    MetricKind(
        "recall_gap",
        "largest difference between groups of the recall in the overall top %",
        BINARY,
        higher_is_better=False,
        params={"by": "text", "top": "number"},
    ),
    MetricKind(
        "contact_cost",
        "cost of contacting the top % of one spine time, the largest",
        BINARY,
        higher_is_better=False,
        params={"top": "number", "cost": "number"},
    ),
    MetricKind(
        "value_at_N",
        "what contacting the top N % earns, less its cost",
        BINARY,
        params={"cost": "number", "keep": "number", "save": "number"},
    ),
    MetricKind("rmse", "root of the mean squared error", REGRESSION, higher_is_better=False),
    MetricKind("mae", "mean absolute error", REGRESSION, higher_is_better=False),
    MetricKind("r2", "share of the target's variance that is explained", REGRESSION),
    MetricKind("latency_p50", "median milliseconds a prediction", higher_is_better=False, basis="latency"),
    MetricKind(
        "latency_p95",
        "95th percentile of the milliseconds a prediction",
        higher_is_better=False,
        basis="latency",
    ),
    MetricKind(
        "latency_p99",
        "99th percentile of the milliseconds a prediction",
        higher_is_better=False,
        basis="latency",
    ),
    MetricKind(
        "freshness",
        "days from a source's newest row to the moment asked about",
        higher_is_better=False,
        basis="freshness",
        params={"source": "text"},
    ),
    MetricKind("predictions", "number of predictions in the window", basis="count"),
)

_BY_NAME = {kind.name: kind for kind in METRICS}
_PERCENT = re.compile(r"(?P<base>[a-z0-9_]+_at_)(?P<percent>[1-9][0-9]?|100)")


def find(name: str) -> MetricKind | None:
    """Return the metric of that name (`recall_at_20` finds `recall_at_N`), or None."""
    matched = _PERCENT.fullmatch(name)
    return _BY_NAME.get(matched["base"] + "N" if matched else name) if not name.endswith("_N") else None


def percent(name: str) -> int | None:
    """Return the N of `recall_at_N`, or None for metrics without one."""
    matched = _PERCENT.fullmatch(name)
    return int(matched["percent"]) if matched else None


def names(task: str | None = None) -> list[str]:
    """Return the names of all metrics, or of those that fit a task."""
    return [kind.name for kind in METRICS if task is None or task in kind.tasks]


def unknown(name: str, task: str | None = None) -> str:
    """Return the message for a name that `find` does not know, with the nearest that is known."""
    known = names(task)
    digits = re.search(r"[0-9]+$", name)
    if digits and name not in known:
        family = nearest(name[: digits.start()] + "N", known)
        if family is not None and family.endswith("_N"):
            number = digits[0] if 1 <= int(digits[0][:4]) <= 100 else "20"
            return f"unknown metric `{name}`; did you mean `{family[:-1]}{number}`?"
    if name in known:
        return f"unknown metric `{name}`; write a percentage for N, as in `{name[:-1]}20`"
    return f"unknown metric `{name}`{suggestion(name, known, what='known metrics')}"
