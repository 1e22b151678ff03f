"""`enter` on a row: every column of it, uncut."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from mlcycle_app.tui.cells import STATES, cell, in_full

__all__ = ["RowScreen"]


class RowScreen(ModalScreen[None]):
    """One row."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,enter,q", "dismiss", "Close", id="row.close", tooltip="Close this card"),
        Binding("j", "app.move('down')", "Down", id="row.down", tooltip="Down"),
        Binding("k", "app.move('up')", "Up", id="row.up", tooltip="Up"),
    ]

    def __init__(self, title: str, row: Mapping[str, Any]) -> None:
        super().__init__()
        self._title = title
        self._row = row

    def compose(self) -> ComposeResult:
        """One scrolling card."""
        with VerticalScroll(classes="dialog") as card:
            card.border_title = self._title
            card.border_subtitle = "esc closes"
            yield Static(self._table())

    def _table(self) -> Table:
        table = Table.grid(padding=(0, 2))
        table.add_column(style="dim", no_wrap=True)
        table.add_column(overflow="fold")
        for key, value in self._row.items():
            style = cell(key, value, "").style if key in STATES else ""
            table.add_row(key.replace("_", " "), Text(in_full(value), style=style))
        return table
