"""Row 1 of every screen: the product, the seven phases with their states, the clock."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text
from textual.app import RenderResult
from textual.reactive import reactive
from textual.widget import Widget

from mlcycle_app.commands import PHASES
from mlcycle_app.gateway import Gateway
from mlcycle_app.tui.glyphs import glyph, style_of

if TYPE_CHECKING:
    from mlcycle_app.gateway import Board

__all__ = ["Strip"]

WIDE = 100


class Strip(Widget):
    """The lifecycle strip."""

    board: reactive[Board | None] = reactive(None)
    """The last board read."""
    current: reactive[int] = reactive(0)
    """Number of the screen shown."""

    def __init__(self, name: str) -> None:
        super().__init__(id="strip")
        self._product = name

    def render(self) -> RenderResult:
        """Draw one line that fits the width: names when wide, numbers alone when narrow."""
        left = Text(no_wrap=True).append(" mlcycle ", style="bold reverse").append(f" {self._product[:20]}  ")
        states = {phase.number: phase.state for phase in self.board.phases} if self.board else {}
        for number, name in enumerate(PHASES):
            if number == 0:
                continue
            state = states.get(number)
            label = f"{number}{glyph(state) if state else '…'}"
            if self.size.width >= WIDE:
                label += f" {name}"
            style = style_of(state) if state else "dim"
            left.append(label, style=f"{style} underline" if number == self.current else style)
            left.append("  " if self.size.width >= WIDE else " ")
        clock = Text(Gateway.now().strftime("%Y-%m-%d %H:%M "), style="dim")
        gap = self.size.width - left.cell_len - clock.cell_len
        return left.append(" " * gap).append_text(clock) if gap >= 0 else left
