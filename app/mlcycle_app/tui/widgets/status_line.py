"""The line above the footer: an error until it is over, a word for a while, else the command that does the same."""

from __future__ import annotations

import re

from rich.cells import cell_len
from rich.text import Text
from textual.app import RenderResult
from textual.reactive import reactive
from textual.widget import Widget

from mlcycle_app.commands import COMMANDS
from mlcycle_app.gateway import MlcycleError
from mlcycle_app.tui.widgets.rows import cut

__all__ = ["READING", "StatusLine", "beside"]

READING = "reading …"
ROOM_FOR_MESSAGE = 30
LEAST_MESSAGE = 8
FOLDERS = re.compile(r"(?<!\S)(?:[A-Za-z]:)?[/\\](?:[^/\\:,;]*[^/\\:,;\s][/\\])+(?=[^\s/\\])")
"""What of a path in a message stands before its last part."""
GAP = 3
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
            message, hint = beside(f"✗ {message}", hint, self.size.width)
            text.append(message, style="bold red")
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


def beside(message: str, hint: str, width: int) -> tuple[str, str]:
    """Return a message and its hint as they fit one line.

    Paths keep their last part only, then the hint keeps its command only, then the message is cut: what to type
    is worth more than where it went wrong, which doctor says in full.

    Parameters
    ----------
    message, hint
        Of an error.
    width
        Cells there are, the gap of three between them included.
    """
    if not hint or cell_len(message) + GAP + cell_len(hint) <= width:
        return cut(message, width).rstrip(), hint
    message = FOLDERS.sub("", message)
    least = ROOM_FOR_MESSAGE
    if width - cell_len(hint) - GAP < least and (command := _command(hint)):
        hint, least = command, LEAST_MESSAGE
    hint = cut(hint, min(cell_len(hint), max(0, width - least - GAP))).rstrip()
    return cut(message, width - cell_len(hint) - GAP).rstrip(), hint


def _command(hint: str) -> str:
    """Return the command that a hint names; empty if it names none."""
    named = [f"mlcycle {command.words}" for command in COMMANDS if f"mlcycle {command.words}" in hint]
    return max(named, key=len, default="")
