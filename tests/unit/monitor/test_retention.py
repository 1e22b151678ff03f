"""Raw predictions for a time, histograms for ever: what moves, what goes, and what nobody notices."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.monitor import product

from mlcycle import clock, design, monitor
from mlcycle.errors import UsageError
from mlcycle.monitor import rollup
from mlcycle.store import Store
from mlcycle.store.archive import path_of
from mlcycle.workspace import Workspace

HEAT = {
    "subject": "heat_30d",
    "kind": "quantiles",
    "edges": [10.0, 20.0],
    "counts": [100, 100, 100],
    "rows": 310,
    "missing": 10,
}
SITE = {"subject": "site", "kind": "values", "edges": ["a", "b"], "counts": [150, 150], "rows": 300}
ROOMS = {"subject": "rooms", "kind": "values", "edges": [1, 2], "counts": [150, 150], "rows": 300}
SCORE = {"subject": "score", "kind": "quantiles", "edges": [0.5], "counts": [150, 150], "rows": 300}
MONDAY, TUESDAY = datetime(2020, 3, 2, 12), datetime(2020, 3, 3, 12)
DAY = timedelta(days=1)
MOVED = ("written", "counted", "taken", "before commit", "moved")
"""The stages at which a process may die while it archives."""


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    made = product.make(tmp_path_factory.mktemp("template"))
    product.register(made, profiles=[HEAT, SITE, ROOMS, SCORE])
    design.sync(made)
    return made


@pytest.fixture
def workspace(tmp_path: Path, template: Workspace) -> Iterator[Workspace]:
    clock.set_now(product.FEBRUARY)
    shutil.copytree(template.root, tmp_path / "w")
    yield Workspace(tmp_path / "w")
    clock.set_now(None)


def rows(n: int, heat: float = 15) -> list[dict[str, object]]:
    return [{"heat_30d": heat, "site": "abc"[i % 3], "rooms": i % 4} for i in range(n)]


def serve(workspace: Workspace, n: int, served: datetime, **said: Any) -> list[str]:
    said.setdefault("features", rows(n))
    return product.predict(workspace, [0.25 + 0.01 * (i % 50) for i in range(n)], served=served, **said)


def everything(workspace: Workspace) -> list[dict[str, Any]]:
    return Store(workspace).read("SELECT * FROM predictions ORDER BY prediction_id, ts")


def in_table(workspace: Workspace) -> int:
    return int(Store(workspace).read("SELECT count(*) AS n FROM store.main.prediction")[0]["n"])


def files(workspace: Workspace) -> list[Path]:
    return sorted((workspace.home / "archive").glob("*"))


def lines(workspace: Workspace) -> list[dict[str, Any]]:
    return Store(workspace).read("SELECT * FROM windows ORDER BY ALL")


def test_nothing_moves_unless_it_is_declared(workspace: Workspace) -> None:
    serve(workspace, 10, MONDAY)
    assert monitor.retain(workspace) == monitor.Retained(0, 0, 0, 0)
    assert (in_table(workspace), files(workspace)) == (10, [])


def test_what_is_declared_moves_and_goes(workspace: Workspace) -> None:
    (workspace.root / "monitor.yaml").write_text("retention: {predictions: 90d, archive: 400d}\n")
    yesterday = clock.wall() - DAY
    serve(workspace, 10, MONDAY)
    serve(workspace, 5, yesterday)
    done = monitor.retain(workspace)
    assert (done.days, done.rows, done.dropped) == (1, 10, 1)
    assert (in_table(workspace), len(everything(workspace)), files(workspace)) == (5, 5, [])


def test_moved_predictions_are_read_as_they_were(workspace: Workspace) -> None:
    odd: list[dict[str, object]] = [
        {"n": 12345678901234567890, "x": 0.1, "yes": True, "none": None, "text": "1"},
        {"": 1, "é": 'a"b\n', "list": [1, "a", None], "in": {"deep": 1e300}},
        {},
        {"whole": 1.0, "part": 9007199254740993},
    ]
    serve(workspace, 4, MONDAY, features=odd)
    serve(workspace, 3, MONDAY + DAY, status=422, latency_ms=0.1)
    before = everything(workspace)
    done = monitor.retain(workspace, older_than=DAY)
    assert (done.days, done.rows, done.bytes) == (2, 7, sum(file.stat().st_size for file in files(workspace)))
    assert in_table(workspace) == 0
    assert everything(workspace) == before


def test_only_whole_days_move(workspace: Workspace) -> None:
    now = clock.wall()
    serve(workspace, 3, now)
    assert monitor.retain(workspace, older_than=timedelta()).rows == 0 or now.date() < clock.wall().date()
    with pytest.raises(UsageError, match="less than no time"):
        monitor.retain(workspace, older_than=-DAY)


def test_labels_meet_moved_predictions_and_windows_stay_as_they_are(workspace: Workspace) -> None:
    product.label(workspace, serve(workspace, 40, MONDAY), [i % 2 for i in range(40)])
    assert len(monitor.run(workspace).windows) == 1
    judged = lines(workspace)
    monitor.retain(workspace, older_than=DAY)
    report = monitor.run(workspace)
    assert (report.windows, report.unchanged) == ((), 1)
    assert lines(workspace) == judged
    (again,) = monitor.run(workspace, force=True).windows
    assert (again.predictions, again.labelled) == (40, 40)
    # A mean may differ in its last digit: rows come in another order.
    assert [one for one in lines(workspace) if one["metric"] != "mean_score"] == [
        one for one in judged if one["metric"] != "mean_score"
    ]


def test_late_predictions_of_a_moved_day_get_a_file_of_their_own(workspace: Workspace) -> None:
    serve(workspace, 10, MONDAY)
    monitor.retain(workspace, older_than=DAY)
    serve(workspace, 4, MONDAY + timedelta(hours=3), entities=list("abcd"))
    assert len(everything(workspace)) == 14
    assert monitor.retain(workspace, older_than=DAY).rows == 4
    assert (in_table(workspace), len(everything(workspace)), len(files(workspace))) == (0, 14, 2)
    assert monitor.retain(workspace, older_than=DAY) == monitor.Retained(0, 0, 0, 0)


def test_predictions_that_come_between_writing_and_moving_are_not_lost(workspace: Workspace) -> None:
    serve(workspace, 10, MONDAY)
    came: list[str] = []

    def late(stage: str) -> None:
        if stage == "counted" and not came:
            came.extend(serve(workspace, 3, MONDAY + timedelta(hours=1)))

    assert monitor.retain(workspace, older_than=DAY, hook=late).rows == 13
    assert (in_table(workspace), len(everything(workspace)), len(files(workspace))) == (0, 13, 1)


@pytest.mark.parametrize("stage", MOVED)
def test_a_failure_at_any_stage_loses_and_doubles_nothing(workspace: Workspace, stage: str) -> None:
    serve(workspace, 10, MONDAY)
    serve(workspace, 5, TUESDAY)
    before = everything(workspace)

    def fail(passed: str) -> None:
        if passed == stage:
            raise RuntimeError(stage)

    with pytest.raises(RuntimeError, match=stage):
        monitor.retain(workspace, older_than=DAY, hook=fail)
    assert everything(workspace) == before
    left = 15 if stage != "moved" else 5
    assert in_table(workspace) == left
    assert monitor.retain(workspace, older_than=DAY).rows == left
    assert everything(workspace) == before
    counted = Store(workspace).read("SELECT sum(n) AS n FROM prediction_histogram WHERE subject = 'heat_30d'")
    assert counted[0]["n"] == 10, "the five entities that were asked for again count once"


@pytest.mark.parametrize("stage", ["before commit", "moved", "dropped"])
def test_a_killed_retention_loses_and_doubles_nothing(workspace: Workspace, stage: str) -> None:
    serve(workspace, 10, MONDAY)
    serve(workspace, 5, TUESDAY)
    before = everything(workspace)
    code = """
import os, signal, sys
from datetime import timedelta
from pathlib import Path
from mlcycle import monitor
from mlcycle.workspace import Workspace
kill = lambda stage: os.kill(os.getpid(), signal.SIGKILL) if stage == sys.argv[2] else None
drop = timedelta(days=1) if sys.argv[2] == "dropped" else None
monitor.retain(Workspace(Path(sys.argv[1])), older_than=timedelta(days=1), drop_archive=drop, hook=kill)
"""
    ended = subprocess.run([sys.executable, "-c", code, str(workspace.root), stage], check=False)
    assert ended.returncode == -9
    if stage == "dropped":
        assert (everything(workspace), len(files(workspace))) == ([], 2)
        monitor.retain(workspace)
        assert files(workspace) == []
        return
    assert everything(workspace) == before
    monitor.retain(workspace, older_than=DAY)
    assert (everything(workspace), in_table(workspace)) == (before, 0)


def test_windows_whose_predictions_are_gone_keep_what_was_judged(workspace: Workspace) -> None:
    serve(workspace, 40, MONDAY)
    serve(workspace, 20, TUESDAY, entities=[f"later {i}" for i in range(20)])
    monitor.run(workspace)
    judged, before = lines(workspace), monitor.panel(workspace)
    gone = clock.wall() - (MONDAY + DAY).replace(hour=0)
    monitor.retain(workspace, older_than=DAY, drop_archive=gone)
    assert len(everything(workspace)) == 20, "half of the window is gone"
    for force in (False, True):
        report = monitor.run(workspace, force=force)
        assert (report.windows, report.closed) == ((), 0)
    assert lines(workspace) == judged
    assert monitor.panel(workspace) == before


def test_a_missing_archive_file_changes_no_judged_window(workspace: Workspace) -> None:
    serve(workspace, 40, MONDAY)
    serve(workspace, 20, TUESDAY, entities=[f"later {i}" for i in range(20)])
    monitor.run(workspace)
    judged = lines(workspace)
    monitor.retain(workspace, older_than=DAY)
    (sha256,) = (row["sha256"] for row in Store(workspace).read("FROM prediction_archive WHERE rows = 40"))
    path_of(workspace, sha256).rename(workspace.root / "elsewhere")
    assert len(everything(workspace)) == 20
    monitor.run(workspace, force=True)
    assert lines(workspace) == judged


def test_a_window_that_is_whole_is_judged_again_beside_one_that_is_gone(workspace: Workspace) -> None:
    serve(workspace, 40, MONDAY, as_of=product.JANUARY)
    ids = serve(workspace, 40, TUESDAY, as_of=product.JANUARY + 3 * DAY)
    monitor.run(workspace)
    monitor.retain(workspace, older_than=DAY, drop_archive=clock.wall() - TUESDAY.replace(hour=0))
    product.label(workspace, ids, [i % 2 for i in range(40)], product.JANUARY + 3 * DAY)
    (window,) = monitor.run(workspace).windows
    assert (window.span.start, window.labelled) == (product.JANUARY + 3 * DAY, 40)


def drifts(workspace: Workspace) -> list[tuple[int, tuple[monitor.Line, ...]]]:
    first, last = date(2019, 12, 1), date(2020, 12, 31)
    return [(one.predictions, one.lines) for one in monitor.drift_over(workspace, first, last)]


def test_drift_over_deleted_days_comes_from_their_histograms(workspace: Workspace) -> None:
    serve(workspace, 60, MONDAY, as_of=MONDAY, features=rows(60, heat=25))
    serve(workspace, 30, TUESDAY, as_of=TUESDAY, features=[{"heat_30d": None}] * 30)
    before = drifts(workspace)
    assert before[0][0] == 90
    monitor.retain(workspace, older_than=DAY)
    assert drifts(workspace) == before
    monitor.retain(workspace, drop_archive=DAY)
    (after,) = monitor.drift_over(workspace, date(2020, 3, 1), date(2020, 3, 31))
    assert after.from_histograms
    assert everything(workspace) == []
    assert drifts(workspace) == before


answers = st.lists(
    st.tuples(
        st.integers(0, 3),  # the entity: asking again replaces the answer
        st.integers(0, 2),  # the day it is about
        st.integers(0, 1),  # the day it was served
        st.one_of(st.none(), st.floats(-5, 40, width=32)),
        st.sampled_from(["a", "b", "other", "missing", "", None]),
        st.sampled_from([1, 2, 3, None]),
        st.sampled_from([200, 200, 200, 422]),
        st.booleans(),  # whether it comes late, when its day has been archived
    ),
    min_size=1,
    max_size=20,
)


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(answers)
def test_psi_from_histograms_is_psi_from_the_rows(
    template: Workspace, tmp_path_factory: pytest.TempPathFactory, found: list[tuple[Any, ...]]
) -> None:
    root = tmp_path_factory.mktemp("w") / "w"
    shutil.copytree(template.root, root)
    workspace = Workspace(root)

    def send(late: bool) -> None:
        sent = [
            {
                **product.record("failures", str(entity), 0.3 + 0.1 * entity, MONDAY + about * DAY),
                "ts": MONDAY + served * DAY + timedelta(seconds=number),
                "status": status,
                "features": {"heat_30d": heat, "site": site, "rooms": rooms},
            }
            for number, (entity, about, served, heat, site, rooms, status, after) in enumerate(found)
            if after == late
        ]
        assert Store(workspace).append("prediction", sent)

    send(False)
    monitor.retain(workspace, older_than=DAY)
    send(True)
    monitor.retain(workspace, older_than=DAY)
    assert in_table(workspace) == 0
    before = drifts(workspace)
    monitor.retain(workspace, drop_archive=DAY)
    assert drifts(workspace) == before
    shutil.rmtree(root)


@given(st.lists(st.floats(0.001, 1e6), min_size=1, max_size=200), st.floats(0, 1))
def test_quantiles_of_rolled_up_latency_are_within_2_2_percent(values: list[float], share: float) -> None:
    import math

    buckets: dict[int, int] = {}
    for value in values:
        bucket = round(16 * math.log2(value))
        buckets[bucket] = buckets.get(bucket, 0) + 1
    (found,) = rollup.quantiles([(rollup.UNKNOWN, 7), *buckets.items()], [share])
    exact = sorted(values)[int(share * (len(values) - 1))]
    assert found is not None
    assert abs(found / exact - 1) <= 2 ** (1 / 32) - 1 + 1e-9


def test_nothing_known_has_no_quantile() -> None:
    assert rollup.quantiles([], [0.5]) == rollup.quantiles([(rollup.UNKNOWN, 3)], [0.5]) == [None]


def test_the_panel_counts_many_requests_by_the_minute(workspace: Workspace) -> None:
    served = clock.wall() - timedelta(minutes=4)
    serve(workspace, 50, served, latency_ms=30.0)
    serve(workspace, 5, served, latency_ms=900.0, status=422)
    exact = monitor.panel(workspace).traffic
    assert (exact.approximate, exact.p50, exact.predictions, exact.errors) == (False, 30.0, 50, 5)
    rolled = monitor.panel(workspace, exact_rows=54).traffic
    assert rolled.approximate
    assert rolled.p99 == pytest.approx(30.0, rel=0.022)
    assert (rolled.predictions, rolled.errors, rolled.last_at) == (50, 5, exact.last_at)
    assert sum(rolled.per_minute) == sum(exact.per_minute) == 55


def test_the_panel_says_when_the_last_one_was_served_though_it_was_archived_or_deleted(
    workspace: Workspace,
) -> None:
    serve(workspace, 10, MONDAY)
    last = monitor.panel(workspace).traffic.last_at
    assert last == MONDAY + timedelta(milliseconds=9)
    monitor.retain(workspace, older_than=DAY)
    assert monitor.panel(workspace).traffic.last_at == last
    monitor.retain(workspace, drop_archive=DAY)
    assert monitor.panel(workspace).traffic.last_at == MONDAY


def test_each_move_and_each_deletion_is_in_the_audit(workspace: Workspace) -> None:
    serve(workspace, 10, MONDAY)
    monitor.retain(workspace, older_than=DAY, drop_archive=DAY)
    found = Store(workspace).read(
        "SELECT action, object, after FROM audit WHERE action = 'monitor retain' ORDER BY ts"
    )
    assert [(row["object"], "archived" in row["after"]) for row in found] == [
        ("predictions of 2020-03-02", True),
        ("predictions of 2020-03-02", False),
    ]
