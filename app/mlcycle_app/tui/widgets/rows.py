"""A list of any length with a cursor: it holds the rows around it, asks for others in time, and draws what is seen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from mlcycle_app.tui.cells import Cell
from mlcycle_app.tui.columns import GAP, Column, fit
from mlcycle_app.tui.widgets.laid import AHEAD, MARK, cut, drawn

__all__ = ["Rows", "cut"]

MARGIN = 150
"""Rows between what is seen and the last one that is here, at which others are asked for."""


class Rows(ScrollView, can_focus=True):
    """The list. The first visible line holds the labels unless they are left out.

    Parameters
    ----------
    labels
        Whether the columns have labels.
    marks
        Whether rows can be marked: the first column is then for that.
    """

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

    cursor: reactive[int] = reactive(0, repaint=False)
    """Place of the row it is on, counted from the first row of all."""
    stale: reactive[bool] = reactive(False)
    """Whether the rows are old: they are then drawn without their colours."""

    class _Told(Message):
        def __init__(self, rows: Rows, index: int) -> None:
            super().__init__()
            self.rows = rows
            self.index = index

    class Moved(_Told):
        """The cursor is on another row, or the row under it has come; `index` is its place."""

    class Opened(_Told):
        """The row under the cursor, at the place `index`, was asked for."""

    class Wanted(_Told):
        """Rows are about to be seen that are not here: those around the place `index`."""

    class Headed(_Told):
        """The label of the column `index` was clicked."""

    class Laid(Message):
        """Rows were laid into a width: some columns may have found no room."""

        def __init__(self, rows: Rows) -> None:
            super().__init__()
            self.rows = rows

    def __init__(self, *, labels: bool = True, marks: bool = False, name: str | None = None) -> None:
        super().__init__(id=name)
        self._labels = labels
        self.marks = marks
        """Whether rows can be marked."""
        self._before = " " * len(MARK) if marks else ""
        self._columns: Sequence[Column] = ()
        self._lines: Sequence[Sequence[Cell]] = ()
        self._keys: Sequence[str] = ()
        self._start = self._total = 0
        self._marked: frozenset[str] = frozenset()
        self._fitted: list[tuple[int, int]] = []
        self._strips: dict[tuple[int, Style, bool], Strip] = {}
        self._asked = -1
        self._base = Style()

    def __len__(self) -> int:
        return self._total

    def __bool__(self) -> bool:
        return True  # an empty list is a widget all the same

    @property
    def hidden(self) -> int:
        """How many columns found no room."""
        return len(self._columns) - len(self._fitted)

    def show(
        self,
        columns: Sequence[Column],
        lines: Sequence[Sequence[Cell]],
        *,
        start: int = 0,
        total: int | None = None,
        keys: Sequence[str] = (),
        cursor: int | None = None,
    ) -> None:
        """Draw rows in place of those there were.

        Parameters
        ----------
        columns, lines
            What is drawn: a cell a column, a line a row.
        start, total
            Place of the first of these rows, and how many rows there are in all; these alone unless said.
        keys
            What tells each row from others, for marks.
        cursor
            Where the cursor is from now on, with the same line of the screen under it; where it was unless said.
        """
        total = len(lines) if total is None else total
        self._asked = -1
        at = max(0, min(self.cursor if cursor is None else cursor, total - 1))
        if (columns, start, total, keys, lines) == (
            self._columns, self._start, self._total, self._keys, self._lines,
        ) and at == self.cursor:  # fmt: skip
            return
        self._columns, self._lines, self._keys = columns, lines, keys
        self._start, self._total = start, total
        top = round(self.scroll_target_y)
        seen, shift = top <= self.cursor < top + self._seen(), at - self.cursor
        self._lay()
        if shift:
            self.set_reactive(Rows.cursor, at)
            if cursor is not None:
                self.scroll_to(y=max(0, min(top + shift, self._last_top())), animate=False, force=True)
        if seen or shift:  # else the wheel has left the cursor behind, and may
            self._follow()
        self._look_ahead()
        self.post_message(self.Moved(self, at))

    def mark(self, keys: frozenset[str]) -> None:
        """Draw these rows as marked, and no others."""
        self._marked = keys
        self.refresh()

    def has(self, index: int) -> bool:
        """Tell whether the row at that place is here."""
        return self._start <= index < self._start + len(self._lines)

    def on_resize(self) -> None:
        """Lay the columns into the new width."""
        self._lay()
        self._follow()
        self._look_ahead()

    def notify_style_update(self) -> None:
        """Another theme: nothing drawn before can be used again."""
        super().notify_style_update()
        self._strips.clear()

    def render_lines(self, crop: Region) -> list[Strip]:
        """Draw the visible lines; what they have in common is looked up once."""
        base = self.rich_style
        if self.stale:
            base += self.get_component_rich_style("rows--stale", partial=True)
        self._base = base
        return super().render_lines(crop)

    def render_line(self, y: int) -> Strip:
        """Draw one visible line."""
        if self._labels and y == 0:
            style = self.get_component_rich_style("rows--label")
            return self._strip([Cell(column.label) for column in self._columns], style, False)
        index = y - self._labels + self.scroll_offset.y
        if not 0 <= index < self._total:
            return Strip.blank(self.size.width, self._base)
        shown = index == self.cursor and self.has_focus
        style = self.get_component_rich_style("rows--cursor") if shown else self._base
        if not self.has(index):
            return self._strip([AHEAD] * len(self._columns), style, False)
        place = index - self._start
        marked = bool(self._marked) and place < len(self._keys) and self._keys[place] in self._marked
        strip = self._strips.get((index, style, marked))
        if strip is None:
            strip = self._strips[index, style, marked] = self._strip(self._lines[place], style, marked)
        return strip

    def watch_cursor(self, old: int, new: int) -> None:
        """Keep the cursor in sight; only two lines differ."""
        self._follow()
        self.refresh_line(old + self._labels)
        self.refresh_line(new + self._labels)
        self._look_ahead()
        self.post_message(self.Moved(self, new))

    def watch_stale(self) -> None:
        """Draw the rows as old, or as current again."""
        self.refresh()

    def watch_has_focus(self, has_focus: bool) -> None:
        """The cursor shows only where keys act."""
        super().watch_has_focus(has_focus)
        self.refresh()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """What is scrolled into sight must be here."""
        super().watch_scroll_y(old_value, new_value)
        self._look_ahead()

    def action_cursor_by(self, by: int) -> None:
        """Move the cursor."""
        self.cursor = max(0, min(self._total - 1, self.cursor + by))

    def action_page(self, by: int) -> None:
        """Move the cursor by what fits the screen."""
        self.action_cursor_by(by * max(1, self._seen() - 1))

    def action_cursor_home(self) -> None:
        """Go to the first row."""
        self.cursor = 0

    def action_cursor_end(self) -> None:
        """Go to the last row."""
        self.cursor = max(0, self._total - 1)

    def action_open(self) -> None:
        """Ask for the row under the cursor."""
        if self._total:
            self.post_message(self.Opened(self, self.cursor))

    def on_click(self, event: events.Click) -> None:
        """Take the cursor to the row; a second click opens it, one on a label sorts by it."""
        if self._labels and event.y == 0:
            column = self._column_at(event.x)
            if column is not None:
                self.post_message(self.Headed(self, column))
            return
        index = event.y - self._labels + self.scroll_offset.y
        if index >= self._total:
            return
        if index == self.cursor and event.chain >= 2:
            self.action_open()
        self.cursor = index

    def _column_at(self, x: int) -> int | None:
        left = len(self._before)
        for index, width in self._fitted:
            if left <= x < left + width + GAP:
                return index
            left += width + GAP
        return None

    def _seen(self) -> int:
        return max(1, self.size.height - self._labels)

    def _last_top(self) -> int:
        return max(0, self._total - self._seen())

    def _follow(self) -> None:
        top = round(self.scroll_target_y)
        if self.cursor < top:
            self.scroll_to(y=self.cursor, animate=False, force=True)
        elif self.cursor >= top + self._seen():
            self.scroll_to(y=self.cursor - self._seen() + 1, animate=False, force=True)

    def _look_ahead(self) -> None:
        """Ask for rows before what is seen comes to the end of those that are here."""
        if not self._total or (self._start == 0 and len(self._lines) >= self._total):
            return
        end = self._start + len(self._lines)
        top = round(self.scroll_target_y)
        bottom = min(self._total, top + self._seen()) - 1
        if (self._start > 0 and top < self._start + MARGIN) or (end < self._total and bottom >= end - MARGIN):
            self._ask((top + bottom) // 2)

    def _ask(self, middle: int) -> None:
        if self._asked < 0 or abs(middle - self._asked) >= MARGIN:
            self._asked = middle
            self.post_message(self.Wanted(self, middle))

    def _lay(self) -> None:
        room = self.scrollable_content_region.width
        self._strips.clear()
        self._fitted = fit(self._columns, room - 1 - len(self._before)) if room else []
        self.virtual_size = Size(room, self._total + self._labels)
        self.refresh()
        self.post_message(self.Laid(self))

    def _strip(self, cells: Sequence[Cell], style: Style, marked: bool) -> Strip:
        return drawn(
            cells,
            self._columns,
            self._fitted,
            style,
            self.scrollable_content_region.width,
            before=MARK if marked else self._before,
            plain=self.stale,
        )
