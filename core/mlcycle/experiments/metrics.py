"""Metrics by name: the one place where a requirement's metric becomes a number. NumPy only;
`declare.metrics` lists the names.

A score is larger for the likelier (binary), the predicted value (regression) or one row of class probabilities
(multiclass). Whatever cannot be measured has no value and says why; callers treat that as not met.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from mlcycle.declare.metrics import find, unknown

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[Any]
    Floats = NDArray[np.float64]

__all__ = ["Measured", "better", "lower_is_better", "score", "standard"]

OF_LESS = re.compile(
    r"(^|[^a-z])(loss|error|err|rmse|mse|mae|mape|perplexity|latency|seconds)([^a-z]|$)", re.IGNORECASE
)
"""Words in a metric's name that say that less is better."""

TINY = 1e-15
WITH_SHARE = re.compile(r"(recall_at|precision_at|value_at)_(\d{1,3})")
Task = Literal["binary", "multiclass", "regression"]


@dataclass(frozen=True)
class Measured:
    """One measured number."""

    value: float | None
    """None: not measured."""
    n: int
    """Rows (or samples) it was measured on."""
    why: str = ""
    """Why there is no value."""


def better(name: str) -> Literal["less", "more"] | None:
    """Return which value of a metric is the better one; None where nobody can know, as of a name of the user's own.

    Names of their own that say what they are, such as `val_loss`, are read so.
    """
    kind = find(name)
    if kind is not None:
        return "more" if kind.higher_is_better else "less"
    return "less" if OF_LESS.search(name) else None


def lower_is_better(name: str) -> bool:
    """Tell whether the smaller value of the metric is known to be the better one."""
    return better(name) == "less"


def standard(task: Task) -> tuple[str, ...]:
    """Return the metrics that every run of a task logs; the first one compares runs."""
    if task == "binary":
        return ("auc", "average_precision", "recall_at_20", "precision_at_20", "brier", "log_loss")
    if task == "multiclass":
        return ("accuracy", "macro_f1", "log_loss")
    return ("rmse", "mae", "r2")


def score(
    name: str,
    y: Array,
    s: Array,
    *,
    task: Task | None = None,
    params: Mapping[str, Any] | None = None,
    groups: Array | None = None,
    times: Array | None = None,
) -> Measured:
    """Measure one metric on judged rows.

    Parameters
    ----------
    name
        `auc`, `average_precision`, `brier`, `log_loss`, `accuracy`, `macro_f1`, `recall_at_N`, `precision_at_N`,
        `value_at_N`, `recall_gap`, `contact_cost`, `rmse`, `mae`, `r2`.
    y
        0 and 1 (binary), class positions from 0 (multiclass), or values (regression); shape (n,).
    s
        Scores, shape (n,), or (n, classes) for multiclass.
    task
        What the scores are, where it is known: a metric of another task then has no value.
    params
        What the metric needs besides: `top` (percent), `cost`, `keep`, `save`.
    groups
        Group of each row, for `recall_gap`.
    times
        Spine time of each row, for `contact_cost`; without it all rows are one moment.

    Notes
    -----
    The top N percent are the `int(n * N / 100)` greatest scores, ties in row order (a stable sort).
    `auc` is the Mann-Whitney statistic with ties counted half; `average_precision` is the sum of precision times
    the step of recall over distinct scores, as scikit-learn defines it.
    """
    import numpy as np

    n = len(y)
    if n == 0:
        return Measured(None, 0, "no rows")
    values = np.asarray(s, dtype=np.float64)
    if not np.isfinite(values).all():
        return Measured(None, n, "some scores are not finite")
    kind = find(name)
    if kind is None:
        return Measured(None, n, unknown(name))
    if task is not None and task not in kind.tasks:
        return Measured(None, n, f"{name} does not fit the task {task}")
    asked = dict(params or {})
    share = WITH_SHARE.fullmatch(name)
    if share is not None:
        asked["top"] = int(share[2])
    try:
        return _measure(share[1] if share else name, np.asarray(y), values, asked, groups, times)
    except KeyError as error:
        return Measured(None, n, f"{name} needs the parameter {error}")
    except (TypeError, ValueError) as error:
        return Measured(None, n, f"{name}: {error}")


def _measure(
    name: str, y: Array, s: Floats, params: dict[str, Any], groups: Array | None, times: Array | None
) -> Measured:
    n = len(y)
    if name in CLASSES and (s.ndim == 2 or name not in BINARY):
        return Measured(CLASSES[name](y.astype(int), s), n)
    if s.ndim != 1:
        return Measured(None, n, f"{name} is not defined for several classes")
    if name in VALUES:
        return Measured(VALUES[name](y.astype(float), s), n)
    if name not in BINARY:
        return Measured(None, n, f"no metric is called {name!r}")
    if not set(y.tolist()) <= {0, 1}:
        return Measured(None, n, f"{name} needs a target of two classes")
    y = y.astype(int)
    if name in NEEDS_BOTH and not 0 < y.sum() < n:
        return Measured(None, n, "the rows carry only one class")
    if name == "recall_gap":
        if groups is None:
            return Measured(None, n, f"no column {params.get('by')!r} to group by")
        return Measured(_recall_gap(y, s, groups, float(params.get("top", 20))), n)
    if name == "contact_cost":
        return Measured(_contact_cost(n, times, float(params.get("top", 20)), float(params["cost"])), n)
    return Measured(BINARY[name](y, s, params), n)


def _top(s: Floats, percent: float) -> Array:
    """Return the positions of the top scores."""
    import numpy as np

    return np.argsort(-s, kind="stable")[: int(len(s) * percent / 100)]


def _auc(y: Array, s: Floats, _params: Mapping[str, Any]) -> float:
    import numpy as np

    _, inverse, counts = np.unique(s, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    positives = int(y.sum())
    wins = float(ranks[y == 1].sum()) - positives * (positives + 1) / 2
    return wins / (positives * (len(y) - positives))


def _average_precision(y: Array, s: Floats, _params: Mapping[str, Any]) -> float:
    import numpy as np

    order = np.argsort(-s, kind="stable")
    found = np.cumsum(y[order])
    last_of_tie = np.append(np.flatnonzero(np.diff(s[order])), len(s) - 1)
    found = found[last_of_tie]
    precision = found / (last_of_tie + 1)
    return float(np.sum(np.diff(found, prepend=0) * precision) / y.sum())


def _brier(y: Array, s: Floats, _params: Mapping[str, Any]) -> float:
    return float(((_probability(s) - y) ** 2).mean())


def _log_loss(y: Array, s: Floats, _params: Mapping[str, Any]) -> float:
    import numpy as np

    p = np.clip(_probability(s), TINY, 1 - TINY)
    return float(-np.where(y == 1, np.log(p), np.log1p(-p)).mean())


def _accuracy(y: Array, s: Floats, _params: Mapping[str, Any]) -> float:
    return float(((_probability(s) >= 0.5) == (y == 1)).mean())


def _probability(s: Floats) -> Floats:
    if s.min() < 0 or s.max() > 1:
        raise ValueError("the scores are no probabilities")
    return s


def _recall_at(y: Array, s: Floats, params: Mapping[str, Any]) -> float:
    return float(y[_top(s, params["top"])].sum() / y.sum())


def _precision_at(y: Array, s: Floats, params: Mapping[str, Any]) -> float:
    top = _top(s, params["top"])
    if len(top) == 0:
        raise ValueError("the top share holds no row")
    return float(y[top].mean())


def _value_at(y: Array, s: Floats, params: Mapping[str, Any]) -> float:
    """Contact the top share: each contact costs `cost`; a positive is kept with chance `save`, worth `keep`."""
    top = _top(s, params["top"])
    cost, keep, save = (float(params[key]) for key in ("cost", "keep", "save"))
    return float(y[top].sum() * save * keep - len(top) * cost)


def _recall_gap(y: Array, s: Floats, groups: Array, top: float) -> float:
    import numpy as np

    cut = np.quantile(s, 1 - top / 100)
    _, codes = np.unique(groups.astype(str), return_inverse=True)
    positives = np.bincount(codes, weights=y)
    reached = np.bincount(codes, weights=(s >= cut) & (y == 1))
    recall = reached[positives > 0] / positives[positives > 0]
    return float(recall.max() - recall.min())


def _contact_cost(n: int, times: Array | None, top: float, cost: float) -> float:
    import numpy as np

    sizes = [n] if times is None else np.unique(times, return_counts=True)[1].tolist()
    return max(cost * int(size * top / 100) for size in sizes)


def _class_probabilities(s: Floats) -> Floats:
    import numpy as np

    return s if s.ndim == 2 else np.column_stack([1 - _probability(s), s])


def _class_accuracy(y: Array, s: Floats) -> float:
    return float((_class_probabilities(s).argmax(axis=1) == y).mean())


def _class_log_loss(y: Array, s: Floats) -> float:
    import numpy as np

    p = np.clip(_class_probabilities(s), TINY, 1 - TINY)
    p = p / p.sum(axis=1, keepdims=True)
    return float(-np.log(p[np.arange(len(y)), y]).mean())


def _macro_f1(y: Array, s: Floats) -> float:
    import numpy as np

    said = _class_probabilities(s).argmax(axis=1)
    scores = []
    for label in np.union1d(y, said):
        right = int(((said == label) & (y == label)).sum())
        scores.append(2 * right / (int((said == label).sum()) + int((y == label).sum())))
    return float(np.mean(scores))


def _rmse(y: Floats, s: Floats) -> float:
    import numpy as np

    return float(np.sqrt(((y - s) ** 2).mean()))


def _mae(y: Floats, s: Floats) -> float:
    import numpy as np

    return float(np.abs(y - s).mean())


def _r2(y: Floats, s: Floats) -> float:
    spread = float(((y - y.mean()) ** 2).sum())
    if spread == 0:
        raise ValueError("the target is constant")
    return 1 - float(((y - s) ** 2).sum()) / spread


BINARY: dict[str, Callable[[Array, Floats, Mapping[str, Any]], float]] = {
    "auc": _auc,
    "average_precision": _average_precision,
    "brier": _brier,
    "log_loss": _log_loss,
    "accuracy": _accuracy,
    "recall_at": _recall_at,
    "precision_at": _precision_at,
    "value_at": _value_at,
    "recall_gap": lambda _y, _s, _p: float("nan"),
    "contact_cost": lambda _y, _s, _p: float("nan"),
}
NEEDS_BOTH = frozenset({"auc", "average_precision", "recall_at", "recall_gap"})
CLASSES: dict[str, Callable[[Array, Floats], float]] = {
    "accuracy": _class_accuracy,
    "log_loss": _class_log_loss,
    "macro_f1": _macro_f1,
}
VALUES: dict[str, Callable[[Floats, Floats], float]] = {"rmse": _rmse, "mae": _mae, "r2": _r2}
