"""Four walks of somebody who has never seen this: every key pressed here stands on the screen before it is pressed."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.tui.screen import press, settle, text
from textual.pilot import Pilot

from mlcycle.workspace import Workspace
from mlcycle_app.gateway import Gateway
from mlcycle_app.tui.app import CycleApp

Make = Callable[..., CycleApp]
SIZES = pytest.mark.parametrize("size", [(80, 24), (140, 40)], ids=["80x24", "140x40"])
KEYS = {"enter": "enter", "space": "space", "?": "question_mark", "esc": "escape"}


async def take(pilot: Pilot[None], shown: str) -> None:
    """Press a key that the screen offers, such as `enter open`; its first word is the key."""
    assert isinstance(pilot.app, CycleApp)
    drawn = " ".join(text(pilot.app).split())
    assert shown in drawn, f"the screen does not offer {shown!r}:\n{text(pilot.app)}"
    key = shown.split(maxsplit=1)[0]
    await press(pilot, KEYS.get(key, key))


async def go_to_row(pilot: Pilot[None], words: str) -> None:
    """Take the cursor down, with the arrow that every list knows, to a row that one can see."""
    app = pilot.app
    assert isinstance(app, CycleApp)
    assert words in text(app), text(app)
    for _ in range(30):
        row = app.selection().row
        if row is not None and any(words in str(value) for value in row.values()):
            return
        await press(pilot, "down")
    raise AssertionError(f"no row with {words!r} is reached by going down:\n{text(app)}")


def as_words(app: CycleApp) -> str:
    """Return the screen without frames, as one line."""
    return " ".join("".join(sign for sign in text(app) if sign not in "│╭╮╰╯─").split())


@SIZES
async def test_walk_to_why_a_gate_refused_a_model(make: Make, own: Workspace, size: tuple[int, int]) -> None:
    app = make(own)
    async with app.run_test(size=size) as pilot:
        await settle(pilot)
        await press(pilot, "5")  # the strip numbers the phases
        await go_to_row(pilot, "refused")
        await take(pilot, "enter open")
        told = as_words(app)
        assert "✗ r2 is 0.9941, the limit is >= 0.9999 (n = 96)" in told, text(app)


@SIZES
async def test_walk_to_the_rows_that_failed_a_check(
    make: Make, own: Workspace, size: tuple[int, int]
) -> None:
    app = make(own)
    async with app.run_test(size=size) as pilot:
        await settle(pilot)
        await press(pilot, "2")
        await go_to_row(pilot, "rent between")
        await take(pilot, "v rows")
        told = as_words(app)
        assert "900" in told and "-5" in told and "rent" in told, text(app)


@SIZES
async def test_walk_to_how_two_runs_differ(make: Make, own: Workspace, size: tuple[int, int]) -> None:
    app = make(own)
    async with app.run_test(size=size) as pilot:
        await settle(pilot)
        await press(pilot, "4")
        await go_to_row(pilot, "trees")
        await take(pilot, "space mark")
        await go_to_row(pilot, "linear")
        await take(pilot, "space mark")
        await take(pilot, "c compare")
        told = as_words(app)
        assert "trees" in told and "linear" in told and "rmse" in told and "max_iter" in told, text(app)


@SIZES
async def test_walk_to_the_champion_before(make: Make, own: Workspace, size: tuple[int, int]) -> None:
    app = make(own)
    async with app.run_test(size=size) as pilot:
        await settle(pilot)
        await press(pilot, "5")
        await take(pilot, "? help")
        assert "B Bring the previous champion back" in as_words(app)
        await take(pilot, "esc closes")
        await press(pilot, "B")
        assert "champion" in as_words(app)
        if "type " in text(app):
            for sign in "flats_model":
                await pilot.press(sign)
            await settle(pilot)
        await press(pilot, "tab", "tab") if "type " in text(app) else await press(pilot, "tab")
        await press(pilot, "enter")
        await app.jobs.wait()
        assert [job.state for job in app.jobs.all] == ["done"], [list(job.lines) for job in app.jobs.all]
    rows = Gateway(own).rows("SELECT version FROM aliases WHERE alias = 'champion'")
    assert rows == [{"version": 1}]


async def test_marks_are_kept_when_another_metric_is_chosen(make: Make) -> None:
    app = make(first=4)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await press(pilot, "space", "down", "space")
        marked = {str(one["id"]) for one in app.selection().marked}
        assert len(marked) == 2
        await press(pilot, "m", "enter")
        assert not app.query("#pane-runs")
        assert {str(one["id"]) for one in app.selection().marked} == marked and ", 2 marked" in text(app)
        await press(pilot, "u")
        assert app.selection().marked == ()
