"""A key, a form or the palette becomes a command line, and that becomes a job: what it did stands in the files."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.tui import factory
from tests.tui.screen import press, settle, text
from textual.widgets import Input, OptionList

from mlcycle.store import Store
from mlcycle.workspace import Workspace
from mlcycle_app.commands import COMMANDS, named
from mlcycle_app.gateway import Gateway
from mlcycle_app.things import things
from mlcycle_app.tui.app import CycleApp
from mlcycle_app.tui.filled import parameters, words_of
from mlcycle_app.tui.selection import Selection

Make = Callable[..., CycleApp]
SIZE = (100, 30)


async def type_in(pilot: object, words: str) -> None:
    """Type text into what has the focus."""
    for sign in words:
        await pilot.press({" ": "space", ":": "colon", "/": "slash", ".": "full_stop"}.get(sign, sign))  # type: ignore[attr-defined]


async def test_a_form_writes_a_requirement_into_the_file(make: Make, own: Workspace) -> None:
    app = make(own)
    async with app.run_test(size=SIZE) as pilot:
        await press(pilot, "1", "n")
        for value in ("small_error", "business", "rmse", "50", "<="):
            if value == "<=":
                app.focused.clear()  # type: ignore[union-attr]
            await type_in(pilot, value)
            await pilot.press("down")
        await settle(pilot)
        assert "mlcycle design add" in text(app) and "small_error" in text(app)
        await press(pilot, "enter")
        await app.jobs.wait()
        assert [job.state for job in app.jobs.all] == ["done"], app.jobs.all[0].lines
    written = (own.root / "design.yaml").read_text()
    assert "small_error" in written and "rmse" in written


async def test_a_form_says_which_field_is_wrong_and_runs_nothing(make: Make, own: Workspace) -> None:
    app = make(own)
    async with app.run_test(size=SIZE) as pilot:
        await press(pilot, "1", "n", "enter")
        assert "requirement id: is needed" in text(app)
        await type_in(pilot, "some")
        for _ in range(3):
            await pilot.press("down")
        await type_in(pilot, "much")
        await press(pilot, "enter")
        assert "✗" in text(app)
        await press(pilot, "escape")
        assert app.jobs.all == []


async def test_a_command_of_the_screen_runs_at_once_and_the_view_shows_what_it_did(
    make: Make, own: Workspace
) -> None:
    app = make(own)
    async with app.run_test(size=SIZE) as pilot:
        await press(pilot, "4")
        before = text(app).count("finished")
        await press(pilot, "r")
        assert "mlcycle train" in text(app)
        await press(pilot, "enter")
        await app.jobs.wait()
        await settle(pilot)
        assert app.jobs.all[0].state == "done", app.jobs.all[0].lines
        assert text(app).count("finished") > before


async def test_what_cannot_be_undone_is_asked_and_no_is_the_answer_of_enter(
    make: Make, full: Workspace
) -> None:
    app = make(full)
    async with app.run_test(size=SIZE) as pilot:
        await press(pilot, "5", "P", "enter")
        assert "type late:2" in text(app)
        await press(pilot, "enter", "escape")
        assert app.jobs.all == []


async def test_a_rollback_names_the_champion_now_and_the_one_after(make: Make, own: Workspace) -> None:
    app = make(own)
    async with app.run_test(size=SIZE) as pilot:
        for screen in ("5", "7"):
            await press(pilot, screen, "B")
            assert "Bring the previous champion of flats_model back?" in text(app)
            assert "champion: flats_model:2 -> flats_model:1" in text(app)
            await press(pilot, "enter")
            assert app.jobs.all == []
            await press(pilot, "escape")


async def test_where_no_champion_was_before_a_rollback_is_not_asked_but_explained(
    make: Make, full: Workspace, empty: Workspace
) -> None:
    for workspace, words in ((full, "late:2 is the first champion"), (empty, "there is no champion yet")):
        app = make(workspace)
        async with app.run_test(size=SIZE) as pilot:
            await press(pilot, "7", "B")
            assert words in text(app)
            assert len(app.screen_stack) == 1 and app.jobs.all == []


async def test_a_rollback_of_no_model_in_particular_is_of_the_declared_one(
    make: Make, own: Workspace
) -> None:
    app = make(own)
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot)
        assert app.selection().names("model name") == []
        app.perform("models rollback")
        await settle(pilot)
        assert "champion: flats_model:2 -> flats_model:1" in text(app)
        await press(pilot, "escape")
        assert app.jobs.all == []


async def test_a_question_with_a_name_that_holds_braces_is_asked_as_it_is(make: Make, own: Workspace) -> None:
    app = make(own)
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot)
        app.perform("monitor run", {}, ask=False, sure="Let odd{model:1 and {model} serve?")
        await settle(pilot)
        assert "Let odd{model:1 and {model} serve?" in text(app)
        await press(pilot, "escape")
        assert app.jobs.all == []


async def test_a_server_of_a_refused_version_is_started_only_after_a_warning(
    make: Make, own: Workspace
) -> None:
    app = make(own, first=5)
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot)
        while app.selection().names("model") != ["flats_model:1"]:
            await press(pilot, "down")
        await press(pilot, "r", "enter")
        drawn = text(app)
        assert "Let flats_model:1 serve all the same?" in drawn
        assert "The gate refused it:" in drawn and "the limit is" in drawn
        await press(pilot, "enter")
        assert app.jobs.all == [] and len(app.screen_stack) == 1
        await press(pilot, "r", "enter", "tab", "enter")
        await app.jobs.wait()
        assert app.jobs.all[0].state == "done", list(app.jobs.all[0].lines)
    stopped = Gateway(own).do("deploy.stop")
    assert (stopped.model, stopped.version) == ("flats_model", 1)


async def test_a_text_that_is_emptied_in_a_form_is_emptied_in_the_file(make: Make, own: Workspace) -> None:
    file = own.root / "design.yaml"
    app = make(own, first=1)
    [name] = Gateway(own).rows("SELECT requirement_id AS name FROM requirements WHERE until IS NULL LIMIT 1")
    Gateway(own).do("design.edit", name["name"], owner="dana", statement="Right more often than not.")
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot)
        while app.selection().names("requirement") != [name["name"]]:
            await press(pilot, "down")
        await press(pilot, "e")
        for value in ("dana", "Right more often than not."):
            [box] = [box for box in app.screen.query(Input) if box.value == value]
            box.focus()
            box.clear()
            await settle(pilot)
        assert "--owner=" in text(app) and "--statement=" in text(app)
        await press(pilot, "enter")
        await app.jobs.wait()
        assert app.jobs.all[0].state == "done", list(app.jobs.all[0].lines)
    sql = "SELECT owner, statement FROM requirements WHERE requirement_id = ? AND until IS NULL"
    assert Gateway(own).rows(sql, [name["name"]]) == [{"owner": "", "statement": ""}]
    assert "dana" not in file.read_text() and "Right more" not in file.read_text()


async def test_the_palette_lists_a_command_before_things_that_fit_as_well(make: Make, own: Workspace) -> None:
    for number, name in enumerate(("roll", "rolled out", "parol-lr", "forest, as before the rollback")):
        run = {"kind": "start", "run_id": factory._id(900 + number), "name": name, "started_at": "2026-03-01"}
        Store(own).append("run", [{**run, "experiment": "e", "command": "", "git_dirty": False}])
    app = make(own)
    async with app.run_test(size=SIZE) as pilot:
        for words in ("roll", "roll back", "rollb"):
            await press(pilot, "4", "colon")
            await type_in(pilot, words)
            await settle(pilot)
            found = app.screen.query_one(OptionList).options
            first, *others = [str(one.prompt) for one in found]
            assert first.startswith("models rollback: "), (words, first)
            assert any("as before the rollback" in other for other in others), (words, others)
            await press(pilot, "escape")


async def test_the_palette_finds_a_thing_by_some_letters_and_goes_to_it(make: Make) -> None:
    app = make()
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot)
        await press(pilot, "colon")
        await type_in(pilot, "punctual")
        await settle(pilot)
        assert "requirement punctual" in text(app)
        await press(pilot, "enter")
        assert "Design" in text(app).splitlines()[0]
        assert app.selection().names("requirement") == ["punctual"]


async def test_the_palette_lists_the_commands_of_the_screen_first(make: Make) -> None:
    app = make()
    async with app.run_test(size=SIZE) as pilot:
        await press(pilot, "6", "colon")
        first = next(
            line for line in text(app).splitlines() if ": " in line and "│" in line and "find" not in line
        )
        assert "monitor" in first


def test_everything_that_can_be_found_is_in_the_list_that_is_opened(full: Workspace) -> None:
    gateway = Gateway(full)
    found = things(gateway)
    assert {thing.kind for thing in found} >= {"requirement", "check", "run", "model", "alert"}
    for thing in found:
        listed = gateway.page(thing.table, words=thing.name)
        assert listed.total or thing.kind == "feature", thing


def test_every_command_with_a_key_can_be_filled_and_no_two_share_one_on_a_screen() -> None:
    taken = [(command.screen, command.key) for command in COMMANDS if command.key]
    assert len(taken) == len(set(taken))
    for command in COMMANDS:
        names = {one.name for one in parameters(command)}
        assert set(command.takes) <= names, command
        assert not command.typed or command.typed in names, command
        assert len(command.label) <= 10, command


def test_the_selection_gives_marked_rows_to_commands_that_take_several() -> None:
    rows = [{"id": "a", "dataset": "x"}, {"id": "b", "dataset": "y"}]
    chosen = Selection("runs", "run", "id", rows[0], rows)
    assert chosen.names("run") == ["a"]
    assert chosen.names("run*") == ["a", "b"]
    assert chosen.names("dataset") == ["x"]
    assert chosen.names("model") == []
    assert Selection("runs", "run", "id", rows[0]).names("run*") == ["a"]


@given(
    st.dictionaries(
        st.sampled_from(["model", "on", "what_if"]), st.lists(st.text(min_size=1), min_size=1, max_size=1)
    )
)
def test_words_of_a_command_are_read_back_as_they_were_given(values: dict[str, list[str]]) -> None:
    command = named("models gate")
    words = words_of(command, values)
    assert words[:2] == ["models", "gate"]
    import click

    from mlcycle_app.cli.deploy import models_gate

    context = models_gate.make_context("gate", words[2:], resilient_parsing=False)
    assert isinstance(context, click.Context)
    told = {
        name: list(value) if isinstance(value, tuple) else [value]
        for name, value in context.params.items()
        if value
    }
    assert {name: told[name] for name in values} == values


@pytest.mark.parametrize("words", sorted(command.words for command in COMMANDS if command.key))
async def test_a_form_of_every_command_with_a_key_fits_the_smallest_screen(make: Make, words: str) -> None:
    app = make()
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        app.perform(words, ask=True)
        await settle(pilot)
        if len(app.screen_stack) > 1:
            drawn = text(app)
            assert f"$ mlcycle {words}" in drawn and "Cancel" in drawn, drawn
            await press(pilot, "escape")
        for job in app.jobs.running:
            app.jobs.cancel(job.number)
        await app.jobs.wait()
