"""A list of rows with a cursor. Draws only the lines that are seen, so five hundred rows cost what twenty do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from mlcycle_app.tui.cells import Cell
from mlcycle_app.tui.columns import GAP, Column, fit

__all__ = ["Rows", "cut"]


def cut(text: str, width: int) -> str:
    """Return a text in that many cells: padded, or with an ellipsis where it goes on."""
    return (
        set_cell_size(text, width)
        if cell_len(text) <= width
        else set_cell_size(text, max(0, width - 1)) + "…"
    )


class Rows(ScrollView, can_focus=True):
    """The list. The first visible line holds the labels unless they are left out."""

    ALLOW_SELECT = False
    COMPONENT_CLASSES: ClassVar[set[str]] = {"rows--label", "rows--cursor", "rows--stale"}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "cursor_by(-1)", "Up", show=False, id="rows.up", tooltip="One row up"),
        Binding("down", "cursor_by(1)", "Down", show=False, id="rows.down", tooltip="One row down"),
        Binding("pageup", "page(-1)", "Page up", show=False, id="rows.page_up", tooltip="One page up"),
        Binding("pagedown", "page(1)", "Page down", show=False, id="rows.page_down", tooltip="One page down"),
        Binding("home", "cursor_home", "First", show=False, id="rows.home", tooltip="First row"),
        Binding("end", "cursor_end", "Last", show=False, id="rows.end", tooltip="Last row"),
        Binding("enter", "open", "Open", show=False, id="rows.open", tooltip="Open the row"),
    ]

    cursor: reactive[int] = reactive(0)
    """Index of the row it is on."""
    stale: reactive[bool] = reactive(False)
    """Whether the rows are old: they are then drawn without their colours."""

    class Moved(Message):
        """The cursor is on another row."""

        def __init__(self, rows: Rows, index: int) -> None:
            super().__init__()
            self.rows = rows
            self.index = index

    class Opened(Message):
        """The row under the cursor was asked for."""

        def __init__(self, rows: Rows, index: int) -> None:
            super().__init__()
            self.rows = rows
            self.index = index

    class Laid(Message):
        """Rows were laid into a width: some columns may have found no room."""

        def __init__(self, rows: Rows) -> None:
            super().__init__()
            self.rows = rows

    def __init__(self, *, labels: bool = True, name: str | None = None) -> None:
        super().__init__(id=name)
        self._labels = labels
        self._columns: Sequence[Column] = ()
        self._lines: Sequence[Sequence[Cell]] = ()
        self._fitted: list[tuple[int, int]] = []

    def __len__(self) -> int:
        return len(self._lines)

    def __bool__(self) -> bool:
        return True  # an empty list is a widget all the same

    @property
    def hidden(self) -> int:
        """How many columns found no room."""
        return len(self._columns) - len(self._fitted)

    def show(self, columns: Sequence[Column], lines: Sequence[Sequence[Cell]]) -> None:
        """Draw rows in place of those there were; the cursor keeps its place."""
        if columns == self._columns and lines == self._lines:
            return
        self._columns, self._lines = columns, lines
        self.cursor = max(0, min(self.cursor, len(lines) - 1))
        self._lay()

    def on_resize(self) -> None:
        """Lay the columns into the new width."""
        self._lay()
        self._follow()

    def render_line(self, y: int) -> Strip:
        """Draw one visible line."""
        width = self.scrollable_content_region.width
        if self._labels and y == 0:
            style = self.get_component_rich_style("rows--label")
            return self._strip([Cell(column.label) for column in self._columns], style, width)
        index = y - self._labels + self.scroll_offset.y
        if not 0 <= index < len(self._lines):
            return Strip.blank(self.size.width, self.rich_style)
        shown = index == self.cursor and self.has_focus
        style = self.get_component_rich_style("rows--cursor") if shown else self.rich_style
        return self._strip(self._lines[index], style, width, plain=self.stale)

    def watch_cursor(self, old: int, new: int) -> None:
        """Keep the cursor in sight; only two lines differ."""
        self._follow()
        self.refresh_line(old + self._labels)
        self.refresh_line(new + self._labels)
        self.post_message(self.Moved(self, self.cursor))

    def watch_stale(self) -> None:
        """Draw the rows as old, or as current again."""
        self.refresh()

    def watch_has_focus(self, has_focus: bool) -> None:
        """The cursor shows only where keys act."""
        super().watch_has_focus(has_focus)
        self.refresh()

    def action_cursor_by(self, by: int) -> None:
        """Move the cursor."""
        self.cursor = max(0, min(len(self._lines) - 1, self.cursor + by))

    def action_page(self, by: int) -> None:
        """Move the cursor by what fits the screen."""
        self.action_cursor_by(by * max(1, self._seen() - 1))

    def action_cursor_home(self) -> None:
        """Go to the first row."""
        self.cursor = 0

    def action_cursor_end(self) -> None:
        """Go to the last row."""
        self.cursor = max(0, len(self._lines) - 1)

    def action_open(self) -> None:
        """Ask for the row under the cursor."""
        if self._lines:
            self.post_message(self.Opened(self, self.cursor))

    def on_click(self, event: events.Click) -> None:
        """Take the cursor to the row; a click on the row it was on opens it."""
        index = event.y - self._labels + self.scroll_offset.y
        if event.y < self._labels or index >= len(self._lines):
            return
        if index == self.cursor and event.chain >= 2:
            self.action_open()
        self.cursor = index

    def _seen(self) -> int:
        return max(1, self.size.height - self._labels)

    def _follow(self) -> None:
        top = round(self.scroll_target_y)
        if self.cursor < top:
            self.scroll_to(y=self.cursor, animate=False, force=True)
        elif self.cursor >= top + self._seen():
            self.scroll_to(y=self.cursor - self._seen() + 1, animate=False, force=True)

    def _lay(self) -> None:
        room = self.scrollable_content_region.width
        self._fitted = fit(self._columns, room - 1) if room else []
        self.virtual_size = Size(room, len(self._lines) + self._labels)
        self.refresh()
        self.post_message(self.Laid(self))

    def _strip(self, cells: Sequence[Cell], style: Style, width: int, *, plain: bool = False) -> Strip:
        base = style + self.get_component_rich_style("rows--stale", partial=True) if plain else style
        segments, used = [], 0
        for place, (index, wide) in enumerate(self._fitted):
            if place:
                segments.append(Segment(" " * GAP, base))
                used += GAP
            cell = cells[index]
            text = cut(cell.text, wide)
            if self._columns[index].right and cell_len(cell.text) < wide:
                text = cell.text.rjust(wide - cell_len(cell.text) + len(cell.text))
            own = base if plain or not cell.style else base + Style.parse(cell.style)
            segments.append(Segment(text, own))
            used += wide
        segments.append(Segment(" " * max(0, width - used), base))
        return Strip(segments, max(used, width)).adjust_cell_length(width, base)
