"""0 Home: the lifecycle board, and the next thing to do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import DataTable, Static

from mlcycle_app.gateway import MlcycleError
from mlcycle_app.tables import TABLES
from mlcycle_app.tui.ages import age
from mlcycle_app.tui.glyphs import glyph, style_of
from mlcycle_app.tui.messages import BoardRead, OpenScreen
from mlcycle_app.tui.views.base import PhaseView
from mlcycle_app.tui.widgets.pane import Pane

if TYPE_CHECKING:
    from mlcycle_app.gateway import Board, PhaseState

__all__ = ["HomeView"]

FIXED = 2 + 1 + 11 + 8 + 14
"""Columns of number, glyph, phase, age and the table's own padding; the rest is the sentence's."""


class HomeView(PhaseView):
    """The Home screen."""

    number: ClassVar[int] = 0
    every: ClassVar[float | None] = 2.0

    def __init__(self, gateway: Any) -> None:
        super().__init__(gateway)
        self._board: Board | None = None

    def compose(self) -> ComposeResult:
        """The board above, the next action below."""
        with Vertical(id="board-pane", classes="pane") as pane:
            pane.border_title = "lifecycle"
            pane.border_subtitle = "from 7 back to 1"
            table: DataTable[Text] = DataTable(id="board", cursor_type="row", show_header=True)
            yield table
        with Vertical(id="next-pane", classes="pane") as pane:
            pane.border_title = "next action"
            yield Static("reading …", id="next")
        yield Pane("events", TABLES["events"])

    def read(self) -> Any:
        """Read the board, and what happened lately."""
        return self.gateway.board(), self.gateway.table("events")

    def draw(self, data: Any) -> None:
        """Draw the board, what waits, and what happened."""
        board, events = data
        self.query_one(Pane).show_rows(events)
        self._draw_board(board)

    def _draw_board(self, data: Board) -> None:
        table = self.query_one("#board", DataTable)
        changed, first, self._board = data != self._board, self._board is None, data
        if changed or first:
            self._fill(table)
        if first:
            waits = data.next
            table.move_cursor(row=waits.number - 1 if waits else 0)
        self._tell(data.phases[max(0, table.cursor_row)])
        self.post_message(BoardRead(data))

    def draw_error(self, error: MlcycleError) -> None:
        """Keep the last board; say what is wrong in the lower pane."""
        text = Text(f"{error.message}\n", style="bold red") + Text(error.hint)
        self.query_one("#next", Static).update(text)

    def on_resize(self) -> None:
        """Sentences are cut to the width: draw them again."""
        if self._board is not None:
            self._fill(self.query_one("#board", DataTable))

    def on_data_table_row_highlighted(self, event: DataTable.RowHighlighted) -> None:
        """Explain the phase under the cursor."""
        if event.data_table.id == "board" and self._board is not None and 0 <= event.cursor_row < len(self._board.phases):
            self._tell(self._board.phases[event.cursor_row])

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        """Open the phase."""
        if event.data_table.id == "board":
            self.post_message(OpenScreen(event.cursor_row + 1))

    def _fill(self, table: DataTable[Text]) -> None:
        board = self._board
        if board is None:
            return
        row, room = table.cursor_row, max(20, self.size.width - FIXED)
        table.clear(columns=True)
        for label, width in (("#", 2), (" ", 1), ("phase", 11), ("state", room), ("age", 8)):
            table.add_column(label, width=width)
        now = self.gateway.now()
        for phase in board.phases:
            says = phase.says if len(phase.says) <= room else phase.says[: room - 1] + "…"
            style = style_of(phase.state)
            table.add_row(
                Text(str(phase.number), style="dim"), Text(glyph(phase.state), style=style), Text(phase.phase, style="bold"),
                Text(says, style=style if phase.state in ("failed", "attention") else ""), Text(age(phase.at, now), style="dim", justify="right"),
            )  # fmt: skip
        table.move_cursor(row=row)

    def _tell(self, phase: PhaseState) -> None:
        text = Text(f"{phase.number} {phase.phase}: ", style="bold") + Text(f"{phase.says}\n")
        text.append(f"{phase.next or 'nothing waits here'}", style="yellow" if phase.next else "dim")
        text.append(f"   enter open   $ {phase.command}", style="dim")
        self.query_one("#next", Static).update(text)
