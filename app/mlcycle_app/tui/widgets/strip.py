"""Row 1 of every screen: the product, the screens with their phases' states, the clock."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.app import RenderResult
from textual.reactive import reactive

from mlcycle_app.commands import PHASES
from mlcycle_app.gateway import Gateway
from mlcycle_app.tui.glyphs import glyph, style_of
from mlcycle_app.tui.widgets.line import Line

if TYPE_CHECKING:
    from mlcycle_app.gateway import Board

__all__ = ["Strip"]

NAMES_FROM = 126
"""Width from which every phase is named, not just the one shown."""


class Strip(Line):
    """The lifecycle strip."""

    board: reactive[Board | None] = reactive(None)
    """The last board read."""
    current: reactive[int] = reactive(0)
    """Number of the screen shown."""

    _clock: reactive[str] = reactive("")

    def __init__(self, name: str) -> None:
        super().__init__("strip")
        self._product = name

    def render(self) -> RenderResult:
        """Draw one line that fits: the screens first, then the clock, then as much of the product's name as is left."""
        wide = self.size.width >= NAMES_FROM
        states = {phase.number: phase.state for phase in self.board.phases} if self.board else {}
        labels = [self._label(number, states.get(number, ""), wide) for number in range(len(PHASES))]
        needed = sum(len(label) for label in labels)
        clock = self._clock
        if needed + len(clock) + 10 > self.size.width:
            clock = ""
        room = self.size.width - needed - len(clock) - 3
        name = self._product if len(self._product) <= room else f"{self._product[: max(0, room - 1)]}…"
        text = self._begin()
        self._say(text, f" {name} ", "bold reverse", "app.go(0)")
        self._say(text, " ")
        for number, label in enumerate(labels):
            state = states.get(number, "")
            style = style_of(state) if state else "default"
            self._say(
                text, label, f"{style} reverse" if number == self.current else style, f"app.go({number})"
            )
        gap = self.size.width - text.cell_len - len(clock)
        return text.append(" " * max(0, gap)).append(clock, style="dim") if clock else text

    def _label(self, number: int, state: str, wide: bool) -> str:
        sign = glyph(state) if state else "…" if number else ""
        name = f" {PHASES[number]}" if wide or number == self.current else ""
        return f" {number}{sign}{name} "

    def tick(self) -> None:
        """Let the clock go on; the line is drawn anew when the minute has changed."""
        now = Gateway.now()
        self._clock = f"as of {now:%Y-%m-%d} " if Gateway.is_simulated() else f"{now:%H:%M} UTC "
