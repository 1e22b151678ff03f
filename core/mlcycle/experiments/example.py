"""Example rows that come with a script's own model: which features they have, and as which matrix it takes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mlcycle.errors import UsageError
from mlcycle.experiments.matrix import Feature, Layout, class_name

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Matrix = NDArray[np.float32]

__all__ = ["HINT", "Features", "layout_for", "matrix_of"]

HINT = "give example=X[:1000], the rows it was fitted on or like them"
Features = Sequence[str] | Mapping[str, Sequence[object] | None]
"""Names in order; or names with the categories that become one 0/1 column each, None for a number."""


def layout_for(features: Features | None, model: Any, example: Any) -> Layout:
    """Return the features given, else those the example or the model names, else x0, x1 and so on."""
    names: Any = features
    if names is None and isinstance(example, Mapping):
        names = list(example)
    if names is None:
        names = getattr(model, "feature_names_in_", None)
    if names is None:
        names = getattr(example, "columns", None)
    if names is None:
        width = getattr(model, "n_features_in_", None) or (0 if example is None else len(example[0]))
        names = [f"x{place}" for place in range(width)]
    values = names if isinstance(names, Mapping) else dict.fromkeys(map(str, names))
    if not values:
        raise UsageError("a model needs features", hint="features=['age', 'visits']")
    return Layout(
        tuple(
            Feature(str(name), "number")
            if known is None
            else Feature(str(name), "category", tuple(class_name(value) for value in known))
            for name, known in values.items()
        ),
        "nan",
    )


def matrix_of(example: Any, layout: Layout) -> Matrix:
    """Return example rows as the model takes them: a matrix as it is, columns by name laid out."""
    import numpy as np

    if isinstance(example, Mapping) or hasattr(example, "columns"):
        names = [feature.name for feature in layout.features]
        lacking = [name for name in names if name not in list(getattr(example, "columns", example))]
        if lacking:
            raise UsageError(f"the example has no column {lacking[0]!r}", hint="features=[...] names them")
        return layout.matrix({name: _column(example[name]) for name in names})
    try:
        rows = np.atleast_2d(np.asarray(example, dtype=np.float32))
    except (TypeError, ValueError) as error:
        raise UsageError(f"the example is no matrix of numbers: {error}", hint=HINT) from error
    if rows.ndim != 2 or rows.shape[1] != layout.width:
        raise UsageError(
            f"the example is {rows.shape}, but the model takes {layout.width} columns", hint=HINT
        )
    return rows


def _column(values: Any) -> Any:
    import numpy as np

    column = values.to_numpy() if hasattr(values, "to_numpy") else np.asarray(values)
    return np.ma.masked_invalid(column) if column.dtype.kind == "f" else column
