"""Row 1 of every screen: the product, the screens with their phases' states, the jobs at work, the clock."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.app import RenderResult
from textual.reactive import reactive

from mlcycle_app.commands import PHASES
from mlcycle_app.gateway import Gateway
from mlcycle_app.tui.ages import local, zone_name
from mlcycle_app.tui.glyphs import glyph, style_of
from mlcycle_app.tui.widgets.line import Line

if TYPE_CHECKING:
    from mlcycle_app.gateway import Board
    from mlcycle_app.tui.jobs import Jobs

__all__ = ["Strip"]

SHORT_BELOW = 76
"""Width below which jobs are a glyph and a number."""
NAMES_FROM = 126
"""Width from which every phase is named, not just the one shown."""


class Strip(Line):
    """The lifecycle strip."""

    board: reactive[Board | None] = reactive(None)
    """The last board read."""
    current: reactive[int] = reactive(0)
    """Number of the screen shown."""

    jobs: reactive[int] = reactive(0)
    """How many jobs are at work."""

    _clock: reactive[str] = reactive("")

    product: reactive[str] = reactive("")
    """Name of the workspace."""

    def __init__(self, name: str) -> None:
        super().__init__("strip")
        self.set_reactive(Strip.product, name)

    def follow(self, jobs: Jobs) -> None:
        """Say how many jobs are at work; a click on that shows them."""

        def count(_: object) -> None:
            self.jobs = len(jobs.running)

        jobs.hear(count)

    def render(self) -> RenderResult:
        """Draw one line that fits: the screens first, then jobs and clock, then as much of the name as is left."""
        wide = self.size.width >= NAMES_FROM
        states = {phase.number: phase.state for phase in self.board.phases} if self.board else {}
        labels = [self._label(number, states.get(number, ""), wide) for number in range(len(PHASES))]
        needed = sum(len(label) for label in labels)
        jobs, clock = self._at_work(), self._clock
        if needed + len(jobs) + len(clock) + 10 > self.size.width:
            clock = ""
        room = self.size.width - needed - len(jobs) - len(clock) - 3
        name = self.product if len(self.product) <= room else f"{self.product[: max(0, room - 1)]}…"
        text = self._begin()
        self._say(text, f" {name} ", "bold reverse", "app.go(0)")
        self._say(text, " ")
        for number, label in enumerate(labels):
            state = states.get(number, "")
            style = style_of(state) if state else "default"
            self._say(
                text, label, f"{style} reverse" if number == self.current else style, f"app.go({number})"
            )
        gap = self.size.width - text.cell_len - len(jobs) - len(clock)
        if jobs or clock:
            text.append(" " * max(0, gap))
        if jobs:
            self._say(text, jobs, style_of("running"), "app.jobs")
        return text.append(clock, style="dim") if clock else text

    def _at_work(self) -> str:
        if not self.jobs:
            return ""
        short = self.size.width < SHORT_BELOW
        return f" {glyph('running')} {self.jobs}" + ("" if short else f" job{'s' * (self.jobs > 1)}") + " "

    def _label(self, number: int, state: str, wide: bool) -> str:
        sign = glyph(state) if state else "…" if number else ""
        name = f" {PHASES[number]}" if wide or number == self.current else ""
        return f" {number}{sign}{name} "

    def tick(self) -> None:
        """Let the clock go on; the line is drawn anew when the minute has changed."""
        now = Gateway.now()
        self._clock = (
            f"as of {now:%Y-%m-%d} " if Gateway.is_simulated() else f"{local(now):%H:%M} {zone_name(now)} "
        )
