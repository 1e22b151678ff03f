"""The rows that broke a check, one at a time: every value of the row, the column in question marked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.reactive import reactive
from textual.screen import ModalScreen
from textual.widgets import Static

from mlcycle_app.tui.cells import harmless, in_full

__all__ = ["BadRow", "RowsOfCheckScreen"]

MARK = "▶"


@dataclass(frozen=True)
class BadRow:
    """One row that broke the check."""

    number: int
    """In its file, from 1."""
    key: str | None
    fate: str
    """What became of it."""
    values: Mapping[str, Any]


class RowsOfCheckScreen(ModalScreen[None]):
    """The rows, stepped through by j and k.

    Parameters
    ----------
    check
        Name of the check.
    asks
        What it asks, in words.
    columns
        Columns that it is about; they are marked.
    rows
        What is stepped through; at least one.
    total
        How many rows there are in all.
    source
        File they came in.
    first
        Place of the row to begin with.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,v,enter", "dismiss", "Close", id="bad_rows.close", tooltip="Close"),
        Binding("j,down,n", "step(1)", "Next", id="bad_rows.next", tooltip="Next row"),
        Binding("k,up,N,p", "step(-1)", "Previous", id="bad_rows.previous", tooltip="Row before"),
        Binding("g,home", "to(0)", "First", id="bad_rows.first", tooltip="First row"),
        Binding("G,end", "to(-1)", "Last", id="bad_rows.last", tooltip="Last row"),
        Binding("pagedown,space", "scroll(1)", "", show=False, id="bad_rows.down", tooltip="Further values"),
        Binding("pageup", "scroll(-1)", "", show=False, id="bad_rows.up", tooltip="Values above"),
    ]
    DEFAULT_CSS = """
    RowsOfCheckScreen .dialog { height: auto; }
    RowsOfCheckScreen #bad-values { height: auto; }
    """

    at: reactive[int] = reactive(0, init=False)
    """Place of the row that is shown."""

    def __init__(
        self,
        check: str,
        asks: str,
        columns: Sequence[str],
        rows: Sequence[BadRow],
        *,
        total: int,
        source: str = "",
        first: int = 0,
    ) -> None:
        super().__init__()
        self._check = check
        self._asks = asks
        self._columns = frozenset(columns)
        self._rows = rows
        self._total = total
        self._source = source
        self.set_reactive(RowsOfCheckScreen.at, max(0, min(first, len(rows) - 1)))

    def compose(self) -> ComposeResult:
        """What is asked, which row this is, and its values."""
        with VerticalScroll(classes="dialog", id="bad-rows") as box:
            box.border_title = Content(harmless(self._check))
            box.border_subtitle = "j next   k before   esc closes"
            yield Static(Text(harmless(self._asks)), id="bad-asks")
            yield Static(id="bad-which")
            yield Static(id="bad-values")

    def on_mount(self) -> None:
        """Show the first row."""
        self._draw()

    def watch_at(self) -> None:
        """Show another row."""
        self._draw()

    def action_step(self, by: int) -> None:
        """Go to the next row, or the one before; the ends are ends."""
        self.at = max(0, min(len(self._rows) - 1, self.at + by))

    def action_to(self, place: int) -> None:
        """Go to the first row, or the last."""
        self.at = place % len(self._rows)

    def action_scroll(self, by: int) -> None:
        """Show further values of a row that is longer than the screen."""
        box = self.query_one("#bad-rows", VerticalScroll)
        if by > 0:
            box.scroll_page_down(animate=False)
        else:
            box.scroll_page_up(animate=False)

    def _draw(self) -> None:
        row = self._rows[self.at]
        of = f"{len(self._rows):,}"
        if self._total > len(self._rows):
            of += f" shown, {self._total:,} in all"
        words = Text(f"{self.at + 1:,} of {of}", style="bold").append("   ")
        words.append(harmless(f"row {row.number:,}" + (f", key {row.key}" if row.key else "")))
        if self._source:
            words.append(harmless(f" of {self._source}"), "dim")
        self.query_one("#bad-which", Static).update(words.append(harmless(f"\n{row.fate}\n"), "dim"))
        self.query_one("#bad-values", Static).update(self._values(row))

    def _values(self, row: BadRow) -> Table:
        table = Table.grid(padding=(0, 2, 0, 0))
        table.add_column(no_wrap=True)
        table.add_column(style="dim", no_wrap=True)
        table.add_column(overflow="fold")
        for name, value in row.values.items():
            marked = name in self._columns
            style = "bold red" if marked else ""
            shown = "missing" if value is None and marked else _plain(value)
            table.add_row(
                Text(MARK if marked else "", style), Text(harmless(name), style or "dim"), Text(shown, style)
            )
        return table


def _plain(value: Any) -> str:
    # Numbers as they were read: a comma or a lost digit would hide what is wrong with them.
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else in_full(value)
