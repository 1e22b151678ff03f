"""Windows, verdicts and alerts over predictions that were really journaled."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from tests.unit.monitor import product

from mlcycle import clock, design, monitor
from mlcycle.errors import NotFoundError
from mlcycle.monitor import Line, WindowResult
from mlcycle.store import Store
from mlcycle.workspace import Workspace

HEAT = {
    "subject": "heat_30d",
    "kind": "quantiles",
    "edges": [10.0, 20.0],
    "counts": [100, 100, 100],
    "rows": 300,
}
SITE = {"subject": "site", "kind": "values", "edges": ["a", "b"], "counts": [150, 150], "rows": 300}
SCORE = {"subject": "score", "kind": "quantiles", "edges": [0.5], "counts": [150, 150], "rows": 300}


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    made = product.make(tmp_path_factory.mktemp("template"))
    product.register(made, profiles=[HEAT, SITE, SCORE])
    design.sync(made)
    return made


@pytest.fixture
def workspace(tmp_path: Path, template: Workspace) -> Iterator[Workspace]:
    # Making a store costs 0.2 CPU s, a copy nothing.
    clock.set_now(product.FEBRUARY)
    shutil.copytree(template.root, tmp_path / "w")
    yield Workspace(tmp_path / "w")
    clock.set_now(None)


def watch_by(workspace: Workspace, monitor_yaml: str) -> None:
    (workspace.root / "monitor.yaml").write_text(monitor_yaml)


def quiet(n: int = 60) -> tuple[list[float], list[dict[str, object]]]:
    """Return scores and features that look like the reference."""
    return [(0.25, 0.75)[i % 2] for i in range(n)], [
        {"heat_30d": 5 + 10 * (i % 3), "site": "ab"[i % 2]} for i in range(n)
    ]


def moved(n: int = 60) -> tuple[list[float], list[dict[str, object]]]:
    """Return scores that look like the reference, and hotter machines on a site nobody knew."""
    return [(0.25, 0.75)[i % 2] for i in range(n)], [{"heat_30d": 25, "site": "c"} for _ in range(n)]


def serve(
    workspace: Workspace, rows: tuple[list[float], list[dict[str, object]]], **said: object
) -> list[str]:
    return product.predict(workspace, rows[0], features=rows[1], **said)  # type: ignore[arg-type]


def line(window: WindowResult, metric: str, subject: str | None = None) -> Line:
    (found,) = [one for one in window.lines if (one.metric, one.subject) == (metric, subject)]
    return found


def open_alerts(workspace: Workspace) -> list[tuple[str, str, str]]:
    return sorted((one.kind, one.metric, one.subject) for one in monitor.alerts(workspace, state="open"))


def judge_once(workspace: Workspace) -> WindowResult:
    (window,) = monitor.run(workspace).windows
    return window


def test_nothing_served_is_no_window(workspace: Workspace) -> None:
    report = monitor.run(workspace)
    assert (report.windows, report.unchanged, report.opened) == ((), 0, ())


def test_a_batch_like_the_reference_is_silent(workspace: Workspace) -> None:
    serve(workspace, quiet())
    window = judge_once(workspace)
    assert (window.span.start, window.span.end) == (product.JANUARY, product.JANUARY)
    assert window.drifted() == ()
    assert [line(window, "psi", subject).verdict for subject in ("heat_30d", "site", "score")] == ["ok"] * 3
    assert open_alerts(workspace) == []


def test_exactly_the_features_that_moved_alert(workspace: Workspace) -> None:
    serve(workspace, moved())
    window = judge_once(workspace)
    assert window.drifted() == ("heat_30d", "site")
    assert open_alerts(workspace) == [("drift", "psi", "heat_30d"), ("drift", "psi", "site")]
    assert line(window, "psi", "site").limit == 0.2


def test_drift_is_measured_against_the_version_that_predicted(workspace: Workspace) -> None:
    product.register(
        workspace, 2, profiles=[{**HEAT, "counts": [0, 0, 300]}, {**SITE, "edges": ["c"], "counts": [300]}]
    )
    serve(workspace, moved(), version=2)
    serve(workspace, moved(), version=1)
    by_version = {window.span.version: window.drifted() for window in monitor.run(workspace).windows}
    assert by_version == {1: ("heat_30d", "site"), 2: ()}


def test_a_batch_of_few_rows_is_too_few_and_never_ok(workspace: Workspace) -> None:
    serve(workspace, moved(29))
    window = judge_once(workspace)
    assert line(window, "psi", "heat_30d").verdict == "too few"
    assert line(window, "latency_p95", "speed").verdict == "too few"
    assert open_alerts(workspace) == []


def test_a_feature_that_vanished_alerts_though_no_distance_can_tell(workspace: Workspace) -> None:
    scores, features = quiet()
    serve(workspace, (scores, [{"site": one["site"]} for one in features]))
    window = judge_once(workspace)
    assert line(window, "psi", "heat_30d").verdict == "too few"
    assert line(window, "missing_share", "heat_30d").value == 1.0
    assert open_alerts(workspace) == [("drift", "missing_share", "heat_30d")]


def test_own_limits_of_a_subject_are_kept(workspace: Workspace) -> None:
    watch_by(workspace, "subjects: {heat_30d: {watch: 50, alert: 100}}\n")
    serve(workspace, moved())
    assert judge_once(workspace).drifted() == ("site",)


def test_requirements_are_not_measured_before_labels_come(workspace: Workspace) -> None:
    serve(workspace, quiet())
    window = judge_once(workspace)
    ranking = line(window, "auc", "ranking")
    assert (ranking.verdict, ranking.value, ranking.limit, ranking.requirement_version) == (
        "not measured",
        None,
        0.7,
        1,
    )
    assert line(window, "labels").verdict == "not measured"


def test_labels_make_the_window_judged_again_and_break_a_requirement(workspace: Workspace) -> None:
    ids = serve(workspace, quiet())
    judge_once(workspace)
    product.label(workspace, ids, [float(i % 2 == 0) for i in range(60)])
    report = monitor.run(workspace)
    (window,) = report.windows
    assert line(window, "auc", "ranking").value == 0.0
    assert window.broken() == ("ranking",)
    assert [(alert.kind, alert.subject, alert.severity) for alert in report.opened] == [
        ("requirement", "ranking", "critical")
    ]


def test_requirements_that_hold_are_ok(workspace: Workspace) -> None:
    ids = serve(workspace, quiet())
    product.label(workspace, ids, [float(i % 2) for i in range(60)])
    window = judge_once(workspace)
    assert line(window, "auc", "ranking").verdict == "ok"
    assert (line(window, "contact_cost", "rounds").value, line(window, "contact_cost", "rounds").verdict) == (
        36.0,
        "ok",
    )
    assert (line(window, "latency_p95", "speed").value, line(window, "latency_p95", "speed").n) == (5.0, 60)


def test_few_labels_of_a_window_judge_nothing(workspace: Workspace) -> None:
    ids = serve(workspace, quiet())
    product.label(workspace, ids[:40], [float(i % 2 == 0) for i in range(40)])
    window = judge_once(workspace)
    assert (line(window, "auc", "ranking").verdict, line(window, "auc", "ranking").n) == ("not measured", 40)
    assert line(window, "labels").value == pytest.approx(40 / 60)


def test_a_slow_server_breaks_its_requirement(workspace: Workspace) -> None:
    serve(workspace, quiet(), latency_ms=80.0)
    assert judge_once(workspace).broken() == ("speed",)


def test_running_again_computes_nothing_and_opens_nothing(workspace: Workspace) -> None:
    serve(workspace, moved())
    monitor.run(workspace)
    before = Store(workspace).read("SELECT * FROM window_metric ORDER BY ALL")
    report = monitor.run(workspace)
    assert (report.windows, report.unchanged, report.opened) == ((), 1, ())
    assert Store(workspace).read("SELECT * FROM window_metric ORDER BY ALL") == before
    assert monitor.run(workspace, force=True).opened == ()
    assert len(Store(workspace).read("SELECT * FROM window_metric")) == len(before)


def test_a_changed_requirement_judges_old_windows_again(workspace: Workspace) -> None:
    ids = serve(workspace, quiet())
    product.label(workspace, ids, [float(i % 2) for i in range(60)])
    monitor.run(workspace)
    (workspace.root / "design.yaml").write_text(product.DESIGN.replace("value: 0.7", "value: 1.1"))
    window = judge_once(workspace)
    assert line(window, "auc", "ranking").requirement_version == 2
    assert window.broken() == ("ranking",)


def test_an_alert_closes_when_its_window_crosses_the_limit_no_more(workspace: Workspace) -> None:
    serve(workspace, moved())
    monitor.run(workspace)
    watch_by(workspace, "psi: {watch: 50, alert: 100}\n")
    report = monitor.run(workspace)
    assert report.closed == 2
    assert open_alerts(workspace) == []


def test_asking_twice_about_the_same_thing_counts_once(workspace: Workspace) -> None:
    serve(workspace, quiet())
    serve(workspace, quiet(), served=product.SERVED + timedelta(hours=1))
    window = judge_once(workspace)
    assert window.predictions == 60
    assert line(window, "contact_cost", "rounds").value == 36.0
    assert line(window, "latency_p95", "speed").n == 120


def test_failed_requests_are_counted_and_judge_nothing_else(workspace: Workspace) -> None:
    serve(workspace, quiet())
    product.predict(workspace, [0.0] * 5, status=422, entities=list("vwxyz"))
    window = judge_once(workspace)
    assert window.predictions == 60
    assert line(window, "errors").value == 5.0


def test_moments_that_nobody_said_are_taken_by_day(workspace: Workspace) -> None:
    scores, features = quiet(3)
    for number in range(3):
        at = product.SERVED + timedelta(minutes=number)
        product.predict(workspace, scores[:1], features=features[:1], as_of=at, served=at)
    serve(workspace, quiet(30), as_of=product.SERVED.replace(hour=0))
    windows = monitor.run(workspace).windows
    assert sorted((window.predictions, window.span.start == window.span.end) for window in windows) == [
        (3, False),
        (30, True),
    ]


def test_live_predictions_about_a_moment_of_their_own_are_taken_by_day(workspace: Workspace) -> None:
    scores, features = moved()
    for number in range(60):
        at = product.JANUARY + timedelta(minutes=number)
        product.predict(workspace, scores[number:][:1], features=features[:1], as_of=at)
    report = monitor.run(workspace)
    assert [(window.predictions, window.drifted()) for window in report.windows] == [
        (60, ("heat_30d", "site"))
    ]
    assert len(report.opened) == 2


def test_a_batch_that_came_in_pieces_leaves_the_live_traffic_of_its_day(workspace: Workspace) -> None:
    scores, features = moved()
    noon = product.JANUARY + timedelta(hours=12)
    serve(workspace, moved(40), as_of=product.JANUARY + timedelta(hours=1))
    first, rest = [str(i) for i in range(20)], [str(i) for i in range(20, 60)]
    product.predict(workspace, scores[:20], features=features[:20], as_of=noon, entities=first)
    assert [window.predictions for window in monitor.run(workspace).windows] == [20, 40]
    product.predict(workspace, scores[:40], features=features[:40], as_of=noon, entities=rest)
    assert [(w.predictions, w.span.start) for w in monitor.run(workspace).windows] == [(60, noon)]
    kept = Store(workspace).read("SELECT DISTINCT starts, ends FROM window_metric ORDER BY ALL")
    assert [row["starts"] == row["ends"] for row in kept] == [True, True]
    assert monitor.run(workspace).windows == ()


def test_rows_scored_again_with_other_features_are_judged_again(workspace: Workspace) -> None:
    serve(workspace, moved())
    assert judge_once(workspace).drifted() == ("heat_30d", "site")
    serve(workspace, quiet(), served=product.SERVED + timedelta(hours=1))
    report = monitor.run(workspace)
    assert [(window.predictions, window.drifted()) for window in report.windows] == [(60, ())]
    assert (report.closed, open_alerts(workspace)) == (2, [])


@pytest.mark.parametrize(
    "changed", ["too_few: 100\n", "psi: {watch: 0.15, alert: 0.2}\n", "consecutive: 2\n"]
)
def test_changed_limits_judge_old_windows_again(workspace: Workspace, changed: str) -> None:
    serve(workspace, quiet(120))
    judge_once(workspace)
    watch_by(workspace, changed)
    assert len(monitor.run(workspace).windows) == 1


def test_the_alerts_of_two_versions_about_one_window_are_their_own(workspace: Workspace) -> None:
    product.register(workspace, 2, profiles=[{**HEAT, "counts": [0, 0, 300]}, SITE])
    serve(workspace, moved())
    assert len(monitor.run(workspace).opened) == 2
    serve(workspace, moved(), version=2)
    report = monitor.run(workspace)
    assert ([(one.version, one.subject) for one in report.opened], report.closed) == ([(2, "site")], 0)
    assert len(monitor.alerts(workspace, state="open", version=("failures", 1))) == 2
    assert len(monitor.close(workspace, "failures", 1, because="failures:2 took over")) == 2
    assert [(one.version, one.subject) for one in monitor.alerts(workspace, state="open")] == [(2, "site")]
    rows = Store(workspace).read("SELECT model, version, state FROM alerts ORDER BY ALL")
    assert [tuple(row.values()) for row in rows] == [("failures", 1, "closed")] * 2 + [
        ("failures", 2, "open")
    ]


def test_an_alert_somebody_closed_opens_again_only_after_its_window_was_fine(workspace: Workspace) -> None:
    serve(workspace, moved())
    monitor.run(workspace)
    monitor.close(workspace, "failures", 1, because="failures:2 took over")
    assert monitor.run(workspace, force=True).opened == ()
    watch_by(workspace, "psi: {watch: 50, alert: 100}\n")
    assert monitor.run(workspace).opened == ()
    watch_by(workspace, "psi: {watch: 0.1, alert: 0.2}\n")
    assert [one.subject for one in monitor.run(workspace).opened] == ["heat_30d", "site"]


def test_days_can_be_the_windows(workspace: Workspace) -> None:
    watch_by(workspace, "window: day\n")
    for hour in (1, 2, 25):
        serve(workspace, quiet(), as_of=product.JANUARY + timedelta(hours=hour))
    assert [window.predictions for window in monitor.run(workspace).windows] == [120, 60]


def test_consecutive_windows_are_waited_for(workspace: Workspace) -> None:
    watch_by(workspace, "consecutive: 2\nsubjects: {heat_30d: {watch: 50, alert: 100}}\n")
    serve(workspace, moved())
    assert monitor.run(workspace).opened == ()
    serve(workspace, moved(), as_of=product.FEBRUARY)
    assert [alert.window_start for alert in monitor.run(workspace).opened] == [product.FEBRUARY]


def test_resources_are_those_of_the_time_of_serving(workspace: Workspace) -> None:
    serve(workspace, quiet())
    samples = [(0, 10.0, 100.0), (0.05, 30.0, 200.0), (900, 99.0, 999.0)]
    Store(workspace).append(
        "sys",
        [
            {
                "ts": product.SERVED + timedelta(seconds=after),
                "deployment": "local",
                "cpu_pct": cpu,
                "rss_mb": rss,
            }
            for after, cpu, rss in samples
        ],
    )
    window = judge_once(workspace)
    assert (line(window, "cpu_pct").value, line(window, "rss_mb").value) == (20.0, 200.0)


def test_only_one_deployment_when_asked(workspace: Workspace) -> None:
    serve(workspace, quiet())
    assert monitor.run(workspace, deployment="other").windows == ()
    assert len(monitor.run(workspace, deployment="local").windows) == 1


def test_an_alert_can_be_acknowledged_by_the_end_of_its_id(workspace: Workspace) -> None:
    serve(workspace, moved())
    opened = monitor.run(workspace).opened
    monitor.ack(workspace, opened[0].alert_id[-8:])
    assert len(open_alerts(workspace)) == 1
    assert [alert.state for alert in monitor.alerts(workspace, state="acknowledged")] == ["acknowledged"]
    with pytest.raises(NotFoundError):
        monitor.ack(workspace, "zzzz")
    assert len(monitor.ack(workspace)) == 1
    assert open_alerts(workspace) == []


def test_an_acknowledged_alert_is_not_opened_again(workspace: Workspace) -> None:
    serve(workspace, moved())
    monitor.run(workspace)
    monitor.ack(workspace)
    assert monitor.run(workspace, force=True).opened == ()


def test_alerts_can_be_asked_for_one_version(workspace: Workspace) -> None:
    serve(workspace, moved())
    monitor.run(workspace)
    assert len(monitor.alerts(workspace, version=("failures", 1))) == 2
    assert monitor.alerts(workspace, version=("failures", 2)) == []


def names(lines: Sequence[Line]) -> list[str | None]:
    return [one.subject for one in lines]


def test_the_panel_shows_the_newest_window_and_the_traffic_of_now(workspace: Workspace) -> None:
    serve(workspace, quiet())
    serve(workspace, moved(), as_of=product.FEBRUARY, served=clock.wall())
    monitor.run(workspace)
    panel = monitor.panel(workspace, minutes=5)
    assert panel.window is not None
    assert (panel.window.start, panel.predictions, panel.labelled) == (product.FEBRUARY, 60, 0)
    assert panel.traffic.predictions == 60
    assert sum(panel.traffic.per_minute) == 60
    assert (len(panel.traffic.per_minute), panel.traffic.p95) == (5, 5.0)
    assert names(panel.drift) == ["site", "heat_30d", "score"]
    assert sorted(map(str, names(panel.requirements))) == ["fresh", "ranking", "rounds", "speed"]
    assert [alert.subject for alert in panel.alerts] == ["heat_30d", "site"]


def test_the_panel_of_an_empty_workspace_is_empty(workspace: Workspace) -> None:
    panel = monitor.panel(workspace)
    assert (panel.window, panel.traffic.predictions, panel.traffic.last_at, panel.drift, panel.alerts) == (
        None,
        0,
        None,
        (),
        (),
    )
