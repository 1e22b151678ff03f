"""`?`: the keys, and the commands of the screen that is shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from mlcycle_app.commands import PHASES, Command, of_screen
from mlcycle_app.tui.keys import KEYS, shown

__all__ = ["HelpScreen"]


class HelpScreen(ModalScreen[None]):
    """Keys and commands.

    Parameters
    ----------
    number
        Of the screen below.
    own
        Keys of its view that are no commands, and what they do.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,f1,q", "dismiss", "Close", id="help.close", tooltip="Close this page"),
        Binding("j", "app.move('down')", "Down", id="help.down", tooltip="Down"),
        Binding("k", "app.move('up')", "Up", id="help.up", tooltip="Up"),
    ]

    def __init__(self, number: int, own: Sequence[tuple[str, str]] = ()) -> None:
        super().__init__()
        self._number = number
        self._own = own

    def compose(self) -> ComposeResult:
        """One scrolling page: the keys of this screen, those of all, then what else can be done here."""
        commands = of_screen(self._number)
        with VerticalScroll(classes="dialog") as page:
            page.border_title = "help"
            page.border_subtitle = "esc closes"
            yield Static(Text(f"{PHASES[self._number]}", style="bold"))
            yield Static(self._table([one for one in commands if one.key is not None], self._own))
            yield Static(Text("\neverywhere", style="bold"))
            yield Static(self._keys())
            if rest := [one for one in commands if one.key is None]:
                find = next(key for key in KEYS if key.id == "palette")
                say = f"\nmore of {PHASES[self._number]}, found with {shown(find.id, find.shown)}"
                yield Static(Text(say, style="bold"))
                yield Static(self._table(rest))

    def _keys(self) -> Table:
        table = Table.grid(padding=(0, 2))
        table.add_column(style="bold yellow", justify="right", no_wrap=True)
        table.add_column()
        for key in KEYS:
            if key.shown:
                table.add_row(shown(key.id, key.shown), key.says)
        return table

    def _table(self, commands: Sequence[Command], own: Sequence[tuple[str, str]] = ()) -> Table:
        table = Table.grid(padding=(0, 2))
        table.add_column(style="bold yellow", justify="right", no_wrap=True)
        table.add_column(ratio=1)
        table.add_column(style="cyan", no_wrap=True)
        for key, says in own:
            table.add_row(key, says, "")
        for command in commands:
            keys = shown(command.id, command.key) if command.key else ""
            table.add_row(keys, command.summary, command.words)
        return table
