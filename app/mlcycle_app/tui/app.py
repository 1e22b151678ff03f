"""The application: frame, view switch, and the way out. Everything else is in its view."""

from __future__ import annotations

import os
import signal
from importlib import import_module
from typing import TYPE_CHECKING, ClassVar

from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.widgets import ContentSwitcher, DataTable, Footer

from mlcycle_app.commands import PHASES
from mlcycle_app.tui.dialogs.help import HelpScreen
from mlcycle_app.tui.messages import BoardRead, Failed, OpenScreen
from mlcycle_app.tui.theme import HARBOUR, choose
from mlcycle_app.tui.widgets.pane import Pane
from mlcycle_app.tui.widgets.status_line import StatusLine
from mlcycle_app.tui.widgets.strip import Strip
from mlcycle_app.tui.widgets.teach import Teach

if TYPE_CHECKING:
    from mlcycle_app.gateway import Gateway
    from mlcycle_app.tui.views.base import PhaseView

__all__ = ["CycleApp"]


def _go(number: int) -> Binding:
    name = PHASES[number]
    return Binding(str(number), f"go({number})", name, id=f"go.{name.lower()}", show=False, tooltip=f"Open {name}")


class CycleApp(App[None]):
    """mlcycle in a terminal."""

    TITLE = "mlcycle"
    ENABLE_COMMAND_PALETTE = False
    CSS_PATH: ClassVar[list[str]] = ["styles/frame.tcss", "styles/widgets.tcss"]  # type: ignore[assignment]
    HORIZONTAL_BREAKPOINTS: ClassVar[list[tuple[int, str]] | None] = [(0, "-narrow"), (100, "-wide"), (132, "-xwide")]
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("0", "go(0)", "views", key_display="0-7", id="go.home", tooltip="Open a screen by its number; 0 is Home"),
        *(_go(number) for number in range(1, 8)),
        Binding("left_square_bracket", "step(-1)", "Previous", show=False, id="go.previous", tooltip="Previous phase"),
        Binding("right_square_bracket", "step(1)", "Next", show=False, id="go.next", tooltip="Next phase"),
        Binding("escape", "back", "Back", show=False, id="go.back", tooltip="One level back"),
        Binding("j", "move('cursor_down')", "Down", show=False, id="move.down", tooltip="Down one row"),
        Binding("k", "move('cursor_up')", "Up", show=False, id="move.up", tooltip="Up one row"),
        Binding("g", "move('scroll_top')", "Top", show=False, id="move.top", tooltip="First row"),
        Binding("G", "move('scroll_bottom')", "Bottom", show=False, id="move.bottom", tooltip="Last row"),
        Binding("z", "zoom", "zoom", id="zoom", tooltip="Zoom the pane, and back"),
        Binding("r", "reread", "refresh", id="refresh", tooltip="Read again"),
        Binding("t", "teach", "why", id="teach", tooltip="Why this phase exists"),
        Binding("question_mark,f1", "help", "help", key_display="?", id="help", tooltip="Keys and commands"),
        Binding("q,ctrl+q", "quit", "quit", key_display="q", id="quit", tooltip="Leave"),
    ]

    def __init__(self, gateway: Gateway, *, first: int = 0) -> None:
        super().__init__()
        self.gateway = gateway
        self._first = first
        self._current = -1
        self._started_by = os.getppid()

    def compose(self) -> ComposeResult:
        """Strip, view, status line, footer."""
        yield Strip(self.gateway.name)
        with Horizontal(id="body"):
            yield ContentSwitcher(id="views")
            yield Teach()
        yield StatusLine()
        yield Footer(show_command_palette=False)

    async def on_mount(self) -> None:
        """Choose the colours, open the first view, and restore the terminal when told to end."""
        self.register_theme(HARBOUR)
        self.theme = choose()
        for number in (signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
            self._on_signal(number)
        self.set_interval(2.0, self._leave_orphaned)
        await self.action_go(self._first)

    async def action_go(self, number: int) -> None:
        """Show a screen, making its view when it is first wanted."""
        if number == self._current:
            return
        switcher = self.query_one("#views", ContentSwitcher)
        wanted = f"view-{number}"
        if not switcher.query(f"#{wanted}"):
            await switcher.add_content(self._make(number), id=wanted)
        else:
            self._view(number).refresh_data()
        switcher.current = wanted
        self._current = number
        self.query_one(Strip).current = number
        self.query_one(Teach).phase = number
        self.call_after_refresh(self._view(number).focus_first)

    async def action_step(self, by: int) -> None:
        """Show the phase before or after this one."""
        await self.action_go((self._current + by) % len(PHASES))

    async def action_back(self) -> None:
        """Leave the zoom, the lesson, or the phase; never the program."""
        if self.query(".-zoomed"):
            self.action_zoom()
        elif self.query_one(Teach).display:
            self.action_teach()
        else:
            await self.action_go(0)

    def action_move(self, how: str) -> None:
        """Move in the focused table as vim's users expect."""
        if isinstance(self.focused, DataTable):
            getattr(self.focused, f"action_{how}")()

    def action_zoom(self) -> None:
        """Give the focused pane the whole view, or take it back."""
        zoomed = self.query(".-zoomed")
        if zoomed:
            for pane in self.query(Pane):
                pane.remove_class("-zoomed", "-hidden")
        elif self.focused is not None:
            mine = next((a for a in self.focused.ancestors if isinstance(a, Pane)), None)
            if mine is not None:
                for pane in self._view(self._current).query(Pane):
                    pane.set_class(pane is mine, "-zoomed").set_class(pane is not mine, "-hidden")

    def action_reread(self) -> None:
        """Read the view again."""
        self._view(self._current).refresh_data()
        self.query_one(StatusLine).say("read again")

    def action_teach(self) -> None:
        """Show or hide why this phase exists."""
        teach = self.query_one(Teach)
        teach.display = not teach.display
        self.query_one("#body").set_class(teach.display, "-teaching")

    def action_help(self) -> None:
        """Show keys and commands."""
        self.push_screen(HelpScreen(self._current))

    def on_board_read(self, message: BoardRead) -> None:
        """Redraw the strip."""
        self.query_one(Strip).board = message.board

    async def on_open_screen(self, message: OpenScreen) -> None:
        """Open what a view asked for."""
        await self.action_go(message.number)

    def on_failed(self, message: Failed) -> None:
        """Say what went wrong, and what to type."""
        self.query_one(StatusLine).complain(message.error.message, message.error.hint)

    def _make(self, number: int) -> PhaseView:
        name = PHASES[number]
        module = import_module(f"mlcycle_app.tui.views.{name.lower()}")
        view: PhaseView = getattr(module, f"{name}View")(self.gateway)
        return view

    def _view(self, number: int) -> PhaseView:
        from mlcycle_app.tui.views.base import PhaseView

        return self.query_one(f"#view-{number}", PhaseView)

    def _on_signal(self, number: int) -> None:
        # Textual leaves the alternate screen and mouse reporting on when these arrive.
        import asyncio

        asyncio.get_running_loop().add_signal_handler(number, lambda: self.exit(return_code=128 + number))

    def _leave_orphaned(self) -> None:
        if os.getppid() != self._started_by:
            self.exit(return_code=128 + 1)
