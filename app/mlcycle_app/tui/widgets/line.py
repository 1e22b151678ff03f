"""One line of words, some of which do something when clicked."""

from __future__ import annotations

from rich.text import Text
from textual import events
from textual.widget import Widget

__all__ = ["Line"]


class Line(Widget):
    """Builds its text in `render` by `_say`, and remembers which cells carry an action."""

    ALLOW_SELECT = False

    def __init__(self, name: str) -> None:
        super().__init__(id=name)
        self._zones: list[tuple[int, int, str]] = []

    def _begin(self) -> Text:
        self._zones = []
        return Text(no_wrap=True, overflow="ellipsis", end="")

    def _say(self, text: Text, words: str, style: str = "", action: str = "") -> None:
        if action:
            self._zones.append((text.cell_len, text.cell_len + len(words), action))
        text.append(words, style=style)

    async def on_click(self, event: events.Click) -> None:
        """Do what the words under the mouse are for."""
        for start, end, action in self._zones:
            if start <= event.x < end:
                await self.run_action(action)
                return
