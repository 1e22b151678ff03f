"""Why a phase exists: the teaching panel, one Markdown file a phase."""

from __future__ import annotations

from importlib.resources import files

from textual.containers import VerticalScroll
from textual.reactive import reactive

from mlcycle_app.commands import PHASES

__all__ = ["Teach"]


class Teach(VerticalScroll):
    """The panel; hidden until asked for, and only then made."""

    phase: reactive[int] = reactive(0)
    """Number of the screen it explains."""

    def __init__(self) -> None:
        super().__init__(id="teach")
        self.display = False
        self.border_title = "why"
        self.border_subtitle = "t closes"

    async def watch_phase(self) -> None:
        """Explain another phase."""
        if self.display:
            await self.explain()

    async def explain(self) -> None:
        """Put the phase's words up."""
        from textual.widgets import Markdown  # brings a parser that the first frame needs not wait for

        text = (files("mlcycle_app.tui") / "teach" / f"{PHASES[self.phase].lower()}.md").read_text(
            encoding="utf-8"
        )
        there = self.query(Markdown)
        if there:
            await there.first().update(text)
        else:
            await self.mount(Markdown(text))
        self.scroll_home(animate=False)
