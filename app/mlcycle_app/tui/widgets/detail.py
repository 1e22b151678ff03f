"""All about the thing under the cursor: draws a `Card`, text and charts one below the other."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from mlcycle_app.tui.card import Bins, Card, Curves, Facts, Listing, Part, Scale, Words
from mlcycle_app.tui.cells import STATES, Cell, cell, in_full
from mlcycle_app.tui.columns import GAP, Column, fit
from mlcycle_app.tui.widgets.rows import cut

if TYPE_CHECKING:
    from textual.widget import Widget

__all__ = ["Detail"]

WORDS = 14
"""Cells of a column of words that may be cut when it is wider."""
CHARTS = {
    Curves: ("mlcycle_app.tui.widgets.curve", "CurvePlot"),
    Bins: ("mlcycle_app.tui.widgets.histogram", "Histogram"),
    Scale: ("mlcycle_app.tui.widgets.coordinates", "Coordinates"),
}
"""Parts with a widget of their own, loaded when the first one is shown."""


class Detail(VerticalScroll, can_focus=True):
    """The pane. Parts of the same kind in the same place are drawn into the widget that is there."""

    def __init__(self) -> None:
        super().__init__(classes="pane detail")
        self._card: Card | None = None
        self._kinds: list[type[Part]] = []

    @property
    def card(self) -> Card | None:
        """What is drawn."""
        return self._card

    async def show(self, card: Card) -> None:
        """Draw a card in place of the one before."""
        if card == self._card:
            return
        other = self._card is None or self._card.title != card.title
        self._card = card
        # As they are: a name in brackets is no markup, and starts nothing.
        self.border_title, self.border_subtitle = Content(card.title), Content(card.hint)
        self.remove_class("-stale")
        kinds: list[type[Part]] = [type(part) for part in card.parts]
        if kinds != self._kinds or not self.children:
            await self.remove_children()
            await self.mount_all([_widget(part) for part in card.parts])
            self._kinds = kinds
        for widget, part in zip(self.children, card.parts, strict=True):
            _fill(widget, part)
        if other:
            self.scroll_home(animate=False)

    async def say(self, words: RenderableType, title: str = "") -> None:
        """Show words instead of a card: nothing is selected, or it could not be read."""
        self._card, self._kinds = None, []
        self.border_title, self.border_subtitle = Content(title), ""
        await self.remove_children()
        await self.mount(Static(words))


def _widget(part: Part) -> Widget:
    place = CHARTS.get(type(part))
    if place is None:
        return Static(classes="part")
    chart: Widget = getattr(import_module(place[0]), place[1])()
    chart.add_class("part")
    return chart


def _fill(widget: Widget, part: Part) -> None:
    if isinstance(widget, Static):
        widget.update(_drawn(part))
    else:
        widget.show(part)  # type: ignore[attr-defined]


def _drawn(part: Part) -> RenderableType:
    if isinstance(part, Facts):
        return _titled(part.title, _facts(part.rows))
    if isinstance(part, Listing):
        return _titled(part.title, _listing(part))
    if isinstance(part, Words):
        return _titled(part.title, part.text if isinstance(part.text, Text) else Text(part.text))
    raise TypeError(f"{type(part).__name__} has a widget of its own")


def _titled(title: str, body: RenderableType) -> RenderableType:
    return Group(Text(title, style="bold"), body) if title else body


def _facts(rows: Sequence[tuple[str, object]]) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows:
        if isinstance(value, Text):
            shown = value
        elif name in STATES:
            found = cell(name, value, "")
            shown = Text(found.text, style=found.style)
        else:
            shown = Text(in_full(value))
        table.add_row(name, shown)
    return table


class _Listing:
    """A table of which only whole columns are drawn, as many as fit; one of words may be cut."""

    def __init__(self, part: Listing) -> None:
        self._part = part
        self._cells = [
            [cell(name, value, part.aged) for name, value in row.items()] for row in part.rows[: part.most]
        ]
        self._columns = [self._column(place, name) for place, name in enumerate(part.rows[0])]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        fitted = fit(self._columns, options.max_width)
        yield self._line([Cell(column.label, "dim") for column in self._columns], fitted)
        for cells in self._cells:
            yield self._line(cells, fitted)
        more = len(self._part.rows) - len(self._cells)
        if more > 0:
            yield Text(f"and {more:,} more", style="dim")

    def _column(self, place: int, name: str) -> Column:
        values = [row[name] for row in self._part.rows]
        numbers = all(
            isinstance(value, int | float | None) and not isinstance(value, bool) for value in values
        )
        label = "age" if name == self._part.aged else name.replace("_", " ")
        width = max(cell_len(label), *(cell_len(cells[place].text) for cells in self._cells))
        right = numbers or name in self._part.right or name == self._part.aged
        return Column(label, width, right, stretch=not right and width > WORDS)

    def _line(self, cells: Sequence[Cell], fitted: Sequence[tuple[int, int]]) -> Text:
        line = Text(no_wrap=True, overflow="ellipsis")
        for number, (place, width) in enumerate(fitted):
            text = cut(cells[place].text, width)
            if self._columns[place].right:
                text = text.rstrip().rjust(width)
            line.append(" " * GAP if number else "").append(text, style=cells[place].style)
        line.rstrip()
        return line


def _listing(part: Listing) -> RenderableType:
    return _Listing(part) if part.rows else Text(part.empty or "none", style="dim")
