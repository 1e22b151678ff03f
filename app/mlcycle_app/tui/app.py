"""The application: frame, switch of views, and the way out. Everything else is in its view."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, ClassVar

from textual import work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.widgets import ContentSwitcher

from mlcycle_app.commands import PHASES
from mlcycle_app.gateway import MlcycleError
from mlcycle_app.pages import Arrangement
from mlcycle_app.tui import crash
from mlcycle_app.tui.declared import FILES
from mlcycle_app.tui.editor import edit
from mlcycle_app.tui.frame import Look
from mlcycle_app.tui.holders import explained
from mlcycle_app.tui.job import Job
from mlcycle_app.tui.jobs import Jobs
from mlcycle_app.tui.keeper import Keeper
from mlcycle_app.tui.keys import KEYS
from mlcycle_app.tui.messages import BoardFailed, BoardRead, Failed, Loaded, OpenRow, OpenScreen
from mlcycle_app.tui.performing import Performs
from mlcycle_app.tui.quitting import Quits
from mlcycle_app.tui.reading import elsewhere
from mlcycle_app.tui.selection import Selection
from mlcycle_app.tui.switching import Switches
from mlcycle_app.tui.theme import next_theme
from mlcycle_app.tui.views.base import PhaseView
from mlcycle_app.tui.views.home import HomeView
from mlcycle_app.tui.widgets.hints import Hints
from mlcycle_app.tui.widgets.rows import Rows
from mlcycle_app.tui.widgets.status_line import READING, StatusLine
from mlcycle_app.tui.widgets.strip import Strip
from mlcycle_app.tui.widgets.teach import Teach

if TYPE_CHECKING:
    from mlcycle_app.gateway import Board, Gateway
    from mlcycle_app.things import Thing
    from mlcycle_app.tui.dialogs.palette import Choice

__all__ = ["CycleApp", "Look"]

HOME = 0


class CycleApp(Switches, Performs, Quits):
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

    BINDINGS: ClassVar[list[BindingType]] = [key.binding() for key in KEYS if not key.rows]

    def __init__(
        self, gateway: Gateway, *, look: Look | None = None, board: Board | None = None, first: int = HOME
    ) -> None:
        super().__init__(look)
        self.gateway = gateway
        self.jobs = Jobs(gateway.workspace.root)
        self.jobs.hear(self.on_job)
        self._keeper = Keeper(board)
        self._current = -1
        self._first = first

    def compose(self) -> ComposeResult:
        """Strip, view, status line, footer."""
        yield Strip(self.gateway.name)
        with Horizontal(id="body"):
            yield ContentSwitcher(id="views")
            yield Teach()
        yield StatusLine()
        yield Hints()

    async def on_mount(self) -> None:
        """Open the first view."""
        self.query_one(StatusLine).follow(self.jobs)
        self.query_one(Strip).follow(self.jobs)
        await self.action_go(self._first)
        if self._keeper.board is None:
            self._read_board()
        if self.look.teach:
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
        if self._is_gone() or not switcher.query(f"#{wanted}"):
            return  # the program has ended meanwhile
        switcher.current = wanted
        self._current = number
        self.query_one(Strip).current = number
        self.query_one(Teach).phase = number
        own = [(key, label, action) for key, label, _, action in self._view.own_keys]
        self.query_one(Hints).show(number, own)
        self.query_one(StatusLine).quiet()
        self._show_board()
        self.call_after_refresh(self._arrive, self._view)

    async def action_step(self, by: int) -> None:
        """Show the phase before or after this one."""
        await self.action_go((self._current + by) % len(PHASES))

    async def action_back(self) -> None:
        """Leave the zoom, the lesson, the detail, or the phase; never the program."""
        if self.query(".-zoomed"):
            self.action_zoom()
        elif self.query_one(Teach).display:
            await self.action_teach()
        elif not self._view.close_detail():
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
        """Offer what can be copied of what has the focus: value, row, command, SQL, or the whole list."""
        from mlcycle_app.tui.dialogs.copy import CopyScreen  # brings an editor

        pane = self._view.pane
        arranged = Arrangement() if pane is None else pane.arranged
        twin = self.query_one(StatusLine).twin
        screen = PHASES[self._current].lower()
        self.push_screen(CopyScreen(self.gateway, self.selection(), arranged, twin, screen))

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

    def action_palette(self) -> None:
        """Find a command or a thing by a few letters."""
        from mlcycle_app.tui.dialogs.palette import PaletteScreen

        self.push_screen(PaletteScreen(self.gateway, self._current), self._chosen)

    def action_edit(self) -> None:
        """Open the declaration of this screen in the user's editor; what it says then is checked."""
        path = self.gateway.workspace.root / FILES[self._current]
        why = edit(self, path)
        if why:
            self._say(why)
        else:
            self.perform("design check")

    def action_theme(self) -> None:
        """Take the next theme, for this time; settings keep one for good."""
        theme = next_theme(self.theme)
        self.wear(theme)
        self._say(f"{theme.name}; to keep it, set ui.theme in the settings: mlcycle config show")

    def action_help(self) -> None:
        """Show keys and commands."""
        from mlcycle_app.tui.dialogs.help import HelpScreen

        self.push_screen(HelpScreen(self._current, [(key, says) for key, _, says, _ in self._view.own_keys]))

    def action_help_quit(self) -> None:
        """Ctrl+c copies selected text; who means the other thing is told."""
        self.query_one(StatusLine).say("q quits")

    def _chosen(self, choice: Choice | None) -> None:
        if choice is None:
            return
        if choice.command:
            self.perform(choice.command, then=lambda _: self.action_jobs())
        elif choice.action:
            self.call_next(self.run_action, choice.action)
        elif choice.thing is not None:
            self.call_next(self._go_to, choice.thing)

    async def _go_to(self, thing: Thing) -> None:
        await self.action_go(thing.screen)
        self._view.find(thing.table, thing.name)

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
        from mlcycle_app.tui.dialogs.row import RowScreen

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

    def typed_command(self, words: str) -> str:
        """Return words after `mlcycle` as they can be typed where the program was started."""
        return self.gateway.typed(words)

    def selection(self) -> Selection:
        """Return the row under the cursor of the view that is shown, and the marked ones."""
        return self._view.selected if self._current >= 0 else Selection()

    def on_job(self, job: Job) -> None:
        """Tell of a job; when one has ended, everything may be another."""
        if self._is_gone() or self._current < 0:
            return
        if not job.is_running and self._current >= 0:
            self._view.refresh_data()
            self._read_board()

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

    def tick(self) -> None:
        """Look whether anything was written."""
        super().tick()
        if self._current < 0 or self._is_gone():
            return
        if len(self.screen_stack) > 1:
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
            keeper.failed, news = True, BoardFailed(explained(self.gateway, error))
        except Exception as error:  # noqa: BLE001 - as in the views: the rest of the UI goes on
            told = crash.tell(self.gateway, error, "the board could not be read")
            keeper.failed, news = True, BoardFailed(told)
        finally:
            keeper.reading = False
        if keeper is self._keeper:  # else another workspace was opened meanwhile
            self.post_message(news)
