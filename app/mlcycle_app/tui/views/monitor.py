"""6 Monitor: what the server does now and did lately, how far features moved, which requirement breaks."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Grid, Horizontal, Vertical
from textual.content import Content
from textual.widgets import Static

from mlcycle_app.gateway import Gateway, MlcycleError
from mlcycle_app.tables import TABLES
from mlcycle_app.tui.ages import moment
from mlcycle_app.tui.card import Card, in_full
from mlcycle_app.tui.keys import keyed, written_key
from mlcycle_app.tui.messages import TwinChanged
from mlcycle_app.tui.selection import Selection
from mlcycle_app.tui.views import monitor_parts as parts
from mlcycle_app.tui.views.base import PhaseView
from mlcycle_app.tui.views.monitor_parts import CHARTS, Watched
from mlcycle_app.tui.widgets.curve import CurvePlot
from mlcycle_app.tui.widgets.detail import Detail
from mlcycle_app.tui.widgets.glance import Glance
from mlcycle_app.tui.widgets.limits import Limits
from mlcycle_app.tui.widgets.line import Line
from mlcycle_app.tui.widgets.pane import LOADING, Pane

if TYPE_CHECKING:
    from mlcycle.monitor import Series
    from mlcycle_app.gateway import Panel

__all__ = ["MonitorView"]

SPANS = (15, 60, 360, 1440, 7 * 1440, 30 * 1440)
"""Minutes that traffic can be shown over."""
REST = 20.0
"""A read is followed by a rest of so many times what it took: a store that is slow to read is not read every second."""
LONGEST_REST_S = 5.0
WINDOWS_S = 15.0
"""Seconds after which windows are read again although the newest is the same."""
WORDS = 4
"""Lines of the pane of traffic."""
LEAST_LISTS, LEAST_CHART = 8, 7
"""Lines below which lists and a chart are not readable."""


class Tabs(Line):
    """Names of the charts; the shown ones stand out, a click shows one."""

    def __init__(self) -> None:
        super().__init__("chart-tabs")
        self.add_class("group")
        self._now: tuple[str, ...] = ()

    def show(self, now: tuple[str, ...]) -> None:
        """Say which charts are shown."""
        if now != self._now:
            self._now = now
            self.refresh()

    def render(self) -> Text:
        """Draw one line."""
        text = self._begin()
        for number, name in enumerate(CHARTS):
            style = "bold reverse" if name in self._now else "dim"
            self._say(text, f" {name} ", style, f"show_chart({number})")
        return text.append(f"  {written_key('monitor.chart', 'm')} next", style="dim")

    def action_show_chart(self, number: int) -> None:
        """Show a chart."""
        view = next(one for one in self.ancestors if isinstance(one, MonitorView))
        view.choose(CHARTS[number])


class MonitorView(PhaseView):
    """The Monitor screen; looks once a second while it is shown, and reads if something was written."""

    number: ClassVar[int] = 6
    every: ClassVar[float] = 1.0
    longest: ClassVar[float] = 15.0  # the minutes that traffic is counted over move on by themselves
    DEFAULT_CSS = """
    MonitorView #served-words { height: 1fr; text-wrap: nowrap; text-overflow: ellipsis; }
    MonitorView #chart-tabs { height: 1; padding: 0 1; }
    MonitorView #charts { grid-gutter: 0 2; grid-rows: 1fr; padding: 0 1; }
    MonitorView #charts CurvePlot { height: 1fr; }
    MonitorView .-away { display: none; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "less_than_sign",
            "span(-1)",
            "Shorter",
            show=False,
            id="monitor.shorter",
            tooltip="show a shorter span of traffic",
        ),
        Binding(
            "greater_than_sign",
            "span(1)",
            "Longer",
            show=False,
            id="monitor.longer",
            tooltip="show a longer span of traffic",
        ),
        Binding(
            "m",
            "next_chart",
            "Chart",
            show=False,
            id="monitor.chart",
            tooltip="the next chart, where not all have room",
        ),
        Binding(
            "R",
            "app.command('retrain propose')",
            "Retrain",
            show=False,
            id="monitor.retrain",
            tooltip="open a trigger for retraining if alerts or new data ask for it",
        ),
    ]

    def __init__(self, gateway: Gateway) -> None:
        super().__init__(gateway)
        self._signs: dict[tuple[str, int], str] = {}
        self._least = 0
        self._span = 1
        self._chosen = CHARTS[0]
        self._places = 1
        self._data: Watched | None = None
        self._tracks: Series | None = None
        self._judged: object = None
        self._judged_at = 0.0
        self._took = self._ended = 0.0

    def compose(self) -> ComposeResult:
        """Traffic and charts above; drift at the left, requirements and alerts at the right."""
        with Vertical(id="served", classes="pane") as pane:
            pane.border_title = "traffic"
            pane.styles.height = WORDS
            yield Static(LOADING, id="served-words")
        yield Tabs()
        with Grid(id="charts", classes="group"):
            for name in CHARTS:
                yield CurvePlot(id=f"chart-{name}")
        yield Glance("chart-line")
        detail = Detail()
        detail.display = False
        detail.styles.width = detail.styles.height = "1fr"
        yield detail
        with Horizontal(id="signals", classes="group"):
            yield Limits("drift (PSI)", keyed("no window judged yet: mlcycle monitor run", 6), "drift")
            with Vertical(id="held", classes="group"):
                yield Limits("requirements", "none measured yet", "requirements")
                yield Pane("alerts", TABLES["alerts"])

    # What commands and the copied line are about

    @property
    def command(self) -> str:
        """The series behind the charts, one feature of it, or the alerts."""
        focused = self._list
        if isinstance(focused, Limits):
            minutes = f"monitor show --minutes {SPANS[self._span]}"
            chosen = focused.selected
            return f"monitor show --feature {chosen.key}" if chosen and focused.id == "drift" else minutes
        return super().command

    @property
    def selected(self) -> Selection:
        """The number under the cursor, with its open alert; or the alert itself."""
        focused = self._list
        if not isinstance(focused, Limits) or focused.selected is None or self._data is None:
            return super().selected
        name = focused.selected.key
        alert = next((one for one in self._data.panel.alerts if one.subject == name), None)
        row = {
            "subject": name,
            "metric": "psi" if focused.id == "drift" else "",
            "requirement": None if focused.id == "drift" else name,
            "deployment": self._data.series.deployment,
            "alert": alert and alert.alert_id[-8:],
        }
        return Selection("windows", row=row)

    @property
    def _list(self) -> object:
        """The list that has, or had, the keyboard."""
        for widget in (self.app.focused, self.last_focus):
            if isinstance(widget, Limits) or (
                widget is not None and any(isinstance(one, Pane) for one in widget.ancestors_with_self)
            ):
                return widget
        return self.query_one("#drift", Limits)

    # Reading and drawing

    def look(self) -> None:
        """Once a second, unless reads take so long that this would cost more than a few percent of a core."""
        if time.monotonic() - self._ended >= min(LONGEST_REST_S, REST * self._took):
            super().look()

    def read(self) -> Watched:
        """Read the live panel and the series, and the comparison of requirements not met before."""
        began = time.monotonic()
        with self.gateway.one_state():
            panel = self.gateway.panel()
            series = self._series(panel)
            wanted = {(line.requirement_id, line.requirement_version) for line in panel.requirements}
            if wanted - self._signs.keys():
                self._signs.update(self.gateway.signs())
        if not self._least:
            self._least = self.gateway.do("monitor.least_rows")
        self._ended = time.monotonic()
        self._took = self._ended - began
        return Watched(panel, series, self._least)

    def _series(self, panel: Panel) -> Series:
        """Read traffic over the span; windows only if the newest is another than before, or after a while."""
        judged, now = (panel.window, panel.requirements, panel.drift), time.monotonic()
        known = self._tracks if judged == self._judged and now - self._judged_at < WINDOWS_S else None
        series: Series = self.gateway.do("monitor.series", minutes=SPANS[self._span], windows=known is None)
        if known is None:
            self._tracks, self._judged, self._judged_at = series, judged, now
            return series
        return replace(
            series, deployment=known.deployment, requirements=known.requirements, drift=known.drift
        )

    def draw(self, data: Any) -> None:
        """Draw traffic, charts and lists."""
        watched: Watched = data
        self._data, panel = watched, watched.panel
        self.query_one("#served-words", Static).update(parts.traffic(panel, self.gateway.wall()))
        served = self.query_one("#served")
        served.border_title = Content(f"traffic: {panel.deployment}" if panel.deployment else "traffic")
        span = panel.window
        when = "" if span is None else f"window {moment(span.end)}"
        self.query_one("#drift", Limits).show(parts.drift_limits(watched), when)
        labelled = ""
        if span is not None:
            labelled = f"{span.model}:{span.version}, {panel.labelled:,} of {panel.predictions:,} labelled"
        if self.screen.has_class("-tiny") and panel.alerts:
            labelled = f"{len(panel.alerts)} alerts open"
        requirements = parts.requirement_limits(watched, self._signs)
        self.query_one("#requirements", Limits).show(requirements, labelled)
        rows = parts.alert_rows(panel)
        self.query_one(Pane).show_rows(rows, f"{len(rows):,} open")
        self._draw_charts()

    def draw_error(self, error: MlcycleError) -> None:
        """Keep what is drawn and say that it is old; with nothing drawn yet, say what is wrong."""
        self.query_one("#served").border_subtitle = "not current"
        if self._data is None:
            words = Text(error.message, style="bold red", overflow="ellipsis")
            self.query_one("#served-words", Static).update(words.append(f"\n{error.hint}", style="default"))
            for limits in self.query(Limits):
                limits.give_up()
            self.query_one(Pane).show_error(None)

    def read_card(self, name: str, row: Mapping[str, Any]) -> Card:
        """Return a feature's distribution and drift, or a requirement over the windows; or the alert in full."""
        if self._data is None:
            return in_full(TABLES[name].title, row)
        return parts.number_card(self.gateway, self._data.series, row)

    def _draw_charts(self) -> None:
        shown = self._shown()
        for name in CHARTS:
            self.query_one(f"#chart-{name}", CurvePlot).display = name in shown
        self.query_one(Tabs).show(tuple(shown))
        served = self.query_one("#served")
        step = "" if self._data is None else f", a point each {parts.spoken(self._data.series.step_s // 60)}"
        served.border_subtitle = (
            f"charts: the last {parts.spoken(SPANS[self._span])}{step}   {self._span_keys()} span"
        )
        if self._data is None:
            return
        requirement, feature = (
            limits.selected.key if (limits := self.query_one(f"#{name}", Limits)).selected else ""
            for name in ("requirements", "drift")
        )
        made = parts.charts(self._data.series, requirement, feature)
        for name in shown:
            self.query_one(f"#chart-{name}", CurvePlot).show(made[name])
        if not shown:
            which = 1 if self._chosen == "latency" else 0  # of latency p95, which its limit is about
            more = f"{written_key('monitor.chart', 'm')} next"
            self.query_one(Glance).show(made[self._chosen], which, more)

    # Room

    def on_resize(self) -> None:
        """Show as many charts as there is room for."""
        super().on_resize()
        width, height = self.size
        lists = max(LEAST_LISTS, height // 3)
        if self.screen.has_class("-short"):
            lists = max(3, height - 3)
        room = height - WORDS - lists
        columns = 3 if width >= 126 else 2 if width >= 84 else 1
        rows = min(room // LEAST_CHART, -(-len(CHARTS) // columns)) if room >= 5 else 0
        self._places = max(rows, 1 if room >= 5 else 0) * columns
        charts = self.query_one("#charts")
        charts.styles.grid_size_columns = columns
        self.query_one("#signals").styles.height = lists if self._places else "1fr"
        self._lay()

    def _lay(self) -> None:
        opened = self.detail is not None and self.detail.display
        narrow = not (self.screen.has_class("-wide") or self.screen.has_class("-xwide"))
        away = {
            "#charts": opened or not self._places,
            "#chart-tabs": opened or not 0 < self._places < len(CHARTS),
            "#chart-line": opened or self._places > 0,
            "#served": opened and narrow,
            "#signals": opened and narrow,
        }
        for name, hidden in away.items():
            self.query_one(name).set_class(hidden, "-away")
        self._draw_charts()

    @staticmethod
    def _span_keys() -> str:
        return f"{written_key('monitor.shorter', '<')} {written_key('monitor.longer', '>')}"

    def _shown(self) -> list[str]:
        """Return the charts there is room for: all in their order, or as many from the chosen one on."""
        if self._places >= len(CHARTS):
            return list(CHARTS)
        start = CHARTS.index(self._chosen)
        if start + self._places > len(CHARTS):
            start = max(0, len(CHARTS) - self._places) if self._places > 1 else start
        return list(CHARTS[start : start + self._places])

    # Keys

    def choose(self, name: str) -> None:
        """Show a chart, if not all are shown anyway."""
        if name != self._chosen:
            self._chosen = name
            self._draw_charts()

    def action_next_chart(self) -> None:
        """Show the charts after those shown."""
        shown = self._shown()
        place = CHARTS.index(shown[-1] if shown else self._chosen) + 1
        self.choose(CHARTS[place % len(CHARTS)])

    def action_span(self, by: int) -> None:
        """Show traffic over a shorter or a longer span."""
        span = max(0, min(len(SPANS) - 1, self._span + by))
        if span != self._span:
            self._span = span
            self._draw_charts()
            self.refresh_data()
            self.post_message(TwinChanged())

    def on_glance_asked(self, event: Glance.Asked) -> None:
        """Show the next one."""
        event.stop()
        self.action_next_chart()

    def on_limits_moved(self, event: Limits.Moved) -> None:
        """Chart what the cursor is on."""
        event.stop()
        if event.limits.has_focus:
            self._chosen = "drift" if event.limits.id == "drift" else "requirement"
        self._draw_charts()
        self.post_message(TwinChanged())
        self.want_card()

    def on_limits_opened(self, event: Limits.Opened) -> None:
        """Show its distribution, or its windows."""
        event.stop()
        self.open_detail()

    def open_detail(self) -> None:
        """Show all about the number under the cursor, in the place of the charts; narrow screens show it alone."""
        detail = self.detail
        if detail is not None and not detail.display:
            detail.display = True
            self._lay()
            self.want_card()
        if detail is not None and self.query_one("#signals").has_class("-away"):
            detail.focus(scroll_visible=False)

    def close_detail(self) -> bool:
        """Bring the charts back; tell whether there was anything to close."""
        detail = self.detail
        if detail is None or not detail.display:
            return False
        detail.display = False
        self._lay()
        self.focus_first()
        return True

    def _want(self, generation: int) -> None:
        found = self.selected
        if generation == self._card_generation:
            self._fetch_card(generation, found.table, found.row)
