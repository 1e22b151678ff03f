"""Experiments: the keys of each action, and what the store holds afterwards."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.tui.screen import press, settle, text

from mlcycle import experiments
from mlcycle.store import Store
from mlcycle.workspace import Workspace
from mlcycle_app.tui.app import CycleApp
from mlcycle_app.tui.card import Axis, Scale
from mlcycle_app.tui.views.run_card import run_card
from mlcycle_app.tui.widgets.coordinates import drawn
from mlcycle_app.tui.widgets.detail import Detail
from mlcycle_app.tui.widgets.pane import Pane

Make = Callable[..., CycleApp]
SIZE = (140, 40)
WAITS = """
import sys, mlcycle
with mlcycle.start_run("waiting"):
    print("ready", flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def _no_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLCYCLE_RUN_ID", raising=False)


@pytest.fixture
def nets(own: Workspace) -> Workspace:
    """Two runs that logged their loss over ten steps, the second one with another rate."""
    for rate in (0.1, 0.3):
        with experiments.start_run(f"net {rate}", workspace=own) as run:
            run.log_params({"rate": rate, "layers": 3})
            for step in range(10):
                run.log_metrics({"val_loss": 1 / (1 + rate * step)}, step=step)
    return own


@pytest.fixture
def waiting(own: Workspace) -> Iterator[Workspace]:
    """A run whose process waits."""
    (own.root / "wait.py").write_text(WAITS)
    with subprocess.Popen(
        [sys.executable, "wait.py"],
        cwd=own.root,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        yield own
        process.kill()


def rows(workspace: Workspace, sql: str) -> list[dict[str, Any]]:
    return Store(workspace).read(sql)


def done(app: CycleApp) -> None:
    assert [job.state for job in app.jobs.all] == ["done"], [job.lines for job in app.jobs.all]


async def test_marked_runs_stand_side_by_side_with_what_differs_first(make: Make, nets: Workspace) -> None:
    app = make(nets)
    async with app.run_test(size=SIZE) as pilot:
        await press(pilot, "4", "space", "j", "space")
        assert "2 marked" in text(app)
        await press(pilot, "c")
        shown = text(app)
        assert "2 runs side by side" in shown and "net 0.1" in shown and "net 0.3" in shown
        assert "params that differ" in shown and "rate" in shown
        assert shown.index("rate") < shown.index("val_loss")
        # The lesser loss is marked as the best, and both lines are on one chart.
        assert "0.2703 ✓" in shown and "less" in shown and "a net 0.3" in shown and "b net 0.1" in shown
        await press(pilot, "G")
        last = text(app)
        assert "A net" in last and "├" in last and "layers=3" in last
        await press(pilot, "escape")
        assert "runs side by side" not in text(app)


async def test_without_marks_a_run_is_compared_with_the_one_before(make: Make, nets: Workspace) -> None:
    app = make(nets)
    async with app.run_test(size=SIZE) as pilot:
        await press(pilot, "4", "c")
        assert "2 runs side by side" in text(app)
        assert "A  net 0.1" in text(app) and "B  net 0.3" in text(app)


async def test_a_chosen_metric_has_a_column_and_the_best_run_comes_first(make: Make, nets: Workspace) -> None:
    app = make(nets)
    async with app.run_test(size=SIZE) as pilot:
        await press(pilot, "4", "m")
        assert "metric shown as a column" in text(app) and "val_loss" in text(app)
        while "val_loss" not in (line := _highlighted(app)):
            await press(pilot, "j")
            assert _highlighted(app) != line
        await press(pilot, "enter")
        shown = text(app)
        assert "runs by val_loss" in shown
        assert shown.index("net 0.3") < shown.index("net 0.1")
        assert app.query_one("#view-4").query_one(Pane).rows.has_focus and app.selection().names("run")
        await press(pilot, "m", "home")
        assert "none: newest" in _highlighted(app)
        await press(pilot, "enter")
        assert "runs by" not in text(app)


async def test_the_card_shows_params_curves_and_artifacts(make: Make, nets: Workspace) -> None:
    app = make(nets)
    async with app.run_test(size=SIZE) as pilot:
        await press(pilot, "4")
        shown = text(app)
        assert "val_loss" in shown and "rate" in shown and "step" in shown
        await press(pilot, "j", "j")
        card = app.query_one(Detail).card
        assert card is not None and "R registers" in card.hint and "model.zip" in str(card)


async def test_a_sweep_is_run_and_its_card_lists_the_trials(make: Make, own: Workspace) -> None:
    app = make(own)
    async with app.run_test(size=SIZE) as pilot:
        await press(pilot, "4", "W")
        await app.jobs.wait()
        await settle(pilot)
        done(app)
    [best] = rows(
        own, "SELECT r.run_id::VARCHAR AS id FROM tags t JOIN runs r USING (run_id) WHERE key = 'best_run'"
    )
    card = run_card(app.gateway, best["id"])
    assert any(getattr(part, "title", "") == "its trials, best first" for part in card.parts)
    assert rows(own, "SELECT * FROM runs WHERE parent_run_id IS NOT NULL")


async def test_a_run_s_model_becomes_the_next_version(make: Make, own: Workspace) -> None:
    [result] = experiments.train(own, models=["trees"], name="trees again")
    app = make(own)
    async with app.run_test(size=SIZE) as pilot:
        await press(pilot, "4")
        [run] = app.selection().names("run")
        await press(pilot, "R")
        assert f"mlcycle models register {run}" in text(app)
        await press(pilot, "enter")
        await app.jobs.wait()
        done(app)
    [newest] = rows(own, "SELECT run_id::VARCHAR AS id FROM model_versions ORDER BY version DESC LIMIT 1")
    assert newest["id"] == result.run_id and result.run_id.endswith(run)


@pytest.mark.skipif(os.name == "nt", reason="SIGINT")
async def test_a_running_run_is_stopped_once_that_is_sure(make: Make, waiting: Workspace) -> None:
    app = make(waiting)
    async with app.run_test(size=SIZE) as pilot:
        await press(pilot, "4", "g")
        assert "running" in text(app) and "x stops" in text(app)
        await press(pilot, "x")
        assert "Stop" in text(app)
        await press(pilot, "enter")
        assert app.jobs.all == []
        await press(pilot, "x", "right", "enter")
        await app.jobs.wait()
        await settle(pilot)
        done(app)
        assert "killed" in text(app)
    assert rows(waiting, "SELECT status FROM runs WHERE name = 'waiting'") == [{"status": "killed"}]


async def test_a_failed_run_says_why_and_its_log_is_kept(make: Make, own: Workspace) -> None:
    (own.root / "bad.py").write_text("print('began')\nraise ValueError('the floor is lava')\n")
    code = experiments.run_command(own, [sys.executable, str(own.root / "bad.py")], trust=True)
    assert code == 1
    app = make(own)
    async with app.run_test(size=SIZE) as pilot:
        await press(pilot, "4")
        shown = text(app)
        assert "✗ failed" in shown and "exit code 1" in shown and "ValueError: the floor is lava" in shown
        await press(pilot, "l")
        assert "log of bad" in text(app) and "began" in text(app) and "the floor is lava" in text(app)
        await press(pilot, "q")
        assert "log of bad" not in text(app)


async def test_with_no_run_the_keys_say_what_is_missing(make: Make, empty: Workspace) -> None:
    app = make(empty)
    async with app.run_test(size=(100, 24)) as pilot:
        await press(pilot, "4", "m")
        assert "no run has logged a metric" in text(app)
        await press(pilot, "c")
        assert "no run is selected" in text(app)


def test_parallel_coordinates_put_each_thing_at_its_value() -> None:
    scale = Scale(
        "all",
        ["one", "two", "three"],
        [Axis("rate", [0.1, 0.2, None]), Axis("kind", ["b", "a", "b"]), Axis("flat", [1.0, 1.0, 1.0])],
    )
    lines = drawn(scale, 60).plain.split("\n")

    assert lines[0] == "all" and lines[1] == "A one  B two  C three"
    assert lines[2].startswith("rate") and lines[2].endswith("none: C")
    assert lines[2].index("A") < lines[2].index("B")
    # Words lie in the order of the alphabet; two things of one value stand one below the other.
    assert lines[3].index("B") < lines[3].index("A") == lines[4].index("C")
    assert lines[5].strip().split() == ["a", "b"]
    assert [line.strip("─├┤ ") for line in lines[7:9]] == ["B", "C"]
    assert all(len(line) <= 60 for line in lines)


def _highlighted(app: CycleApp) -> str:
    from textual.widgets import OptionList

    options = app.screen.query_one(OptionList)
    assert options.highlighted is not None
    return str(options.get_option_at_index(options.highlighted).prompt)
