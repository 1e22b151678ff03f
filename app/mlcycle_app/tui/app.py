"""The application: frame, switch of views, and the way out. Everything else is in its view."""

from __future__ import annotations

import asyncio
import os
import signal
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, ClassVar

from textual import work
from textual.app import App, ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.filter import LineFilter, NoColor
from textual.widgets import ContentSwitcher

from mlcycle_app.commands import PHASES
from mlcycle_app.gateway import MlcycleError
from mlcycle_app.tui import crash
from mlcycle_app.tui.dialogs.help import HelpScreen
from mlcycle_app.tui.dialogs.row import RowScreen
from mlcycle_app.tui.glyphs import Ascii, ascii_only
from mlcycle_app.tui.keeper import Keeper
from mlcycle_app.tui.keys import KEYS
from mlcycle_app.tui.messages import BoardFailed, BoardRead, Failed, Loaded, OpenRow, OpenScreen
from mlcycle_app.tui.reading import elsewhere
from mlcycle_app.tui.theme import DARK_ANSI, LIGHT_ANSI, choose
from mlcycle_app.tui.views.base import PhaseView
from mlcycle_app.tui.views.home import HomeView
from mlcycle_app.tui.widgets.hints import Hints
from mlcycle_app.tui.widgets.rows import Rows
from mlcycle_app.tui.widgets.status_line import READING, StatusLine
from mlcycle_app.tui.widgets.strip import Strip
from mlcycle_app.tui.widgets.teach import Teach

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.theme import Theme

    from mlcycle_app.gateway import Board, Gateway

__all__ = ["CycleApp", "Look"]

TICK_S = 1.0
HOME = 0


@dataclass(frozen=True)
class Look:
    """How the UI looks; from the user's settings."""

    theme: Theme
    teach: bool = False
    """Whether the teaching panel is open at the start."""
    ascii: bool = False
    """Whether to draw without box and block characters."""


class CycleApp(App[None]):
    """mlcycle in a terminal.

    Parameters
    ----------
    gateway
        The workspace.
    board
        Its board, if that was read already.
    first
        Number of the screen to begin with.
    """

    TITLE = "mlcycle"
    ENABLE_COMMAND_PALETTE = False
    CSS_PATH: ClassVar[list[str]] = ["styles/frame.tcss", "styles/widgets.tcss"]  # type: ignore[assignment]
    # Textual writes `ClassVar[...] | None`, which makes them instance variables to a type checker.
    HORIZONTAL_BREAKPOINTS: ClassVar = [(0, "-tiny"), (76, "-narrow"), (100, "-wide"), (132, "-xwide")]  # type: ignore[misc]
    VERTICAL_BREAKPOINTS: ClassVar = [(0, "-short"), (20, "-plain"), (36, "-tall")]  # type: ignore[misc]
    BINDINGS: ClassVar[list[BindingType]] = [key.binding() for key in KEYS if not key.rows]

    def __init__(
        self, gateway: Gateway, *, look: Look | None = None, board: Board | None = None, first: int = HOME
    ) -> None:
        super().__init__()
        self.gateway = gateway
        self.crash: Exception | None = None
        """What ended the program, if it was a defect."""
        self._look = look or Look(choose())
        self._redrawn: list[LineFilter] = [Ascii()] if self._look.ascii or ascii_only() else []
        self._keeper = Keeper(board)
        self._current = -1
        self._first = first
        self._started_by = os.getppid()
        self.set_reactive(App.ansi_theme_dark, DARK_ANSI)
        self.set_reactive(App.ansi_theme_light, LIGHT_ANSI)
        self.register_theme(self._look.theme)
        self.theme = self._look.theme.name

    def compose(self) -> ComposeResult:
        """Strip, view, status line, footer."""
        yield Strip(self.gateway.name)
        with Horizontal(id="body"):
            yield ContentSwitcher(id="views")
            yield Teach()
        yield StatusLine()
        yield Hints()

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Without colours nothing is left of them, grey neither; in ASCII every line is redrawn."""
        colours = [NoColor()] if self.no_color else super().get_line_filters()
        return [*colours, *self._redrawn]

    async def on_mount(self) -> None:
        """Open the first view, and restore the terminal when told to end."""
        if not self.is_headless:
            for name in ("SIGTERM", "SIGHUP"):
                if hasattr(signal, name):
                    self._on_signal(getattr(signal, name))
        self.set_interval(TICK_S, self._tick)
        await self.action_go(self._first)
        if self._keeper.board is None:
            self._read_board()
        if self._look.teach:
            await self.action_teach()

    async def action_go(self, number: int) -> None:
        """Show a screen, making its view when it is first wanted; what it reads comes when it comes."""
        if number == self._current:
            return
        switcher = self.query_one("#views", ContentSwitcher)
        wanted = f"view-{number}"
        if self._current >= 0 and self.query(".-zoomed"):
            self.action_zoom()
        if not switcher.query(f"#{wanted}"):
            await switcher.add_content(self._make(number), id=wanted)
        switcher.current = wanted
        self._current = number
        self.query_one(Strip).current = number
        self.query_one(Teach).phase = number
        self.query_one(StatusLine).quiet()
        self._show_board()
        self.call_after_refresh(self._arrive, self._view)

    async def action_step(self, by: int) -> None:
        """Show the phase before or after this one."""
        await self.action_go((self._current + by) % len(PHASES))

    async def action_back(self) -> None:
        """Leave the zoom, the lesson, or the phase; never the program."""
        if self.query(".-zoomed"):
            self.action_zoom()
        elif self.query_one(Teach).display:
            await self.action_teach()
        else:
            await self.action_go(HOME)

    def action_move(self, how: str) -> None:
        """Move in what has the focus as vim's users expect."""
        if isinstance(self.focused, Rows):
            moves = {
                "down": "cursor_by(1)",
                "up": "cursor_by(-1)",
                "home": "cursor_home",
                "end": "cursor_end",
            }
        else:
            moves = {"down": "scroll_down", "up": "scroll_up", "home": "scroll_home", "end": "scroll_end"}
        if self.focused is not None:
            self.call_next(self.run_action, moves[how], self.focused)

    def action_press(self, key: str) -> None:
        """Do what a key does: for the mouse."""
        self.simulate_key(key)

    def action_zoom(self) -> None:
        """Give the focused pane the whole view, or take it back."""
        panes, groups = self._view.query(".pane"), self._view.query(".group")
        mine = next((pane for pane in panes if pane.has_focus_within), None)
        if self.query(".-zoomed") or mine is None:
            for part in (*panes, *groups):
                part.remove_class("-zoomed", "-hidden")
            return
        for pane in panes:
            pane.set_class(pane is mine, "-zoomed").set_class(pane is not mine, "-hidden")
        for group in groups:
            group.set_class(group not in mine.ancestors, "-hidden")

    def action_reread(self) -> None:
        """Read the view and the board again."""
        self.query_one(StatusLine).say(READING)
        self._view.refresh_data()
        self._read_board()

    def action_copy(self) -> None:
        """Give the terminal's clipboard the command that does the same."""
        words = self.query_one(StatusLine).twin
        if words:
            words = self.gateway.typed(words)
            self.copy_to_clipboard(words)
            self.query_one(StatusLine).say(f"copied, where the terminal allows it: {words}")

    async def action_teach(self) -> None:
        """Show or hide why this phase exists."""
        teach = self.query_one(Teach)
        teach.display = not teach.display
        self.query_one("#body").set_class(teach.display, "-teaching")
        if not teach.display:
            self._view.focus_first()
            return
        await teach.explain()
        if not self.screen.has_class("-xwide"):
            teach.focus()

    def action_help(self) -> None:
        """Show keys and commands."""
        self.push_screen(HelpScreen(self._current))

    def action_help_quit(self) -> None:
        """Ctrl+c copies selected text; who means the other thing is told."""
        self.query_one(StatusLine).say("q quits")

    def on_board_read(self) -> None:
        """Redraw the strip and Home."""
        if self._is_gone():
            return
        self.query_one(StatusLine).settle("board")
        self._show_board()

    def on_board_failed(self, message: BoardFailed) -> None:
        """Say what went wrong; the last board stays."""
        if self._is_gone():
            return
        self.query_one(StatusLine).complain("board", message.error)
        self._show_board()

    async def on_open_screen(self, message: OpenScreen) -> None:
        """Open what a view asked for."""
        await self.action_go(message.number)

    def on_open_row(self, message: OpenRow) -> None:
        """Show a row in full."""
        self.push_screen(RowScreen(message.title, message.row))

    def on_twin_changed(self) -> None:
        """Show the command that does the same as what has the focus."""
        words = self._view.command if self._current >= 0 else ""
        self.query_one(StatusLine).twin = words.removeprefix("mlcycle ")

    def on_loaded(self, message: Loaded) -> None:
        """A view could be read: its error is over."""
        if message.view == self._current:
            self.query_one(StatusLine).settle("view")

    def on_failed(self, message: Failed) -> None:
        """Say what went wrong, and what to type, if it is what the user looks at."""
        if message.view == self._current:
            self.query_one(StatusLine).complain("view", message.error)

    def _is_gone(self) -> bool:
        """Whether the program is ending: what a worker still found has no place to be shown at."""
        return not self.query(Strip)

    @property
    def _view(self) -> PhaseView:
        return self.query_one(f"#view-{self._current}", PhaseView)

    def _make(self, number: int) -> PhaseView:
        name = PHASES[number]
        module = import_module(f"mlcycle_app.tui.views.{name.lower()}")
        view: PhaseView = getattr(module, f"{name}View")(self.gateway)
        return view

    def _arrive(self, view: PhaseView) -> None:
        # After the first frame: a press of a number shows the screen before anything is read.
        if view is not self._view:
            return
        view.focus_first()
        view.look()
        self.on_twin_changed()

    def _tick(self) -> None:
        if os.getppid() != self._started_by:
            self.exit(return_code=128 + 1)
        if len(self.screen_stack) > 1 or self._current < 0:
            return
        self._view.look()
        if self._keeper.is_due(self.gateway.stamp()):
            self._read_board()
        self._show_board()

    def _show_board(self) -> None:
        board, old = self._keeper.board, self._keeper.age
        strip = self.query_one(Strip)
        strip.board = board
        strip.tick()
        if self._current == HOME:
            home = self.query_one(HomeView)
            if board is not None:
                home.show_board(board)
            if board is not None or old is not None:
                home.show_age(old)

    def _read_board(self) -> None:
        if not self._keeper.reading:
            self._keeper.reading = True
            self._fetch_board()

    @work(group="frame.board")
    async def _fetch_board(self) -> None:
        keeper, stamp = self._keeper, self.gateway.stamp()
        news: BoardRead | BoardFailed
        try:
            keeper.keep(await elsewhere(self.gateway.board, "read board"), stamp)
            news = BoardRead()
        except MlcycleError as error:
            keeper.failed, news = True, BoardFailed(error)
        except Exception as error:  # noqa: BLE001 - as in the views: the rest of the UI goes on
            told = crash.tell(self.gateway, error, "the board could not be read")
            keeper.failed, news = True, BoardFailed(told)
        finally:
            keeper.reading = False
        self.post_message(news)

    def _fatal_error(self) -> None:
        # Textual would print the traceback with all locals over the terminal; `start` keeps it in a file instead.
        error = self._exception
        self.crash = error if isinstance(error, Exception) else RuntimeError("unknown")
        self._close_messages_no_wait()

    def _on_signal(self, number: int) -> None:
        # Textual leaves the alternate screen and mouse reporting on when these arrive.
        asyncio.get_running_loop().add_signal_handler(number, lambda: self.exit(return_code=128 + number))
