"""Scoring rows with a model package, offline: what a gate judges is what will be served, not what was fitted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlcycle.errors import DataError
from mlcycle.experiments.export import run_model
from mlcycle.experiments.matrix import Layout, encode_target
from mlcycle.experiments.package import Package, read_package

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[Any]

__all__ = ["Scores", "evaluate", "layout_of"]


@dataclass(frozen=True)
class Scores:
    """A package's answers."""

    values: NDArray[np.float64]
    """As `metrics.score` wants them: shape (n,), or (n, classes) for several classes."""
    task: str
    classes: tuple[str, ...] | None
    unseen: dict[str, int]
    """Rows with a category the model never saw, by feature."""

    @property
    def shown(self) -> NDArray[np.float64]:
        """The one number a row that is served and logged: for several classes, the greatest probability."""
        best: NDArray[np.float64] = self.values.max(axis=1) if self.values.ndim == 2 else self.values
        return best

    def encode(self, target: Array) -> NDArray[np.float64]:
        """Return a target as `metrics.score` wants it; NaN for a class the model does not know."""
        return encode_target(target, self.classes)


def evaluate(package: bytes | Package, columns: Mapping[str, Array]) -> Scores:
    """Score rows.

    Parameters
    ----------
    package
        A package, or its bytes.
    columns
        The features by name, one array each; masked or NaN where missing.

    Raises
    ------
    DataError
        If the package is damaged, or a feature is missing from the rows.
    """
    opened = package if isinstance(package, Package) else read_package(package)
    said = opened.description
    try:
        layout = layout_of(opened)
        values = run_model(
            said["runtime"], opened.model, said["output"]["name"], said["task"], layout.matrix(columns)
        )
        classes = said["classes"]
    except KeyError as error:
        raise DataError(f"the package's description lacks {error}", hint="mlcycle train") from error
    return Scores(values, said["task"], None if classes is None else tuple(classes), layout.unseen(columns))


def layout_of(package: Package) -> Layout:
    """Return how rows become the matrix of a package's model."""
    return Layout.described(package.description["features"], package.description["missing"])
