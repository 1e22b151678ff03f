"""A bordered list with its four states: loading, empty, full, error."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Static

from mlcycle_app.gateway import MlcycleError
from mlcycle_app.tables import Table
from mlcycle_app.tui.cells import cell
from mlcycle_app.tui.columns import Column
from mlcycle_app.tui.messages import OpenRow
from mlcycle_app.tui.widgets.rows import Rows

__all__ = ["LOADING", "Pane"]

LOADING = Text("reading …", style="dim")
ROOM_FOR_MORE = 56
WIDEST = 40
"""Cells a column may ask for unless it stretches."""
MOST = 500
"""Rows that a table's query ends with at most."""


class Pane(Vertical):
    """One of `tables.TABLES`, drawn."""

    def __init__(self, name: str, table: Table, *, labels: bool = True) -> None:
        super().__init__(id="pane-" + name.replace(" ", "-"), classes="pane")
        self._table = table
        self._labels = labels
        self._data: Sequence[Mapping[str, Any]] | None = None
        self._count = ""
        self.border_title = table.title

    @property
    def command(self) -> str:
        """The command that lists the same."""
        return self._table.command

    @property
    def rows(self) -> Rows:
        """The list itself."""
        return self.query_one(Rows)

    def compose(self) -> ComposeResult:
        """A message, and the list that takes its place once there are rows."""
        yield Static(LOADING, classes="message")
        rows = Rows(labels=self._labels)
        rows.display = False
        yield rows

    def show_rows(self, rows: Sequence[Mapping[str, Any]], count: str = "") -> None:
        """Draw the rows, keeping the cursor where it was; without rows say what to type.

        Parameters
        ----------
        count
            Said in the border instead of the number of rows.
        """
        message, shown = self.query_one(".message", Static), self.rows
        shown.stale = False
        words = "1 row" if len(rows) == 1 else f"{len(rows):,} rows"
        self._count = count or (f"first {words}" if len(rows) == MOST else words)
        message.display, shown.display = not rows, bool(rows)
        if not rows:
            message.update(self._table.empty)
            self.border_subtitle = ""
        else:
            lines = [[cell(key, value, self._table.aged) for key, value in row.items()] for row in rows]
            columns = [self._column(key, index, lines) for index, key in enumerate(rows[0])]
            shown.show(columns, lines)
            self._subtitle()
        self._data = rows

    def show_error(self, error: MlcycleError | None) -> None:
        """Say what is wrong, unless another pane does; rows that were there stay, without colour."""
        if self._data:
            self.rows.stale = True
            self.border_subtitle = "not current"
            return
        words = Text("not read", style="dim")
        if error is not None:
            words = Text(error.message, style="bold red").append(f"\n{error.hint}", style="default")
        self.query_one(".message", Static).update(words)

    def on_rows_opened(self, event: Rows.Opened) -> None:
        """Show the row in full."""
        event.stop()
        if self._data:
            self.post_message(OpenRow(self._table.title, self._data[event.index]))

    def on_rows_laid(self, event: Rows.Laid) -> None:
        """Say how many columns found no room."""
        event.stop()
        if self._data and not self.rows.stale:
            self._subtitle()

    def _subtitle(self) -> None:
        hidden = self.rows.hidden
        more = (
            f", enter shows {hidden} more columns" if hidden > 1 and self.size.width >= ROOM_FOR_MORE else ""
        )
        self.border_subtitle = self._count + more

    def _column(self, key: str, index: int, lines: Sequence[Sequence[Any]]) -> Column:
        label = "age" if key == self._table.aged else key.replace("_", " ")
        stretch = key == self._table.stretch
        width = max(len(label), *(len(line[index].text) for line in lines))
        right = key in self._table.right or key == self._table.aged
        return Column(label, width if stretch else min(width, WIDEST), right, stretch)
