"""The picker: keys, completion, hidden files, folders that may not be read, and very large ones."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.tui.screen import press, settle, text
from textual.pilot import Pilot
from textual.widgets import Input

from mlcycle_app.tui.app import CycleApp
from mlcycle_app.tui.dialogs.picker import Kind, PickerScreen
from mlcycle_app.tui.folder import UP, folder_of, read_folder, shown
from mlcycle_app.tui.widgets.rows import Rows

Make = Callable[..., CycleApp]
SIZE = (80, 24)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    for folder in ("data", "notes", ".secret"):
        (root / folder).mkdir(parents=True)
    for name, size in (("orders.csv", 2_000), ("orders-old.csv", 10), ("readme.md", 3), (".hidden", 1)):
        (root / name).write_bytes(b"x" * size)
    (root / "data" / "inner.parquet").write_bytes(b"")
    return root


class Picked:
    """What the picker answered."""

    answer: Path | str | None = "nothing yet"

    def __call__(self, path: Path | None) -> None:
        self.answer = path


async def open_picker(pilot: Pilot[None], tree: Path, kind: Kind = "any", marker: str = "") -> Picked:
    picked = Picked()
    await settle(pilot)
    pilot.app.push_screen(PickerScreen(tree, kind=kind, marker=marker), picked)
    await settle(pilot)
    return picked


def path_of(pilot: Pilot[None]) -> str:
    return pilot.app.screen.query_one(Input).value


async def test_enter_goes_into_a_folder_and_chooses_a_file(make: Make, tree: Path) -> None:
    app = make()
    async with app.run_test(size=SIZE) as pilot:
        picked = await open_picker(pilot, tree)
        page = text(app)
        assert "data/" in page and "orders.csv" in page and "2 kB" in page and ".hidden" not in page
        assert path_of(pilot) == f"{tree}/"
        await press(pilot, "enter")
        assert path_of(pilot) == f"{tree}/data/" and "inner.parquet" in text(app)
        await press(pilot, "backspace")
        assert path_of(pilot) == f"{tree}/"
        await press(pilot, "enter", "j", "k", "down", "enter")
        assert picked.answer == tree / "data" / "inner.parquet"


async def test_escape_chooses_nothing(make: Make, tree: Path) -> None:
    app = make()
    async with app.run_test(size=SIZE) as pilot:
        picked = await open_picker(pilot, tree)
        await press(pilot, "escape")
        assert picked.answer is None and len(app.screen_stack) == 1


async def test_letters_narrow_the_list_and_tab_completes_as_far_as_all_agree(make: Make, tree: Path) -> None:
    app = make()
    async with app.run_test(size=SIZE) as pilot:
        picked = await open_picker(pilot, tree)
        app.screen.query_one(Input).focus()
        await press(pilot, "o")
        assert "readme" not in text(app) and "orders-old.csv" in text(app)
        await press(pilot, "tab")
        assert path_of(pilot) == f"{tree}/orders"
        await press(pilot, "full_stop", "tab")
        assert path_of(pilot) == f"{tree}/orders.csv"
        await press(pilot, "enter")
        assert picked.answer == tree / "orders.csv"


async def test_a_name_that_fits_nothing_is_said(make: Make, tree: Path) -> None:
    app = make()
    async with app.run_test(size=SIZE) as pilot:
        picked = await open_picker(pilot, tree)
        app.screen.query_one(Input).focus()
        await press(pilot, *"zzz", "enter")
        assert "there is no" in text(app) and picked.answer == "nothing yet"


@pytest.mark.parametrize(
    ("kind", "made", "typed", "words"),
    [
        ("folder", ["orders.csv"], "", "no folder in here"),
        ("folder", ["orders.csv", "data/"], "z", "the one name here does not fit"),
        ("folder", ["data/"], "", "1 of 1"),
        ("any", [".hidden", ".more"], "", "nothing here; . shows 2 hidden"),
        ("any", ["orders.csv", ".hidden"], "z", "the one name here does not fit; . shows 1 hidden"),
        ("any", ["orders.csv", "data/"], "z", "none of 2 names fits"),
    ],
)
async def test_what_is_listed_is_counted_among_what_could_be(
    make: Make, tmp_path: Path, kind: Kind, made: list[str], typed: str, words: str
) -> None:
    folder = tmp_path / "place"
    folder.mkdir()
    for name in made:
        (folder / name).mkdir() if name.endswith("/") else (folder / name).touch()
    app = make()
    async with app.run_test(size=SIZE) as pilot:
        await open_picker(pilot, folder, kind)
        app.screen.query_one(Input).focus()
        await press(pilot, *typed)
        assert f" {words} " in text(app)


async def test_hidden_names_are_shown_when_asked_for(make: Make, tree: Path) -> None:
    app = make()
    async with app.run_test(size=SIZE) as pilot:
        await open_picker(pilot, tree)
        assert ". shows 2 hidden" in text(app)
        await press(pilot, "full_stop")
        assert ".secret/" in text(app) and ".hidden" in text(app)


async def test_a_folder_is_chosen_by_its_path_and_files_are_not_offered(make: Make, tree: Path) -> None:
    app = make()
    async with app.run_test(size=SIZE) as pilot:
        picked = await open_picker(pilot, tree, "folder")
        assert "orders.csv" not in text(app)
        await press(pilot, "enter", "ctrl+s")
        assert picked.answer == tree / "data"


async def test_a_folder_of_the_kind_looked_for_is_marked_and_chosen_by_enter(make: Make, tree: Path) -> None:
    (tree / "notes" / "mlcycle.yaml").write_text("name: x\n")
    app = make()
    async with app.run_test(size=SIZE) as pilot:
        picked = await open_picker(pilot, tree, "folder", "mlcycle.yaml")
        assert "notes/  ✓" in text(app) and "data/  ✓" not in text(app)
        await press(pilot, "down", "enter")
        assert picked.answer == tree / "notes"


async def test_a_file_is_wanted_so_a_folder_is_only_gone_into(make: Make, tree: Path) -> None:
    app = make()
    async with app.run_test(size=SIZE) as pilot:
        picked = await open_picker(pilot, tree, "file")
        await press(pilot, "ctrl+s")
        assert "is a folder: choose a file in it" in text(app) and picked.answer == "nothing yet"


async def test_the_mouse_does_what_the_keys_do(make: Make, tree: Path) -> None:
    app = make()
    async with app.run_test(size=SIZE) as pilot:
        picked = await open_picker(pilot, tree)
        rows = app.screen.query_one(Rows)
        await pilot.click(rows, offset=(2, 1), times=2)
        await settle(pilot)
        assert path_of(pilot) == f"{tree}/data/"
        await pilot.click("#yes")
        await settle(pilot)
        assert picked.answer == tree / "data"


async def test_it_begins_in_the_inbox_of_the_workspace(make: Make) -> None:
    app = make()
    app.gateway.workspace.inbox.mkdir(exist_ok=True)
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot)
        app.push_screen(PickerScreen())
        await settle(pilot)
        assert path_of(pilot) == f"{app.gateway.workspace.inbox}/"


def test_a_folder_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "cannot be read: No such file" in read_folder(tmp_path / "gone").wrong
    assert "cannot be read: Not a directory" in read_folder(tmp_path / "file").wrong
    assert read_folder(Path("/x\0y")).wrong


async def test_the_reason_stands_on_the_screen_and_the_way_back_is_open(make: Make, tree: Path) -> None:
    app = make()
    async with app.run_test(size=SIZE) as pilot:
        await open_picker(pilot, tree)
        app.screen.query_one(Input).value = f"{tree}/gone/"
        await settle(pilot)
        assert "cannot be read" in text(app)
        app.screen.query_one(Rows).focus()
        await press(pilot, "backspace")
        assert "orders.csv" in text(app)


async def test_fifty_thousand_names_are_listed_and_narrowed_down(make: Make, tmp_path: Path) -> None:
    for number in range(50_000):
        os.close(os.open(tmp_path / f"part-{number:05d}.csv", os.O_CREAT | os.O_WRONLY))
    app = make()
    async with app.run_test(size=SIZE) as pilot:
        picked = await open_picker(pilot, tmp_path)
        assert "50,000 of 50,000" in text(app).replace("50,001", "50,000")
        app.screen.query_one(Input).focus()
        await press(pilot, *"part-4999")
        assert "10 of" in text(app)
        await press(pilot, "7", "enter")
        assert picked.answer == tmp_path / "part-49997.csv"


def test_names_that_are_no_text_are_only_drawn(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"caf\xe9\x1b[31m\n\tx")).write_text("")
    (tmp_path / "lost").symlink_to("nowhere")
    names = [shown(entry.name) for entry in read_folder(tmp_path).entries if entry.name != UP]
    assert len(names) == 2 and all(name.isprintable() for name in names)
    for name in names:
        name.encode()


@pytest.mark.parametrize(
    ("typed", "folder", "name"),
    [
        ("/a/b", "/a", "b"),
        ("/a/b/", "/a/b", ""),
        ("b", "/here", "b"),
        ("b/c", "/here/b", "c"),
        ("../c", "/", "c"),
        ("..", "/", ""),
        ("/", "/", ""),
        ("", "/here", ""),
    ],
)
def test_a_typed_path_is_a_folder_and_the_letters_of_a_name(typed: str, folder: str, name: str) -> None:
    assert folder_of(typed, Path("/here")) == (Path(folder), name)


def test_the_home_can_be_typed_as_a_tilde(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/dana")
    assert folder_of("~", Path("/here")) == (Path("/home/dana"), "")
    assert folder_of("~/x", Path("/here")) == (Path("/home/dana"), "x")
