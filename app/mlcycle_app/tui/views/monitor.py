"""6 Monitor: what the server does now, how far the newest window has moved, which requirement it breaks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widgets import Sparkline, Static

from mlcycle_app.gateway import MlcycleError
from mlcycle_app.tables import TABLES
from mlcycle_app.tui.ages import age, moment
from mlcycle_app.tui.views.base import PhaseView
from mlcycle_app.tui.widgets.limits import Limit, Limits
from mlcycle_app.tui.widgets.pane import Pane

if TYPE_CHECKING:
    from mlcycle_app.gateway import Panel

__all__ = ["MonitorView"]


class MonitorView(PhaseView):
    """The Monitor screen; reads once a second while it is shown."""

    number: ClassVar[int] = 6
    every: ClassVar[float | None] = 1.0

    def compose(self) -> ComposeResult:
        """Traffic above, distances and requirements below, alerts last."""
        with Vertical(id="traffic", classes="pane") as pane:
            pane.border_title = "traffic"
            yield Static("reading …", id="traffic-words")
            yield Sparkline([], id="traffic-line")
        with Horizontal(id="signals"):
            yield Limits("drift (PSI)", "no window judged yet: mlcycle monitor run", id="drift")
            with Vertical(id="held"):
                yield Limits("requirements", "none binds monitoring", id="requirements")
                yield Pane("alerts", TABLES["alerts"])

    def read(self) -> Any:
        """Read the live panel and the alerts."""
        return self.gateway.panel(), self.gateway.table("alerts")

    def draw(self, data: Any) -> None:
        """Draw both."""
        panel, alerts = data
        self._traffic(panel)
        when = "no window" if panel.window is None else f"{moment(panel.window.end)}, n {panel.predictions:,}"
        drift = [Limit(str(line.subject), line.value, line.limit, line.n, line.verdict) for line in panel.drift]
        self.query_one("#drift", Limits).show(drift, when)
        held = [
            Limit(str(line.requirement_id or line.metric), line.value, line.limit, line.n, line.verdict) for line in panel.requirements
        ]
        self.query_one("#requirements", Limits).show(held, f"{panel.labelled:,} of {panel.predictions:,} labelled")
        self.query_one(Pane).show_rows(alerts)

    def draw_error(self, error: MlcycleError) -> None:
        """Keep what is drawn; say in the traffic pane that it is old."""
        self.query_one("#traffic-words", Static).update(Text(f"{error.message}\n", style="bold red") + Text(error.hint))

    def _traffic(self, panel: Panel) -> None:
        traffic = panel.traffic
        words = Text(no_wrap=True, overflow="ellipsis")
        if panel.deployment is None:
            words.append("no deployment: mlcycle deploy start", style="dim")
        elif traffic.predictions == 0:
            last = "never" if traffic.last_at is None else f"{age(traffic.last_at, self._wall())} ago"
            words.append(f"{panel.deployment}: idle, last prediction {last}", style="dim")
        else:
            words.append(f"{traffic.predictions:,}", style="bold").append(f" in {panel.minutes} min   ")
            words.append(f"{traffic.errors:,} errors", style="bold red" if traffic.errors else "dim")
            for name, value in (("p50", traffic.p50), ("p95", traffic.p95), ("p99", traffic.p99)):
                words.append(f"   {name} ", style="dim").append("-" if value is None else f"{value:.2f}")
            words.append(" ms", style="dim")
        words.append("\nCPU ", style="dim").append("-" if traffic.cpu_pct is None else f"{traffic.cpu_pct:.1f} % of one core")
        words.append("   memory ", style="dim").append("-" if traffic.rss_mb is None else f"{traffic.rss_mb:,.0f} MB")
        self.query_one("#traffic-words", Static).update(words)
        self.query_one("#traffic-line", Sparkline).data = list(traffic.per_minute)

    @staticmethod
    def _wall() -> Any:
        from mlcycle_app.gateway import Gateway

        return Gateway.wall()
