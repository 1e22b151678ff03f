"""`?`: the keys, and the commands of the screen that is shown."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from mlcycle_app.commands import PHASES, of_screen

__all__ = ["HelpScreen"]

KEYS = (
    ("0 … 7", "Home and the seven phases"),
    ("[  ]", "previous, next phase"),
    ("enter", "open the phase under the cursor"),
    ("esc", "one level back; never quits"),
    ("tab", "next pane"),
    ("j k g G", "down, up, top, bottom"),
    ("z", "zoom the pane, and back"),
    ("r", "read again"),
    ("t", "why this phase exists"),
    ("?", "this page"),
    ("q", "quit"),
)


class HelpScreen(ModalScreen[None]):
    """Keys and commands."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,f1,q", "dismiss", "Close", id="help.close", tooltip="Close this page")
    ]

    def __init__(self, number: int) -> None:
        super().__init__()
        self._number = number

    def compose(self) -> ComposeResult:
        """One scrolling page."""
        with VerticalScroll(id="help") as page:
            page.border_title = "help"
            page.border_subtitle = "esc closes"
            yield Static(self._text())

    def _text(self) -> Text:
        text = Text()
        for key, does in KEYS:
            text.append(f"{key:>8}  ", style="bold yellow").append(f"{does}\n")
        text.append(f"\n{PHASES[self._number]}: the same from the shell\n", style="bold")
        for command in of_screen(self._number):
            text.append(f"  mlcycle {command.words}", style="cyan").append(f"\n      {command.summary}\n", style="dim")
        return text
