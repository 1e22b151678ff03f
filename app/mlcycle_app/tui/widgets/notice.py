"""One line above a view that says what is wrong with what the view is about, and which keys mend it; else no line."""

from __future__ import annotations

from rich.text import Text
from textual.app import RenderResult
from textual.reactive import reactive
from textual.widget import Widget

from mlcycle_app.tui.cells import harmless
from mlcycle_app.tui.glyphs import glyph, style_of
from mlcycle_app.tui.widgets.status_line import beside

__all__ = ["Notice"]


class Notice(Widget):
    """The line."""

    DEFAULT_CSS = "Notice { height: 1; padding: 0 1; display: none; }"

    _words: reactive[tuple[str, str]] = reactive(("", ""))

    def show(self, message: str = "", hint: str = "") -> None:
        """Say this, or nothing."""
        self._words = (" ".join(harmless(message).split()), hint)
        self.display = bool(message)

    def render(self) -> RenderResult:
        """Draw the line."""
        message, hint = beside(f"{glyph('failed')} {self._words[0]}", self._words[1], self.size.width)
        text = Text(message, style=style_of("failed"), no_wrap=True, overflow="ellipsis", end="")
        return text.append(f"   {hint}", style="default") if hint else text
