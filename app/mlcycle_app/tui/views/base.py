"""What every view does: lists at the left, all about the thing under the cursor at the right.

It reads away from the loop, drops stale answers, and keeps the last good picture when a read fails.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from rich.text import Text
from textual import work
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widget import Widget

from mlcycle_app.commands import PHASES, of_screen
from mlcycle_app.gateway import Gateway, MlcycleError
from mlcycle_app.tables import TABLES
from mlcycle_app.tui import crash
from mlcycle_app.tui.card import Card, in_full
from mlcycle_app.tui.declared import Declared, how_to_mend
from mlcycle_app.tui.holders import explained, holding
from mlcycle_app.tui.keys import of_view, shown
from mlcycle_app.tui.messages import CardFailed, CardRead, Failed, Loaded, OpenRow, TwinChanged
from mlcycle_app.tui.paging import PagedReads, PageWanted, Wanted, read_pages
from mlcycle_app.tui.performing import Performs
from mlcycle_app.tui.reading import elsewhere
from mlcycle_app.tui.selection import Selection
from mlcycle_app.tui.widgets.detail import Detail
from mlcycle_app.tui.widgets.notice import Notice
from mlcycle_app.tui.widgets.pane import Pane
from mlcycle_app.tui.widgets.rows import Rows
from mlcycle_app.tui.widgets.status_line import StatusLine

__all__ = ["PhaseView"]

AFTER_S = 0.1
"""How long the cursor rests before what is under it is read."""
LATE_S = 3.0
"""How long a read goes on before it is said what it waits for."""


class PhaseView(Vertical):
    """A view of one phase. Subclasses say which tables it lists, and what there is to know about a row."""

    number: ClassVar[int] = 0
    """Key of its screen."""
    every: ClassVar[float] = 5.0
    """Seconds between two looks whether something was written, while it is shown."""
    longest: ClassVar[float] = 60.0
    """Seconds after which it reads although nothing was written: ages grow."""
    tables: ClassVar[tuple[str, ...]] = ()
    """Names in `tables.TABLES`, the main one first."""
    declares: ClassVar[bool] = False
    """Whether it says what is wrong with the declarations, in a `Notice`."""

    def __init_subclass__(cls, **options: Any) -> None:
        # Before Textual gathers them: the keys of the screen's commands are the view's.
        cls.BINDINGS = [*of_view(cls.number), *cls.__dict__.get("BINDINGS", [])]
        super().__init_subclass__(**options)

    def __init__(self, gateway: Gateway) -> None:
        super().__init__(id=f"view-{self.number}", classes="view")
        self.gateway = gateway
        self.last_focus: Widget | None = None
        self.declared = Declared(gateway) if self.declares else None
        self._pages = PagedReads(gateway, self._page_failed)
        self._wanted: Sequence[Wanted] = ()
        self._generation = self._card_generation = 0
        self._reading = self._again = self._broken = False
        self._stamp: object = None
        self._looked_at = self._read_at = self._began_at = -1e9

    def compose(self) -> ComposeResult:
        """One pane a table, and the detail beside them."""
        with Horizontal(classes="columns"):
            with Vertical(classes="master"):
                for name in self.tables:
                    yield Pane(name, TABLES[name])
            yield Detail()

    def read(self) -> Any:
        """Return the view's data; runs in another thread."""
        return read_pages(self.gateway, self._wanted)

    def draw(self, data: Any) -> None:
        """Draw data that `read` returned."""
        for name, pane in zip(self.tables, self.query(Pane), strict=True):
            pane.show_page(data[name])
        if self.app.focused is None:
            self.focus_first()
        self.want_card()

    def draw_error(self, error: MlcycleError) -> None:
        """Draw that reading failed; one pane says why."""
        for place, pane in enumerate(self.query(Pane)):
            pane.show_error(None if place else error)

    def read_card(self, name: str, row: Mapping[str, Any]) -> Card:
        """Return all about a row of the table of this name; runs in another thread."""
        return in_full(TABLES[name].title, row)

    @property
    def pane(self) -> Pane | None:
        """The list that keys act on: the one with the focus, or the one that had it."""
        panes = list(self.query(Pane))
        for widget in (self.app.focused, self.last_focus):
            for pane in panes:
                if widget is not None and pane in widget.ancestors_with_self:
                    return pane
        return panes[0] if panes else None

    @property
    def selected(self) -> Selection:
        """What commands act on: the row under the cursor, and the marked ones."""
        pane = self.pane
        return Selection() if pane is None else pane.selected

    @property
    def command(self) -> str:
        """What to type for the same as the pane that has the focus shows."""
        return "" if self.pane is None else self.pane.command

    @property
    def own_keys(self) -> Sequence[tuple[str, str, str, str]]:
        """Keys of this view that are no commands: as written, their word, what they do, and their action."""
        commands = {command.id for command in of_screen(self.number)}
        return [
            (
                shown(binding.id or "", self.app.get_key_display(binding)),
                binding.description.lower(),
                binding.tooltip,
                f"app.press('{binding.key}')",
            )
            for _, binding in self._bindings
            if binding.id not in commands and binding.tooltip
        ]

    @property
    def _status(self) -> StatusLine:
        return self.app.query_one(StatusLine)

    # What the view is about in files

    def read_declared(self) -> None:
        """Say in the view's notice what is wrong with the declarations, if they are others than before."""
        if self.declared is not None and self.declared.is_due:
            self._fetch_declared(self.declared)

    @work(group="view.declared", exclusive=True)
    async def _fetch_declared(self, declared: Declared) -> None:
        wrong = await elsewhere(declared.read, "read declarations")
        for notice in self.query(Notice):
            notice.show(wrong.message, how_to_mend(wrong, self.number)) if wrong else notice.show()

    # Commands

    def action_command(self, words: str) -> None:
        """Do what a command's key is for, if it can be done to what is selected."""
        app = self.app
        if why := self.lacks(words):
            self._status.say(why)
        elif isinstance(app, Performs):
            app.perform(words)

    def lacks(self, words: str) -> str:
        """Return why a command has nothing to act on here, as a sentence; empty if it may go on."""
        return ""

    # Reading

    def refresh_data(self) -> None:
        """Read again; while a read is going on, once more when it has ended."""
        if self._reading:
            self._again = True
            return
        self._generation += 1
        self._reading = True
        self._wanted = [pane.wanted for pane in self.query(Pane)]
        self._looked_at = self._began_at = time.monotonic()
        self._fetch(self._generation)

    def look(self) -> None:
        """Read again if it is time and something was written; called while the view is shown."""
        now = time.monotonic()
        if self._reading:
            if now - self._began_at >= LATE_S:
                self._wait(round(now - self._began_at))
            return
        if now - self._looked_at < self.every:
            return
        self._looked_at = now
        if now - self._read_at >= self.longest or self.stamp() != self._stamp:
            self.refresh_data()

    def stamp(self) -> object:
        """Return something that differs once there is something new to read; costs some file sizes."""
        return (self.gateway.stamp(), self.declared.stamp() if self.declared else None)

    def _wait(self, seconds: int) -> None:
        """Say how long a read goes on already, and who is known to stand in its way."""
        who = holding(self.gateway)
        words = f"the store is held by {who}; still trying" if who else "still reading"
        self._say_wait(f"{words} ({seconds} s)")
        for pane in self.query(Pane):
            pane.show_waiting(words)

    def _say_wait(self, words: str) -> None:
        for line in self.app.query(StatusLine):  # none is left while the program ends
            line.waits = words

    @work(group="view.data")
    async def _fetch(self, generation: int) -> None:
        stamp = self.stamp()
        try:
            data = await elsewhere(self.read, f"read {PHASES[self.number]}")
        except MlcycleError as error:
            self.post_message(Failed(self.number, generation, explained(self.gateway, error)))
        except Exception as error:  # noqa: BLE001 - a defect in one view's question must not take the others along
            told = crash.tell(self.gateway, error, f"{PHASES[self.number]} could not be read")
            self.post_message(Failed(self.number, generation, told))
        else:
            self._stamp, self._read_at = stamp, time.monotonic()
            self.post_message(Loaded(self.number, generation, data))
        self._reading = False
        if self._again:
            self._again = False
            self.refresh_data()

    def on_loaded(self, message: Loaded) -> None:
        """Draw what was read; it bubbles on, because an error may be over."""
        self._broken = False
        self._say_wait("")
        if message.generation == self._generation:
            self.draw(message.data)
        self.read_declared()

    def on_failed(self, message: Failed) -> None:
        """Show the error; it bubbles on to the status line."""
        self._stamp, self._broken = None, True
        self._say_wait("")
        if message.generation == self._generation:
            self.draw_error(message.error)
            if self.detail is not None and self.detail.card is None:
                self.want_card()

    def on_page_wanted(self, message: PageWanted) -> None:
        """A list is filtered, sorted, or about to run out of rows."""
        message.stop()
        self._pages.ask(message.pane, message.wanted)

    def find(self, table: str, name: str) -> None:
        """Put the cursor on the row of this name."""
        for pane in self.query(Pane):
            if pane.name == table:
                pane.go_to(name)
                self.last_focus = pane.rows
                pane.rows.focus(scroll_visible=False)
        self.want_card()

    def _page_failed(self, error: MlcycleError) -> None:
        self.post_message(Failed(self.number, self._generation, error))

    # The thing under the cursor

    @property
    def detail(self) -> Detail | None:
        """The pane beside the lists, if this view has one."""
        found = self.query(Detail)
        return found.first() if found else None

    def want_card(self) -> None:
        """Read what is under the cursor, once it rests there, if it can be seen."""
        self._card_generation += 1
        if self.detail is None or not self.detail.display:
            return
        if AFTER_S:
            generation = self._card_generation
            self.set_timer(AFTER_S, lambda: self._want(generation))
        else:
            self._want(self._card_generation)

    def _want(self, generation: int) -> None:
        pane = self.pane
        if generation != self._card_generation or pane is None:
            return
        self._fetch_card(generation, pane.name or "", pane.selected.row)

    @work(group="view.card", exclusive=True)
    async def _fetch_card(self, generation: int, name: str, row: Mapping[str, Any] | None) -> None:
        if row is None:
            self.post_message(CardRead(generation, None))
            return
        try:
            card = await elsewhere(lambda: self.read_card(name, row), f"read a card of {name}")
        except MlcycleError as error:
            self.post_message(CardFailed(generation, error))
        except Exception as error:  # noqa: BLE001 - as above
            told = crash.tell(self.gateway, error, f"this row of {TABLES[name].title} could not be read")
            self.post_message(CardFailed(generation, told))
        else:
            self.post_message(CardRead(generation, card))

    async def on_card_read(self, message: CardRead) -> None:
        """Draw it, unless the cursor has moved on."""
        message.stop()
        if message.generation != self._card_generation or self.detail is None:
            return
        if message.card is None:
            await self.detail.say(self._offers())
        else:
            await self.detail.show(message.card)

    def _offers(self) -> Text:
        """Return what can be done here, for a detail that has nothing to show."""
        if self._read_at < 0:
            return Text("not read" if self._broken else "reading …", style="dim")
        text = Text().append("nothing is selected; here you can\n", style="dim")
        for command in of_screen(self.number):
            if command.key:
                text.append(f"\n{shown(command.id, command.key):>3} ", style="bold yellow")
                text.append(f" {command.summary}", style="default")
        return text

    async def on_card_failed(self, message: CardFailed) -> None:
        """Say what went wrong where the card would be."""
        message.stop()
        if message.generation == self._card_generation and self.detail is not None:
            words = Text(message.error.message, style="bold red").append(
                f"\n{message.error.hint}", style="default"
            )
            await self.detail.say(words, "not read")

    def on_rows_moved(self, event: Rows.Moved) -> None:
        """The cursor is on another row."""
        self.want_card()

    def on_open_row(self, message: OpenRow) -> None:
        """Take the keyboard to the detail; where it stands beside nothing, it takes the whole view."""
        if self.detail is None:
            return  # the frame shows the row in full
        message.stop()
        self.open_detail()

    def open_detail(self) -> None:
        """Show all about the thing under the cursor."""
        detail = self.detail
        if detail is None:
            return
        shown = detail.display
        self.add_class("-detail")
        detail.focus(scroll_visible=False)
        if not shown:
            self.want_card()

    def close_detail(self) -> bool:
        """Give the keyboard back to the list; tell whether there was anything to close."""
        if self.detail is None or not (self.has_class("-detail") or self.detail.has_focus):
            return False
        self.remove_class("-detail")
        self.focus_first()
        return True

    def on_resize(self) -> None:
        """With room for a detail there is one to read."""
        if self.detail is not None and self.detail.display and self.detail.card is None:
            self.want_card()

    # The keyboard

    def on_descendant_focus(self) -> None:
        """Remember which list the keyboard was in, for when the view is shown again."""
        focused = self.app.focused
        if focused is not None and not isinstance(focused, Detail):
            moved = focused is not self.last_focus
            self.last_focus = focused
            if moved:
                self.want_card()
        self.post_message(TwinChanged())

    def focus_first(self) -> None:
        """Put the keyboard where it was, or on the view's main part."""
        parts: Sequence[Widget | None] = [self.last_focus, *self.query("Rows, Limits, .message")]
        for part in parts:
            if part is not None and part.display and part.focusable:
                part.focus(scroll_visible=False)
                return
