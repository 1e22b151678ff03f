"""Fitting one model on one matrix, always with one thread.

OpenMP spins while it waits: 12 fits of the sample cost 1.9 CPU seconds with one thread, 6 to 390 with two and a
busy neighbour. scikit-learn takes 2 CPU seconds to import, so it is imported only where something is fitted.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from mlcycle.errors import UsageError
from mlcycle.experiments.matrix import Missing

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[Any]

__all__ = ["Fitted", "Kind", "Task", "fit", "missing_for", "one_thread", "round_thresholds"]

Task = Literal["binary", "multiclass", "regression"]
Kind = Literal["rule", "constant", "linear", "boosted_trees"]


@dataclass(frozen=True)
class Fitted:
    """A fitted estimator that scores as `metrics.score` wants it."""

    kind: Kind
    task: Task
    estimator: Any

    def scores(self, matrix: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the probability of the second class, all classes' probabilities, or the value; one row each."""
        import numpy as np

        with one_thread():
            if self.task == "regression":
                return np.asarray(self.estimator.predict(matrix), dtype=np.float64).ravel()
            probabilities = np.asarray(self.estimator.predict_proba(matrix), dtype=np.float64)
        return probabilities[:, 1] if self.task == "binary" else probabilities


def missing_for(kind: Kind) -> Missing:
    """Return how a kind of model is told of a missing number: trees branch on NaN, a line needs a value."""
    return "nan" if kind == "boosted_trees" else "zero"


def fit(
    kind: Kind,
    task: Task,
    matrix: NDArray[np.float32],
    y: NDArray[np.float64],
    *,
    params: Mapping[str, Any] | None = None,
    seed: int = 0,
    weight: NDArray[np.float64] | None = None,
) -> Fitted:
    """Fit a declared kind of model.

    Parameters
    ----------
    kind
        `constant`, `linear` (standardised logistic regression or ridge) or `boosted_trees` (histogram gradient
        boosting). A rule is not fitted.
    y
        Class positions from 0, or values.
    params
        scikit-learn's own names for that estimator.
    weight
        Weight of each row; all alike if None.

    Raises
    ------
    UsageError
        If scikit-learn does not take a parameter, or the rows carry one class only.
    """
    import numpy as np

    if task != "regression":
        y = y.astype(np.int64)
        classes = len(np.unique(y))
        if classes < 2:
            raise UsageError("the rows to learn from carry one class only", hint="mlcycle features list")
        if task == "binary" and classes > 2:
            raise UsageError(
                f"the target has {classes} classes, but the task is binary",
                hint="write task: multiclass in training.yaml",
            )
    try:
        estimator = _estimator(kind, task, dict(params or {}), seed)
        with one_thread():
            _fit(estimator, matrix, y, weight)
            round_thresholds(estimator)
    except (TypeError, ValueError) as error:
        raise UsageError(
            f"a {kind} model cannot be fitted: {error}", hint="see params in training.yaml"
        ) from error
    return Fitted(kind, task, estimator)


@contextmanager
def one_thread() -> Iterator[None]:
    """Hold every thread pool of the process at one thread."""
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    with threadpool_limits(limits=1):
        yield


def _estimator(kind: Kind, task: Task, params: dict[str, Any], seed: int) -> Any:
    if kind == "boosted_trees":
        from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

        made = HistGradientBoostingRegressor if task == "regression" else HistGradientBoostingClassifier
        return made(**{"random_state": seed, **params})
    if kind == "constant":
        from sklearn.dummy import DummyClassifier, DummyRegressor

        return (
            DummyRegressor(**params)
            if task == "regression"
            else DummyClassifier(**{"strategy": "prior", **params})
        )
    if kind == "linear":
        from sklearn.linear_model import LogisticRegression, Ridge
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        last = Ridge(**params) if task == "regression" else LogisticRegression(**{"max_iter": 2000, **params})
        return make_pipeline(StandardScaler(), last)
    raise UsageError(f"a {kind} model is not fitted", hint="mlcycle train")


def _fit(estimator: Any, matrix: Array, y: Array, weight: Array | None) -> None:
    if weight is None:
        estimator.fit(matrix, y)
    elif hasattr(estimator, "steps"):
        estimator.fit(matrix, y, **{f"{name}__sample_weight": weight for name, _ in estimator.steps})
    else:
        estimator.fit(matrix, y, sample_weight=weight)


def round_thresholds(estimator: Any) -> None:
    """Move every threshold of a booster down to a float32.

    No float32 value changes its branch (x <= t if and only if x <= the greatest float32 not above t), and an
    export that keeps thresholds in float32 then agrees at them too: rounding to the nearest was off by 0.006.
    """
    import numpy as np

    for iteration in getattr(estimator, "_predictors", []):
        for tree in iteration:
            exact = tree.nodes["num_threshold"]
            with np.errstate(over="ignore"):
                single = exact.astype(np.float32)
            above = single > exact
            single[above] = np.nextafter(single[above], np.float32(-np.inf))
            tree.nodes["num_threshold"] = single
