"""A bordered table with its four states: loading, empty, full, error."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import DataTable, Static

from mlcycle_app.gateway import MlcycleError
from mlcycle_app.tables import Table
from mlcycle_app.tui.ages import moment
from mlcycle_app.tui.glyphs import mark

__all__ = ["Pane"]

STATES = {"verdict", "state", "status", "outcome", "gate"}
"""Columns whose words get glyph and colour."""
CELL = 44
LOADING = "reading …"


class Pane(Vertical):
    """One of `tables.TABLES`, drawn."""

    def __init__(self, name: str, table: Table) -> None:
        super().__init__(id="pane-" + name.replace(" ", "-"), classes="pane")
        self._table = table
        self.border_title = table.title
        self._keys: list[str] = []

    def compose(self) -> ComposeResult:
        """A message, and the table that takes its place once there are rows."""
        yield Static(LOADING, classes="message")
        grid: DataTable[Text] = DataTable(cursor_type="row", zebra_stripes=False)
        grid.display = False
        yield grid

    @property
    def grid(self) -> DataTable[Text]:
        """The table itself."""
        return self.query_one(DataTable)

    def show_rows(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Draw the rows, keeping the cursor where it was; without rows say what to type."""
        message, grid = self.query_one(".message", Static), self.grid
        self.border_subtitle = f"{len(rows):,} rows" if len(rows) != 1 else "1 row"
        message.display, grid.display = not rows, bool(rows)
        if not rows:
            message.update(self._table.empty)
            return
        row = grid.cursor_row
        keys = list(rows[0])
        if keys != self._keys:
            grid.clear(columns=True)
            for key in keys:
                grid.add_column(key.replace("_", " "), key=key)
            self._keys = keys
        else:
            grid.clear()
        grid.add_rows([[self._cell(key, line[key]) for key in keys] for line in rows])
        grid.move_cursor(row=min(row, len(rows) - 1))

    def show_error(self, error: MlcycleError) -> None:
        """Say what is wrong; rows that were there stay, dimmed."""
        self.border_subtitle = "not current"
        if not self.grid.display:
            text = Text(f"{error.message}\n", style="bold red") + Text(error.hint)
            self.query_one(".message", Static).update(text)

    def _cell(self, key: str, value: Any) -> Text:
        right = key in self._table.right
        if value is None:
            return Text("-", style="dim", justify="right" if right else "left")
        if key in STATES:
            return mark(str(value))
        if isinstance(value, datetime):
            return Text(moment(value))
        if isinstance(value, bool):
            return Text("yes" if value else "no")
        if isinstance(value, float):
            return Text(f"{value:,.4g}" if abs(value) < 1e6 else f"{value:,.0f}", justify="right")
        if isinstance(value, int):
            return Text(f"{value:,}", justify="right" if right else "left")
        text = str(value).replace("\n", " ")
        return Text(text if len(text) <= CELL else text[: CELL - 1] + "…")
