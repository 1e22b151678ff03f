"""`mlcycle monitor show`: what the Monitor screen draws, as text and as JSON."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.tui import factory

from mlcycle import clock
from mlcycle.store import Store
from mlcycle.workspace import Workspace
from mlcycle_app.cli.root import cli


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A workspace with a judged window, a minute of traffic and one reference."""
    monkeypatch.setattr(clock, "wall", lambda: factory.NOW)
    made = factory.full(tmp_path / "parcels")
    minute = {
        "minute": factory.NOW - timedelta(minutes=2),
        "deployment": "local",
        "bucket": 16,
        "n": 60,
        "errors": 1,
    }
    profile = {
        "subject": "distance_km",
        "kind": "values",
        "edges": "[1.0]",
        "counts": [9],
        "rows": 10,
        "missing": 1,
    }
    with Store(made).transaction("seed") as tx:
        tx.insert("rollup_1m", [minute])
        tx.insert("profile", [{"model": "late", "version": 2, **profile}])
    return made


def asked(workspace: Workspace, *words: str) -> Result:
    """Run the command."""
    return CliRunner().invoke(cli, ["-w", str(workspace.root), "monitor", "show", *words])


def test_it_prints_busy_minutes_and_each_number_over_the_windows(workspace: Workspace) -> None:
    told = asked(workspace)
    assert told.exit_code == 0
    lines = told.stdout.splitlines()
    assert "11:01 to 12:00 UTC, a line each 1 min" in lines[0]
    assert [line.split()[:6] for line in lines if "11:58" in line] == [
        ["2026-03-10", "11:58", "60", "1", "2", "2"]
    ]
    assert "alert         auc punctual: 0.615 in the last window, limit >= 0.78, n 12" in lines
    assert "alert         psi distance_km: 0.41 in the last window, limit 0.2, n 29" in lines


def test_without_traffic_in_the_span_it_says_so(workspace: Workspace) -> None:
    assert "no request" in asked(workspace, "--minutes", "1", "--deployment", "other").stdout


def test_json_has_every_step_and_window(workspace: Workspace) -> None:
    found = json.loads(asked(workspace, "--days", "1", "--json").stdout)
    assert found["step_s"] == 600 and len(found["moments"]) == 144
    assert sum(one["requests"] for one in found["moments"]) == 60
    assert {one["subject"] for one in found["requirements"]} == {"punctual", "quick", "frugal"}


def test_a_feature_is_shown_beside_its_reference(workspace: Workspace) -> None:
    told = asked(workspace, "--feature", "distance_km", "--json")
    assert [(row["bin"], row["reference"]) for row in json.loads(told.stdout)] == [("1.0", 9), ("other", 0)]
    assert "reference: n 9 and 1 without" in told.stderr
    assert asked(workspace, "--feature", "weight").exit_code != 0
