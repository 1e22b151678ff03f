"""Pages of lists, read away from the screen's loop: one read a list at a time, the newest wish next, nothing stale.

A pane says what it wants as `Wanted`; a view hands that to `PagedReads.ask`, or to `read_pages` in a thread of its own
when it reads everything. The answer goes back by `Pane.show_page`, which looks whether it is still wanted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from rich.cells import cell_len
from textual.message import Message

from mlcycle_app.gateway import MlcycleError
from mlcycle_app.tables import TABLES
from mlcycle_app.tui import crash
from mlcycle_app.tui.cells import Cell, cell
from mlcycle_app.tui.columns import Column
from mlcycle_app.tui.reading import elsewhere

if TYPE_CHECKING:
    from mlcycle_app.gateway import Gateway
    from mlcycle_app.pages import Arrangement, Page
    from mlcycle_app.tables import Table
    from mlcycle_app.tui.widgets.pane import Pane

__all__ = ["WINDOW", "PageWanted", "PagedReads", "Read", "Wanted", "laid", "read_pages"]

WINDOW = 1000
"""Rows that a list holds around its cursor: a read costs about the same for 50 rows and for 1,000."""
WIDEST = 40
"""Cells a column may ask for unless it stretches."""
UP, DOWN = " ↑", " ↓"
"""Behind the label of the column that is sorted by: what is shown rises, or falls."""


@dataclass(frozen=True)
class Wanted:
    """A page that a list wants."""

    name: str
    """The table, as in `tables.TABLES`."""
    start: int
    """Place of its first row."""
    arranged: Arrangement
    generation: int
    """Number of the arrangement: an answer to an earlier one is stale."""
    key: str = ""
    """Instead of `start`: the page around the row with this key, if it is still there."""
    value: str = ""
    """Instead of `start`: the page around the row that commands call so."""
    widths: Mapping[str, int] = field(default_factory=dict, compare=False)
    """How wide the columns are already: they grow, so that rows do not jump from page to page."""


@dataclass(frozen=True)
class Read:
    """A page that was read, laid out for drawing."""

    wanted: Wanted
    page: Page
    columns: Sequence[Column]
    lines: Sequence[Sequence[Cell]]
    at: str = ""
    """Key of the row that was looked for and found."""


class PageWanted(Message):
    """A list is about to run out of rows, or wants others."""

    def __init__(self, pane: Pane, wanted: Wanted) -> None:
        super().__init__()
        self.pane = pane
        self.wanted = wanted


class PagedReads:
    """What a view's lists have asked for.

    Parameters
    ----------
    gateway
        The workspace.
    failed
        Told what went wrong, on the screen's loop.
    """

    def __init__(self, gateway: Gateway, failed: Callable[[MlcycleError], None]) -> None:
        self._gateway = gateway
        self._failed = failed
        self._next: dict[Pane, Wanted | None] = {}

    def ask(self, pane: Pane, wanted: Wanted) -> None:
        """Read a page for a pane; while one is read for it, the newest wish waits and the others are forgotten."""
        if pane in self._next:
            self._next[pane] = wanted
            return
        self._next[pane] = None
        pane.run_worker(self._read(pane, wanted), group="pane.page", exit_on_error=True)

    async def _read(self, pane: Pane, wanted: Wanted | None) -> None:
        try:
            while wanted is not None:
                await self._read_one(pane, wanted)
                wanted, self._next[pane] = self._next[pane], None
        finally:
            self._next.pop(pane, None)

    async def _read_one(self, pane: Pane, wanted: Wanted) -> None:
        name = wanted.name
        try:
            found = await elsewhere(lambda: read_pages(self._gateway, [wanted]), f"page of {name}")
        except MlcycleError as error:
            self._tell(pane, error)
        except Exception as error:  # noqa: BLE001 - a defect in one question must not take the UI along
            self._tell(pane, crash.tell(self._gateway, error, f"{name} could not be read"))
        else:
            if pane.is_attached:
                pane.show_page(found[name])

    def _tell(self, pane: Pane, error: MlcycleError) -> None:
        if pane.is_attached:
            pane.show_error(error)
            self._failed(error)


def read_pages(gateway: Gateway, wanted: Sequence[Wanted]) -> Mapping[str, Read]:
    """Return several pages by the name of their table, all from one state of the store. Blocks: for a thread."""
    with gateway.one_state():
        return {one.name: _read_page(gateway, one) for one in wanted}


def _read_page(gateway: Gateway, wanted: Wanted) -> Read:
    start, at = wanted.start, ""
    if wanted.key or wanted.value:
        found = gateway.place(
            wanted.name, wanted.key or wanted.value, wanted.arranged, by_key=bool(wanted.key)
        )
        if found is not None:
            start, at = max(0, found[0] - WINDOW // 2), found[1]
    page = gateway.page(
        wanted.name,
        start=start,
        count=WINDOW,
        sort=wanted.arranged.sort,
        descending=wanted.arranged.descending,
        words=wanted.arranged.words,
    )
    if start and not page.rows and page.total:  # rows have gone since the list was told how many there are
        return _read_page(gateway, replace(wanted, start=max(0, page.total - WINDOW), key="", value=""))
    table = TABLES[wanted.name]
    columns, lines = laid(table, table.columns, page.rows, wanted.arranged, wanted.widths)
    return Read(wanted, page, columns, lines, at)


def laid(
    table: Table,
    names: Sequence[str],
    rows: Sequence[Mapping[str, Any]],
    arranged: Arrangement,
    widths: Mapping[str, int],
) -> tuple[list[Column], list[list[Cell]]]:
    """Return rows as columns and cells.

    Parameters
    ----------
    table
        What they are of.
    names
        Their columns.
    arranged
        The label of the column that is sorted by says which way.
    widths
        How wide the columns are at least.
    """
    lines = [[cell(name, row[name], table.aged) for name in names] for row in rows]
    columns = []
    for place, name in enumerate(names):
        label = "age" if name == table.aged else name.replace("_", " ")
        if name == arranged.sort:
            label += DOWN if arranged.descending != (name == table.aged) else UP
        stretch = name == table.stretch
        width = max([cell_len(line[place].text) for line in lines], default=0)
        width = max(len(label), widths.get(name, 0), width if stretch else min(width, WIDEST))
        columns.append(Column(label, width, name in table.right or name == table.aged, stretch))
    return columns, lines
