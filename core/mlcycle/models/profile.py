"""Profiles: the bins in which monitoring compares later values with those a version was judged on.

Up to 20 distinct numbers, and all text, get a bin a value and one for others; more numbers get the right-closed
quantile bins of the reference, with edges x_(ceil(n k / 10)) for k = 1..9, deduplicated. Numbers are profiled as
float32, the type the model is given: an edge and a value then compare alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mlcycle.declare.names import SCORE
from mlcycle.models.model import ProfileRow

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mlcycle.experiments.matrix import Layout

    Array = NDArray[Any]

__all__ = ["profile", "profiles"]

MOST_VALUES = 20
BINS = 10


def profiles(layout: Layout, columns: Mapping[str, Array], scores: Array) -> list[ProfileRow]:
    """Return the profile of each feature of a model, and of its score, on the same rows."""
    rows = [
        profile(feature.name, columns[feature.name], text=feature.type == "category")
        for feature in layout.features
    ]
    return [*rows, profile(SCORE, scores)]


def profile(subject: str, values: Array, *, text: bool = False) -> ProfileRow:
    """Return the profile of one column.

    Parameters
    ----------
    subject
        The column's name.
    values
        Masked, None or NaN where missing.
    text
        Whether the values are categories.
    """
    return _categories(subject, values) if text else _numbers(subject, values)


def _categories(subject: str, values: Array) -> ProfileRow:
    import numpy as np

    listed = np.ma.asarray(values).tolist()
    known = [str(value) for value in listed if value is not None and value == value]
    found, counts = np.unique(np.array(known, dtype=str), return_counts=True)
    missing = len(listed) - len(known)
    return ProfileRow(subject, "values", len(listed), missing, tuple(found.tolist()), (*counts.tolist(), 0))


def _numbers(subject: str, values: Array) -> ProfileRow:
    import numpy as np

    with np.errstate(over="ignore"):
        single = np.ma.filled(np.ma.asarray(values).astype(np.float64), np.nan).astype(np.float32)
    known = np.sort(single[np.isfinite(single)])
    n, rows = len(known), len(single)
    found, counts = np.unique(known, return_counts=True)
    if len(found) <= MOST_VALUES:
        return ProfileRow(
            subject,
            "values",
            rows,
            rows - n,
            tuple(map(float, found)),
            (*(int(count) for count in counts), 0),
        )
    places = [max(1, -(-n * k // BINS)) - 1 for k in range(1, BINS)]
    edges = np.unique(known[places])
    counts = np.bincount(np.searchsorted(edges, known, side="left"), minlength=len(edges) + 1)
    return ProfileRow(
        subject, "quantiles", rows, rows - n, tuple(map(float, edges)), tuple(int(count) for count in counts)
    )
