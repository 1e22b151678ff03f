"""The line above the footer: an error until it is over, a word for a while, else the command that does the same."""

from __future__ import annotations

from rich.text import Text
from textual.app import RenderResult
from textual.reactive import reactive
from textual.widget import Widget

from mlcycle_app.gateway import MlcycleError
from mlcycle_app.tui.widgets.rows import cut

__all__ = ["READING", "StatusLine"]

READING = "reading …"
ROOM_FOR_MESSAGE = 30
SAID_S = 4.0
"""How long a word stays."""


class StatusLine(Widget):
    """One line."""

    twin: reactive[str] = reactive("")
    """The command that shows the same as what has the focus, as typed after `mlcycle`."""
    _said: reactive[str] = reactive("")
    _complaint: reactive[tuple[str, str, str] | None] = reactive(None)

    def __init__(self) -> None:
        super().__init__(id="status")

    def say(self, words: str) -> None:
        """Show words for a while."""
        self._said = words
        self.set_timer(SAID_S, lambda: self._unsay(words))

    def complain(self, source: str, error: MlcycleError) -> None:
        """Show an error with what to type next, until its source succeeds."""
        self._complaint = (source, error.message, error.hint)

    def settle(self, source: str) -> None:
        """A source has succeeded: its error is over, and so is what was said about waiting for it."""
        if self._said == READING:
            self.say("read just now")
        if self._complaint is not None and self._complaint[0] == source:
            self._complaint = None

    def quiet(self) -> None:
        """Forget errors and words, as another screen is shown."""
        self._complaint, self._said = None, ""

    def render(self) -> RenderResult:
        """Draw what matters most."""
        text = Text(no_wrap=True, overflow="ellipsis")
        if self._complaint is not None:
            _, message, hint = self._complaint
            room = self.size.width - (len(hint) + 3 if hint else 0)
            if room < ROOM_FOR_MESSAGE:
                room, hint = self.size.width, ""
            text.append(cut(f"✗ {message}", room).rstrip(), style="bold red")
            return text.append(f"   {hint}") if hint else text
        if self._said:
            return text.append(self._said)
        if not self.twin:
            return text
        return (
            text.append("$ ", style="dim")
            .append(f"mlcycle {self.twin}")
            .append("   y copies it", style="dim")
        )

    def _unsay(self, words: str) -> None:
        if self._said == words:
            self._said = ""
