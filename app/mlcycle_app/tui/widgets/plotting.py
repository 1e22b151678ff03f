"""Lines of numbers as braille in a grid of cells: scales, ticks, raster. Pure; knows no widget and no colour.

Own drawing, because a plot of textual-plot costs 10 ms of CPU a refresh, is six widgets and loads numpy, and six
plots are shown live; this one costs 1 to 3 ms.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from mlcycle_app.tui.widgets.ticks import log_ticks, nice_ticks, short, time_ticks

__all__ = ["Drawn", "Line", "Piece", "plot"]

LEFT_DOTS, RIGHT_DOTS = (0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80)
BRAILLE = 0x2800
WIDE_RANGE = 20.0
"""From this factor between a limit and the values on, the scale is one of powers: else the curve would be flat."""
FEW = 4
"""Cells for each point from which on points are marked one by one."""
LETTERS = "abcdefghijklmnopqrstuvwxyz"

Piece = tuple[str, str]
"""Text and what it is: `axis`, `limit`, `line-0` and so on; empty for blanks."""


@dataclass(frozen=True)
class Line:
    """One line: points in order of x; a y that is no number makes a gap."""

    x: Sequence[float]
    y: Sequence[float]


@dataclass(frozen=True)
class Drawn:
    """A drawn plot."""

    rows: list[list[Piece]]
    log: bool
    """Whether the upright axis is one of powers."""


@dataclass
class _Axis:
    """From numbers to dots."""

    low: float
    high: float
    dots: int
    log: bool = False

    def dot(self, value: float) -> int:
        """Return the dot of a number, from nought."""
        value = math.log10(value) if self.log else value
        share = (value - self.low) / (self.high - self.low) if self.high > self.low else 0.5
        return max(0, min(self.dots - 1, round(share * (self.dots - 1))))


@dataclass
class _Grid:
    """Cells: dots, whose they are, and signs that stand in their place."""

    width: int
    height: int
    dots: dict[tuple[int, int], int] = field(default_factory=dict)
    owner: dict[tuple[int, int], str] = field(default_factory=dict)
    signs: dict[tuple[int, int], Piece] = field(default_factory=dict)

    def put(self, x: int, y: int, name: str) -> None:
        """Set one dot; y counts from below."""
        y = self.height * 4 - 1 - y
        cell = (x // 2, y // 4)
        self.dots[cell] = self.dots.get(cell, 0) | (RIGHT_DOTS if x % 2 else LEFT_DOTS)[y % 4]
        self.owner[cell] = name

    def piece(self, column: int, row: int) -> Piece:
        """Return what stands in a cell."""
        cell = (column, row)
        if cell in self.signs:
            return self.signs[cell]
        if cell in self.dots:
            return chr(BRAILLE + self.dots[cell]), self.owner[cell]
        return " ", ""


def plot(
    lines: Sequence[Line],
    width: int,
    height: int,
    *,
    limit: float | None = None,
    times: bool = False,
    x_label: str = "",
) -> Drawn:
    """Draw lines into so many cells: labels at the left, the plot, and a row of labels below.

    Parameters
    ----------
    limit
        Drawn across where no line is.
    times
        Whether x are seconds since 1970, UTC.
    x_label
        Stands at the right end below, where it has room.
    """
    points = [[(x, y) for x, y in zip(one.x, one.y, strict=True)] for one in lines]
    values = [y for one in points for _, y in one if math.isfinite(y)]
    known = [*values, *([] if limit is None else [limit])]
    log = limit is not None and min(known, default=0) > 0 and max(known) / min(known) > WIDE_RANGE
    rows = max(1, height - 1)
    upright = _scale(known, rows * 4, log)
    labels = _upright_labels(upright, rows, limit)
    left = max((len(text) for text, _ in labels.values()), default=0)
    columns = max(2, width - left - 1)
    gutter = 1 if len(lines) > 1 else 0
    xs = [x for one in points for x, _ in one]
    flat = _Axis(min(xs, default=0.0), max(xs, default=1.0), (columns - gutter) * 2)
    grid = _Grid(columns, rows)
    for number, one in enumerate(points):
        _draw(grid, flat, upright, one, f"line-{number}")
    if limit is not None:
        row = rows - 1 - upright.dot(limit) // 4
        for column in range(columns):
            grid.signs.setdefault((column, row), ("╌", "limit")) if (column, row) not in grid.dots else None
    if len(lines) > 1:
        _letters(grid, flat, upright, points)
    drawn = [
        [*_label(labels.get(row), left), *_merged(grid.piece(column, row) for column in range(columns))]
        for row in range(rows)
    ]
    ticks = (time_ticks if times else nice_ticks)(
        flat.low, flat.high, max(2, columns // (11 if times else 9))
    )
    below = _below(ticks, flat, left + 1, width, x_label)
    return Drawn([*drawn, [(below, "axis")]], log)


def _scale(known: Sequence[float], dots: int, log: bool) -> _Axis:
    if not known:
        return _Axis(0.0, 1.0, dots)
    low, high = min(known), max(known)
    if log:
        low, high = math.log10(low), math.log10(high)
    elif 0 <= low < high / 2:
        low = 0.0
    if low == high:
        room = abs(low) * 0.1 or 1.0
        low, high = (0.0 if low == 0 else low - room), high + room
    room = (high - low) * 0.04
    return _Axis(low if low == 0 and not log else low - room, high + room, dots, log)


def _upright_labels(axis: _Axis, rows: int, limit: float | None) -> dict[int, Piece]:
    """Return the labels by row; the limit's own goes before a tick's."""
    most = max(2, (rows + 1) // 2)
    ticks = log_ticks(axis.low, axis.high, most) if axis.log else nice_ticks(axis.low, axis.high, most)
    labels: dict[int, Piece] = {}
    if limit is not None:
        labels[rows - 1 - axis.dot(limit) // 4] = (short(limit), "limit")
    for value, text in ticks:
        row = rows - 1 - axis.dot(value) // 4
        if not any(abs(row - taken) < (1 if rows < 6 else 2) for taken in labels):
            labels[row] = (text, "axis")
    return labels


def _draw(grid: _Grid, flat: _Axis, upright: _Axis, points: Sequence[tuple[float, float]], name: str) -> None:
    marked = len(points) * FEW <= grid.width
    before: tuple[int, int] | None = None
    alone = False
    for place, (x, y) in enumerate(points):
        if not math.isfinite(y):
            before = None
            continue
        here = (flat.dot(x), upright.dot(y))
        if before is None:
            alone = place + 1 == len(points) or not math.isfinite(points[place + 1][1])
            grid.put(*here, name)
        else:
            _join(grid, before, here, name)
        if marked or (alone and before is None):
            grid.signs[here[0] // 2, grid.height - 1 - here[1] // 4] = ("•", name)
        before = here


def _join(grid: _Grid, start: tuple[int, int], end: tuple[int, int], name: str) -> None:
    (x0, y0), (x1, y1) = start, end
    if x1 <= x0:
        _upright_span(grid, x0, y0, y1, name)
        return
    above = y0
    for x in range(x0 + 1, x1 + 1):
        y = y0 + round((y1 - y0) * (x - x0) / (x1 - x0))
        # Half of the way up belongs to the column before: a steep line has no holes and no steps.
        middle = (above + y) // 2 if abs(y - above) > 1 else above
        _upright_span(grid, x - 1, above, middle, name)
        _upright_span(grid, x, middle + (y > above) - (y < above) if middle != y else y, y, name)
        above = y


def _upright_span(grid: _Grid, x: int, y0: int, y1: int, name: str) -> None:
    for y in range(min(y0, y1), max(y0, y1) + 1):
        grid.put(x, y, name)


def _letters(
    grid: _Grid, flat: _Axis, upright: _Axis, lines: Sequence[Sequence[tuple[float, float]]]
) -> None:
    """Name each line where it ends: colours alone are not for everybody."""
    taken: set[tuple[int, int]] = set()
    for number, points in enumerate(lines[: len(LETTERS)]):
        last = next(((x, y) for x, y in reversed(points) if math.isfinite(y)), None)
        if last is None:
            continue
        column = min(grid.width - 1, flat.dot(last[0]) // 2 + 1)
        row = grid.height - 1 - upright.dot(last[1]) // 4
        near = sorted(range(grid.height), key=lambda other, row=row: abs(other - row))  # type: ignore[misc]
        row = next((one for one in near if (column, one) not in taken), row)
        taken.add((column, row))
        grid.signs[column, row] = (LETTERS[number], f"line-{number}")


def _label(label: Piece | None, left: int) -> list[Piece]:
    if label is None:
        return [(" " * left + "│", "axis")]
    text, kind = label
    return [(text.rjust(left), kind), ("┤", "axis")]


def _merged(pieces: Iterator[Piece]) -> Iterator[Piece]:
    text, kind = "", ""
    for sign, name in pieces:
        if name != kind and text:
            yield text, kind
            text = ""
        text, kind = text + sign, name
    if text:
        yield text, kind


def _below(ticks: Sequence[tuple[float, str]], axis: _Axis, left: int, width: int, x_label: str) -> str:
    line = [" "] * width
    for value, text in ticks:
        start = left + axis.dot(value) // 2 - len(text) // 2
        start = max(left, min(start, width - len(text)))
        if start + len(text) <= width and all(
            sign == " " for sign in line[max(0, start - 1) : start + len(text) + 1]
        ):
            line[start : start + len(text)] = text
    free = width - len(x_label)
    if x_label and free > left and all(sign == " " for sign in line[free - 1 :]):
        line[free:] = x_label
    return "".join(line)
