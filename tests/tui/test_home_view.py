"""Home: the ring beside the board on wide screens, what `r` does for a phase, and what others run."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from tests.tui.factory import NOW, Stage, _id
from tests.tui.screen import press, settle, text

from mlcycle.store import Store
from mlcycle.workspace import Workspace
from mlcycle_app.commands import PHASES
from mlcycle_app.gateway import CouldNot, Gateway
from mlcycle_app.tui.app import CycleApp
from mlcycle_app.tui.declared import Declared, how_to_mend
from mlcycle_app.tui.holders import explained, foreign
from mlcycle_app.tui.views import base as base_module
from mlcycle_app.tui.views.design import DesignView
from mlcycle_app.tui.views.home import HomeView, _parted
from mlcycle_app.tui.widgets.ring import Ring, layout
from mlcycle_app.tui.widgets.rows import Rows
from mlcycle_app.tui.widgets.strip import Strip

Make = Callable[..., CycleApp]
NARROW, WIDE = (80, 24), (140, 40)


def shown(app: CycleApp) -> str:
    """Return the name of the screen that is shown."""
    return PHASES[app.query_one(Strip).current]


@pytest.fixture
def mine(full: Workspace, tmp_path: Path) -> Workspace:
    """A copy of the full workspace that a test may change."""
    shutil.copytree(full.root, tmp_path / "parcels")
    return Workspace(tmp_path / "parcels")


async def test_the_ring_stands_beside_the_board_where_it_has_room(make: Make) -> None:
    app = make()
    async with app.run_test(size=WIDE) as pilot:
        await settle(pilot)
        page = text(app)
        assert "the cycle" in page and "lifecycle" in page
        assert page.count("▶") == 2 and page.count("◀") == 1 and "next: " in page
        await pilot.resize_terminal(*NARROW)
        await settle(pilot)
        assert "the cycle" not in text(app) and "lifecycle" in text(app)


async def test_every_node_has_glyph_word_and_colour_and_a_click_opens_it(make: Make) -> None:
    app = make()
    async with app.run_test(size=WIDE) as pilot:
        await settle(pilot)
        for number, name in ((2, "Data"), (4, "Experiments"), (6, "Monitor")):
            await press(pilot, "0")
            ring = app.query_one(Ring)
            place = layout(7, *ring.size)[number - 1]
            line = "".join(segment.text for segment in ring.render_line(place.y))
            assert f" {number} " in line and name in line
            await pilot.click(ring, offset=(place.x + 2, place.y))
            await settle(pilot)
            assert shown(app) == name


async def test_the_ring_shows_where_the_cursor_is(make: Make) -> None:
    app = make()
    async with app.run_test(size=WIDE) as pilot:
        await settle(pilot)
        ring = app.query_one(Ring)

        def marked() -> str:
            found = [
                segment.text
                for y in range(ring.size.height)
                for segment in ring.render_line(y)
                if segment.style and segment.style.reverse
            ]
            return "".join(found)

        assert "Data" in marked()
        await press(pilot, "j")
        assert "Features" in marked()


async def test_in_ascii_the_ring_is_drawn_without_box_characters(make: Make) -> None:
    app = make(ascii=True)
    async with app.run_test(size=WIDE) as pilot:
        await settle(pilot)
        assert "Experiments" in text(app)  # what leaves for the terminal is filtered: see test_charts


async def test_r_shows_the_list_that_a_phase_waits_for_to_be_read(make: Make) -> None:
    app = make()
    async with app.run_test(size=NARROW) as pilot:
        await settle(pilot)
        await press(pilot, "G", "k", "r")  # Monitor: review
        assert shown(app) == "Monitor" and app.jobs.all == []


async def test_r_runs_what_a_phase_waits_for(make: Make, mine: Workspace) -> None:
    app = make(mine)
    async with app.run_test(size=NARROW) as pilot:
        await settle(pilot)
        assert app.query_one("#board", Rows).cursor == 1
        await press(pilot, "r")
        assert "Run mlcycle quality check --again?" in text(app) and app.jobs.all == []
        await press(pilot, "tab", "enter")
        assert [job.words for job in app.jobs.all] == [("quality", "check", "--again")]
        await app.jobs.wait()
        await settle(pilot)


async def test_r_says_so_where_nothing_waits(make: Make) -> None:
    app = make()
    async with app.run_test(size=NARROW) as pilot:
        await settle(pilot)
        await press(pilot, "g", "r")
        assert "nothing waits in Design" in text(app) and app.jobs.all == []


async def test_enter_opens_the_phase(make: Make) -> None:
    app = make()
    async with app.run_test(size=WIDE) as pilot:
        await settle(pilot)
        await press(pilot, "G", "enter")
        assert shown(app) == "Retrain"


async def test_what_other_processes_run_is_said(make: Make, mine: Workspace) -> None:
    with Store(mine).transaction("seed") as tx:
        tx.insert(
            "run_start",
            [
                {
                    "run_id": _id(49),
                    "name": "nightly",
                    "experiment": "late",
                    "started_at": NOW - timedelta(minutes=3),
                }
            ],
        )
    app = make(mine)
    async with app.run_test(size=NARROW) as pilot:
        await settle(pilot)
        assert "● run nightly, 3 min" in text(app) and "● server local with late:2, 1 d" in text(app)
        with Store(mine).transaction("seed") as tx:
            tx.insert("run_end", [{"run_id": _id(49), "status": "finished", "ended_at": NOW}])
        app.query_one(HomeView).refresh_data()
        await settle(pilot)
        assert "nightly, 3 min" not in text(app)


async def test_y_offers_the_row_of_the_board_and_in_the_events_theirs(make: Make) -> None:
    app = make()
    async with app.run_test(size=NARROW) as pilot:
        await settle(pilot)
        found = app.selection()
        assert found.row is not None and (found.row["phase"], found.row["state"]) == ("Data", "failed")
        await press(pilot, "y", "v")
        assert app.clipboard == "mlcycle quality check --again"
        await press(pilot, "r")
        assert json.loads(app.clipboard)["says"] == "1 batch refused by a check"
        await press(pilot, "escape", "tab")
        found = app.selection()
        assert found.row is not None and "detail" in found.row and "$ mlcycle status" in text(app)


async def test_a_declaration_that_cannot_be_read_is_said_on_home_and_design_until_it_is_mended(
    make: Make, mine: Workspace
) -> None:
    file = mine.root / "design.yaml"
    file.write_text("requirements:\n  - id: [\n", encoding="utf-8")
    app = make(mine)
    async with app.run_test(size=NARROW) as pilot:
        await settle(pilot)
        said = text(app).splitlines()[1]
        assert "✗ design.yaml:" in said and "1 E edits, 1 v checks" in said
        await press(pilot, "1")
        said = text(app).splitlines()[1]
        assert "✗ design.yaml:" in said and said.endswith(" E edits, v checks")
        file.unlink()
        app.query_one("#view-1", DesignView).refresh_data()
        await settle(pilot)
        assert "✗ design.yaml" not in text(app)


def test_declarations_are_read_again_only_when_a_file_of_theirs_has_changed(mine: Workspace) -> None:
    declared = Declared(Gateway(mine))
    due = [declared.is_due]
    assert (declared.read(), declared.read()) == (None, None)
    due.append(declared.is_due)
    (mine.root / "checks").mkdir()
    (mine.root / "checks" / "one.yaml").write_text("table: nowhere\n", encoding="utf-8")
    due.append(declared.is_due)
    wrong = declared.read()
    assert wrong is not None and how_to_mend(wrong, 0) == "1 v checks"
    assert [*due, declared.is_due] == [True, False, True, False]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not tell who has a file")
async def test_a_read_that_goes_on_says_which_program_has_the_store(
    make: Make, mine: Workspace, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base_module, "LATE_S", 0.0)
    holds = (
        "import duckdb, sys; held = duckdb.connect(sys.argv[1]); print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", holds, str(mine.database)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == b"held\n"
        stage.mode = "held"
        app = make(mine, first=1)
        async with app.run_test(size=NARROW) as pilot:
            await pilot.pause()
            app.tick()
            await pilot.pause()
            page = text(app)
            assert f"! the store is held by another program (pid {holder.pid} python" in page
            assert page.count("held by another program") == 3  # each list that waits for rows says so too
            told = explained(app.gateway, CouldNot("another thread has held the store"))
            assert told.message.startswith("the store is held by another program (pid")
            assert holder.stdin is not None
            holder.stdin.close()
            holder.wait()
            app.tick()
            await pilot.pause()
            assert "! still reading (" in text(app)
            stage.let_go()
            await settle(pilot)
            assert "still reading" not in text(app) and "punctual" in text(app)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not tell who has a file")
def test_an_error_is_left_as_it_is_while_a_command_of_ours_has_the_store(mine: Workspace) -> None:
    holds = """
import sys
from pathlib import Path
from mlcycle.store import Store
from mlcycle.workspace import Workspace
with Store(Workspace(Path(sys.argv[1]))).transaction("hold"):
    print("held", flush=True)
    sys.stdin.read()
"""
    with subprocess.Popen(
        [sys.executable, "-c", holds, str(mine.root)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == b"held\n"
        assert foreign(mine.database) == holder.pid
        error = CouldNot("the store could not be written", hint="make room on the disk")
        assert explained(Gateway(mine), error) is error


@pytest.mark.parametrize(
    ("command", "words", "flags"),
    [
        ("mlcycle quality check --again", "quality check", {"again": ["yes"]}),
        ("mlcycle retrain run", "retrain run", {}),
        ("mlcycle train", "train", {}),
    ],
)
def test_the_boards_commands_are_rows_of_the_command_table(
    command: str, words: str, flags: dict[str, list[str]]
) -> None:
    assert _parted(command) == (words, flags)


def test_home_loads_no_library_of_numbers_and_no_chart() -> None:
    code = (
        "import sys, mlcycle_app.tui.app, mlcycle_app.tui.views.home\n"
        "heavy = ('numpy', 'polars', 'sklearn', 'textual_plot', 'mlcycle_app.tui.widgets.curve')\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"
