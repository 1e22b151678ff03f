"""`s` on a list: the column to sort by."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from mlcycle_app.pages import Arrangement
from mlcycle_app.tables import Table

__all__ = ["SortScreen"]

OWN = "the list's own order"


class SortScreen(ModalScreen[str | None]):
    """The columns; answers with the one that was chosen, empty for the table's own order, None if left."""

    DEFAULT_CSS = """
    SortScreen .dialog { width: 60; }
    SortScreen OptionList, SortScreen OptionList:focus { border: none; padding: 0; height: auto; max-height: 20; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "escape,q,s", "dismiss(None)", "Close", id="sorting.close", tooltip="Leave the order as it is"
        ),
        Binding("j", "move(1)", "Down", id="sorting.down", tooltip="Down"),
        Binding("k", "move(-1)", "Up", id="sorting.up", tooltip="Up"),
    ]

    def __init__(self, table: Table, arranged: Arrangement) -> None:
        super().__init__()
        self._table = table
        self._arranged = arranged

    def compose(self) -> ComposeResult:
        """One line a column; the cursor is on the one that is sorted by."""
        with Vertical(classes="dialog menu") as page:
            page.border_title = Content(f"sort {self._table.title}")
            page.border_subtitle = "enter sorts, again reverses; esc leaves"
            columns = OptionList(Option(Text(OWN), id="own"))
            for place, name in enumerate(self._table.columns):
                label = Text("age" if name == self._table.aged else name.replace("_", " "))
                if name == self._arranged.sort:
                    falls = self._arranged.descending != (name == self._table.aged)
                    label.append("  falling; enter: rising" if falls else "  rising; enter: falling", "dim")
                columns.add_option(Option(label, id=f"column-{place}"))
            sort = self._arranged.sort
            columns.highlighted = 0 if sort is None else 1 + self._table.columns.index(sort)
            yield columns

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Answer."""
        event.stop()
        self.dismiss("" if event.option_index == 0 else self._table.columns[event.option_index - 1])

    def action_move(self, by: int) -> None:
        """Move as vim's users expect."""
        columns = self.query_one(OptionList)
        if by > 0:
            columns.action_cursor_down()
        else:
            columns.action_cursor_up()
