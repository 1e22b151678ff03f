"""The Monitor screen: what it charts, what its keys do to the store, what it says when there is too little to say."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from tests.tui.factory import NOW, WINDOW, _id
from tests.tui.screen import press, settle, text

from mlcycle.store import Store
from mlcycle.workspace import Workspace
from mlcycle_app.tui.app import CycleApp
from mlcycle_app.tui.views.monitor import SPANS, MonitorView
from mlcycle_app.tui.views.monitor_parts import CHARTS, charts, spoken
from mlcycle_app.tui.widgets.curve import CurvePlot
from mlcycle_app.tui.widgets.detail import Detail
from mlcycle_app.tui.widgets.glance import spark
from mlcycle_app.tui.widgets.histogram import Histogram
from mlcycle_app.tui.widgets.limits import Limits

Make = Callable[..., CycleApp]
NARROW, WIDE = (80, 24), (140, 40)


@pytest.fixture
def mine(full: Workspace, tmp_path: Path) -> Workspace:
    """A copy of the full workspace that a test may change, with references and a second window."""
    shutil.copytree(full.root, tmp_path / "parcels")
    workspace = Workspace(tmp_path / "parcels")
    profile = {"kind": "quantiles", "edges": "[2.0, 5.0]", "counts": [40, 40, 20], "rows": 100, "missing": 0}
    earlier = {
        "window_id": _id(61),
        "deployment": "local",
        "model": "late",
        "version": 2,
        "starts": WINDOW.replace(day=2),
        "ends": WINDOW.replace(day=2),
        "computed_at": NOW,
    }
    drift = {"metric": "psi", "subject": "distance_km", "n": 80, "value": 0.05, "limit": 0.2, "verdict": "ok"}
    held = {"metric": "auc", "subject": "punctual", "n": 80, "value": 0.82, "limit": 0.78, "verdict": "ok"}
    required = {"requirement_id": "punctual", "requirement_version": 1}
    minutes = [
        {
            "minute": NOW - timedelta(minutes=ago),
            "deployment": "local",
            "bucket": ago % 30,
            "n": 60,
            "errors": 1,
        }
        for ago in range(1, 50)
    ]
    with Store(workspace).transaction("seed") as tx:
        tx.insert("profile", [{"model": "late", "version": 2, "subject": "distance_km", **profile}])
        tx.insert("window_metric", [{**earlier, **drift}, {**earlier, **held, **required}])
        tx.insert("rollup_1m", minutes)
    return workspace


def shown(app: CycleApp) -> list[str]:
    """Return the names of the charts that are seen."""
    seen = [plot for plot in app.query(CurvePlot) if plot.display and plot.region.height]
    return [
        str(plot.id).removeprefix("chart-") for plot in seen if plot.parent and plot.parent.id == "charts"
    ]


async def ended(app: CycleApp) -> None:
    """Wait until every job has ended."""
    await app.jobs.wait()


async def test_a_narrow_screen_shows_one_chart_and_m_the_next(make: Make, mine: Workspace) -> None:
    app = make(mine, first=6)
    async with app.run_test(size=NARROW) as pilot:
        await settle(pilot)
        assert shown(app) == ["latency"] and "latency" in text(app) and "limit <= 50" in text(app)
        seen = []
        for _ in CHARTS:
            await press(pilot, "m")
            seen += shown(app)
        assert seen == [*CHARTS[1:], CHARTS[0]]


async def test_a_wide_screen_shows_every_chart_with_limits_as_lines(make: Make, mine: Workspace) -> None:
    app = make(mine, first=6)
    async with app.run_test(size=WIDE) as pilot:
        await settle(pilot)
        assert shown(app) == list(CHARTS)
        page = text(app)
        for words in ("limit <= 50", "limit >= 0.78", "limit <= 0.2", "CPU, % of one core", "memory, MB"):
            assert words in page
        assert page.count("╌╌╌╌") >= 3 and any("\u2800" < sign < "\u2900" for sign in page)


async def test_a_short_screen_shows_each_curve_as_a_line_with_its_limit(make: Make, mine: Workspace) -> None:
    app = make(mine, first=6)
    async with app.run_test(size=(60, 15)) as pilot:
        await settle(pilot)
        assert shown(app) == []
        line = text(app).splitlines()[5]
        assert line.split()[:2] == ["latency", "p95"] and "limit <= 50" in line and "▁" in line
        titles = []
        for _ in CHARTS:
            await press(pilot, "m")
            titles.append(text(app).splitlines()[5].split()[0])
        assert titles == ["requests", "punctual", "drift", "CPU", "memory", "latency"]
        await pilot.click("#chart-line", offset=(text(app).splitlines()[5].index("m next"), 0))
        await settle(pilot)
        assert text(app).splitlines()[5].split()[0] == "requests"
        await pilot.resize_terminal(*NARROW)
        await settle(pilot)
        assert shown(app) == ["requests"] and not app.query_one("#chart-line").region.height


def test_a_spark_has_a_block_a_cell_and_a_blank_where_nothing_was_measured() -> None:
    nothing = float("nan")
    assert spark([0, nothing, 7, 3.5], 9) == "▁ █▅"
    assert spark([0, 0, 4, 4, 8, 8], 3) == "▁▅█" and spark([2, 2], 5) == "▁▁" and spark([], 5) == ""
    assert spark([-1.7e308, 0, 1.7e308], 3) == "▁▅█"


async def test_a_click_on_a_tab_shows_its_chart(make: Make, mine: Workspace) -> None:
    app = make(mine, first=6)
    async with app.run_test(size=NARROW) as pilot:
        await settle(pilot)
        line = next(row for row in text(app).splitlines() if "m next" in row)
        await pilot.click("#chart-tabs", offset=(line.index("memory"), 0))
        await settle(pilot)
        assert shown(app) == ["memory"]


async def test_the_cursor_chooses_what_is_charted(make: Make, mine: Workspace) -> None:
    app = make(mine, first=6)
    async with app.run_test(size=NARROW) as pilot:
        await settle(pilot)
        await press(pilot, "j")
        assert shown(app) == ["drift"]
        await press(pilot, "tab", "j")
        assert shown(app) == ["requirement"]
        plot, chosen = (
            app.query_one("#chart-requirement", CurvePlot),
            app.query_one("#requirements", Limits).selected,
        )
        assert plot.curves is not None and chosen is not None and plot.curves.title == chosen.key


async def test_the_span_is_made_longer_and_shorter(make: Make, mine: Workspace) -> None:
    app = make(mine, first=6)
    async with app.run_test(size=NARROW) as pilot:
        await settle(pilot)
        assert "the last 1 hour, a point each 1 min" in text(app)
        await press(pilot, "tab")
        assert "--minutes 60" in text(app)
        await press(pilot, "greater_than_sign")
        assert "the last 6 hours, a point each 2 min" in text(app) and "--minutes 360" in text(app)
        await press(pilot, *["greater_than_sign"] * 9)
        assert "the last 30 days, a point each 3 hours" in text(app)
        await press(pilot, *["less_than_sign"] * 9)
        assert "the last 15 min" in text(app)
        plot = app.query_one("#chart-latency", CurvePlot)
        assert plot.curves is not None and len(plot.curves.lines[0].x) == SPANS[0]


async def test_enter_on_a_feature_shows_its_distribution_beside_the_reference(
    make: Make, mine: Workspace
) -> None:
    app = make(mine, first=6)
    async with app.run_test(size=NARROW) as pilot:
        await settle(pilot)
        await press(pilot, "enter")
        bins = app.query_one(Histogram).bins
        assert bins is not None and list(bins.reference or ()) == [40, 40, 20]
        page = text(app)
        assert "reference, n 100" in page and "distance_km" in page and "0.41, limit 0.2, n 29" in page
        await press(pilot, "escape")
        assert not app.query_one(Detail).display and "requirements" in text(app)
        assert isinstance(app.focused, Limits)


async def test_on_a_wide_screen_the_distribution_follows_the_cursor(make: Make, mine: Workspace) -> None:
    app = make(mine, first=6)
    async with app.run_test(size=WIDE) as pilot:
        await settle(pilot)
        await press(pilot, "enter")
        assert app.query_one(Detail).border_title == "distance_km" and "drift (PSI)" in text(app)
        await press(pilot, "j")
        assert app.query_one(Detail).border_title == "hour_of_day"
        assert "has no reference of hour_of_day" in text(app)
        await press(pilot, "tab", "enter")
        page = text(app)
        assert (
            app.query_one(Detail).border_title == "punctual"
            and "limit >= 0.78" in page
            and "2026-03-02" in page
        )


async def test_a_acknowledges_the_alert_of_the_number_under_the_cursor(make: Make, mine: Workspace) -> None:
    app = make(mine, first=6)
    async with app.run_test(size=NARROW) as pilot:
        await settle(pilot)
        assert "2 open" in text(app)
        await press(pilot, "A")
        await ended(app)
        await settle(pilot)
    rows = Store(mine).read("SELECT subject, state FROM alert ORDER BY subject")
    assert rows == [
        {"subject": "distance_km", "state": "acknowledged"},
        {"subject": "punctual", "state": "open"},
    ]


async def test_a_acknowledges_the_alert_in_the_list_of_alerts(make: Make, mine: Workspace) -> None:
    app = make(mine, first=6)
    async with app.run_test(size=WIDE) as pilot:
        await settle(pilot)
        await press(pilot, "tab", "tab")
        chosen = app.selection().row
        assert chosen is not None
        await press(pilot, "A")
        await ended(app)
        await settle(pilot)
    [row] = Store(mine).read("SELECT subject FROM alert WHERE state = 'acknowledged'")
    assert row["subject"] == chosen["subject"]


async def test_capital_r_asks_for_retraining_by_the_command_that_does_so(make: Make, mine: Workspace) -> None:
    app = make(mine, first=6)
    async with app.run_test(size=NARROW) as pilot:
        await settle(pilot)
        await press(pilot, "R")
        assert [job.words for job in app.jobs.all] == [("retrain", "propose")]
        await ended(app)
        await press(pilot, "L")
        assert app.jobs.all[0].words == ("monitor", "labels")
        await ended(app)


async def test_too_few_rows_are_no_verdict(make: Make, mine: Workspace) -> None:
    with Store(mine).transaction("seed") as tx:
        tx.execute("UPDATE window_metric SET n = 21, verdict = 'too few' WHERE metric = 'auc' AND n < 80")
    app = make(mine, first=6)
    async with app.run_test(size=WIDE) as pilot:
        await settle(pilot)
        line = next(row for row in text(app).splitlines() if "no verdict" in row and "punctual" in row)
        assert "! punctual" in line and "n 21 < 30, no verdict" in line and "✓ punctual" not in line


async def test_without_traffic_and_windows_it_says_what_to_type(make: Make, empty: Workspace) -> None:
    app = make(empty, first=6)
    async with app.run_test(size=WIDE) as pilot:
        await settle(pilot)
        page = text(app)
        assert "no request in this span" in page and "no window judged yet: r (mlcycle monitor run)" in page
        await press(pilot, "enter", "m", "escape")
        assert app.is_running


async def test_a_look_reads_windows_only_when_the_newest_is_another(make: Make, mine: Workspace) -> None:
    app = make(mine, first=6)
    async with app.run_test(size=WIDE) as pilot:
        await settle(pilot)
        view = app.query_one(MonitorView)
        before = view._data
        view.refresh_data()
        await settle(pilot)
        assert before is not None and view._data is not None and view._data.series is not before.series
        assert view._data.series.drift is before.series.drift
        with Store(mine).transaction("seed") as tx:
            tx.execute("UPDATE window_metric SET value = 0.5 WHERE subject = 'distance_km' AND n < 80")
        view.refresh_data()
        await settle(pilot)
        assert view._data.series.drift[0].windows[-1].value == 0.5


async def test_every_chart_has_a_name_and_spans_are_said_in_words(make: Make, mine: Workspace) -> None:
    series = make(mine).gateway.do("monitor.series")
    assert tuple(charts(series, "", "")) == ("latency", "requests", "requirement", "drift", "CPU", "memory")
    assert [spoken(minutes) for minutes in SPANS] == [
        "15 min",
        "1 hour",
        "6 hours",
        "1 day",
        "7 days",
        "30 days",
    ]


async def test_zoom_leaves_charts_out_and_brings_them_back(make: Make, mine: Workspace) -> None:
    app = make(mine, first=6)
    async with app.run_test(size=WIDE) as pilot:
        await settle(pilot)
        await press(pilot, "z")
        assert shown(app) == [] and "traffic" not in text(app)
        await press(pilot, "z")
        assert shown(app) == list(CHARTS)
