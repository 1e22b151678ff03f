"""While another workspace is opened: no key acts on one that is no longer, or not yet, there."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Static

__all__ = ["OpeningScreen"]


class OpeningScreen(ModalScreen[None]):
    """Says what is opened, and takes every key but the one that quits."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q,ctrl+q", "app.quit", "Quit", show=False, id="opening.quit", tooltip="Quit"),
    ]

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name_of_it = name

    def compose(self) -> ComposeResult:
        """One line."""
        with Vertical(classes="dialog confirm"):
            yield Static(Text(f"opening {self._name_of_it} …"))
