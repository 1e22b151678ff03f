"""Every screen in each of its states at two sizes, character by character."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.tui.factory import Stage
from tests.tui.screen import compare, settle, text

from mlcycle.workspace import Workspace
from mlcycle_app.commands import PHASES
from mlcycle_app.tui.app import CycleApp

SIZES = {"80x24": (80, 24), "140x40": (140, 40)}
MODES = {"full": "open", "empty": "open", "loading": "held", "error": "broken"}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("state", MODES)
async def test_every_screen_looks_as_it_did(
    state: str,
    size: str,
    empty: Workspace,
    stage: Stage,
    make: Callable[..., CycleApp],
    update_frames: bool,
) -> None:
    stage.mode = MODES[state]
    app = make(empty if state == "empty" else None)
    differing = []
    async with app.run_test(size=SIZES[size]) as pilot:
        for number, phase in enumerate(PHASES):
            await pilot.press(str(number))
            if state == "loading":
                await pilot.pause()
            else:
                await settle(pilot)
            differing.append(compare(f"{phase.lower()}-{state}-{size}", text(app), update=update_frames))
        stage.let_go()
    found = "\n".join(difference for difference in differing if difference)
    if found:
        pytest.fail(found, pytrace=False)
