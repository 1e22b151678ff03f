"""6 Monitor: what the server does now, how far the newest window has moved, which requirement it breaks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widgets import Static

from mlcycle_app.gateway import MlcycleError
from mlcycle_app.tables import TABLES
from mlcycle_app.tui.ages import age, moment
from mlcycle_app.tui.views.base import PhaseView
from mlcycle_app.tui.widgets.bars import Bars
from mlcycle_app.tui.widgets.limits import Limit, Limits
from mlcycle_app.tui.widgets.pane import LOADING, Pane

if TYPE_CHECKING:
    from mlcycle_app.gateway import Gateway, Panel

__all__ = ["MonitorView"]


class MonitorView(PhaseView):
    """The Monitor screen; looks once a second while it is shown, and reads if something was written."""

    number: ClassVar[int] = 6
    every: ClassVar[float] = 1.0
    longest: ClassVar[float] = 15.0  # the minutes that traffic is counted over move on by themselves

    def __init__(self, gateway: Gateway) -> None:
        super().__init__(gateway)
        self._signs: dict[tuple[str, int], str] = {}
        self._drawn = False

    def compose(self) -> ComposeResult:
        """Traffic above; drift at the left, requirements and alerts at the right."""
        with Vertical(id="traffic", classes="pane") as pane:
            pane.border_title = "traffic"
            yield Static(LOADING, id="traffic-words")
            yield Bars("traffic-bars")
        with Horizontal(id="signals", classes="group"):
            yield Limits("drift (PSI)", "no window judged yet: mlcycle monitor run", "drift")
            with Vertical(id="held", classes="group"):
                yield Limits("requirements", "none measured yet", "requirements")
                yield Pane("alerts", TABLES["alerts"])

    @property
    def command(self) -> str:
        """The windows behind the bars, or the alerts."""
        focused = self.app.focused
        return "monitor windows" if isinstance(focused, Limits) else super().command

    def read(self) -> Any:
        """Read the live panel, and the comparison of requirements not met before."""
        panel = self.gateway.panel()
        wanted = {(line.requirement_id, line.requirement_version) for line in panel.requirements}
        if wanted - self._signs.keys():
            self._signs.update(self.gateway.signs())
        return panel

    def draw(self, data: Any) -> None:
        """Draw the four panels."""
        panel: Panel = data
        self._drawn = True
        self._traffic(panel)
        when = "" if panel.window is None else f"window {moment(panel.window.end)}"
        drift = [
            Limit(str(line.subject), line.value, line.limit, line.n, line.verdict) for line in panel.drift
        ]
        self.query_one("#drift", Limits).show(drift, when)
        labelled = "" if panel.window is None else f"{panel.labelled:,} of {panel.predictions:,} labelled"
        if self.screen.has_class("-tiny") and panel.alerts:
            labelled = f"{len(panel.alerts)} alerts open"
        self.query_one("#requirements", Limits).show(
            [
                Limit(
                    str(line.requirement_id or line.metric),
                    line.value,
                    line.limit,
                    line.n,
                    line.verdict,
                    self._signs.get((str(line.requirement_id), line.requirement_version or 0), ""),
                )
                for line in panel.requirements
            ],
            labelled,
        )
        self._alerts(panel)

    def draw_error(self, error: MlcycleError) -> None:
        """Keep what is drawn and say that it is old; with nothing drawn yet, say what is wrong."""
        self.query_one("#traffic").border_subtitle = "not current"
        if not self._drawn:
            words = Text(error.message, style="bold red", overflow="ellipsis")
            self.query_one("#traffic-words", Static).update(words.append(f"\n{error.hint}", style="default"))
            for limits in self.query(Limits):
                limits.give_up()
            self.query_one(Pane).show_error(None)

    def _traffic(self, panel: Panel) -> None:
        traffic = panel.traffic
        words = Text(no_wrap=True, overflow="ellipsis", end="")
        if panel.deployment is None and traffic.last_at is None:
            words.append("no prediction yet: mlcycle deploy start, then mlcycle predict", style="dim")
        elif traffic.predictions + traffic.errors == 0:
            last = "never" if traffic.last_at is None else f"{age(traffic.last_at, self.gateway.wall())} ago"
            words.append("idle", style="bold").append(f"   last prediction {last}", style="dim")
        else:
            words.append(f"{traffic.predictions:,}", style="bold").append(f" in {panel.minutes} min   ")
            errors = "1 error" if traffic.errors == 1 else f"{traffic.errors:,} errors"
            words.append(errors, style="bold red" if traffic.errors else "dim")
            for name, value in (("p50", traffic.p50), ("p95", traffic.p95), ("p99", traffic.p99)):
                about = "~" if traffic.approximate else ""
                words.append(f"   {name} ", style="dim")
                words.append("-" if value is None else f"{about}{value:.2f}")
            words.append(" ms", style="dim")
        if traffic.cpu_pct is not None or traffic.rss_mb is not None:
            words.append("\nCPU ", style="dim").append(
                "-" if traffic.cpu_pct is None else f"{traffic.cpu_pct:.1f} %"
            )
            words.append(" of one core   memory ", style="dim")
            words.append("-" if traffic.rss_mb is None else f"{traffic.rss_mb:,.0f} MB")
        self.query_one("#traffic-words", Static).update(words)
        self.query_one("#traffic-bars", Bars).show(traffic.per_minute)
        pane, most = self.query_one("#traffic"), max(traffic.per_minute, default=0)
        pane.border_title = f"traffic: {panel.deployment}" if panel.deployment else "traffic"
        pane.border_subtitle = f"the last {panel.minutes} minutes, at most {most:,} a minute" if most else ""

    def _alerts(self, panel: Panel) -> None:
        rows = [
            {
                "subject": alert.subject,
                "value": alert.value,
                "limit": alert.limit,
                "window": alert.window_end,
                "kind": alert.kind,
                "severity": alert.severity,
                "metric": alert.metric,
                "deployment": alert.deployment,
                "opened": alert.opened_at,
                "id": alert.alert_id[-8:],
            }
            for alert in panel.alerts
        ]
        self.query_one(Pane).show_rows(rows, f"{len(rows):,} open")
