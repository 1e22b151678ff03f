"""The start screen, and the way from one workspace to another: what is chosen is opened, and nothing else happens."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.tui import factory
from tests.tui.screen import press, segments, settle
from textual.app import App
from textual.pilot import Pilot
from textual.widgets import Input

from mlcycle import recent, trust
from mlcycle.workspace import Workspace
from mlcycle_app.gateway import Gateway
from mlcycle_app.tui import places
from mlcycle_app.tui.app import CycleApp, Look
from mlcycle_app.tui.dialogs.confirm import ConfirmScreen
from mlcycle_app.tui.dialogs.new_product import NewProductScreen, guessed
from mlcycle_app.tui.dialogs.places import PlacesScreen
from mlcycle_app.tui.dialogs.working import WorkingScreen
from mlcycle_app.tui.starting import StartApp
from mlcycle_app.tui.theme import DARK
from mlcycle_app.tui.widgets.rows import Rows
from mlcycle_app.tui.widgets.status_line import StatusLine

Make = Callable[..., CycleApp]
SIZES = [(80, 24), (140, 40)]
ORDERS = "order_id,ordered_at,price,returned\n" + "".join(
    f"{n},2026-01-{n % 28 + 1:02d}T08:00:00,{n % 50}.5,{n % 2}\n" for n in range(400)
)


@pytest.fixture(autouse=True)
def _own_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")


@pytest.fixture
def other(tmp_path: Path) -> Workspace:
    """A second workspace, in which nothing has happened."""
    return factory.empty(tmp_path / "lockers")


def page(app: App[None]) -> str:
    return "\n".join("".join(segment.text for segment in line).rstrip() for line in segments(app))  # type: ignore[arg-type]


async def rest(pilot: Pilot[None]) -> None:
    """Wait until nothing is read and the screen stands still."""
    app = pilot.app
    for _ in range(20):
        before = page(app)
        await pilot.pause()
        await app.workers.wait_for_complete()
        await pilot.pause()
        if page(app) == before:
            return


async def keys(pilot: Pilot[None], *pressed: str) -> None:
    for key in pressed:
        await pilot.press(key)
        await rest(pilot)


async def until_done(app: StartApp, pilot: Pilot[None]) -> None:
    await app.jobs.wait()
    await rest(pilot)


def start() -> StartApp:
    return StartApp(Look(DARK))


@pytest.mark.parametrize("size", SIZES, ids=["80x24", "140x40"])
async def test_it_names_three_ways_to_begin_and_what_was_opened_last(
    size: tuple[int, int], other: Workspace
) -> None:
    recent.remember(other)
    app = start()
    async with app.run_test(size=size) as pilot:
        await rest(pilot)
        shown = page(app)
        for words in (
            "the sample product",
            "new from a data file",
            "open a folder",
            "lockers",
            "s sample",
            "q quit",
        ):
            assert words in shown
        assert ("once round" in shown.splitlines()[1]) == (size[0] == 140)
        assert all(len(line) <= size[0] for line in shown.splitlines())


@pytest.mark.parametrize("size", SIZES, ids=["80x24", "140x40"])
async def test_a_question_mark_says_what_every_key_does_here(size: tuple[int, int]) -> None:
    app = start()
    async with app.run_test(size=size) as pilot:
        await rest(pilot)
        assert "? help" in page(app).splitlines()[-1]
        await keys(pilot, "question_mark")
        for binding in app.active_bindings.values():
            assert binding.binding.key != "s", "a key below still acts"
        shown = page(app)
        for words in ("s  the sample product", "n  new from a data file", "d  take a workspace off the list"):
            assert words in shown
        assert "q  quit" in shown and "enter  open" in shown and "mlcycle init" in shown
        await keys(pilot, "question_mark")
        assert len(app.screen_stack) == 1
        await keys(pilot, "f1", "escape")
        assert len(app.screen_stack) == 1 and app.jobs.all == []


async def test_without_anything_opened_it_says_so_and_the_choices_have_the_keyboard() -> None:
    app = start()
    async with app.run_test(size=(80, 24)) as pilot:
        await rest(pilot)
        assert "No workspace has been opened yet" in page(app)
        assert app.focused is not None and app.focused.id == "choices"
        app.tick()
        await keys(pilot, "q")
    assert app.chosen is None and app.return_code == 0


async def test_enter_on_a_recent_workspace_opens_it_and_trusts_and_runs_nothing(other: Workspace) -> None:
    (other.root / "train.py").write_text("raise SystemExit('never run')\n")
    recent.remember(other)
    app = start()
    async with app.run_test(size=(80, 24)) as pilot:
        await rest(pilot)
        await keys(pilot, "enter")
    assert app.chosen == other.root and app.jobs.all == []
    assert not trust.is_trusted(other)


async def test_one_that_is_gone_is_dim_cannot_be_opened_and_d_takes_it_off_the_list(other: Workspace) -> None:
    recent.remember(other)
    shutil.rmtree(other.root)
    app = start()
    async with app.run_test(size=(80, 24)) as pilot:
        await rest(pilot)
        assert "gone" in page(app)
        await keys(pilot, "tab", "enter")
        assert "is not there" in page(app) and app.is_running
        await keys(pilot, "d")
        assert "No workspace has been opened yet" in page(app)
    assert recent.recent() == ()


async def test_a_folder_is_opened_by_the_picker_and_one_that_is_no_workspace_is_refused(
    other: Workspace, tmp_path: Path
) -> None:
    app = start()
    async with app.run_test(size=(80, 24)) as pilot:
        await rest(pilot)
        await keys(pilot, "o")
        await keys(pilot, "ctrl+s")
        assert "is not a workspace" in page(app)
        await keys(pilot, "o")
        app.screen.query_one(Input).value = f"{tmp_path}/lock"
        await rest(pilot)
        app.screen.query_one(Input).focus()
        await keys(pilot, "enter")
    assert app.chosen == other.root


async def test_a_new_product_is_made_from_a_file_by_keys_alone(tmp_path: Path) -> None:
    Path("orders.csv").write_text(ORDERS)
    app = start()
    async with app.run_test(size=(80, 24)) as pilot:
        await rest(pilot)
        await keys(pilot, "n", "enter")
        assert isinstance(app.screen, NewProductScreen)
        shown = page(app)
        assert (
            "ordered_at" in shown and "says when" in shown and "says who" in shown and "--target" not in shown
        )
        await keys(pilot, "ctrl+s")
        assert "choose the column to predict" in page(app)
        await keys(pilot, "t")
        assert "predict this" in page(app)
        await keys(pilot, "ctrl+s")
        assert app.jobs.all[0].words == (
            "init", "./orders", "--from", str(Path("orders.csv").resolve()), "--target", "returned",
            "--time", "ordered_at", "--key", "order_id",
        )  # fmt: skip
        await until_done(app, pilot)
    assert app.chosen == tmp_path / "here" / "orders"
    assert (app.chosen / "design.yaml").is_file()


async def test_the_mouse_gives_roles_and_takes_them_away() -> None:
    Path("orders.csv").write_text(ORDERS)
    app = start()
    async with app.run_test(size=(140, 40)) as pilot:
        await rest(pilot)
        await keys(pilot, "n", "enter")
        screen = app.screen
        assert isinstance(screen, NewProductScreen)
        await pilot.click(screen.query_one(Rows), offset=(3, 3))
        await pilot.click("#target")
        await pilot.click(screen.query_one(Rows), offset=(3, 1))
        await pilot.click("#key")
        await rest(pilot)
        assert screen.words[4:] == ["--target", "price", "--time", "ordered_at"]
        await pilot.click("#no")
        await rest(pilot)
        assert not isinstance(app.screen, NewProductScreen) and app.jobs.all == []


async def test_a_file_that_cannot_be_read_is_said_and_nothing_is_made() -> None:
    Path("notes.txt").write_text("hello\n")
    app = start()
    async with app.run_test(size=(80, 24)) as pilot:
        await rest(pilot)
        await keys(pilot, "n", "enter")
        assert "the ending .txt" in page(app) and app.jobs.all == []


async def test_a_job_that_fails_says_why_and_esc_leads_back() -> None:
    Path("orders.csv").write_text(ORDERS)
    app = start()
    async with app.run_test(size=(80, 24)) as pilot:
        await rest(pilot)
        await keys(pilot, "n", "enter", "t")
        app.screen.query_one("#new-folder", Input).value = "orders.csv"
        await keys(pilot, "ctrl+s")
        await until_done(app, pilot)
        assert isinstance(app.screen, WorkingScreen)
        assert "is a file, not a folder" in page(app)
        await keys(pilot, "escape")
        assert "recent" in page(app) and app.chosen is None


async def test_the_sample_is_made_as_a_job_that_can_be_stopped() -> None:
    app = start()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        await pilot.press("s")
        await pilot.pause()
        assert isinstance(app.screen, WorkingScreen)
        assert app.jobs.all[0].words == ("demo", "--headless", "--dir", "./mlcycle-demo")
        await pilot.press("x")
        await pilot.pause()
        assert isinstance(app.screen, ConfirmScreen)
        await pilot.click("#yes")
        await until_done(app, pilot)
        assert app.jobs.all[0].state == "cancelled" and "cancelled" in page(app)
        await keys(pilot, "escape")
    assert app.chosen is None


async def test_quitting_while_a_job_runs_asks_and_ends_it() -> None:
    app = start()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        await pilot.press("s")
        await pilot.pause()
        app.leave(129)
    assert app.return_code == 129 and app.jobs.running == []


def test_a_folder_that_exists_is_never_taken_for_the_sample() -> None:
    from mlcycle_app.tui.starting import _free

    Path("mlcycle-demo").mkdir()
    assert _free("mlcycle-demo") == "./mlcycle-demo-2"


def test_only_moments_and_ids_are_guessed(tmp_path: Path) -> None:
    from mlcycle.design import columns

    Path("x.csv").write_text(
        "a,day,at,user_id\n1,2026-01-01,2026-01-01T00:00:00,7\n2,2026-01-02,2026-01-02T01:00:00,7\n"
    )
    assert guessed(columns("x.csv")) == {"time": "at", "key": "user_id"}
    Path("y.csv").write_text("a,b\n1,2\n")
    assert guessed(columns("y.csv")) == {}


# From one workspace to another


async def test_w_opens_another_workspace_in_place(make: Make, full: Workspace, other: Workspace) -> None:
    recent.remember(full)
    recent.remember(other)
    app = make()
    async with app.run_test(size=(140, 40)) as pilot:
        await press(pilot, "4", "w")
        assert isinstance(app.screen, PlacesScreen)
        await press(pilot, "enter")
        await settle(pilot)
        assert app.gateway == Gateway(other) and app.jobs.folder == other.root
        shown = page(app)
        assert shown.startswith(" lockers ") and "no batch yet" in shown and "lockers is open" in shown
        await press(pilot, "4")
        assert "No run" in page(app) or "no run" in page(app)


async def test_while_another_workspace_is_opened_no_key_acts_on_either(
    make: Make, full: Workspace, other: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    go, look = threading.Event(), places.workspace_at

    def slowly(folder: Path) -> Gateway:
        go.wait(timeout=30)
        return look(folder)

    monkeypatch.setattr(places, "workspace_at", slowly)
    app = make()
    async with app.run_test(size=(100, 30)) as pilot:
        await press(pilot, "5")
        app._go_on(other.root)
        await pilot.pause()
        assert "opening" in page(app)
        for key in ("y", "question_mark", "z", "escape", "B", "r", "4"):
            await pilot.press(key)
        go.set()
        await settle(pilot)
        assert app.gateway.workspace == other and app.jobs.all == []
        assert len(app.screen_stack) == 1 and "Home" in page(app).splitlines()[0]


async def test_a_path_can_be_typed_and_a_wrong_one_is_answered_where_it_stands(
    make: Make, other: Workspace
) -> None:
    app = make()
    async with app.run_test(size=(80, 24)) as pilot:
        await press(pilot, "w")
        line = app.screen.query_one(Input)
        line.focus()
        line.value = str(other.root.parent)
        await press(pilot, "enter")
        assert isinstance(app.screen, PlacesScreen) and "is not a workspace" in page(app)
        line.value = str(other.root)
        await press(pilot, "enter")
        await settle(pilot)
        assert app.gateway == Gateway(other)


async def test_with_jobs_at_work_it_asks_and_they_go_on(
    make: Make, full: Workspace, other: Workspace
) -> None:
    app = make()
    recent.remember(other)
    async with app.run_test(size=(140, 40)) as pilot:
        await settle(pilot)
        job = app.jobs.start(["demo", "--headless", "--dir", "mlcycle-demo"])
        await press(pilot, "w", "enter")
        assert isinstance(app.screen, ConfirmScreen) and "1 job is running in parcels" in page(app)
        await press(pilot, "escape")
        assert app.gateway.workspace == full
        await press(pilot, "w", "enter")
        await pilot.click("#yes")
        await settle(pilot)
        assert app.gateway == Gateway(other) and job.is_running
        await press(pilot, "exclamation_mark", "y")
        assert app.clipboard == f"mlcycle -w {full.root} demo --headless --dir mlcycle-demo"
        app.jobs.end()


async def test_the_start_screen_can_be_asked_for(make: Make) -> None:
    app = make()
    async with app.run_test(size=(80, 24)) as pilot:
        await press(pilot, "w")
        app.screen.query_one(Rows).focus()
        await press(pilot, "s")
    assert app.to_start and app.return_code == 0


async def test_one_that_has_gone_leaves_all_as_it_was(make: Make, full: Workspace, tmp_path: Path) -> None:
    app = make()
    async with app.run_test(size=(140, 40)) as pilot:
        await press(pilot, "2")
        await app.switch(tmp_path / "nowhere")
        await settle(pilot)
        assert app.gateway.workspace == full and "does not exist" in page(app)
        assert app.query_one(StatusLine)
