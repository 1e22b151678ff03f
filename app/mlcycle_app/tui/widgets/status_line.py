"""The line above the footer: an error until it is over, words for a while, jobs, else what does the same in a shell."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.text import Text
from textual.app import RenderResult
from textual.reactive import reactive
from textual.widget import Widget

from mlcycle_app.commands import COMMANDS
from mlcycle_app.gateway import MlcycleError
from mlcycle_app.tui import job_words
from mlcycle_app.tui.glyphs import glyph, style_of
from mlcycle_app.tui.keys import written_key
from mlcycle_app.tui.widgets.rows import cut

if TYPE_CHECKING:
    from textual.timer import Timer

    from mlcycle_app.tui.job import Job
    from mlcycle_app.tui.jobs import Jobs

__all__ = ["READING", "StatusLine", "beside"]

READING = "reading …"
ROOM_FOR_MESSAGE = 30
LEAST_MESSAGE = 8
FOLDERS = re.compile(r"(?<!\S)(?:[A-Za-z]:)?[/\\](?:[^/\\:,;]*[^/\\:,;\s][/\\])+(?=[^\s/\\])")
"""What of a path in a message stands before its last part."""
GAP = 3
SAID_S = 4.0
"""How long a word stays."""
JOB_S = 1.0
"""Between two looks at how long a job has worked; its progress is shown when it comes."""


class StatusLine(Widget):
    """One line."""

    twin: reactive[str] = reactive("")
    """The command that shows the same as what has the focus, as typed after `mlcycle`."""
    elsewhere: reactive[str] = reactive("")
    """Which other process is at work on the workspace; see `Gateway.busy`."""
    waits: reactive[str] = reactive("")
    """What a read that goes on for long waits for."""
    _said: reactive[str] = reactive("")
    _ended: reactive[Text | None] = reactive(None)
    _complaint: reactive[tuple[str, str, str] | None] = reactive(None)

    def __init__(self) -> None:
        super().__init__(id="status")
        self._jobs: Jobs | None = None
        self._clock: Timer | None = None

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

    def follow(self, jobs: Jobs) -> None:
        """Show what jobs do, and how each ended."""
        self._jobs = jobs
        self._clock = self.set_interval(JOB_S, self.refresh, pause=True)
        jobs.hear(self._hear)

    def key_pressed(self) -> None:
        """The user has seen how the last job ended."""
        self._ended = None

    def quiet(self) -> None:
        """Forget errors and words, as another screen is shown."""
        self._complaint, self._said, self.waits = None, "", ""

    def render(self) -> RenderResult:
        """Draw what matters most."""
        text = Text(no_wrap=True, overflow="ellipsis")
        if self._complaint is not None:
            _, message, hint = self._complaint
            message, hint = beside(f"✗ {message}", hint, self.size.width)
            text.append(message, style="bold red")
            return text.append(f"   {hint}") if hint else text
        if self.waits:
            return text.append(f"{glyph('attention')} {self.waits}", style=style_of("attention"))
        if self._said:
            return text.append(self._said)
        if self._ended is not None:
            return self._ended
        if self._jobs is not None and (running := self._jobs.running):
            return job_words.line(running, self.size.width)
        if self.elsewhere:
            return text.append(f"{glyph('running')} ", style=style_of("running")).append(
                f"{self.elsewhere} is at work here"
            )
        if not self.twin:
            return text
        return (
            text.append("$ ", style="dim")
            .append(f"mlcycle {self.twin}")
            .append(f"   {written_key('copy')} copies it", style="dim")
        )

    def _hear(self, job: Job) -> None:
        if not self.is_running or self._jobs is None or self._clock is None:
            return  # the program is ending
        if not job.is_running:
            self._ended = job_words.outcome(job)
        if self._jobs.running:
            self._clock.resume()
        else:
            self._clock.pause()
        self.refresh()

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
