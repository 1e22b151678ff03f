"""What every view does: read in a worker, drop stale answers, keep the last good picture when a read fails."""

from __future__ import annotations

from typing import Any, ClassVar

from textual import work
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widget import Widget

from mlcycle_app.gateway import Gateway, MlcycleError
from mlcycle_app.tables import TABLES
from mlcycle_app.tui.messages import Failed, Loaded
from mlcycle_app.tui.widgets.pane import Pane

__all__ = ["PhaseView", "TablesView"]


class PhaseView(Vertical):
    """A view of one phase. Subclasses read in `read` (a worker thread) and draw in `draw` (the screen's)."""

    number: ClassVar[int] = 0
    """Key of its screen."""
    every: ClassVar[float | None] = None
    """Seconds between two reads while it is shown; None reads when asked."""

    def __init__(self, gateway: Gateway) -> None:
        super().__init__(id=f"view-{self.number}", classes="view")
        self.gateway = gateway
        self._generation = 0

    def on_mount(self) -> None:
        """Read for the first time, and again while shown if the view is live."""
        self.refresh_data()
        if self.every:
            self.set_interval(self.every, self._tick)

    def _tick(self) -> None:
        if self.display and self.app.screen is self.screen:
            self.refresh_data()

    def refresh_data(self) -> None:
        """Ask for fresh data; an answer to an earlier question is dropped when it comes."""
        self._generation += 1
        self._fetch(self._generation)

    @work(thread=True, exclusive=True, group="view", exit_on_error=False)
    def _fetch(self, generation: int) -> None:
        try:
            self.post_message(Loaded(generation, self.read()))
        except MlcycleError as error:
            self.post_message(Failed(generation, error))

    def on_loaded(self, message: Loaded) -> None:
        """Draw what was read."""
        message.stop()
        if message.generation == self._generation:
            self.draw(message.data)

    def on_failed(self, message: Failed) -> None:
        """Show the error; it bubbles on to the status line."""
        if message.generation == self._generation:
            self.draw_error(message.error)

    def focus_first(self) -> None:
        """Put the keyboard on the view's main part."""
        for part in self.query("DataTable"):
            part.focus()
            return

    def read(self) -> Any:
        """Return the view's data; runs in a worker thread."""
        raise NotImplementedError

    def draw(self, data: Any) -> None:
        """Draw data that `read` returned."""
        raise NotImplementedError

    def draw_error(self, error: MlcycleError) -> None:
        """Draw that reading failed."""
        for pane in self.query(Pane):
            pane.show_error(error)


class TablesView(PhaseView):
    """A view that is a few tables, one above the other."""

    tables: ClassVar[tuple[str, ...]] = ()
    """Names in `tables.TABLES`, the main one first."""

    def compose(self) -> ComposeResult:
        """One pane a table."""
        yield from self.panes()

    def panes(self) -> list[Widget]:
        """Return the panes of the declared tables."""
        return [Pane(name, TABLES[name]) for name in self.tables]

    def read(self) -> Any:
        """Read every table."""
        return {name: self.gateway.table(name) for name in self.tables}

    def draw(self, data: Any) -> None:
        """Fill every pane."""
        for name, pane in zip(self.tables, self.query(Pane), strict=True):
            pane.show_rows(data[name])
