"""Labels that became known, joined to what was predicted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from tests.unit.monitor import product

from mlcycle import clock, data, monitor, quality
from mlcycle.store import Store
from mlcycle.workspace import Workspace

KNOWN = product.JANUARY + timedelta(days=30)


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    clock.set_now(product.JANUARY)
    made = product.make(tmp_path / "w")
    product.register(made)
    yield made
    clock.set_now(None)


def outcomes(
    workspace: Workspace, rows: Sequence[tuple[int, datetime, int | None]], name: str = "outcomes.csv"
) -> None:
    lines = [
        f"{machine},{day},{'' if failed is None else failed},{day + timedelta(days=30)}"
        for machine, day, failed in rows
    ]
    path = workspace.root / "data" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join(["machine,day,failed,known", *lines]) + "\n")
    data.ingest(workspace, path, source="outcomes")
    quality.check(workspace)


def kept(workspace: Workspace) -> list[tuple[str, float, datetime]]:
    rows = Store(workspace).read("SELECT entity, value, known_at FROM labels ORDER BY entity")
    return [(row["entity"], row["value"], row["known_at"]) for row in rows]


def test_a_label_is_joined_once_its_target_is_known_and_not_before(workspace: Workspace) -> None:
    outcomes(workspace, [(1, product.JANUARY, 0), (2, product.JANUARY, 1), (3, product.FEBRUARY, 1)])
    product.predict(workspace, [0.1, 0.9], entities=["1", "2"])
    clock.set_now(KNOWN - timedelta(seconds=1))
    assert monitor.labels(workspace).new == 0
    clock.set_now(KNOWN)
    report = monitor.labels(workspace)
    assert report.new == 2
    assert kept(workspace) == [("1", 0.0, KNOWN), ("2", 1.0, KNOWN)]
    assert [(one.as_of, one.predictions, one.labelled) for one in report.coverage] == [
        (product.JANUARY, 2, 2)
    ]


def test_looking_again_adds_no_label_twice(workspace: Workspace) -> None:
    outcomes(workspace, [(1, product.JANUARY, 1)])
    product.predict(workspace, [0.1], entities=["1"])
    clock.set_now(KNOWN)
    assert [monitor.labels(workspace).new, monitor.labels(workspace).new] == [1, 0]
    assert len(kept(workspace)) == 1


def test_a_corrected_label_is_what_counts_from_when_it_is_known(workspace: Workspace) -> None:
    outcomes(workspace, [(1, product.JANUARY, 1), (2, product.JANUARY, 0)])
    product.predict(workspace, [0.1, 0.2], entities=["1", "2"])
    clock.set_now(KNOWN)
    monitor.labels(workspace)
    later = KNOWN + timedelta(days=3)
    path = workspace.root / "data" / "corrected.csv"
    path.write_text(f"machine,day,failed,known\n1,{product.JANUARY},0,{later}\n")
    data.ingest(workspace, path, source="outcomes")
    quality.check(workspace)
    assert monitor.labels(workspace).corrected == 0
    clock.set_now(later)
    report = monitor.labels(workspace)
    assert (report.new, report.corrected, report.coverage[0].labelled) == (0, 1, 2)
    assert kept(workspace) == [("1", 0.0, later), ("2", 0.0, KNOWN)]
    assert monitor.labels(workspace).corrected == 0


def test_a_prediction_about_another_moment_gets_no_label(workspace: Workspace) -> None:
    outcomes(workspace, [(1, product.JANUARY, 1)])
    product.predict(workspace, [0.1], entities=["1"], as_of=product.JANUARY + timedelta(days=1))
    clock.set_now(KNOWN)
    report = monitor.labels(workspace)
    assert (report.new, report.coverage[0].labelled) == (0, 0)


def test_an_empty_target_is_not_known(workspace: Workspace) -> None:
    outcomes(workspace, [(1, product.JANUARY, None)])
    product.predict(workspace, [0.1], entities=["1"])
    clock.set_now(KNOWN)
    assert monitor.labels(workspace).new == 0


def test_a_target_that_is_no_class_of_the_model_is_counted_and_left_out(workspace: Workspace) -> None:
    outcomes(workspace, [(1, product.JANUARY, 7), (2, product.JANUARY, 1)])
    product.predict(workspace, [0.1, 0.2], entities=["1", "2"])
    clock.set_now(KNOWN)
    report = monitor.labels(workspace)
    assert (report.new, report.unreadable) == (1, 1)


def test_no_label_table_yet_is_no_error(workspace: Workspace) -> None:
    product.predict(workspace, [0.1], entities=["1"])
    clock.set_now(KNOWN)
    assert monitor.labels(workspace).new == 0


def test_without_a_time_column_the_entity_alone_finds_its_label(tmp_path: Path) -> None:
    clock.set_now(product.FEBRUARY)
    spine = "spine: {table: outcomes, key: [machine, day], target: failed}\n"
    own = "views: {own: {table: outcomes, timeless: true, features: {month: month(known)}}}\n"
    workspace = product.make(
        tmp_path / "w", features=spine + own, training=product.TRAINING.replace("newest: 1", "fraction: 0.2")
    )
    product.register(workspace)
    outcomes(workspace, [(1, product.JANUARY, 1)])
    product.predict(workspace, [0.4], entities=[f"1|{product.JANUARY}"], as_of=product.FEBRUARY)
    assert monitor.labels(workspace).new == 1
    assert kept(workspace) == [(f"1|{product.JANUARY}", 1.0, product.FEBRUARY)]
    clock.set_now(None)


def readings(workspace: Workspace, *rows: tuple[datetime, datetime]) -> None:
    lines = [f"{number},1,{at},20.5,{arrived}" for number, (at, arrived) in enumerate(rows)]
    path = workspace.root / "data" / "readings.csv"
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join(["reading,machine,at,heat,arrived", *lines]) + "\n")
    data.ingest(workspace, path)
    quality.check(workspace)


def test_freshness_counts_only_what_had_arrived_by_the_moment(workspace: Workspace) -> None:
    days = [product.JANUARY + timedelta(days=after) for after in (-5, -1, 1)]
    readings(workspace, (days[0], days[0]), (days[1], days[2]), (days[2], days[2]))
    product.predict(workspace, [0.1, 0.2], entities=["1", "2"])
    clock.set_now(product.FEBRUARY)
    (window,) = monitor.run(workspace).windows
    (fresh,) = [line for line in window.lines if line.requirement_id == "fresh"]
    assert (fresh.value, fresh.n, fresh.verdict) == (5.0, 1, "alert")


def test_freshness_of_a_source_without_rows_is_not_measured(workspace: Workspace) -> None:
    product.predict(workspace, [0.1, 0.2], entities=["1", "2"])
    (window,) = monitor.run(workspace).windows
    assert [line.verdict for line in window.lines if line.requirement_id == "fresh"] == ["not measured"]


def test_a_row_that_does_not_say_when_it_was_known_was_known_when_it_happened(workspace: Workspace) -> None:
    path = workspace.root / "data" / "readings.csv"
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"reading,machine,at,heat,arrived\n1,1,{product.JANUARY - timedelta(days=2)},20.5,\n")
    data.ingest(workspace, path)
    quality.check(workspace)
    product.predict(workspace, [0.1], entities=["1"])
    (window,) = monitor.run(workspace).windows
    (fresh,) = [line for line in window.lines if line.requirement_id == "fresh"]
    assert (fresh.value, fresh.n) == (2.0, 1)
