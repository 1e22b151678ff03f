"""What a detail pane shows, as data: made in a thread by a view, drawn by `widgets.detail`. Knows no widget."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.text import Text

__all__ = ["Axis", "Bins", "Card", "Curve", "Curves", "Facts", "Listing", "Part", "Scale", "Words", "in_full"]


@dataclass(frozen=True)
class Facts:
    """Names and values, a line each."""

    rows: Sequence[tuple[str, object]]
    title: str = ""


@dataclass(frozen=True)
class Words:
    """A paragraph, or lines that keep their breaks."""

    text: str | Text
    title: str = ""


@dataclass(frozen=True)
class Listing:
    """A small table. State columns get glyph and colour as in lists."""

    title: str
    rows: Sequence[Mapping[str, Any]]
    right: tuple[str, ...] = ()
    """Columns set flush right; those of numbers are anyway."""
    aged: str = ""
    """The column of times shown as ages."""
    empty: str = ""
    """Said when there is no row."""
    most: int = 20
    """Rows drawn; how many more there are is said."""


@dataclass(frozen=True)
class Curve:
    """One line of a plot: points in order of x. NaN in y makes a gap."""

    name: str
    x: Sequence[float]
    y: Sequence[float]


@dataclass(frozen=True)
class Curves:
    """A plot."""

    title: str
    lines: Sequence[Curve]
    limit: float | None = None
    """Drawn as a line across."""
    sign: str = ""
    """The comparison, such as `>=`, said with the limit."""
    x_label: str = ""
    y_label: str = ""
    """Name and unit of an axis."""
    height: int = 10
    """Lines of the terminal, the axes included."""
    times: bool = False
    """Whether x are seconds since 1970, UTC."""
    empty: str = "not measured yet"
    """Said when no line has a point."""


@dataclass(frozen=True)
class Bins:
    """A histogram: shares of now, beside those of a reference where there is one."""

    title: str
    labels: Sequence[str]
    now: Sequence[float]
    """Shares or counts, one a label."""
    reference: Sequence[float] | None = None
    n_now: int = 0
    n_reference: int = 0


@dataclass(frozen=True)
class Axis:
    """One dimension along which things are compared."""

    name: str
    values: Sequence[float | str | None]
    """One a thing, in the order of `Scale.names`."""


@dataclass(frozen=True)
class Scale:
    """Parallel coordinates as text: an axis a line, a letter a thing."""

    title: str
    names: Sequence[str]
    axes: Sequence[Axis]


Part = Facts | Words | Listing | Curves | Bins | Scale


@dataclass(frozen=True)
class Card:
    """All about one thing."""

    title: str
    parts: Sequence[Part]
    hint: str = ""
    """What to press next; stands in the border."""


def in_full(title: str, row: Mapping[str, Any]) -> Card:
    """Return the card of a row of which nothing more is known: every column, uncut."""
    return Card(title, [Facts([(key.replace("_", " "), value) for key, value in row.items()])])
