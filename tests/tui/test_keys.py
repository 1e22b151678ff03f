"""What the keys and the mouse do."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.tui.factory import Stage
from tests.tui.screen import press, settle, text

from mlcycle_app.commands import PHASES
from mlcycle_app.tui.app import CycleApp
from mlcycle_app.tui.widgets.rows import Rows
from mlcycle_app.tui.widgets.status_line import StatusLine

Make = Callable[..., CycleApp]
NARROW, WIDE, TINY = (80, 24), (140, 40), (60, 15)


def shown(app: CycleApp) -> str:
    """Return the name of the screen that the strip marks."""
    line = text(app).splitlines()[0]
    return next(name for name in PHASES if name in line)


async def test_numbers_open_the_screens_and_brackets_step_through_them(make: Make) -> None:
    app = make()
    async with app.run_test(size=NARROW) as pilot:
        for number, name in enumerate(PHASES):
            await press(pilot, str(number))
            assert shown(app) == name
        await press(pilot, "right_square_bracket")
        assert shown(app) == "Home"
        await press(pilot, "left_square_bracket")
        assert shown(app) == "Retrain"


async def test_escape_goes_home_one_level_at_a_time_and_never_quits(make: Make) -> None:
    app = make()
    async with app.run_test(size=NARROW) as pilot:
        await press(pilot, "2", "t", "escape")
        assert shown(app) == "Data" and "╭─ why" not in text(app)
        await press(pilot, "z", "escape")
        assert shown(app) == "Data" and "╭─ batches" in text(app)
        await press(pilot, "escape")
        assert shown(app) == "Home"
        await press(pilot, "escape", "escape")
        assert app.is_running and shown(app) == "Home"


async def test_q_leaves_with_exit_code_zero(make: Make) -> None:
    app = make()
    async with app.run_test(size=NARROW) as pilot:
        await settle(pilot)
        await pilot.press("q")
    assert (app.return_code or 0, app.crash) == (0, None)


async def test_the_lesson_covers_a_narrow_screen_and_stands_beside_a_wide_one(make: Make) -> None:
    app = make()
    async with app.run_test(size=NARROW) as pilot:
        await press(pilot, "6", "t")
        assert "╭─ why" in text(app) and "drift (PSI)" not in text(app)
        await pilot.resize_terminal(*WIDE)
        await settle(pilot)
        assert "╭─ why" in text(app) and "drift (PSI)" in text(app)
        await press(pilot, "3")
        assert "A feature is what was known" in text(app)
        await press(pilot, "t")
        assert "╭─ why" not in text(app)


async def test_the_lesson_can_be_open_from_the_start(make: Make) -> None:
    app = make(teach=True)
    async with app.run_test(size=WIDE) as pilot:
        await settle(pilot)
        assert "The loop" in text(app)


async def test_zoom_gives_a_pane_the_screen_and_takes_it_back(make: Make) -> None:
    app = make()
    async with app.run_test(size=NARROW) as pilot:
        await press(pilot, "2", "tab", "z")
        assert "batches" in text(app) and "rows set aside" not in text(app) and "fail" not in text(app)
        await press(pilot, "z")
        assert "rows set aside" in text(app)
        await press(pilot, "6", "z")
        assert "drift" in text(app) and "requirements" not in text(app) and "traffic" not in text(app)
        await press(pilot, "1", "6")
        assert "requirements" in text(app)


async def test_vims_keys_move_the_cursor(make: Make) -> None:
    app = make()
    async with app.run_test(size=NARROW) as pilot:
        await settle(pilot)
        board = app.query_one("#board", Rows)
        assert board.cursor == 1  # what waits
        seen = []
        for key in ("j", "j", "k", "G", "g", "k", "down", "end", "home", "pagedown"):
            await press(pilot, key)
            seen.append(board.cursor)
        assert seen == [2, 3, 2, 6, 0, 0, 1, 6, 0, 6]


async def test_enter_on_a_phase_opens_it_and_enter_on_a_row_shows_all_of_it(make: Make) -> None:
    app = make()
    async with app.run_test(size=NARROW) as pilot:
        await settle(pilot)
        await press(pilot, "enter")
        assert shown(app) == "Data"
        await press(pilot, "5", "tab", "tab", "tab", "j", "enter")
        assert "punctual: auc is 0.71, the limit is >= 0.78 (n = 3,250)" in " ".join(text(app).split())
        await press(pilot, "escape")
        assert shown(app) == "Deploy" and "(n = 3,250)" not in text(app)


async def test_help_lists_the_keys_and_the_screens_commands(make: Make) -> None:
    app = make()
    async with app.run_test(size=WIDE) as pilot:
        await press(pilot, "7", "question_mark")
        page = text(app)
        assert "previous, next phase" in page and "retrain judge" in page
        await press(pilot, "q")
        assert "previous, next phase" not in text(app) and app.is_running


async def test_y_copies_the_command_that_shows_the_same(make: Make) -> None:
    app = make()
    async with app.run_test(size=NARROW) as pilot:
        await press(pilot, "2", "tab")
        assert "$ mlcycle data list" in text(app)
        await press(pilot, "y", "c")
        assert app.clipboard == f"mlcycle -w {app.gateway.workspace.root} data list"
        assert "sent to the terminal's clipboard" in text(app)


async def test_r_reads_the_screen_and_the_board_again(make: Make, stage: Stage) -> None:
    app = make()
    async with app.run_test(size=NARROW) as pilot:
        await press(pilot, "4")
        stage.reads.clear()
        await press(pilot, "f5")
        assert stage.reads == {"page of runs": 1, "board": 1}


async def test_the_footer_begins_with_the_screens_commands_and_leaves_out_what_does_not_fit(
    make: Make,
) -> None:
    app = make()
    async with app.run_test(size=TINY) as pilot:
        await press(pilot, "4")
        narrow = text(app).splitlines()[-1]
        assert narrow.split()[:2] == ["r", "train"] and narrow.endswith("? help  q quit")
    app = make()
    async with app.run_test(size=WIDE) as pilot:
        await press(pilot, "4")
        wide = text(app).splitlines()[-1]
        assert "z zoom" in wide and "y copy" in wide and "z zoom" not in narrow


async def test_a_click_on_the_strip_opens_a_screen_and_one_on_the_footer_does_what_its_key_does(
    make: Make,
) -> None:
    app = make()
    async with app.run_test(size=NARROW) as pilot:
        await settle(pilot)
        await pilot.click("#strip", offset=(text(app).index("3✓"), 0))
        await settle(pilot)
        assert shown(app) == "Features"
        await pilot.click("#hints", offset=(text(app).splitlines()[-1].index("help"), 0))
        await settle(pilot)
        assert "features build" in text(app)


async def test_a_click_takes_the_cursor_along_and_a_double_click_opens(make: Make) -> None:
    app = make()
    async with app.run_test(size=NARROW) as pilot:
        await settle(pilot)
        await pilot.click("#board", offset=(10, 5))
        await settle(pilot)
        assert app.query_one("#board", Rows).cursor == 4
        await pilot.click("#board", offset=(10, 5), times=2)
        await settle(pilot)
        assert shown(app) == "Deploy"


@pytest.mark.parametrize("size", [(40, 10), (20, 5)])
async def test_small_terminals_break_nothing(make: Make, size: tuple[int, int]) -> None:
    app = make()
    async with app.run_test(size=WIDE) as pilot:
        await press(pilot, "6")
        await pilot.resize_terminal(*size)
        await settle(pilot)
        for number in (0, 2, 6):
            await press(pilot, str(number))
            assert len(text(app).splitlines()) == size[1]


async def test_on_few_lines_the_pane_with_the_keyboard_opens(make: Make) -> None:
    app = make()
    async with app.run_test(size=TINY) as pilot:
        await press(pilot, "2")
        assert "parcels_fresh" in text(app) and "admitted" not in text(app)
        await press(pilot, "tab")
        assert "parcels_fresh" not in text(app) and "admitted" in text(app)
        await press(pilot, "6")
        assert "2 alerts open" in text(app)


async def test_ctrl_c_says_how_to_leave(make: Make) -> None:
    app = make()
    async with app.run_test(size=NARROW) as pilot:
        await press(pilot, "ctrl+c")
        assert app.is_running and "q quits" in text(app)
        assert app.query_one(StatusLine).is_attached
