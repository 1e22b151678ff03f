"""`?`: the keys, and the commands of the screen that is shown."""

from __future__ import annotations

from typing import ClassVar

from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from mlcycle_app.commands import PHASES, of_screen
from mlcycle_app.tui.keys import KEYS

__all__ = ["HelpScreen"]


class HelpScreen(ModalScreen[None]):
    """Keys and commands."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,f1,q", "dismiss", "Close", id="help.close", tooltip="Close this page"),
        Binding("j", "app.move('down')", "Down", id="help.down", tooltip="Down"),
        Binding("k", "app.move('up')", "Up", id="help.up", tooltip="Up"),
    ]

    def __init__(self, number: int) -> None:
        super().__init__()
        self._number = number

    def compose(self) -> ComposeResult:
        """One scrolling page."""
        with VerticalScroll(classes="dialog") as page:
            page.border_title = "help"
            page.border_subtitle = "esc closes"
            yield Static(self._keys())
            yield Static(Text(f"\n{PHASES[self._number]}: from the shell", style="bold"))
            yield Static(self._commands())

    def _keys(self) -> Table:
        table = Table.grid(padding=(0, 2))
        table.add_column(style="bold yellow", justify="right", no_wrap=True)
        table.add_column()
        for key in KEYS:
            if key.shown:
                table.add_row(key.shown, key.says)
        return table

    def _commands(self) -> Table:
        table = Table.grid(padding=(0, 2))
        table.add_column(style="cyan", no_wrap=True)
        table.add_column(style="dim")
        for command in of_screen(self._number):
            table.add_row(f"mlcycle {command.words}", command.summary)
        return table
