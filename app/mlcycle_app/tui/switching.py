"""From one workspace to another without leaving the program: `w`.

Nothing of the old one stays on the screen. Its jobs go on where they are, are still listed by `!`, and quitting still
asks about them: a job is a command on a folder, whoever looks.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from textual.widgets import ContentSwitcher

from mlcycle_app.gateway import MlcycleError
from mlcycle_app.tui import places
from mlcycle_app.tui.dialogs.confirm import ConfirmScreen
from mlcycle_app.tui.dialogs.opening import OpeningScreen
from mlcycle_app.tui.frame import Frame
from mlcycle_app.tui.keeper import Keeper
from mlcycle_app.tui.reading import elsewhere, start
from mlcycle_app.tui.widgets.status_line import StatusLine
from mlcycle_app.tui.widgets.strip import Strip

if TYPE_CHECKING:
    from mlcycle_app.gateway import Gateway
    from mlcycle_app.tui.dialogs.places import Place
    from mlcycle_app.tui.jobs import Jobs

__all__ = ["Switches"]

HOME = 0


class Switches(Frame[None]):
    """The part of the application that changes its workspace."""

    gateway: Gateway
    jobs: Jobs
    to_start: bool = False
    """Whether the program goes on with the start screen when this application has ended."""
    _keeper: Keeper
    _current: int

    async def action_go(self, number: int) -> None:
        """Show a screen."""
        raise NotImplementedError

    def _read_board(self) -> None:
        raise NotImplementedError

    def action_places(self) -> None:
        """Ask where to."""
        from mlcycle_app.tui.dialogs.places import PlacesScreen

        self.push_screen(PlacesScreen(self.gateway.workspace.root), self._placed)

    def _placed(self, place: Place | None) -> None:
        if place is None:
            return
        running = len(self.jobs.running)
        jobs = "1 job is" if running == 1 else f"{running} jobs are"
        them = "it goes" if running == 1 else "they go"
        if isinstance(place, Path):
            if not running:
                self._go_on(place)
                return
            question = f"{jobs} running in {self.gateway.name}: switch to {place.name}?"
            screen = ConfirmScreen(
                question, verb="Switch", more=f"{them} on; ! shows, and can stop, what runs"
            )
            self.push_screen(screen, lambda yes: self._go_on(place) if yes else None)
        elif not running:
            self._leave_for_start(yes=True)
        else:
            question = f"{jobs} running: stop, and go to the start screen?"
            self.push_screen(
                ConfirmScreen(question, verb="Stop and go"), lambda yes: self._leave_for_start(yes=yes)
            )

    def _go_on(self, folder: Path) -> None:
        self.run_worker(
            self._switch_behind(OpeningScreen(folder.name), folder), group="switching", exclusive=True
        )

    async def _switch_behind(self, cover: OpeningScreen, folder: Path) -> None:
        # Before anything is awaited: a dialog opened now would act on the workspace that comes.
        shown = self.push_screen(cover)
        try:
            await shown
            await self.switch(folder)
        finally:
            if cover in self.screen_stack:
                cover.dismiss()

    def _leave_for_start(self, *, yes: bool | None) -> None:
        if yes:
            self.to_start = True
            self.jobs.end()
            self.exit()

    async def switch(self, folder: Path) -> None:
        """Show another workspace from now on; one that cannot be opened leaves all as it was.

        Parameters
        ----------
        folder
            Of the workspace.
        """
        line = self.query_one(StatusLine)
        try:
            gateway = await elsewhere(lambda: places.workspace_at(folder), "look at a workspace")
        except MlcycleError as error:
            line.complain("places", error)
            return
        line.settle("places")
        if gateway.workspace == self.gateway.workspace:
            await self.action_go(HOME)
            return
        switcher = self.query_one("#views", ContentSwitcher)
        with self.batch_update():
            self._current = -1
            self._keeper = Keeper()
            self.gateway = gateway
            self.jobs.folder = gateway.workspace.root
            switcher.current = None
            await switcher.remove_children()
            strip = self.query_one(Strip)
            strip.board = None
            strip.product = gateway.name
            await self.action_go(HOME)
        self._read_board()
        start(lambda: places.remember(gateway), "remember")
        line.say(f"{gateway.name} is open; w goes back")
