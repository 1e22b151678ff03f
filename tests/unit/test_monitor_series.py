"""Traffic by the minute and windows over time, held against what a loop over the same rows finds."""

from __future__ import annotations

import math
import random
from collections import defaultdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mlcycle import clock, monitor
from mlcycle.errors import NotFoundError, UsageError
from mlcycle.ids import new_id
from mlcycle.monitor.series import MOST_POINTS, MOST_WINDOWS
from mlcycle.store import Store
from mlcycle.workspace import MARKER, Workspace

NOW = datetime(2026, 3, 10, 12, 0, 30)


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    (tmp_path / MARKER).write_text("name: parcels\n")
    monkeypatch.setattr(clock, "wall", lambda: NOW)
    made = Workspace(tmp_path)
    Store.create(made)
    return made


def _served(count: int, seed: int = 0) -> list[dict[str, Any]]:
    dice = random.Random(seed)
    return [
        {
            "prediction_id": new_id(),
            "ts": NOW - timedelta(seconds=dice.randrange(0, 7200)),
            "as_of": NOW,
            "deployment": dice.choice(["a", "b"]),
            "model": "late",
            "version": 1,
            "entity": str(number),
            "score": 0.5,
            "latency_ms": math.exp(dice.uniform(-2, 6)),
            "status": dice.choice([200, 200, 200, 500]),
        }
        for number in range(count)
    ]


def _append(workspace: Workspace, rows: list[dict[str, Any]]) -> None:
    told = [{**row, "ts": row["ts"].isoformat(), "as_of": row["as_of"].isoformat()} for row in rows]
    Store(workspace).append("prediction", told)


@pytest.mark.parametrize("deployment", [None, "a"])
def test_each_minute_counts_what_was_served_in_it(workspace: Workspace, deployment: str | None) -> None:
    rows = _served(400)
    _append(workspace, rows[:300])
    Store(workspace).fold()
    _append(workspace, rows[300:])  # not folded yet: it counts all the same
    found = monitor.series(workspace, minutes=60, deployment=deployment)
    expected: dict[datetime, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        if deployment in (None, row["deployment"]):
            expected[row["ts"].replace(second=0, microsecond=0)].append(row)
    assert found.step_s == 60 and len(found.moments) == 60
    assert [moment.at for moment in found.moments] == [
        NOW.replace(second=0) - timedelta(minutes=59 - number) for number in range(60)
    ]
    for moment in found.moments:
        mine = expected.get(moment.at, [])
        good = sorted(row["latency_ms"] for row in mine if row["status"] == 200)
        assert (moment.requests, moment.errors) == (len(mine), len(mine) - len(good))
        for share, value in ((0.5, moment.p50), (0.95, moment.p95)):
            if not good:
                assert value is None
            else:
                assert value == pytest.approx(good[int(share * (len(good) - 1))], rel=0.023)


def test_a_long_span_counts_several_minutes_as_one_and_loses_nothing(workspace: Workspace) -> None:
    _append(workspace, _served(500))
    found = monitor.series(workspace, days=30)
    assert len(found.moments) <= MOST_POINTS and found.step_s == 180 * 60
    assert sum(moment.requests for moment in found.moments) == 500


def test_samples_of_resources_are_their_mean_and_their_peak(workspace: Workspace) -> None:
    samples = [(10, 20.0, 70.0), (20, 40.0, 90.0), (130, 10.0, 60.0)]
    Store(workspace).append(
        "sys",
        [
            {
                "ts": (NOW - timedelta(seconds=ago)).isoformat(),
                "deployment": "a",
                "cpu_pct": cpu,
                "rss_mb": rss,
            }
            for ago, cpu, rss in samples
        ],
    )
    moments = monitor.series(workspace, minutes=5).moments
    assert [(moment.cpu_pct, moment.rss_mb) for moment in moments] == [
        (None, None),
        (None, None),
        (10.0, 60.0),
        (None, None),
        (30.0, 90.0),
    ]


def _window(day: int, subject: str, value: float | None, **more: object) -> dict[str, object]:
    at = datetime(2026, 1, 1) + timedelta(days=day)
    return {
        "window_id": new_id(),
        "deployment": "a",
        "metric": "psi",
        "subject": subject,
        "starts": at,
        "ends": at,
        "n": 100 + day,
        "value": value,
        "limit": 0.2,
        "verdict": "ok",
        "model": "late",
        "version": 1,
        "computed_at": at,
        **more,
    }


def test_windows_become_a_track_each_with_the_limit_they_were_held_to(workspace: Workspace) -> None:
    kept = {"requirement_id": "quick", "role": "operations", "metric": "latency_p95", "owner": "dana"}
    versions = [
        {**kept, "version": version, "comparison": "<=", "value": value, "phases": ["monitor"], "since": NOW}
        for version, value in ((1, 50.0), (2, 40.0))
    ]
    with Store(workspace).transaction("seed") as tx:
        tx.insert("requirement", versions)
        tx.insert("window_metric", [_window(day, "km", day / 100) for day in range(100)])
        tx.insert("window_metric", [_window(99, "age", 2.0), _window(99, "km", 7.0, version=2)])
        tx.insert(
            "window_metric", [_window(200, "km", 9.0, deployment="b", starts=NOW - timedelta(days=400))]
        )
        tx.insert(
            "window_metric",
            [
                _window(
                    day,
                    "quick",
                    None if day == 98 else 30.0 + day,
                    metric="latency_p95",
                    limit=limit,
                    requirement_id="quick",
                    requirement_version=version,
                    verdict="too few" if day == 98 else "alert",
                )
                for day, limit, version in ((98, 50.0, 1), (99, 40.0, 2))
            ],
        )
    found = monitor.series(workspace, deployment="a")
    assert [track.subject for track in found.drift] == ["km", "age"]
    km = found.drift[0].windows
    assert (
        len(km) == MOST_WINDOWS and km[-2].value == 0.98 and (km[-1].value, km[-1].model) == (7.0, "late:2")
    )
    [quick] = found.requirements
    assert (quick.metric, quick.subject, quick.sign) == ("latency_p95", "quick", "<=")
    assert [(one.value, one.limit, one.n, one.verdict) for one in quick.windows] == [
        (None, 50.0, 198, "too few"),
        (129.0, 40.0, 199, "alert"),
    ]
    newest = monitor.series(workspace)
    assert newest.deployment == "b" and [track.subject for track in newest.drift] == ["km"]


def test_nothing_served_and_nothing_judged_is_an_empty_series(workspace: Workspace) -> None:
    found = monitor.series(workspace, minutes=15)
    assert (found.deployment, found.requirements, found.drift) == (None, (), ())
    assert len(found.moments) == 15 and not any(moment.requests for moment in found.moments)
    with pytest.raises(UsageError):
        monitor.series(workspace, minutes=0)


def test_rows_that_a_verdict_needs_are_those_declared(workspace: Workspace) -> None:
    assert monitor.least_rows(workspace) == 30
    (workspace.root / "monitor.yaml").write_text("too_few: 12\n")
    assert monitor.least_rows(workspace) == 12
    (workspace.root / "monitor.yaml").write_text("too_few: [\n")
    assert monitor.least_rows(workspace) == 30


@pytest.mark.parametrize(
    ("kind", "edges", "counts", "labels"),
    [
        ("quantiles", "[1.5, 2.5]", [10, 20, 30], ("<= 1.5", "<= 2.5", "> 2.5")),
        ("values", "[1.0, 2.0]", [10, 20], ("1.0", "2.0", "other")),
    ],
)
def test_a_distribution_counts_the_window_in_the_bins_of_its_reference(
    workspace: Workspace, kind: str, edges: str, counts: list[int], labels: tuple[str, ...]
) -> None:
    values = [1.0, 1.0, 2.0, 3.0, None, 9.0]
    rows = [
        {**row, "deployment": "a", "status": 200, "features": {"km": value}}
        for row, value in zip(_served(6), values, strict=True)
    ]
    _append(workspace, rows)
    profile = {"subject": "km", "kind": kind, "edges": edges, "counts": counts, "rows": 70, "missing": 10}
    with Store(workspace).transaction("seed") as tx:
        tx.insert("profile", [{"model": "late", "version": 1, **profile}])
        tx.insert("window_metric", [_window(0, "km", 0.3, starts=NOW, ends=NOW)])
    found = monitor.distribution(workspace, "km")
    assert found.labels == labels
    assert found.now == (2, 1, 2)
    assert sum(found.reference) == found.n_reference == sum(counts)
    assert (found.n_now, found.missing_now, found.missing_reference) == (5, 1, 10)
    with pytest.raises(NotFoundError):
        monitor.distribution(workspace, "weight")
