"""From columns to the float32 matrix that models eat, and what a package must say so that a server does the same.

A number is one column (missing: NaN, or 0 for models that cannot take NaN); a category is one 0/1 column a value
seen in the fitted rows, in sorted order; a value not seen is all zeros and counted. Never the booster's own
categoricals: their ONNX export is silently wrong.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from mlcycle.errors import DataError, UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[Any]

__all__ = ["Feature", "Layout", "Missing", "encode_target", "learn_classes", "learn_layout"]

Missing = Literal["nan", "zero"]
MOST_CATEGORIES = 200
"""Beyond it the most frequent are kept; the rest counts as never seen."""


@dataclass(frozen=True)
class Feature:
    """One input of a model."""

    name: str
    type: Literal["number", "category"]
    categories: tuple[str, ...] = ()

    @property
    def width(self) -> int:
        """Columns of the matrix it takes."""
        return 1 if self.type == "number" else len(self.categories)


@dataclass(frozen=True)
class Layout:
    """How rows become the matrix."""

    features: tuple[Feature, ...]
    missing: Missing

    @property
    def width(self) -> int:
        """Columns of the matrix."""
        return sum(feature.width for feature in self.features)

    def describe(self) -> list[dict[str, object]]:
        """Return the features as `package.json` lists them."""
        return [
            {"name": f.name, "type": f.type}
            if f.type == "number"
            else {"name": f.name, "type": f.type, "categories": list(f.categories)}
            for f in self.features
        ]

    @classmethod
    def described(cls, features: Sequence[Mapping[str, Any]], missing: Missing) -> Layout:
        """Return the layout that a `package.json` describes."""
        return cls(
            tuple(Feature(f["name"], f["type"], tuple(f.get("categories", ()))) for f in features), missing
        )

    def matrix(self, columns: Mapping[str, Array]) -> NDArray[np.float32]:
        """Return the matrix of shape (rows, width).

        Raises
        ------
        DataError
            If a column is not there, or holds text where the model wants a number.
        """
        import numpy as np

        blocks = []
        for feature in self.features:
            if feature.name not in columns:
                raise DataError(f"the rows have no column {feature.name!r}, which the model needs")
            column = columns[feature.name]
            if feature.type == "number":
                blocks.append(_numbers(feature.name, column, self.missing)[:, None])
                continue
            text, known = _texts(column)
            block = np.zeros((len(text), feature.width), dtype=np.float32)
            for place, category in enumerate(feature.categories):
                block[:, place] = (text == category) & known
            blocks.append(block)
        return np.hstack(blocks)

    def unseen(self, columns: Mapping[str, Array]) -> dict[str, int]:
        """Return, for each category with values that the model never saw, how many rows carry one."""
        import numpy as np

        counts = {}
        for feature in self.features:
            if feature.type == "category":
                text, known = _texts(columns[feature.name])
                strange = int((known & ~np.isin(text, feature.categories)).sum())
                if strange:
                    counts[feature.name] = strange
        return counts


def learn_layout(columns: Mapping[str, Array], names: Sequence[str], missing: Missing) -> Layout:
    """Learn types and categories from the rows a model is fitted on.

    Raises
    ------
    UsageError
        If there is no feature, or one is a date, which has no scale of its own.
    """
    import numpy as np

    features = []
    for name in names:
        column = columns[name]
        if column.dtype.kind in "biuf":
            features.append(Feature(name, "number"))
        elif column.dtype.kind in "mM":
            raise UsageError(
                f"feature {name!r} is a time, which no model takes as it is",
                hint=f"declare the days between {name} and as_of instead, in features.yaml",
            )
        else:
            text, known = _texts(column)
            values, counts = np.unique(text[known], return_counts=True)
            if len(values) > MOST_CATEGORIES:
                values = np.sort(values[np.argsort(-counts, kind="stable")[:MOST_CATEGORIES]])
            features.append(Feature(name, "category", tuple(values.tolist())))
    if not sum(feature.width for feature in features):
        raise UsageError("there is no feature to learn from", hint="mlcycle features list")
    return Layout(tuple(features), missing)


def learn_classes(target: Array) -> tuple[str, ...]:
    """Return the classes of a target as text, sorted: numbers by value, text by letter, false before true."""
    import numpy as np

    values = np.unique(np.ma.asarray(target).compressed()) if target.dtype.kind in "biuf" else None
    if values is None:
        text, known = _texts(target)
        return tuple(np.unique(text[known]).tolist())
    return tuple(class_name(value) for value in values[values == values].tolist())


def encode_target(target: Array, classes: Sequence[str] | None) -> NDArray[np.float64]:
    """Return the target as numbers: positions among the classes, or the values themselves; NaN where unknown.

    Without classes (regression) the values are taken as they are. A class that is none of `classes` is NaN.
    """
    import numpy as np

    if classes is None:
        return np.ma.filled(np.ma.asarray(target).astype(np.float64), np.nan)
    place = {name: float(position) for position, name in enumerate(classes)}
    values = np.ma.asarray(target).tolist()
    places = {value: place.get(class_name(value), np.nan) for value in set(values)}
    return np.array([places[value] for value in values], dtype=np.float64)


def class_name(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _numbers(name: str, column: Array, missing: Missing) -> NDArray[np.float32]:
    import numpy as np

    if column.dtype.kind not in "biufO":
        raise DataError(f"column {name!r} holds {column.dtype}, but the model was fitted on numbers")
    try:
        values = np.ma.filled(np.ma.asarray(column).astype(np.float64), np.nan)
    except (TypeError, ValueError) as error:
        raise DataError(f"column {name!r} holds text, but the model was fitted on numbers") from error
    with np.errstate(over="ignore"):
        single = values.astype(np.float32)
    # What float32 cannot hold is missing, as it is for the booster; the server refuses it by name.
    single[~np.isfinite(single)] = 0.0 if missing == "zero" else np.nan
    return single


def _texts(column: Array) -> tuple[Array, Array]:
    """Return the values as text, and which of them are known."""
    import numpy as np

    values = np.ma.asarray(column).tolist()
    # Each distinct value is looked at once: a column has many rows and few of them.
    names = {value: "" if value is None else class_name(value) for value in set(values)}
    missing = {value for value in names if value is None or value != value}
    known = np.array([value not in missing for value in values], dtype=bool)
    return np.array([names[value] for value in values], dtype=object), known
