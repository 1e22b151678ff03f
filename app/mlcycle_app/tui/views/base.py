"""What every view does: read away from the loop, drop stale answers, keep the last good picture when a read fails."""

from __future__ import annotations

import time
from typing import Any, ClassVar

from textual import work
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widget import Widget

from mlcycle_app.commands import PHASES
from mlcycle_app.gateway import Gateway, MlcycleError
from mlcycle_app.tables import TABLES
from mlcycle_app.tui import crash
from mlcycle_app.tui.messages import Failed, Loaded, TwinChanged
from mlcycle_app.tui.reading import elsewhere
from mlcycle_app.tui.widgets.pane import Pane

__all__ = ["PhaseView", "TablesView"]


class PhaseView(Vertical):
    """A view of one phase. Subclasses read in `read` (another thread) and draw in `draw` (the screen's)."""

    number: ClassVar[int] = 0
    """Key of its screen."""
    every: ClassVar[float] = 5.0
    """Seconds between two looks whether something was written, while it is shown."""
    longest: ClassVar[float] = 60.0
    """Seconds after which it reads although nothing was written: ages grow."""

    def __init__(self, gateway: Gateway) -> None:
        super().__init__(id=f"view-{self.number}", classes="view")
        self.gateway = gateway
        self.last_focus: Widget | None = None
        self._generation = 0
        self._reading = False
        self._again = False
        self._stamp: object = None
        self._looked_at = self._read_at = -1e9

    @property
    def command(self) -> str:
        """What to type for the same as the pane that has the focus shows."""
        focused = self.app.focused
        panes = [pane for pane in self.query(Pane) if focused is not None and pane in focused.ancestors]
        panes = panes or list(self.query(Pane))
        return panes[0].command if panes else ""

    def refresh_data(self) -> None:
        """Read again; while a read is going on, once more when it has ended."""
        if self._reading:
            self._again = True
            return
        self._generation += 1
        self._reading = True
        self._looked_at = time.monotonic()
        self._fetch(self._generation)

    def look(self) -> None:
        """Read again if it is time and something was written; called while the view is shown."""
        now = time.monotonic()
        if self._reading or now - self._looked_at < self.every:
            return
        self._looked_at = now
        if now - self._read_at >= self.longest or self.gateway.stamp() != self._stamp:
            self.refresh_data()

    @work(group="view.data")
    async def _fetch(self, generation: int) -> None:
        stamp = self.gateway.stamp()
        try:
            data = await elsewhere(self.read, f"read {PHASES[self.number]}")
        except MlcycleError as error:
            self.post_message(Failed(self.number, generation, error))
        except Exception as error:  # noqa: BLE001 - a defect in one view's question must not take the others along
            self.post_message(
                Failed(
                    self.number,
                    generation,
                    crash.tell(self.gateway, error, f"{PHASES[self.number]} could not be read"),
                )
            )
        else:
            self._stamp, self._read_at = stamp, time.monotonic()
            self.post_message(Loaded(self.number, generation, data))
        self._reading = False
        if self._again:
            self._again = False
            self.refresh_data()

    def on_loaded(self, message: Loaded) -> None:
        """Draw what was read; it bubbles on, because an error may be over."""
        if message.generation == self._generation:
            self.draw(message.data)

    def on_failed(self, message: Failed) -> None:
        """Show the error; it bubbles on to the status line."""
        self._stamp = None
        if message.generation == self._generation:
            self.draw_error(message.error)

    def on_descendant_focus(self) -> None:
        """Remember where the keyboard is, for when the view is shown again."""
        self.last_focus = self.app.focused
        self.post_message(TwinChanged())

    def focus_first(self) -> None:
        """Put the keyboard where it was, or on the view's main part."""
        parts = [self.last_focus, *self.query("Rows, Limits")]
        for part in parts:
            if part is not None and part.display and part.focusable:
                part.focus(scroll_visible=False)
                return

    def read(self) -> Any:
        """Return the view's data; runs in another thread."""
        raise NotImplementedError

    def draw(self, data: Any) -> None:
        """Draw data that `read` returned."""
        raise NotImplementedError

    def draw_error(self, error: MlcycleError) -> None:
        """Draw that reading failed; one pane says why."""
        for place, pane in enumerate(self.query(Pane)):
            pane.show_error(None if place else error)


class TablesView(PhaseView):
    """A view that is a few tables, one above the other."""

    tables: ClassVar[tuple[str, ...]] = ()
    """Names in `tables.TABLES`, the main one first."""

    def compose(self) -> ComposeResult:
        """One pane a table."""
        for name in self.tables:
            yield Pane(name, TABLES[name])

    def read(self) -> Any:
        """Read every table."""
        return self.gateway.tables(self.tables)

    def draw(self, data: Any) -> None:
        """Fill every pane."""
        for name, pane in zip(self.tables, self.query(Pane), strict=True):
            pane.show_rows(data[name])
        if self.app.focused is None:
            self.focus_first()
