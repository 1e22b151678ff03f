"""A bordered list with its four states: loading, empty, full, error; filtered, sorted and marked by keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Input, Static

from mlcycle_app.gateway import MlcycleError
from mlcycle_app.pages import Arrangement, Page
from mlcycle_app.tables import Table
from mlcycle_app.tui.keys import keyed, written_key
from mlcycle_app.tui.messages import OpenRow
from mlcycle_app.tui.paging import WINDOW, PageWanted, Read, Wanted, laid
from mlcycle_app.tui.selection import Selection
from mlcycle_app.tui.widgets.filter_line import FilterLine
from mlcycle_app.tui.widgets.rows import Rows

__all__ = ["LOADING", "Pane"]

LOADING = Text("reading …", style="dim")
ROOM_FOR_MORE = 56


class Message(Static, can_focus=True):
    """What a pane says while it has no rows; focusable, so that the view's keys work then too."""


class Pane(Vertical):
    """One of `tables.TABLES`, drawn.

    `show_page` fills it with what it wants, and `PageWanted` asks for more; or `show_rows` with rows that are all there
    are, which can be neither filtered nor sorted.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "filter", "Filter", show=False, id="filter", tooltip="Show rows that hold a text"),
        Binding("s", "sort", "Sort", show=False, id="sort", tooltip="Sort by a column"),
        Binding("S", "reverse", "Reverse", show=False, id="sort.reverse", tooltip="The other way round"),
        Binding("space", "mark", "Mark", show=False, id="mark", tooltip="Mark the row, or not"),
        Binding("u", "unmark", "Unmark", show=False, id="mark.none", tooltip="Unmark all rows"),
        Binding("escape", "show_all", "All", show=False, id="filter.leave", tooltip="Show all rows again"),
    ]

    def __init__(self, name: str, table: Table, *, labels: bool = True) -> None:
        super().__init__(name=name, id="pane-" + name.replace(" ", "-"), classes="pane")
        self._table = table
        self._labels = labels
        self._page = Page((), 0, 0)
        self._all = 0
        self._count = ""
        self._paged = False
        self._arranged = Arrangement()
        self._generation = self._shown_generation = 0
        self._widths: Mapping[str, int] = {}
        self._marked: dict[str, Mapping[str, Any]] = {}
        self._told = False
        """Whether it is known what there is."""
        self.border_title = Content(table.title)

    @property
    def command(self) -> str:
        """The command that lists the same."""
        return self._table.command

    @property
    def is_paged(self) -> bool:
        """Whether it can be filtered and sorted."""
        return self._paged

    @property
    def arranged(self) -> Arrangement:
        """How it is filtered and sorted."""
        return self._arranged

    @property
    def rows(self) -> Rows:
        """The list itself."""
        return self.query_one(Rows)

    @property
    def selected(self) -> Selection:
        """What commands act on: the row under the cursor, unless it is still being read, and the marked ones."""
        row = self._page.row_at(self.rows.cursor) if self.is_mounted else None
        marked = tuple(self._marked.values())
        return Selection(self.name or "", self._table.kind, self._table.id, row, marked)

    @property
    def wanted(self) -> Wanted:
        """What to read when all is read anew: the rows around the cursor."""
        return self._want(self.rows.cursor if self.is_mounted else 0)

    def compose(self) -> ComposeResult:
        """A message, and the list that takes its place once there are rows."""
        yield Message(LOADING, classes="message")
        rows = Rows(labels=self._labels, marks=self._table.marks)
        rows.display = False
        yield rows

    def go_to(self, value: str) -> None:
        """Put the cursor on the row that commands call so, leaving the filter; nothing moves if there is none."""
        self._arrange(Arrangement(self._arranged.sort, self._arranged.descending), value=value)

    def show_rows(self, rows: Sequence[Mapping[str, Any]], count: str = "") -> None:
        """Draw rows that are all there are, keeping the cursor where it was; without rows say what to type.

        Parameters
        ----------
        count
            Said in the border instead of the number of rows.
        """
        names = tuple(rows[0]) if rows else ()
        columns, lines = laid(self._table, names, rows, self._arranged, {})
        self._page, self._all, self._count = Page(rows, 0, len(rows)), len(rows), count
        if rows:
            self.rows.show(columns, lines)
        self._say()

    def show_page(self, read: Read) -> None:
        """Draw a page that was asked for, unless another arrangement was asked for since.

        The cursor stays on its row when others came or went before it; where its row is no more, or the rows are
        sorted anew, it goes to the first.
        """
        if read.wanted.generation != self._generation:
            return
        page, shown = read.page, self.rows
        other = self._shown_generation != self._generation
        held = read.at or self._page.key_at(shown.cursor)
        cursor = page.start + page.keys.index(held) if held and held in page.keys else None
        if cursor is None and other:
            cursor = 0
        self._page, self._paged, self._shown_generation, self._count = page, True, self._generation, ""
        self._widths = {
            name: column.width for name, column in zip(self._table.columns, read.columns, strict=True)
        }
        if not self._arranged.words:
            self._all = page.total
        self._marked |= {
            key: row for key, row in zip(page.keys, page.rows, strict=True) if key in self._marked
        }
        if page.total:
            shown.show(
                read.columns, read.lines, start=page.start, total=page.total, keys=page.keys, cursor=cursor
            )
        self._say()

    def show_waiting(self, words: str) -> None:
        """Say what the first rows wait for; rows that are there stay as they are."""
        if not self._page.total and not self._told:
            self.query_one(".message", Static).update(Text(f"{words} …", style="dim"))

    def take_marks(self, other: Pane) -> None:
        """Mark what another list of the same things has marked."""
        if other._table.kind == self._table.kind:
            self._marked = dict(other._marked)
            self._show_marks()

    def show_error(self, error: MlcycleError | None) -> None:
        """Say what is wrong, unless another pane does; rows that were there stay, without colour."""
        if self._page.total:
            self.rows.stale = True
            self.border_subtitle = "not current"
            return
        words = Text("not read", style="dim")
        if error is not None:
            words = Text(error.message, style="bold red").append(f"\n{error.hint}", style="default")
        self.query_one(".message", Static).update(words)

    # Keys

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Leave keys to others that do nothing here."""
        if action in ("filter", "sort", "reverse"):
            return self._paged
        if action == "show_all":
            return bool(self._arranged.words)
        if action in ("mark", "unmark"):
            return self._table.marks and self._paged
        return True

    def action_filter(self) -> None:
        """Open the line into which a filter is typed."""
        found = self.query(FilterLine)
        line = found.first() if found else FilterLine(self._arranged.words)
        if not found:
            self.mount(line)
        line.focus(scroll_visible=False)

    def action_show_all(self) -> None:
        """Leave the filter; the cursor stays on its row."""
        self._arrange(Arrangement(self._arranged.sort, self._arranged.descending), key=self._held())

    def action_sort(self) -> None:
        """Ask for the column to sort by."""
        from mlcycle_app.tui.dialogs.sorting import SortScreen

        def chosen(column: str | None) -> None:
            if column is not None:
                self.sort_by(column)

        self.app.push_screen(SortScreen(self._table, self._arranged), chosen)

    def action_reverse(self) -> None:
        """Sort the other way round."""
        now = self._arranged
        self._arrange(Arrangement(now.sort, not now.descending, now.words))

    def action_mark(self) -> None:
        """Mark the row under the cursor, or take its mark away."""
        place = self.rows.cursor
        key, row = self._page.key_at(place), self._page.row_at(place)
        if not key or row is None:
            return
        if self._marked.pop(key, None) is None:
            self._marked[key] = row
        self._show_marks()

    def action_unmark(self) -> None:
        """Take all marks away."""
        self._marked.clear()
        self._show_marks()

    def sort_by(self, column: str) -> None:
        """Sort by a column; by the same one again, the other way round. Empty is the table's own order."""
        now = self._arranged
        if not column:
            self._arrange(Arrangement(words=now.words))
        elif now.sort == column:
            self.action_reverse()
        else:
            # Of ages the youngest come first, which are the latest times.
            self._arrange(Arrangement(column, column == self._table.aged, now.words))

    # What its parts tell

    def on_input_changed(self, event: Input.Changed) -> None:
        """Filter by what has been typed."""
        event.stop()
        now = self._arranged
        if event.value != now.words:
            key = "" if event.value else self._held()
            self._arrange(Arrangement(now.sort, now.descending, event.value), key=key)

    async def on_filter_line_left(self, event: FilterLine.Left) -> None:
        """Close the line."""
        event.stop()
        if event.drop and self._arranged.words:
            self.action_show_all()
        (self.rows if self.rows.display else self.query_one(Message)).focus(scroll_visible=False)
        await self.query(FilterLine).remove()

    def on_rows_wanted(self, event: Rows.Wanted) -> None:
        """Ask for the rows around those that are seen."""
        event.stop()
        self.post_message(PageWanted(self, self._want(event.index)))

    def on_rows_headed(self, event: Rows.Headed) -> None:
        """Sort by the column whose label was clicked."""
        event.stop()
        if self._paged:
            self.sort_by(self._table.columns[event.index])

    def on_rows_opened(self, event: Rows.Opened) -> None:
        """Show the row in full."""
        event.stop()
        row = self._page.row_at(event.index)
        if row is not None:
            self.post_message(OpenRow(self._table.title, row))

    def on_rows_laid(self, event: Rows.Laid) -> None:
        """Say how many columns found no room."""
        event.stop()
        if self._page.total and not self.rows.stale:
            self._say_how_many()

    def _arrange(self, arranged: Arrangement, *, key: str = "", value: str = "") -> None:
        self._arranged = arranged
        self._generation += 1
        self._widths = {}
        wanted = Wanted(self.name or "", 0, arranged, self._generation, key, value)
        self.post_message(PageWanted(self, wanted))

    def _want(self, middle: int) -> Wanted:
        start = max(0, middle - WINDOW // 2)
        return Wanted(self.name or "", start, self._arranged, self._generation, widths=self._widths)

    def _held(self) -> str:
        return self._page.key_at(self.rows.cursor)

    @property
    def _screen(self) -> int:
        """Number of the screen it stands on."""
        numbers = (getattr(one, "number", None) for one in self.ancestors)
        return next((number for number in numbers if isinstance(number, int)), 0)

    def _show_marks(self) -> None:
        self.rows.mark(frozenset(self._marked))
        self._say_how_many()

    def _say(self) -> None:
        message, rows = self.query_one(Message), self.rows
        rows.stale, self._told = False, True
        was_here = rows.has_focus or message.has_focus
        message.display, rows.display = not self._page.total, bool(self._page.total)
        if was_here:
            (rows if self._page.total else message).focus(scroll_visible=False)
        if not self._page.total:
            words = self._arranged.words
            leave = written_key("filter.leave", "esc")
            message.update(
                f"No row holds {words!r}; {leave} shows all {self._all:,}"
                if words
                else keyed(self._table.empty, self._screen)
            )
        self._say_how_many()

    def _say_how_many(self) -> None:
        words = self._arranged.words
        if words:
            said = f'filter "{words}": {self._page.total:,} of {self._all:,}'
        elif not self._page.total:
            said = ""
        else:
            said = self._count or ("1 row" if self._page.total == 1 else f"{self._page.total:,} rows")
        if self._marked:
            said += f", {len(self._marked):,} marked"
        hidden = self.rows.hidden
        if self._page.total and hidden > 1 and self.size.width >= ROOM_FOR_MORE:
            said += f", {written_key('rows.open', 'enter')} shows {hidden} more columns"
        self.border_subtitle = Content(said)
