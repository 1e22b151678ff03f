"""Rows to learn from or to judge on: columns side by side, in one order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlcycle.errors import DataError, UsageError
from mlcycle.experiments.model import TrainingSet
from mlcycle.workspace import Workspace

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mlcycle.features import FeatureRows

    Array = NDArray[Any]

__all__ = ["Rows", "load_rows", "rows_of", "training_rows"]

SET = "training_set"
RULE = "__mlcycle_rule"


@dataclass(frozen=True)
class Rows:
    """Rows of a training set, or labelled rows of any other moment."""

    columns: Mapping[str, Array]
    """Features, and `target`, `as_of` and `split` where there are any; masked where a value is missing."""
    keys: tuple[str, ...]
    """Columns that name the entity."""

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()))) if self.columns else 0

    @property
    def target(self) -> Array:
        """The labels."""
        return self.columns["target"]

    @property
    def times(self) -> Array | None:
        """The moment each row is about; None where none has one."""
        import numpy as np

        column = self.columns.get("as_of")
        if column is None or column.dtype.kind != "M":
            return None
        filled: Array = np.ma.filled(np.ma.asarray(column).astype("datetime64[us]"), np.datetime64("NaT"))
        return None if np.isnat(filled).all() else filled

    @property
    def entities(self) -> Array:
        """One text a row that names its entity; rows of one entity depend on each other."""
        import numpy as np

        if not self.keys:
            return np.arange(len(self))
        parts = [np.ma.asarray(self.columns[key]).tolist() for key in self.keys]
        return np.array(["\x1f".join(map(_name, values)) for values in zip(*parts, strict=True)], dtype=str)

    def groups(self, by: str) -> Array | None:
        """Return the text of a column, to group rows by; None if there is no such column."""
        import numpy as np

        if by not in self.columns:
            return None
        return np.array([str(value) for value in np.ma.asarray(self.columns[by]).tolist()])

    def take(self, chosen: Array) -> Rows:
        """Return the rows of a mask or of positions."""
        return Rows({name: column[chosen] for name, column in self.columns.items()}, self.keys)

    def of_split(self, split: str) -> Rows:
        """Return the rows of `train` or `validation`."""
        import numpy as np

        column = self.columns.get("split")
        return self if column is None else self.take(np.asarray(column.astype(str) == split))

    def identities(self) -> set[tuple[str, str]]:
        """Return what names each row: its entity and its moment; nothing where no key does."""
        if not self.keys:
            return set()
        times = self.times
        moments = [""] * len(self) if times is None else times.astype(str).tolist()
        return set(zip(map(str, self.entities.tolist()), moments, strict=True))


def _name(value: object) -> str:
    # A date comes as a time at midnight from one reader and as text from another.
    return str(value).removesuffix(" 00:00:00")


def training_rows(workspace: Workspace, training_set_id: str | None = None) -> tuple[TrainingSet, Rows]:
    """Return a training set, the newest honest one if none is named, and its rows.

    Raises
    ------
    NotFoundError
        If there is none.
    """
    from mlcycle.experiments import records

    chosen = records.training_set(workspace, training_set_id)
    return chosen, load_rows(workspace, chosen)[0]


def rows_of(found: FeatureRows) -> Rows:
    """Return feature rows of any moment, labelled or not, as rows to judge on."""
    import numpy as np

    if not len(found):
        return Rows({}, tuple(found.keys))
    moments = [np.datetime64("NaT") if at is None else at for at in found.as_of]
    columns: dict[str, Any] = {**found.features, "as_of": np.array(moments, dtype="datetime64[us]")}
    columns |= {key: np.array(list(values), dtype=object) for key, values in found.keys.items()}
    if found.target is not None:
        columns["target"] = found.target
    return Rows(columns, tuple(found.keys))


def load_rows(
    workspace: Workspace, chosen: TrainingSet, *, rule: str | None = None
) -> tuple[Rows, Array | None]:
    """Read a training set's part, and evaluate a rule (SQL over its columns) on each row.

    Returns
    -------
    tuple
        The rows as they lie in the part, and the rule's scores: rows without one rank behind all others.

    Raises
    ------
    DataError
        If the part is gone.
    UsageError
        If the rule is no SQL over the columns.
    """
    import numpy as np

    from mlcycle.engines.local import SqlError, quote, session

    part = workspace.part(chosen.sha256)
    if not part.is_file():
        raise DataError(
            f"the part of training set {chosen.name!r} is gone: {part}", hint="mlcycle features build"
        )
    with session(workspace) as engine:
        engine.table(SET, [part])
        columns = engine.columns(f"SELECT * FROM {quote(SET)}")
        known = tuple(key for key in chosen.keys if key in columns)
        if rule is None:
            return Rows(columns, known), None
        try:
            found = engine.columns(f"SELECT (\n{rule}\n)::DOUBLE AS {quote(RULE)} FROM {quote(SET)}")
        except SqlError as error:
            raise UsageError(
                f"the rule {rule!r} is no SQL over the features: {error}", hint="see score in training.yaml"
            ) from error
    scores = np.ma.filled(np.ma.asarray(found[RULE]).astype(np.float64), np.nan)
    finite = scores[np.isfinite(scores)]
    scores[~np.isfinite(scores)] = np.nextafter(finite.min(), -np.inf) if len(finite) else 0.0
    return Rows(columns, known), scores
