"""Lists of any length: the cursor, pages, filter, order and marks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.tui import factory
from tests.tui.factory import Stage
from tests.tui.screen import press, settle, text
from textual.pilot import Pilot

from mlcycle.store import Store
from mlcycle.workspace import Workspace
from mlcycle_app.tui.app import CycleApp
from mlcycle_app.tui.columns import Column, fit
from mlcycle_app.tui.widgets import rows as rows_module
from mlcycle_app.tui.widgets.pane import Pane
from mlcycle_app.tui.widgets.rows import Rows

Make = Callable[..., CycleApp]
SIZE = (80, 24)
MANY = 2_000
RUN = "('01900000-0000-7000-8000-' || lpad(to_hex({0}), 12, '0'))::UUID"
pytestmark = pytest.mark.parametrize("first", [4])


def _add(workspace: Workspace, start: int, count: int) -> None:
    run = RUN.format("i")
    with Store(workspace).transaction("fill") as tx:
        tx.execute(
            "INSERT INTO run_start (run_id, name, experiment, started_at)"
            f" SELECT {run}, 'run-' || i, CASE i % 2 WHEN 0 THEN 'even' ELSE 'odd' END,"
            " TIMESTAMP '2026-01-01' + INTERVAL 1 MINUTE * i"
            f" FROM range({start}, {start + count}) AS t(i)"
        )


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace with many runs; looked at, never changed."""
    workspace = factory.empty(tmp_path_factory.mktemp("long") / "parcels")
    _add(workspace, 0, MANY)
    return workspace


@pytest.fixture
def growing(tmp_path: Path) -> Workspace:
    """A workspace with some runs, to which more are added."""
    workspace = factory.empty(tmp_path / "parcels")
    _add(workspace, 0, 50)
    return workspace


def pane(app: CycleApp) -> Pane:
    return app.query_one("#pane-runs", Pane)


def row(app: CycleApp) -> str | None:
    found = pane(app).selected.row
    return None if found is None else str(found["run"])


def subtitle(app: CycleApp) -> str:
    return str(pane(app).border_subtitle)


async def type_filter(pilot: Pilot[None], words: str) -> None:
    await press(pilot, "slash", *words)


async def test_the_last_of_many_rows_is_one_key_away(make: Make, long: Workspace, first: int) -> None:
    app = make(long, first=first)
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot)
        assert row(app) == "run-1999" and f"{MANY:,} rows" in subtitle(app)
        await press(pilot, "G")
        assert row(app) == "run-0" and "run-0 " in text(app)
        await press(pilot, "g")
        assert row(app) == "run-1999"
        await press(pilot, "end", "home")
        assert row(app) == "run-1999"


async def test_going_down_the_list_meets_every_row_once(
    make: Make, long: Workspace, first: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlcycle_app.tui.widgets.pane.WINDOW", 120)
    monkeypatch.setattr("mlcycle_app.tui.paging.WINDOW", 120)
    monkeypatch.setattr(rows_module, "MARGIN", 30)
    app = make(long, first=first)
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot)
        met: list[str] = []
        for _ in range(40):
            for place in range(15):
                found = pane(app)._page.row_at(pane(app).rows.cursor + place)
                assert found is not None
                met.append(found["run"])
            for _ in range(15):
                pane(app).rows.action_cursor_by(1)
            await settle(pilot)
        assert met == [f"run-{number}" for number in range(MANY - 1, MANY - 1 - len(met), -1)]


async def test_rows_that_are_still_being_read_are_drawn_as_such_and_come(
    make: Make, long: Workspace, first: int, stage: Stage
) -> None:
    app = make(long, first=first)
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot)
        stage.mode = "held"
        await pilot.press("G")
        await pilot.pause()
        assert row(app) is None and pane(app).rows.cursor == MANY - 1
        assert "│   …" in text(app) and "run-1999" not in text(app)
        await pilot.press("enter", "space", "k")
        stage.let_go()
        await settle(pilot)
        assert row(app) == "run-1" and pane(app).selected.marked == ()


async def test_the_wheel_shows_rows_without_taking_the_cursor(
    make: Make, long: Workspace, first: int
) -> None:
    app = make(long, first=first)
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot)
        pane(app).rows.scroll_to(y=1_500, animate=False)
        await settle(pilot)
        assert "run-499" in text(app), text(app)
        assert pane(app).rows.cursor == 0
        await press(pilot, "down")
        assert row(app) == "run-1998"


async def test_the_cursor_stays_on_its_row_when_others_come_before_it(
    make: Make, growing: Workspace, first: int
) -> None:
    app = make(growing, first=first)
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot)
        await press(pilot, *"jjjjjjj")
        assert row(app) == "run-42"
        line = next(place for place, line in enumerate(text(app).splitlines()) if "run-42 " in line)
        _add(growing, 50, 30)
        await press(pilot, "f5")
        assert row(app) == "run-42" and "80 rows" in subtitle(app)
        assert "run-42 " in text(app).splitlines()[line]


async def test_when_rows_go_the_cursor_stays_in_the_list(make: Make, growing: Workspace, first: int) -> None:
    app = make(growing, first=first)
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot)
        await press(pilot, "G")
        with Store(growing).transaction("thin") as tx:
            tx.execute("DELETE FROM run_start WHERE started_at < TIMESTAMP '2026-01-01 00:47:00'")
        await press(pilot, "f5")
        assert pane(app).rows.cursor == 2 and row(app) == "run-47"
        with Store(growing).transaction("empty") as tx:
            tx.execute("DELETE FROM run_start")
        await press(pilot, "f5")
        assert row(app) is None and "No run yet" in text(app)
        await press(pilot, "j", "G", "enter", "space", "slash", "x", "escape")
        _add(growing, 0, 3)
        await press(pilot, "f5")
        assert row(app) is not None and "3 rows" in subtitle(app)


async def test_a_filter_acts_with_every_letter_and_esc_shows_all_around_the_same_row(
    make: Make, long: Workspace, first: int
) -> None:
    app = make(long, first=first)
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot)
        await type_filter(pilot, "N-77")
        assert f'filter "N-77": 11 of {MANY:,}' in subtitle(app)
        await press(pilot, "enter", "j")
        assert row(app) == "run-778" and isinstance(app.focused, Rows)
        await press(pilot, "escape")
        assert row(app) == "run-778" and subtitle(app).startswith(f"{MANY:,} rows")
        assert app._current == first


async def test_a_filter_that_leaves_nothing_says_so_and_how_to_leave_it(
    make: Make, long: Workspace, first: int
) -> None:
    app = make(long, first=first)
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot)
        await type_filter(pilot, "%_")
        assert "No row holds '%_'" in text(app) and "0 of 2,000" in subtitle(app)
        await press(pilot, "enter", "escape")
        assert f"{MANY:,} rows" in subtitle(app) and row(app) == "run-1999"
        assert isinstance(app.focused, Rows)


async def test_of_several_filters_only_the_last_one_is_drawn(
    make: Make, long: Workspace, first: int, stage: Stage
) -> None:
    app = make(long, first=first)
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot)
        await press(pilot, "slash")
        stage.mode = "held"
        stage.reads.clear()
        for letter in "run-1234":
            await pilot.press(letter)
        await pilot.pause()
        assert stage.reads["rows"] <= 1
        stage.let_go()
        await settle(pilot)
        assert 'filter "run-1234": 1 of' in subtitle(app) and row(app) == "run-1234"


async def test_the_menu_sorts_and_again_reverses_and_the_label_says_which_way(
    make: Make, long: Workspace, first: int
) -> None:
    app = make(long, first=first)
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot)
        await press(pilot, "s", "j", "j", "enter")
        assert row(app) == "run-0" and "run ↑" in text(app)
        await press(pilot, "s")
        assert "rising; enter: falling" in text(app)
        await press(pilot, "enter")
        assert row(app) == "run-999" and "run ↓" in text(app)
        await press(pilot, "s", "escape")
        assert row(app) == "run-999"
        await press(pilot, "s", "g", "home", "enter")
        assert row(app) == "run-1999" and "↓" not in text(app)


async def test_a_click_on_a_label_sorts_and_the_youngest_come_first(
    make: Make, long: Workspace, first: int
) -> None:
    app = make(long, first=first)
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot)
        line = text(app).splitlines()[2]
        await pilot.click(offset=(line.index("age") + 1, 2))
        await settle(pilot)
        assert "age ↑" in text(app) and row(app) == "run-1999"
        await pilot.click(offset=(line.index("age") + 1, 2))
        await settle(pilot)
        assert "age ↓" in text(app) and row(app) == "run-0"


async def test_marks_are_kept_over_pages_filters_and_orders(make: Make, long: Workspace, first: int) -> None:
    app = make(long, first=first)
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot)
        await press(pilot, "space", "G", "space")
        await type_filter(pilot, "run-77")
        await press(pilot, "enter", "space")
        assert "◆ ● running" in text(app), text(app)
        assert "3 marked" in subtitle(app)
        await press(pilot, "escape", "g")
        assert [run["run"] for run in pane(app).selected.marked] == ["run-1999", "run-0", "run-779"]
        assert app.selection().names("run*") == [run["id"] for run in pane(app).selected.marked]
        await press(pilot, "space")
        assert "2 marked" in subtitle(app) and "◆" not in text(app)
        await press(pilot, "u")
        assert pane(app).selected.marked == () and "marked" not in subtitle(app)


async def test_a_list_can_be_sent_to_a_row_by_its_name(make: Make, long: Workspace, first: int) -> None:
    app = make(long, first=first)
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot)
        await type_filter(pilot, "odd")
        await press(pilot, "enter")
        pane(app).go_to(f"{700:08x}")
        await settle(pilot)
        assert row(app) == "run-700" and f"{MANY:,} rows" in subtitle(app)
        pane(app).go_to("nobody")
        await settle(pilot)
        assert f"{MANY:,} rows" in subtitle(app)


async def test_a_page_that_cannot_be_read_is_said_and_read_again_later(
    make: Make, long: Workspace, first: int, stage: Stage
) -> None:
    app = make(long, first=first)
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot)
        stage.mode = "broken"
        await press(pilot, "G")
        assert "✗ pid 7798" in text(app) and "not current" in subtitle(app)
        stage.mode = "open"
        await press(pilot, "f5")
        assert row(app) == "run-0" and "✗ pid 7798" not in text(app)


async def test_what_a_terminal_would_obey_is_not_drawn(make: Make, growing: Workspace, first: int) -> None:
    with Store(growing).transaction("fill") as tx:
        tx.execute(
            "INSERT INTO run_start (run_id, name, experiment, started_at)"
            f" SELECT {RUN.format('999')}, 'a' || chr(27) || ']0;x' || chr(7), 'e', TIMESTAMP '2027-01-01'"
        )
    app = make(growing, first=first)
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot)
        assert "a�]0;x�" in text(app) and "\x1b" not in text(app)


def test_the_most_telling_columns_stay_by_cutting_the_one_of_words(first: int) -> None:
    wished = [Column("status", 10), Column("run", 90, stretch=True), Column("metrics", 31), Column("age", 6)]
    assert fit(wished, 59) == [(0, 10), (1, 14), (2, 31)]
    assert fit(wished, 75) == [(0, 10), (1, 22), (2, 31), (3, 6)]
    assert first
