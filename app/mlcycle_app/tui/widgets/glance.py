"""Curves where there is no room for any: one line with newest value, limit, and a spark of how it came there."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.cells import cell_len
from rich.text import Text
from textual.app import RenderResult
from textual.message import Message

from mlcycle_app.tui.card import Curves
from mlcycle_app.tui.widgets.line import Line
from mlcycle_app.tui.widgets.ticks import short

__all__ = ["Glance", "spark"]

BLOCKS = "▁▂▃▄▅▆▇█"
LEAST_SPARK = 4


class Glance(Line):
    """The line; a click on its end asks for the next curves."""

    DEFAULT_CSS = "Glance { height: 1; padding: 0 1; }"

    class Asked(Message):
        """The next curves were asked for."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._curves: Curves | None = None
        self._which, self._more = 0, ""

    def show(self, curves: Curves, which: int, more: str) -> None:
        """Draw one of several curves, and say which key shows the next ones."""
        self._curves, self._which, self._more = curves, which, more
        self.refresh()

    def action_ask(self) -> None:
        """Ask for the next curves."""
        self.post_message(self.Asked())

    def render(self) -> RenderResult:
        """Draw the line: the spark takes the room that the numbers leave."""
        text, curves = self._begin(), self._curves
        if curves is None:
            return text
        text.append(curves.title, style="bold")
        line = curves.lines[self._which] if self._which < len(curves.lines) else None
        values = [] if line is None else [value for value in line.y if math.isfinite(value)]
        tail = Text()
        if line is None or not values:
            text.append(f"  {curves.empty}", style="dim")
        else:
            if line.name != curves.title:
                text.append(f" {line.name}")
            tail.append(f" {short(values[-1])}", style="bold")
            if curves.limit is not None:
                tail.append(f"  {f'limit {curves.sign}'.strip()} {short(curves.limit)}", style="red")
            room = self.size.width - text.cell_len - tail.cell_len - cell_len(self._more) - 4
            if room >= LEAST_SPARK:
                text.append(f" {spark(line.y, room)}", style="cyan")
        text.append_text(tail)
        self._say(text, f"  {self._more}", "dim", "ask")
        return text


def spark(values: Sequence[float], width: int) -> str:
    """Return numbers as blocks of different height from the least to the greatest, in at most so many cells.

    Where there are more numbers than cells, a cell is the mean of its share; blank where nothing was measured.
    """
    cells = min(width, len(values))
    shares = [
        [
            one
            for one in values[cell * len(values) // cells : (cell + 1) * len(values) // cells]
            if math.isfinite(one)
        ]
        for cell in range(cells)
    ]
    means = [sum(share) / len(share) if share else math.nan for share in shares]
    known = [one for one in means if math.isfinite(one)]
    # Halves: the greatest number less the least one may be more than a float holds.
    low, span = min(known, default=0.0) / 2, max(known, default=0.0) / 2 - min(known, default=0.0) / 2
    return "".join(
        BLOCKS[round((one / 2 - low) / span * (len(BLOCKS) - 1)) if span else 0]
        if math.isfinite(one)
        else " "
        for one in means
    )
