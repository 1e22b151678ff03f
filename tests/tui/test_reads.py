"""Reads that take long, fail, or are wrong: the UI stays usable, keeps what it has, and comes back by itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.tui.factory import Stage, Staged
from tests.tui.screen import press, settle, text

from mlcycle_app.gateway import Gateway
from mlcycle_app.tui import keeper as keeper_module
from mlcycle_app.tui.app import CycleApp
from mlcycle_app.tui.views.design import DesignView
from mlcycle_app.tui.views.monitor import MonitorView

if TYPE_CHECKING:
    from mlcycle_app.gateway import Panel

Make = Callable[..., CycleApp]
SIZE = (80, 24)


@pytest.fixture(autouse=True)
def _look_at_every_tick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(keeper_module, "EVERY_S", 0.0)
    monkeypatch.setattr(MonitorView, "every", 0.0)
    monkeypatch.setattr(DesignView, "every", 0.0)
    monkeypatch.setattr(Gateway, "log_files", lambda _: iter([tmp_path / "ui.log"]))


async def tick(app: CycleApp) -> None:
    app.tick()


async def test_a_screen_stands_at_once_however_long_its_read_takes(make: Make, stage: Stage) -> None:
    app = make()
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot)
        stage.mode = "held"
        await pilot.press("2")
        await pilot.press("5")
        await pilot.pause()
        assert "model versions" in text(app) and "reading …" in text(app)
        await pilot.press("t")
        await pilot.pause()
        assert "╭─ why" in text(app)
        stage.let_go()
        await press(pilot, "t")
        assert "late:2" in text(app)


async def test_quitting_waits_for_no_read(make: Make, stage: Stage) -> None:
    stage.mode = "held"
    app = make()
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press("2")
        await pilot.press("q")
    assert not stage.go.is_set() and not app.is_running
    assert app.crash is None


async def test_only_the_screen_that_is_shown_reads(make: Make, stage: Stage) -> None:
    app = make()
    async with app.run_test(size=SIZE) as pilot:
        await press(pilot, "6", "1")
        app.gateway.workspace.database.touch()
        stage.reads.clear()
        await tick(app)
        await settle(pilot)
        assert stage.reads["panel"] == 0
        assert stage.reads["page of requirements"] == 1


async def test_nothing_is_read_while_nothing_was_written(make: Make, stage: Stage) -> None:
    app = make()
    async with app.run_test(size=SIZE) as pilot:
        await press(pilot, "6")
        await tick(app)
        await settle(pilot)
        stage.reads.clear()
        for _ in range(3):
            await tick(app)
            await settle(pilot)
        assert stage.reads.total() == 0


async def test_a_live_read_does_not_begin_before_the_last_one_ended(make: Make, stage: Stage) -> None:
    app = make()
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot)
        stage.mode = "held"
        await pilot.press("6")
        await pilot.pause()
        for _ in range(3):
            app.gateway.workspace.database.touch()
            await tick(app)
            await pilot.pause()
        assert stage.reads["panel"] == 1


async def test_asking_again_during_a_read_reads_once_more_when_it_has_ended(make: Make, stage: Stage) -> None:
    app = make()
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot)
        stage.mode = "held"
        await pilot.press("1")
        await pilot.pause()
        await pilot.press("f5")
        await pilot.press("f5")
        await pilot.pause()
        assert stage.reads["page of requirements"] == 1
        stage.let_go()
        await settle(pilot)
        assert stage.reads["page of requirements"] == 2


async def test_home_keeps_the_last_board_says_its_age_and_comes_back(make: Make, stage: Stage) -> None:
    app = make()
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot)
        stage.mode = "broken"
        await press(pilot, "f5")
        frame = text(app)
        assert "late:2 is champion" in frame and "last read" in frame and "s ago" in frame
        assert "kill 7798" in frame
        await press(pilot, "1", "0")
        assert "last read" in text(app)
        stage.mode = "open"
        await tick(app)
        await settle(pilot)
        frame = text(app)
        assert "last read" not in frame and "kill 7798" not in frame


async def test_rows_that_were_there_stay_when_a_read_fails(make: Make, stage: Stage) -> None:
    app = make()
    async with app.run_test(size=SIZE) as pilot:
        await press(pilot, "1")
        stage.mode = "broken"
        await press(pilot, "f5")
        assert "punctual" in text(app) and "not current" in text(app)
        stage.mode = "open"
        await press(pilot, "f5")
        assert "not current" not in text(app) and "3 rows" in text(app)


async def test_an_error_leaves_the_status_line_with_the_next_success(make: Make, stage: Stage) -> None:
    app = make()
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot)
        stage.mode = "broken"
        await press(pilot, "7")
        assert "✗ pid 7798" in text(app).splitlines()[-2]
        stage.mode = "open"
        await press(pilot, "f5")
        assert "✗ pid 7798" not in text(app)


async def test_a_defect_in_a_read_is_kept_in_a_log_and_the_rest_goes_on(
    make: Make, stage: Stage, tmp_path: Path
) -> None:
    app = make()
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot)
        stage.mode = "defect"
        await press(pilot, "3")
        assert "Features could not be read: ZeroDivisionError: planted" in text(app)
        assert "Traceback" in (tmp_path / "ui.log").read_text()
        stage.mode = "open"
        await press(pilot, "4")
        assert "trees" in text(app)


async def test_a_defect_in_drawing_ends_the_program_without_a_page_of_locals(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    def draw(*_: object) -> None:
        raise KeyError("planted")

    monkeypatch.setattr(DesignView, "draw", draw)
    app = make()
    with pytest.raises(KeyError, match="planted"):
        async with app.run_test(size=SIZE) as pilot:
            await press(pilot, "1")
    assert app.return_code == 1 and isinstance(app.crash, KeyError)
    assert app._exit_renderables == []


async def test_a_read_that_fails_while_a_dialog_is_open_is_said_below_it(make: Make, stage: Stage) -> None:
    app = make()
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot)
        await press(pilot, "question_mark")
        assert len(app.screen_stack) > 1
        stage.mode = "broken"
        app._read_board()
        await settle(pilot)
        assert app.crash is None
        await press(pilot, "escape")
        assert "✗ pid 7798" in text(app)


async def test_latency_that_is_known_by_its_bucket_only_says_so(
    make: Make, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Staged.panel

    def counted_by_the_minute(self: Staged) -> Panel:
        panel = whole(self)
        busy = replace(panel.traffic, predictions=900_000, p50=1.5, p95=None, p99=20.0, approximate=True)
        return replace(panel, traffic=busy)

    monkeypatch.setattr(Staged, "panel", counted_by_the_minute)
    app = make()
    async with app.run_test(size=SIZE) as pilot:
        await press(pilot, "6")
        assert "p50 ~1.50   p95 -   p99 ~20.00 ms" in text(app)
