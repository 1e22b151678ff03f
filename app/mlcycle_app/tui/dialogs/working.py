"""One job that is waited for: how far it is, what it says, and a way to stop it."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Static

from mlcycle_app.tui import job_words
from mlcycle_app.tui.dialogs.confirm import ConfirmScreen
from mlcycle_app.tui.widgets.log_tail import LogPane

if TYPE_CHECKING:
    from mlcycle_app.tui.job import Job
    from mlcycle_app.tui.jobs import Jobs

__all__ = ["WorkingScreen"]

EVERY_S = 0.5


class WorkingScreen(ModalScreen[bool]):
    """Answers True once the job has done what it was asked; False when it was given up or has failed.

    Parameters
    ----------
    jobs
        All jobs.
    job
        The one that is waited for.
    title
        What it is for, said in the border.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "escape,x,q", "stop", "Stop", id="working.stop", tooltip="Stop it, or go back when it has ended"
        ),
        Binding("slash", "look", "Search", id="working.search", tooltip="Look for words in the log"),
    ]

    def __init__(self, jobs: Jobs, job: Job, *, title: str) -> None:
        super().__init__()
        self._jobs = jobs
        self._job = job
        self._title = title
        self._silence: Callable[[], None] = lambda: None

    def compose(self) -> ComposeResult:
        """The command, how far it is, its log, and a button."""
        with Vertical(classes="dialog working") as box:
            box.border_title = Content(self._title)
            yield Static(Text(f"$ mlcycle {shlex.join(self._job.words)}", style="dim"), id="working-line")
            yield Static(id="working-state")
            yield LogPane(id="working-log")
            with Horizontal(classes="buttons"):
                yield Button("Stop", id="stop", compact=True)

    def on_mount(self) -> None:
        """Draw, and again when there is something new."""
        self._silence = self._jobs.hear(lambda _: self._draw())
        self.set_interval(EVERY_S, self._draw)
        self.query_one(LogPane).log_tail.focus()
        self._draw()

    def on_unmount(self) -> None:
        """Nobody looks any more."""
        self._silence()

    def action_look(self) -> None:
        """Ask for words to look for in the log."""
        self.query_one(LogPane).action_look()

    def action_stop(self) -> None:
        """Ask, then stop the job; one that has ended is left."""
        if self.query_one(LogPane).close_search():
            return
        if not self._job.is_running:
            self.dismiss(self._job.state == "done")
            return

        def answered(yes: bool | None) -> None:
            if yes:
                self._jobs.cancel(self._job.number)

        self.app.push_screen(ConfirmScreen(f"Stop {self._title}?", verb="Stop it"), answered)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """The same with the mouse."""
        event.stop()
        self.action_stop()

    def _draw(self) -> None:
        if not self.is_running or not self.query("#working-state"):
            return
        job, state = self._job, self.query_one("#working-state", Static)
        if job.is_running:
            word = "stopping" if job.cancelled else job_words.what(job)
            state.update(Text(f"{word}   {job_words.how_far(job, self.size.width // 2)}"))
        else:
            words = job_words.outcome(job)
            state.update(words.append(f"   try: {job.hint}") if job.hint else words)
            self.query_one("#stop", Button).label = "Back"
        self.query_one(LogPane).show("what it says", list(job.lines), job.said, of=job.number)
        if job.state == "done" and self.app.screen is self:
            self.dismiss(True)
