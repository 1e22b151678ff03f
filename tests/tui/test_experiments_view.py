"""Experiments: the keys of each action, and what the store holds afterwards."""

from __future__ import annotations

import math
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
from mlcycle_app.gateway import Gateway
from mlcycle_app.tui.app import CycleApp
from mlcycle_app.tui.card import Axis, Card, Curves, Facts, Listing, Scale
from mlcycle_app.tui.views.experiments import ExperimentsView
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


async def test_on_the_card_metrics_come_right_after_the_status_and_ids_further_down(
    make: Make, nets: Workspace
) -> None:
    [run] = rows(nets, "SELECT run_id::VARCHAR AS id FROM runs WHERE name = 'net 0.1'")
    first, second, third, *others = run_card(make(nets).gateway, run["id"]).parts
    assert isinstance(first, Facts) and [name for name, _ in first.rows] == ["status", "took"]
    assert isinstance(second, Listing) and second.title == "metrics"
    assert isinstance(third, Curves) and third.title == "val_loss"
    ids = [part for part in others if isinstance(part, Facts) and ("id", run["id"]) in part.rows]
    assert [part.title for part in ids] == ["where it comes from"] and others[0] not in ids


async def test_only_metrics_of_several_steps_are_drawn_and_all_by_one_question(
    make: Make, own: Workspace
) -> None:
    asked: list[str] = []

    class Heard(Gateway):
        def rows(self, sql: str, params: list[Any] | None = None) -> list[dict[str, Any]]:
            asked.append(sql)
            return super().rows(sql, params)

        def do(self, verb: str, *arguments: Any, **options: Any) -> Any:
            asked.append(verb)
            return super().do(verb, *arguments, **options)

    def card(name: str) -> Card:
        asked.clear()
        [run] = rows(own, f"SELECT run_id::VARCHAR AS id FROM runs WHERE name = '{name}'")
        return run_card(Heard(own), run["id"])

    with experiments.start_run("many", workspace=own) as run:
        run.log_metrics({"once": 1.0, "late": math.nan}, step=7)
        for step in range(1_000):
            run.log_metrics({f"curve {number}": step % 10 + number for number in range(6)}, step=step)
        run.log_metrics({"curve 0": 99.0}, step=500)  # given anew: the later one holds
    with experiments.start_run("single", workspace=own) as run:
        run.log_metrics({"once": 1.0, "twice": 2.0})

    parts = card("many").parts
    assert len([one for one in asked if "FROM metrics" in one or "curves" in one]) == 1
    curves = [part for part in parts if isinstance(part, Curves)]
    assert [part.title.partition(" (")[0] for part in curves] == [f"curve {number}" for number in range(4)]
    assert "of up to 1,000 points" in curves[0].title
    [line] = curves[0].lines
    assert max(line.y) == 99.0 and line.x[line.y.index(99.0)] == 500.0
    assert (min(line.y), line.x[0], line.x[-1]) == (0.0, 0.0, 999.0) and len(line.x) <= 400
    [listed] = [part for part in parts if isinstance(part, Listing) and part.title == "metrics"]
    steps = {row["metric"]: row["steps"] for row in listed.rows}
    assert steps == {"late": 1, "once": 1, **{f"curve {number}": 1_000 for number in range(6)}}

    parts = card("single").parts
    assert [one for one in asked if "FROM metrics" in one or "curves" in one] == []
    assert not any(isinstance(part, Curves) for part in parts)
    assert Listing("metrics", [{"metric": "once", "last": 1.0}, {"metric": "twice", "last": 2.0}]).rows in [
        part.rows for part in parts if isinstance(part, Listing)
    ]


async def test_metrics_called_as_columns_are_have_columns_of_their_own(make: Make, own: Workspace) -> None:
    with experiments.start_run("odd", workspace=own) as run:
        run.log_metrics({"Status": 7.5, "rank": 8.5, "RANK": 9.5})
    app = make(own)
    async with app.run_test(size=SIZE) as pilot:
        await press(pilot, "4")
        for metric, value in (("Status", "7.5"), ("rank", "8.5"), ("RANK", "9.5")):
            await press(pilot, "m", "home")
            while _highlighted(app).split("  ")[0] != metric:
                line = _highlighted(app)
                await press(pilot, "j")
                assert _highlighted(app) != line
            await press(pilot, "enter")
            shown = text(app)
            assert f"runs by {metric} " in shown and f"metric {metric}" in shown
            row = app.selection().row
            assert row is not None and (row["run"], row["status"]) == ("odd", "finished")
            assert row[f"metric {metric}"] == float(value) and value in shown


async def test_a_metric_of_a_foreign_store_may_be_called_like_markup(make: Make, own: Workspace) -> None:
    app = make(own)
    async with app.run_test(size=SIZE) as pilot:
        await press(pilot, "4")
        app.query_one(ExperimentsView)._chosen("a[/b]")
        await settle(pilot)
        assert "runs by a[/b] " in text(app)
        await press(pilot, "s")
        assert "sort runs by a[/b] " in text(app)
        await press(pilot, "escape", "slash", "left_square_bracket", "backslash", "enter")
        assert 'filter "[\\": 0 of ' in text(app)


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
