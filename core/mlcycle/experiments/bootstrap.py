"""The paired bootstrap: whether one model is better than another on the same rows, or these rows cannot tell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlcycle.experiments.metrics import lower_is_better, score

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[Any]

__all__ = ["Paired", "paired"]

RESAMPLES = 500
CELLS = 200_000
"""Weights held at once: a block of resamples of 8 bytes each."""


@dataclass(frozen=True)
class Paired:
    """The difference of one metric between two models on the same rows."""

    metric: str
    challenger: float
    champion: float
    difference: float
    """Challenger minus champion, in the metric's own unit."""
    low: float
    high: float
    """The 95 % percentile interval of the difference."""
    p_better: float
    """Share of the resamples in which the challenger is better."""
    n: int
    resamples: int
    verdict: str
    """`better`, `worse` or `not distinguishable`: whether the interval leaves 0 out."""


def paired(
    name: str,
    y: Array,
    challenger: Array,
    champion: Array,
    *,
    params: Mapping[str, Any] | None = None,
    groups: Array | None = None,
    times: Array | None = None,
    entities: Array | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Paired | None:
    """Compare two models' scores of the same rows; None where the metric has no value for either.

    Parameters
    ----------
    name, y, params, groups, times
        As for `metrics.score`.
    challenger, champion
        Scores of the same rows.
    entities
        What is drawn: rows of one entity depend on each other, so they come or stay away together. Rows, if None.
    resamples, seed
        Number of draws with replacement, and where they start: the same call gives the same interval.

    Notes
    -----
    Percentile interval of the difference over resamples (Efron and Tibshirani, An Introduction to the Bootstrap,
    1993, chapter 13). Resamples that carry one class only, and so have no value, do not count.
    """
    import numpy as np

    wanted: dict[str, Any] = {"params": params, "groups": groups, "times": times}
    ours, theirs = score(name, y, challenger, **wanted), score(name, y, champion, **wanted)
    if ours.value is None or theirs.value is None:
        return None
    weights = _draws(len(y), entities, resamples, seed)
    differences = []
    for block in weights:
        if name == "auc":
            differences.append(_auc(y, challenger, block) - _auc(y, champion, block))
        else:
            differences.append(_any(name, y, challenger, champion, block, wanted))
    drawn = np.concatenate(differences)
    drawn = drawn[np.isfinite(drawn)]
    return _verdict(name, ours.value, theirs.value, drawn, len(y)) if len(drawn) else None


def _verdict(name: str, challenger: float, champion: float, drawn: Array, n: int) -> Paired:
    import numpy as np

    low, high = (float(edge) for edge in np.quantile(drawn, [0.025, 0.975]))
    sign = -1.0 if lower_is_better(name) else 1.0
    verdict = "better" if sign * low > 0 and sign * high > 0 else "worse"
    return Paired(
        metric=name,
        challenger=challenger,
        champion=champion,
        difference=challenger - champion,
        low=low,
        high=high,
        p_better=float((sign * drawn > 0).mean()),
        n=n,
        resamples=len(drawn),
        verdict="not distinguishable" if low <= 0 <= high else verdict,
    )


def _draws(n: int, entities: Array | None, resamples: int, seed: int) -> list[Array]:
    """Return how often each row is drawn, in blocks of shape (resamples, n)."""
    import numpy as np

    codes = np.arange(n) if entities is None else np.unique(entities, return_inverse=True)[1]
    units = int(codes.max()) + 1
    source = np.random.default_rng(seed)
    step = max(1, CELLS // n)
    blocks = []
    for start in range(0, resamples, step):
        size = min(step, resamples - start)
        picks = source.integers(0, units, size=(size, units)) + np.arange(size)[:, None] * units
        counts = np.bincount(picks.ravel(), minlength=size * units).reshape(size, units)
        blocks.append(counts[:, codes])
    return blocks


def _auc(y: Array, s: Array, weights: Array) -> NDArray[np.float64]:
    """Return the weighted AUC of each resample: wins plus half the ties, from one sort for all of them."""
    import numpy as np

    order = np.argsort(s, kind="stable")
    starts = np.append(0, np.flatnonzero(np.diff(s[order])) + 1)
    drawn = weights[:, order]
    positive = np.add.reduceat(drawn * y[order], starts, axis=1)
    negative = np.add.reduceat(drawn * (1 - y[order]), starts, axis=1)
    below = np.cumsum(negative, axis=1) - negative
    wins = (positive * (below + negative / 2)).sum(axis=1)
    pairs = positive.sum(axis=1) * negative.sum(axis=1)
    with np.errstate(invalid="ignore"):
        area: NDArray[np.float64] = wins / np.where(pairs == 0, np.nan, pairs)
    return area


def _any(
    name: str, y: Array, challenger: Array, champion: Array, weights: Array, wanted: dict[str, Any]
) -> NDArray[np.float64]:
    import numpy as np

    found = np.full(len(weights), np.nan)
    for number, drawn in enumerate(weights):
        rows = np.repeat(np.arange(len(y)), drawn)
        here = {
            key: value[rows] if key in ("groups", "times") and value is not None else value
            for key, value in wanted.items()
        }
        ours, theirs = (
            score(name, y[rows], challenger[rows], **here),
            score(name, y[rows], champion[rows], **here),
        )
        if ours.value is not None and theirs.value is not None:
            found[number] = ours.value - theirs.value
    return found
