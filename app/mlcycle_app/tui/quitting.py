"""The way out while jobs run: asked once, then they are ended, and the program leaves in under a second.

The application makes `jobs` and lets the strip and the status line follow them; who else is at work is seen here too.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

from textual import events

from mlcycle_app.tui.frame import Frame
from mlcycle_app.tui.jobs import Jobs
from mlcycle_app.tui.widgets.status_line import StatusLine

if TYPE_CHECKING:
    from mlcycle_app.gateway import Gateway

__all__ = ["Quits"]

LEAVE_S = 3.0
"""After a signal: when the program ends without having put the terminal back."""


class Quits(Frame[None]):
    """The part of the application that keeps jobs and does not leave them behind."""

    gateway: Gateway
    jobs: Jobs

    def typed_command(self, words: str) -> str:
        """Return words after `mlcycle` as they can be typed where the program was started."""
        return f"mlcycle {words}"

    def action_jobs(self) -> None:
        """Show the jobs."""
        from mlcycle_app.tui.dialogs.jobs import JobsScreen  # not for the first frame

        if not isinstance(self.screen, JobsScreen):
            self.push_screen(JobsScreen(self.jobs, self.typed_command))

    async def action_quit(self) -> None:
        """Leave; who has jobs at work is asked first."""
        running = self.jobs.running
        if not running:
            self.exit()
            return
        from mlcycle_app.tui.dialogs.confirm import ConfirmScreen

        if isinstance(self.screen, ConfirmScreen):
            return
        many = f"{len(running)} jobs are" if len(running) > 1 else "1 job is"
        names = "\n".join(f"  {job.title}" for job in running)
        question = ConfirmScreen(
            f"{many} running: stop {'them' if len(running) > 1 else 'it'} and quit?",
            verb="Stop and quit",
            more=names,
        )
        self.push_screen(question, self._answered)

    def tick(self) -> None:
        """Say which other process has the store; a job of ours is told as a job."""
        super().tick()
        for line in self.query(StatusLine):
            line.elsewhere = "" if self.jobs.running else self.gateway.busy()

    def leave(self, code: int) -> None:
        """End for a reason from outside (SIGTERM, SIGHUP, a parent that is gone): jobs end too, nobody is asked."""
        self.jobs.end()
        if not self.is_headless:
            # A terminal that is gone takes no output: Textual's writer can then block the loop for good.
            last = threading.Timer(LEAVE_S, os._exit, (code,))
            last.daemon = True
            last.start()
        super().leave(code)

    async def on_event(self, event: events.Event) -> None:
        """Whatever key it is: who presses one has seen how the last job ended."""
        if isinstance(event, events.Key):
            for line in self.query(StatusLine):
                line.key_pressed()
        await super().on_event(event)

    def on_unmount(self) -> None:
        """However it ends, no job is left behind."""
        self.jobs.end()

    def _answered(self, yes: bool | None) -> None:
        if yes:
            self.jobs.end()
            self.exit()
