"""`!`: the jobs, those at work and those that were, with the log of the one under the cursor."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Static

from mlcycle_app.tui import job_words
from mlcycle_app.tui.ages import local
from mlcycle_app.tui.cells import Cell
from mlcycle_app.tui.clipboard import offer
from mlcycle_app.tui.columns import Column
from mlcycle_app.tui.dialogs.confirm import ConfirmScreen
from mlcycle_app.tui.glyphs import glyph, style_of
from mlcycle_app.tui.job import KINDS, Job
from mlcycle_app.tui.widgets.log_tail import LogPane
from mlcycle_app.tui.widgets.rows import Rows

if TYPE_CHECKING:
    from textual.timer import Timer

    from mlcycle_app.tui.jobs import Jobs

__all__ = ["JobsScreen", "LogScreen"]

EVERY_S = 0.25
SAID_S = 4.0
"""How long a word stays."""
KEYS = "enter log  x stop  / search  y copy  esc closes"
EMPTY = """\
No job yet.

A job is a command at work in a process of its own: training, a check, an image build. \
It goes on while you look elsewhere, even when this page is closed; its log is kept here until you quit. \
Every action of the views becomes one.
"""
WIDEST = 60
HOW = 36
"""Cells for how far a job is."""


class JobsScreen(ModalScreen[None]):
    """The list above, the log below.

    Parameters
    ----------
    jobs
        All of them.
    typed
        Makes a command to be typed of the words after `mlcycle`.
    """

    DEFAULT_CSS = """
    JobsScreen { align: center middle; }
    JobsScreen .message { height: auto; }
    JobsScreen LogPane { height: 1fr; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,exclamation_mark,q", "close", "Close", id="jobs.close", tooltip="Close; jobs go on"),
        Binding("x", "cancel", "Cancel", id="jobs.cancel", tooltip="Stop the job under the cursor"),
        Binding("y", "copy", "Copy", id="jobs.copy", tooltip="Copy the job's command"),
        Binding("j", "move(1)", "Down", show=False, id="jobs.down", tooltip="One job down"),
        Binding("k", "move(-1)", "Up", show=False, id="jobs.up", tooltip="One job up"),
        Binding("slash", "look", "Search", id="jobs.search", tooltip="Look for words in the log"),
        Binding("n", "step(1)", "Next", show=False, id="jobs.next", tooltip="Next line with the words"),
        Binding("N", "step(-1)", "Previous", show=False, id="jobs.previous", tooltip="The line before"),
    ]

    def __init__(self, jobs: Jobs, typed: Callable[[str], str] = "mlcycle {}".format) -> None:
        super().__init__()
        self._jobs = jobs
        self._typed = typed
        self._clock: Timer | None = None
        self._silence: Callable[[], None] = lambda: None
        self._chosen: int | None = None

    def compose(self) -> ComposeResult:
        """Jobs, and a log; or what a job is."""
        with Vertical(classes="dialog jobs") as box:
            box.border_title = "jobs"
            yield Static(EMPTY, classes="message")
            yield Rows(name="jobs-list")
            yield LogPane(id="jobs-log")

    def on_mount(self) -> None:
        """Draw, and again as often as there is something new."""
        self._clock = self.set_interval(EVERY_S, self._draw, pause=True)
        self._silence = self._jobs.hear(lambda _: self._draw())
        self._draw()
        self._say()
        self.query_one(Rows).focus()

    def on_unmount(self) -> None:
        """Nobody looks any more."""
        self._silence()

    @property
    def job(self) -> Job | None:
        """The job under the cursor."""
        return None if self._chosen is None else self._jobs.get(self._chosen)

    def action_close(self) -> None:
        """Close the search, else the page."""
        if not self.query_one(LogPane).close_search():
            self.dismiss()

    def action_move(self, by: int) -> None:
        """Go to another job."""
        self.query_one(Rows).action_cursor_by(by)

    def action_look(self) -> None:
        """Ask for words to look for in the log."""
        self.query_one(LogPane).action_look()

    def action_step(self, by: int) -> None:
        """Go to the next line with the words, or to the one before."""
        self.query_one(LogPane).action_step(by)

    def action_cancel(self) -> None:
        """Ask, then stop the job."""
        job = self.job
        if job is None or not job.is_running:
            self._say("it has ended already" if job else "there is no job")
            return

        question = ConfirmScreen(f"Stop {job.title}?", verb="Stop it", more=self._command(job))

        def heard(_: Job) -> None:
            if not job.is_running:
                question.void(f"{job.title} has ended meanwhile")

        silence = self._jobs.hear(heard)

        def answered(yes: bool | None) -> None:
            silence()
            if yes:
                self._jobs.cancel(job.number)

        self.app.push_screen(question, answered)

    async def action_copy(self) -> None:
        """Give the terminal's clipboard the job's command."""
        if self.job is not None:
            self._say(await offer(self.app, self._command(self.job)))

    def on_rows_moved(self, event: Rows.Moved) -> None:
        """Show the log of the job under the cursor."""
        event.stop()
        listed = self._jobs.all
        if event.index < len(listed):
            self._chosen = listed[event.index].number
            self._show_log()

    def on_rows_opened(self, event: Rows.Opened) -> None:
        """Give the log the whole screen."""
        event.stop()
        if self.job is not None:
            self.app.push_screen(LogScreen(self._jobs, self.job))

    def _draw(self) -> None:
        if not self.query(LogPane):
            return
        jobs, rows = self._jobs.all, self.query_one(Rows)
        self.query_one(".message").display = not jobs
        rows.display = self.query_one(LogPane).display = bool(jobs)
        if self._clock is not None:
            (self._clock.resume if self._jobs.running else self._clock.pause)()
        if not jobs:
            return
        numbers = [job.number for job in jobs]
        lines = [self._cells(job) for job in jobs]
        rows.styles.height = min(len(lines) + 1, max(4, self.size.height // 3))
        rows.show(_columns(lines), lines)
        if self._chosen not in numbers:
            self._chosen = numbers[0]
        # A job that begins pushes the others down: the cursor stays on the one it was on.
        rows.cursor = numbers.index(self._chosen)
        self._show_log()

    def _cells(self, job: Job) -> list[Cell]:
        kind = KINDS[job.state]
        how = job_words.how_far(job, HOW) if job.is_running else f"in {job_words.duration(job.seconds)}"
        word = "stopping" if job.is_running and job.cancelled else job.state
        return [
            Cell(f"{glyph(kind)} {word}", style_of(kind)),
            Cell(shlex.join(job.words)),
            Cell(how),
            Cell(f"{local(job.started):%H:%M:%S}", "dim"),
        ]

    def _show_log(self) -> None:
        job = self.job
        if job is not None:
            self.query_one(LogPane).show(f"log of {job.title}", list(job.lines), job.said, of=job.number)

    def _command(self, job: Job) -> str:
        words = shlex.join(job.words)
        if job.folder in (None, self._jobs.folder):
            return self._typed(words)
        return f"mlcycle -w {shlex.quote(str(job.folder))} {words}"  # begun before the UI went to another workspace

    def _say(self, words: str = KEYS) -> None:
        self.query_one(".dialog").border_subtitle = words
        if words != KEYS:
            self.set_timer(SAID_S, self._say)


class LogScreen(ModalScreen[None]):
    """The log of one job, on the whole screen."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,enter", "close", "Close", id="joblog.close", tooltip="Close this log"),
    ]

    def __init__(self, jobs: Jobs, job: Job) -> None:
        super().__init__()
        self._jobs = jobs
        self._job = job
        self._silence: Callable[[], None] = lambda: None

    def compose(self) -> ComposeResult:
        """The log."""
        yield LogPane(id="job-log")

    def on_mount(self) -> None:
        """Draw it, and what comes to it."""
        self._silence = self._jobs.hear(lambda _: self._draw())
        self._draw()
        self.query_one(LogPane).log_tail.focus()

    def on_unmount(self) -> None:
        """Nobody looks any more."""
        self._silence()

    def action_close(self) -> None:
        """Close the search, else the log."""
        if not self.query_one(LogPane).close_search():
            self.dismiss()

    def _draw(self) -> None:
        if self.query(LogPane):
            job = self._job
            title = (
                job_words.running(job, self.size.width - 20)
                if job.is_running
                else job_words.outcome(job).plain
            )
            self.query_one(LogPane).show(title, list(job.lines), job.said, of=job.number)


def _columns(lines: list[list[Cell]]) -> list[Column]:
    labels = ("state", "command", "how far", "since")
    widths = [
        max(len(label), *(len(line[place].text) for line in lines)) for place, label in enumerate(labels)
    ]
    return [
        Column(labels[0], widths[0]),
        Column(labels[1], min(widths[1], WIDEST), stretch=True),
        Column(labels[2], widths[2]),
        Column(labels[3], widths[3]),
    ]
