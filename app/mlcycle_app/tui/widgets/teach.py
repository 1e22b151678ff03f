"""Why a phase exists: the teaching panel, one Markdown file a phase."""

from __future__ import annotations

from importlib.resources import files

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.reactive import reactive
from textual.widgets import Markdown

from mlcycle_app.commands import PHASES

__all__ = ["Teach"]


class Teach(VerticalScroll):
    """The panel; hidden until asked for."""

    phase: reactive[int] = reactive(0)
    """Number of the screen it explains."""

    def __init__(self) -> None:
        super().__init__(id="teach")
        self.display = False
        self.border_title = "why"

    def compose(self) -> ComposeResult:
        """The text."""
        yield Markdown(self._text())

    def watch_phase(self) -> None:
        """Explain another phase."""
        if self.is_mounted:
            self.query_one(Markdown).update(self._text())

    def _text(self) -> str:
        return (files("mlcycle_app.tui") / "teach" / f"{PHASES[self.phase].lower()}.md").read_text(encoding="utf-8")
