"""Parallel coordinates as text: an axis a line, a letter a thing. Things that lie together everywhere are alike."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from string import ascii_uppercase

from rich.cells import cell_len
from rich.text import Text
from textual.app import RenderResult
from textual.geometry import Size
from textual.widget import Widget

from mlcycle_app.tui.card import Axis, Scale
from mlcycle_app.tui.widgets.laid import cut
from mlcycle_app.tui.widgets.ticks import short

__all__ = ["LETTERS", "Coordinates", "drawn"]

LETTERS = ascii_uppercase
"""What stands for the things, in their order; of more only as many are drawn."""
NAME, END = 18, 8
"""Cells of an axis's name, and of the value at each of its ends, at most."""
LEAST = 12
"""Cells of an axis at least."""
COLOURS = ("cyan", "magenta", "yellow", "green", "blue", "red")


class Coordinates(Widget):
    """The axes, below a line that says which letter is which thing."""

    DEFAULT_CSS = "Coordinates { height: auto; width: 1fr; }"

    def __init__(self, scale: Scale | None = None, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._scale = scale

    def show(self, scale: Scale) -> None:
        """Draw axes in place of those there were."""
        if scale != self._scale:
            self._scale = scale
            self.refresh(layout=True)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """As many lines as are drawn into that width."""
        return 0 if self._scale is None else drawn(self._scale, width).plain.count("\n") + 1

    def render(self) -> RenderResult:
        """Draw the axes into the widget's width."""
        return Text("") if self._scale is None else drawn(self._scale, self.size.width)


def drawn(scale: Scale, width: int) -> Text:
    """Return the axes as text of a width.

    Things at the same place of an axis stand one below the other. Words lie at equal distances in the order of the
    alphabet, named below the axis; a thing without a value stands behind the axis, after `none`.
    """
    names = scale.names[: len(LETTERS)]
    lines = [Text(scale.title, style="bold")] if scale.title else []
    lines += _legend(names, width)
    if not scale.axes:
        lines.append(Text("nothing to compare along", style="dim"))
    left = min(NAME, max((cell_len(axis.name) for axis in scale.axes), default=0))
    nowhere = max((sum(value is None for value in axis.values) for axis in scale.axes), default=0)
    room = max(LEAST, width - left - 2 * END - 4 - (7 + nowhere if nowhere else 0))
    for axis in scale.axes:
        lines += _axis(axis, len(names), left, room)
    return Text("\n", no_wrap=True, overflow="crop").join(lines)


def _legend(names: Sequence[str], width: int) -> Iterator[Text]:
    line = Text()
    for place, name in enumerate(names):
        piece = Text(f"{LETTERS[place]} ", style=_colour(place)).append(_cut(name, 24), "default")
        if len(line) and line.cell_len + piece.cell_len + 2 > width:
            yield line
            line = Text()
        line.append("  " if len(line) else "").append_text(piece)
    if len(line):
        yield line


def _axis(axis: Axis, count: int, left: int, room: int) -> Iterator[Text]:
    values = list(axis.values[:count])
    if any(isinstance(value, str) for value in values):
        words = sorted({str(value) for value in values if value is not None})
        low = high = ""
        at = {word: _at(place, 0, len(words) - 1, room) for place, word in enumerate(words)}
        places = [None if value is None else at[str(value)] for value in values]
        below = _words(words, [at[word] for word in words], room)
    else:
        numbers = [_number(value) for value in values]
        known = [number for number in numbers if number is not None]
        first, last = (min(known), max(known)) if known else (0.0, 0.0)
        low, high = (short(first), short(last) if last > first else "") if known else ("", "")
        places = [None if number is None else _at(number, first, last, room) for number in numbers]
        below = ""
    yield from _lines(axis.name, low, high, places, left, room)
    if below:
        yield Text(" " * (left + END + 3) + below, style="dim")


def _lines(
    name: str, low: str, high: str, places: Sequence[int | None], left: int, room: int
) -> Iterator[Text]:
    piles: dict[int, list[int]] = {}
    for thing, place in enumerate(places):
        if place is not None:
            piles.setdefault(place, []).append(thing)
    nowhere = "".join(LETTERS[thing] for thing, place in enumerate(places) if place is None)
    for row in range(max((len(pile) for pile in piles.values()), default=1)):
        head = f"{cut(name, left):<{left}} {_cut(low, END):>{END}} " if row == 0 else " " * (left + END + 2)
        line = Text(head, style="" if row == 0 else "dim").append("├" if row == 0 else " ", "dim")
        for place in range(room):
            pile = piles.get(place, [])
            if row < len(pile):
                line.append(LETTERS[pile[row]], _colour(pile[row]))
            else:
                line.append("─" if row == 0 else " ", "dim")
        if row == 0:
            line.append("┤", "dim")
            if high:
                line.append(f" {_cut(high, END)}")
            if nowhere:
                line.append(f" none: {nowhere}", "dim")
        yield line


def _words(words: Sequence[str], places: Sequence[int], room: int) -> str:
    """Return the words under their places, cut where the next one begins; the last one ends with the axis."""
    starts = list(places)
    if len(words) > 1:
        starts[-1] = max(places[-2] + 2, room - cell_len(words[-1]))
    line = ""
    for start, end, word in zip(starts, [*starts[1:], room + 1], words, strict=True):
        line = line.ljust(start) + cut(word, min(cell_len(word), max(1, end - start - 1)))
    return line


def _cut(text: str, width: int) -> str:
    return cut(text, min(width, cell_len(text)))


def _at(value: float, low: float, high: float, room: int) -> int:
    return room // 2 if high <= low else round((value - low) / (high - low) * (room - 1))


def _number(value: float | str | None) -> float | None:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def _colour(thing: int) -> str:
    return f"bold {COLOURS[thing % len(COLOURS)]}"
