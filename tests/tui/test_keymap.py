"""Other keys: read from the file, checked with their line, bound, and written in footer and help."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.tui.screen import press, settle, text

from mlcycle.errors import DeclarationError
from mlcycle.settings import load
from mlcycle.workspace import Workspace
from mlcycle_app.commands import COMMANDS
from mlcycle_app.tui.app import CycleApp
from mlcycle_app.tui.keymap import actions, keymap, written
from mlcycle_app.tui.keys import KEYS, keyed

Make = Callable[..., CycleApp]


@pytest.fixture
def read(tmp_path: Path) -> Callable[[str], dict[str, str]]:
    def made(lines: str) -> dict[str, str]:
        file = tmp_path / "config.toml"
        file.write_text(f"[keys]\n{lines}\n")
        return keymap(load(file).keys)

    return made


Read = Callable[[str], dict[str, str]]


def test_every_key_of_the_ui_can_be_named(read: Read) -> None:
    known = actions()
    assert {key.id for key in KEYS if not key.rows} <= known.keys()
    assert {command.id for command in COMMANDS if command.key} <= known.keys()
    assert {"rows.open", "help.close", "confirm.no"} <= known.keys()


def test_no_key_of_a_screen_is_taken_by_the_frame_or_by_its_lists() -> None:
    screens = [action for action in actions().values() if action.kind == "screen"]
    always = [
        action
        for action in actions().values()
        if action.kind == "everywhere" or action.place in ("Pane", "Rows")
    ]
    taken = [
        (one.id, other.id, key)
        for one, other in itertools.product(screens, [*screens, *always])
        for key in one.keys
        if one.id != other.id and one.meets(other) and key in other.keys
    ]
    assert taken == []


def test_without_the_table_nothing_is_changed() -> None:
    assert keymap(()) == {}


@pytest.mark.parametrize(
    ("said", "bound"),
    [
        ("quit = 'ctrl+x'", "ctrl+x"),
        ("quit = 'Q'", "Q"),
        ("quit = 'shift+q'", "Q"),
        ("quit = 'Ctrl+Shift+X'", "ctrl+shift+x"),
        ("quit = 'ctrl+X'", "ctrl+shift+x"),
        ("quit = '~'", "tilde"),
        ("quit = [',']", "comma"),
        ("quit = [',', 'F9']", "comma,f9"),
        ("quit = 'F9, f8'", "f9,f8"),
        ("quit = 'Del'", "delete"),
        ("quit = 'ctrl++'", "ctrl+plus"),
        ("quit = 'f9, F9'", "f9"),
    ],
)
def test_keys_may_be_written_as_people_write_them(read: Read, said: str, bound: str) -> None:
    assert read(said) == {"quit": bound}


@pytest.mark.parametrize(
    ("lines", "line", "words"),
    [
        ("quti = 'x'", 2, "no action is called `quti`; did you mean `quit`?"),
        ("# one\n\nhome = 'x'", 4, "did you mean `go.home`?"),
        ("'data ingest' = 'x'", 2, "did you mean `data.ingest`?"),
        ("quit = 'ctrk+x'", 2, "there is no key `ctrk+x`; did you mean `ctrl+x`?"),
        ("quit = 'pgedown'", 2, "there is no key `pgedown`; did you mean `pagedown`?"),
        ("quit = 'xx'", 2, "there is no key `xx`"),
        ("quit = 'ctrl+i'", 2, "cannot tell ctrl+i from tab"),
        ("quit = 'ctrl+['", 2, "cannot tell ctrl+[ from escape"),
        ("quit = 'ctrl+space'", 2, "does not reach programs"),
        ("quit = 'ctrl+c'", 2, "`quit` cannot have ctrl+c: it copies marked text"),
        ("quit = 'up'", 2, "it moves in lists and pages"),
        ("quit = 'y'", 2, "`quit` and `copy` are both on y everywhere"),
        ("zoom = 'y'\ncopy = 'f7'\nhelp = 'f7'", 4, "`help` and `copy` are both on F7 everywhere"),
        ("'data.ingest' = 'z'", 2, "`data.ingest` and `zoom` are both on z on Data"),
        ("zoom = 'i'", 2, "are both on i on"),
        ("'help.up' = 'j'", 2, "`help.up` and `help.down` are both on j in that dialog"),
        ("zoom = 'enter'", 2, "are both on enter in lists"),
    ],
)
def test_a_mistake_is_answered_with_its_line_and_what_is_near(
    read: Read, tmp_path: Path, lines: str, line: int, words: str
) -> None:
    with pytest.raises(DeclarationError) as caught:
        read(lines)
    assert words in str(caught.value)
    assert str(caught.value).startswith(f"{tmp_path / 'config.toml'}:{line}: ")


def test_two_actions_may_change_places(read: Read) -> None:
    assert read("zoom = 'y'\ncopy = 'z'") == {"zoom": "y", "copy": "z"}


def test_one_key_may_do_different_things_on_different_screens_and_in_dialogs(read: Read) -> None:
    assert read("'data.ingest' = 'f7'\n'models.promote' = 'f7'\n'confirm.no' = 'f7'")


@pytest.mark.parametrize(
    ("key", "shown"),
    [
        ("question_mark", "?"),
        ("f5", "F5"),
        ("escape", "esc"),
        ("ctrl+x", "ctrl+x"),
        ("space", "space"),
        ("G", "G"),
        ("slash", "/"),
        ("left_square_bracket", "["),
        ("alt+slash", "alt+slash"),
    ],
)
def test_keys_are_written_short(key: str, shown: str) -> None:
    assert written(key) == shown


async def test_other_keys_act_and_are_shown_and_the_old_ones_are_free(make: Make, read: Read) -> None:
    app = make(keys=read("help = 'f7'\n'move.down' = 'f8'\n'go.data' = 'f9'"))
    async with app.run_test(size=(140, 40)) as pilot:
        await settle(pilot)
        assert " F7 help" in text(app) and "0 1 F9 3 4 5 6 7" in text(app)
        await press(pilot, "question_mark")
        assert len(app.screen_stack) == 1
        await press(pilot, "f9")
        assert app.query_one("#views").current == "view-2"  # type: ignore[attr-defined]
        await press(pilot, "f7")
        page = text(app)
        assert "F8 k" in page and "j k" not in page


async def test_cards_and_empty_lists_write_the_keys_that_the_user_gave(
    make: Make, empty: Workspace, read: Read
) -> None:
    keys = read("'design.edit' = 'f6'\n'monitor.run' = 'f7'\n'go.deploy' = 'f8'\n'models.promote' = 'f9'")
    app = make(keys=keys, first=1)
    async with app.run_test(size=(140, 40)) as pilot:
        await settle(pilot)
        assert "F6 edit   n new   v check" in text(app)
    app = make(empty, keys=keys, first=6)
    async with app.run_test(size=(140, 40)) as pilot:
        await settle(pilot)
        assert "no window judged yet: F7 (mlcycle monitor run)" in text(app)
        await press(pilot, "7")
        assert "No decision yet: F8 F9 (mlcycle models promote) asks the gate" in text(app)


@pytest.mark.parametrize(
    ("said", "number", "keys"),
    [
        ("No run yet: mlcycle train fits", 4, "No run yet: r (mlcycle train) fits"),
        ("mlcycle sweep, then mlcycle train", 5, "4 W (mlcycle sweep), then 4 r (mlcycle train)"),
        ("mlcycle models register", 5, "mlcycle models register"),
        ("r (mlcycle train), or mlcycle nothing", 4, "r (mlcycle train), or mlcycle nothing"),
    ],
)
def test_a_command_in_a_sentence_stands_behind_its_key(said: str, number: int, keys: str) -> None:
    assert keyed(said, number) == keys


async def test_swapped_keys_do_what_the_other_did(make: Make, read: Read) -> None:
    app = make(keys=read("zoom = 't'\nteach = 'z'"))
    async with app.run_test(size=(140, 40)) as pilot:
        await press(pilot, "1", "t")
        assert app.query(".-zoomed")
        await press(pilot, "t", "z")
        assert app.query_one("#teach").display


async def test_the_next_app_has_its_own_keys_again(make: Make) -> None:
    app = make()
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        assert " ? help" in text(app)


def test_the_page_about_settings_names_ids_that_exist_and_shows_a_file_that_is_right(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "howto" / "settings-and-keys.md").read_text()
    table = page.partition("| ids |")[2].partition("Keys are written")[0]
    named = [
        name
        for row in re.findall(r"^\| (.*?) \|", table, re.MULTILINE)
        for name in re.findall("`(.+?)`", row)
    ]
    assert len(named) > 30 and set(named) <= actions().keys()
    shown = re.search("```toml\n(.*?)```", page, re.DOTALL)
    assert shown is not None
    file = tmp_path / "config.toml"
    file.write_text(shown[1])
    found = load(file)
    assert found.ui.time_zone == "Europe/Prague" and len(keymap(found.keys)) == len(found.keys)
