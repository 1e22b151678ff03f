"""4 Experiments: what was tried, how it went, and how runs differ."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar

from textual import work
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen

from mlcycle_app.gateway import Gateway, MlcycleError, free
from mlcycle_app.tables import TABLES, runs_by
from mlcycle_app.tui.card import Card
from mlcycle_app.tui.comparing import comparison
from mlcycle_app.tui.reading import elsewhere
from mlcycle_app.tui.views.base import PhaseView
from mlcycle_app.tui.views.run_card import log_card, run_card
from mlcycle_app.tui.widgets.pane import Pane
from mlcycle_app.tui.widgets.status_line import StatusLine

__all__ = ["ExperimentsView"]

METRICS = """SELECT key, count(*) AS runs, key IN (SELECT metric FROM requirements WHERE until IS NULL) AS required
FROM latest_metrics GROUP BY key ORDER BY required DESC, runs DESC, key LIMIT 200"""
BEFORE = """SELECT right(p.run_id::VARCHAR, 8) AS id
FROM runs p, (SELECT * FROM runs WHERE ends_with(run_id::VARCHAR, ?)) r
WHERE (p.started_at, p.run_id) < (r.started_at, r.run_id)
ORDER BY p.experiment = r.experiment DESC, p.started_at DESC, p.run_id DESC LIMIT 1"""


class ExperimentsView(PhaseView):
    """The Experiments screen."""

    number: ClassVar[int] = 4
    tables: ClassVar[tuple[str, ...]] = ("runs",)
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("c", "compare", "compare", show=False, id="runs.side_by_side",
                tooltip="compare the marked runs, or this one with the one before"),
        Binding("m", "metric", "metric", show=False, id="runs.metric",
                tooltip="choose the metric shown as a column, best first"),
        Binding("l", "log", "log", show=False, id="runs.log", tooltip="show what the run printed"),
        Binding("R", "app.command('models register')", "register", show=False, id="runs.register",
                tooltip="make the run's model the next version"),
    ]  # fmt: skip

    def __init__(self, gateway: Gateway) -> None:
        super().__init__(gateway)
        self._metric: str | None = None

    def draw(self, data: Any) -> None:
        """Draw the list, whichever metric it is by."""
        for pane in self.query(Pane):
            if pane.name in data:
                pane.show_page(data[pane.name])
        if self.app.focused is None:
            self.focus_first()
        self.want_card()

    def read_card(self, name: str, row: Mapping[str, Any]) -> Card:
        """Return all about a run."""
        return run_card(self.gateway, str(row["id"]))

    def find(self, table: str, name: str) -> None:
        """Put the cursor on a run, whichever metric the list is by."""
        own = self.query_one(Pane).name or table
        super().find(own if table == "runs" else table, name)

    # What the view's own keys do

    @work(group="runs.compare", exclusive=True)
    async def action_compare(self) -> None:
        """Put the marked runs side by side, or the one under the cursor beside the one before it."""
        from mlcycle_app.tui.dialogs.compare import MOST

        selected = self.selected
        runs = [str(row["id"]) for row in selected.marked]
        if len(runs) < 2 and selected.row is None:
            self._say("no run is selected")
            return
        if len(runs) > MOST:
            self._say(f"{len(runs)} runs are marked; at most {MOST} fit side by side")
            return
        under = "" if selected.row is None else str(selected.row["id"])
        await self._open(partial(self._comparison, runs, under), "compare runs")

    @work(group="runs.log", exclusive=True)
    async def action_log(self) -> None:
        """Show what the run under the cursor printed."""
        row = self.selected.row
        if row is None:
            self._say("no run is selected")
            return
        await self._open(partial(self._log, str(row["id"])), "read a log")

    @work(group="runs.metric", exclusive=True)
    async def action_metric(self) -> None:
        """Choose the metric that the list shows and is sorted by."""
        try:
            known = await elsewhere(lambda: self.gateway.rows(METRICS), "read metrics")
        except MlcycleError as error:
            self._say(error.message)
            return
        if not known:
            self._say("no run has logged a metric")
            return
        from mlcycle_app.tui.dialogs.metric import MetricScreen

        counts = {row["key"]: row["runs"] for row in known}
        self.app.push_screen(MetricScreen(counts, self._metric), self._chosen)

    async def _open(self, make: Any, what: str) -> None:
        """Open a dialog whose content is read in another thread."""
        try:
            screen: ModalScreen[None] = await elsewhere(make, what)
        except MlcycleError as error:
            self._say(error.message)
            return
        self.app.push_screen(screen)

    def _log(self, run: str) -> ModalScreen[None]:
        from mlcycle_app.tui.dialogs.card import CardScreen

        return CardScreen(log_card(self.gateway, run), end=True)

    def _comparison(self, runs: list[str], under: str) -> ModalScreen[None]:
        return comparison(self.gateway, runs if len(runs) > 1 else self._pair(runs, under))

    def _pair(self, marked: list[str], under: str) -> list[str]:
        """Return the two runs meant where fewer than two are marked."""
        if marked and under not in ("", *marked):
            return [*marked, under]
        one = under or marked[0]
        before = self.gateway.rows(BEFORE, [one])
        return [*(row["id"] for row in before), one]

    def _chosen(self, metric: str | None) -> None:
        if metric is not None and metric != (self._metric or ""):
            self._metric = metric or None
            self.run_worker(self._swap(), group="runs.swap", exclusive=True)

    async def _swap(self) -> None:
        """Put a list by the chosen metric in the place of the one there is."""
        name = "runs"
        if self._metric is not None:
            lower = free("experiments.metrics.lower_is_better", self._metric)
            name = runs_by(self._metric, lower=lower)
        old = self.query_one(Pane)
        new = Pane(name, TABLES[name])
        await self.query_one(".master").mount(new, before=old)
        new.take_marks(old)
        await old.remove()
        self.last_focus = None
        self.refresh_data()
        new.query_one(".message").focus(scroll_visible=False)

    def _say(self, words: str) -> None:
        self.app.query_one(StatusLine).say(words)
