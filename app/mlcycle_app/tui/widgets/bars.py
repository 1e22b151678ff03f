"""Numbers over time as upright bars, from nought: half the height is half the number."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text
from textual.app import RenderResult
from textual.widget import Widget

__all__ = ["Bars"]

EIGHTHS = " ▁▂▃▄▅▆▇█"


class Bars(Widget):
    """One bar a number, as wide as they fit, oldest at the left."""

    def __init__(self, name: str) -> None:
        super().__init__(id=name)
        self._values: Sequence[float] = ()

    def show(self, values: Sequence[float]) -> None:
        """Draw numbers."""
        if values != self._values:
            self._values = values
            self.refresh()

    def render(self) -> RenderResult:
        """Draw the bars into the widget's height."""
        width, height = self.size
        if not self._values or not width:
            return Text("")
        each = max(1, width // len(self._values))
        values = self._values[-width:]
        most = max(values) or 1
        lines = []
        for line in range(height - 1, -1, -1):
            row = Text(no_wrap=True, end="")
            for value in values:
                eighths = max(1 if value else 0, round(value / most * height * 8)) - 8 * line
                sign = EIGHTHS[max(0, min(8, eighths))] if value or line else "▁"
                row.append(sign * max(1, each - 1) + " " * (each > 1), "cyan" if value else "dim")
            lines.append(row)
        return Text("\n").join(lines)
