"""What the feature room hands out: training sets, rows to score, the list of views and what lint found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import numpy as np

__all__ = [
    "Explained",
    "Explanation",
    "Feature",
    "FeatureRows",
    "FeatureType",
    "Finding",
    "LeftOut",
    "SourceRow",
    "TrainingSet",
    "ViewInfo",
    "entity_of",
    "values_of",
]

FeatureType = Literal["number", "category"]


@dataclass(frozen=True)
class Feature:
    """One column a model learns from."""

    name: str
    type: FeatureType
    view: str
    """The feature view that computes it; empty when the rows came from a file."""


@dataclass(frozen=True)
class TrainingSet:
    """One Parquet file of labelled rows, as they were known at a moment."""

    training_set_id: str
    name: str
    path: Path
    rows: int
    train_rows: int
    validation_rows: int
    features: tuple[Feature, ...]
    keys: tuple[str, ...]
    target: str
    """The label's column in the spine's table; in the file it is `target`."""
    as_of: datetime
    look_ahead: str | None
    """How far the windows were let into the future on purpose, such as `30d`; None for an honest set."""
    dataset_versions: Mapping[str, str]
    views: Mapping[str, int]
    """Feature view to the version of its definition."""
    fingerprint: str
    """Of the rows' content without `row_id`; equal for equal rows in any order."""
    created_at: datetime


@dataclass(frozen=True)
class FeatureRows:
    """Feature values of some spine rows, column by column, in the order of time and keys."""

    columns: tuple[Feature, ...]
    keys: Mapping[str, Sequence[Any]]
    as_of: Sequence[datetime | None]
    """Moment asked about, one a row; None where the spine row has no time."""
    features: Mapping[str, np.ndarray[Any, Any]]
    """number: float64 with NaN for missing; category: str objects with None for missing."""
    target: np.ndarray[Any, Any] | None = None
    """Label values, or None where labels were not asked for."""
    known_at: Sequence[datetime | None] | None = None
    split: np.ndarray[Any, Any] | None = None
    """`train` or `validation`, for rows of a training set."""

    def __len__(self) -> int:
        return len(self.as_of)

    @property
    def entities(self) -> list[str]:
        """One text a row from its keys, as predictions and labels carry it."""
        return [entity_of(values) for values in zip(*self.keys.values(), strict=True)]

    def instances(self) -> Iterator[dict[str, Any]]:
        """Yield the rows as the model server takes them: entity, as_of (ISO 8601), features; missing is None."""
        plain = {name: _plain(values) for name, values in self.features.items()}
        entities = self.entities if self.keys else [""] * len(self)
        for row, (entity, moment) in enumerate(zip(entities, self.as_of, strict=True)):
            yield {
                "entity": entity,
                "as_of": None if moment is None else moment.isoformat(),
                "features": {name: values[row] for name, values in plain.items()},
            }


@dataclass(frozen=True)
class ViewInfo:
    """One declared feature view."""

    name: str
    kind: Literal["windows", "newest row", "timeless", "own row", "sql"]
    table: str | None
    time: str | None
    known: str | None
    features: tuple[str, ...]
    version: int | None
    """Version of its definition, None until a training set was built with it."""
    changed: bool
    """The declaration differs from that version."""
    description: str
    owner: str
    tags: tuple[str, ...]


@dataclass(frozen=True)
class Finding:
    """Something lint distrusts."""

    view: str
    feature: str
    """Empty when the whole view is meant."""
    rule: Literal["target", "look ahead", "cutoff", "leak"]
    message: str


@dataclass(frozen=True)
class SourceRow:
    """One clean row of a dataset, and where it lies."""

    dataset: str
    part: str
    """Hash that names the Parquet part; empty with `row` if a column `file_row_number` hides the places."""
    row: int | None
    """Its number in the part, from 1."""
    batch: str | None
    """The file it was delivered in; None if the store knows of none."""
    key: str | None
    """Values of the source's key, with commas between."""
    event_time: datetime | None
    known_at: datetime | None
    """When it became known; None: never, or at no time that is said."""
    value: Any
    """What the feature takes from this row; None for a count of rows and for whole rows."""


@dataclass(frozen=True)
class LeftOut:
    """Rows of the entity that a feature does not see at a moment."""

    why: Literal["in the future", "not yet known"]
    rows: int
    nearest: SourceRow | None
    """The one that will count first."""


@dataclass(frozen=True)
class Explained:
    """One feature's value, and the rows that gave it."""

    feature: str
    view: str
    how: str
    """What is computed, in words near the declaration's."""
    value: Any
    rows: int | None
    """Rows of the entity that were in the window; None if the view is not traced to rows."""
    given: int | None
    """Those of them that gave the value: one for the newest, all with a value for a sum."""
    given_by: tuple[SourceRow, ...]
    """The newest of them, at most as many as were asked for."""
    left_out: tuple[LeftOut, ...]
    note: str = ""


@dataclass(frozen=True)
class Explanation:
    """One entity's features at a moment, each with where it comes from."""

    entity: str
    as_of: datetime | None
    """The moment of the row asked about: its own where features are made from it, else the one asked for."""
    asked: datetime
    features: tuple[Explained, ...]
    dataset_versions: Mapping[str, str]


def entity_of(values: Sequence[Any]) -> str:
    """Return one text for a row's key values: the value itself, or several joined by `|`, escaped by a backslash."""
    if len(values) == 1:
        return str(values[0])
    return "|".join(str(value).replace("\\", "\\\\").replace("|", "\\|") for value in values)


def values_of(entity: str) -> list[str]:
    r"""Return the key values that `entity_of` joined, as texts.

    A single key may hold a bar or a backslash of its own: ask for it only where there are several.
    """
    found, escaped = [""], False
    for character in entity:
        if escaped or character not in "\\|":
            found[-1] += character
            escaped = False
        elif character == "|":
            found.append("")
        else:
            escaped = True
    return found


def _plain(values: np.ndarray[Any, Any]) -> list[Any]:
    return [None if value != value else value for value in values.tolist()]
