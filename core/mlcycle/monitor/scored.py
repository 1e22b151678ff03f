"""A window's scores and labels, side by side, as metrics take them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlcycle.experiments import evaluate, read_artifact
from mlcycle.monitor import bins, records
from mlcycle.monitor.model import Span
from mlcycle.store import Store
from mlcycle.workspace import Workspace

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

__all__ = ["Scored", "scored"]


@dataclass(frozen=True)
class Scored:
    """One row a prediction that was answered, in a stable order."""

    y: Array
    """Labels: positions of classes, or values; NaN where not known yet."""
    s: Array
    """Scores, shape (n,), or (n, classes) for several classes."""
    times: Array
    groups: Array | None

    def labelled(self) -> Scored:
        """Return the rows whose label is known."""
        import numpy as np

        known = np.isfinite(self.y)
        groups = None if self.groups is None else self.groups[known]
        return Scored(self.y[known], self.s[known], self.times[known], groups)

    def unjudged(self) -> Scored:
        """Return all rows, for metrics that ask no label."""
        import numpy as np

        return Scored(np.zeros(len(self.s)), self.s, self.times, self.groups)


def scored(workspace: Workspace, span: Span, task: str, group: str | None) -> Scored:
    """Read a window.

    Parameters
    ----------
    task
        `multiclass` scores the logged features again with the model version's package: the journal keeps the
        probability of the likeliest class, not which class that was.
    group
        A feature whose value goes along; without groups if no prediction carries it.
    """
    import numpy as np

    store = Store(workspace)
    rows = records.judged_rows(
        store, span, bins.feature_sql(group) if group else None, features=task == "multiclass"
    )
    rows = [row for row in rows if row["score"] is not None]
    carried = group is not None and any(row["group"] is not None for row in rows)
    return Scored(
        y=np.array([np.nan if row["label"] is None else row["label"] for row in rows], dtype=float),
        s=_again(workspace, span, rows)
        if task == "multiclass" and rows
        else np.array([row["score"] for row in rows], dtype=float),
        times=np.array([row["as_of"] for row in rows], dtype="datetime64[us]"),
        groups=np.array([str(row["group"]) for row in rows]) if carried else None,
    )


def _again(workspace: Workspace, span: Span, rows: Sequence[Mapping[str, Any]]) -> Array:
    package = read_artifact(workspace, records.package_of(Store(workspace), span.model, span.version))
    names = sorted({name for row in rows for name in row["features"]})
    columns = {name: _column([row["features"].get(name) for row in rows]) for name in names}
    return evaluate(package, columns).values


def _column(values: list[Any]) -> Array:
    import numpy as np

    if any(isinstance(value, str) for value in values):
        return np.array(values, dtype=object)
    return np.array([np.nan if value is None else value for value in values], dtype=float)
