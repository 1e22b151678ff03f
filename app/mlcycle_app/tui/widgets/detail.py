"""All about the thing under the cursor: draws a `Card`, text and charts one below the other."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text
from textual.containers import VerticalScroll
from textual.widgets import Static

from mlcycle_app.tui.card import Bins, Card, Curves, Facts, Listing, Part, Scale, Words
from mlcycle_app.tui.cells import STATES, cell, in_full

if TYPE_CHECKING:
    from textual.widget import Widget

__all__ = ["Detail"]

WIDEST = 40
"""Cells of a listing's column, at most."""
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
        self.border_title, self.border_subtitle = card.title, card.hint
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
        self.border_title, self.border_subtitle = title, ""
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


def _listing(part: Listing) -> RenderableType:
    if not part.rows:
        return Text(part.empty or "none", style="dim")
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
    for name, value in part.rows[0].items():
        right = name in part.right or name == part.aged or isinstance(value, int | float)
        table.add_column(
            "age" if name == part.aged else name.replace("_", " "),
            justify="right" if right and not isinstance(value, bool) else "left",
            overflow="ellipsis",
            no_wrap=True,
            max_width=WIDEST,
        )
    for row in part.rows[: part.most]:
        cells = [cell(name, value, part.aged) for name, value in row.items()]
        table.add_row(*(Text(one.text, style=one.style) for one in cells))
    more = len(part.rows) - part.most
    return Group(table, Text(f"and {more:,} more", style="dim")) if more > 0 else table
