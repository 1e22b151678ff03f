"""The Data screen: checks explained, rows stepped through, suggestions accepted, files taken in."""

from __future__ import annotations

from collections.abc import Callable

from tests.tui.screen import press, settle, text
from textual.pilot import Pilot

from mlcycle.store import Store
from mlcycle.workspace import Workspace
from mlcycle_app.gateway import Gateway
from mlcycle_app.tui.app import CycleApp
from mlcycle_app.tui.card import Bins
from mlcycle_app.tui.dialogs.rows_of_check import RowsOfCheckScreen
from mlcycle_app.tui.dialogs.suggestions import SuggestionsScreen
from mlcycle_app.tui.widgets.detail import Detail

Make = Callable[..., CycleApp]
NARROW, WIDE = (80, 24), (140, 40)


def words(app: CycleApp) -> str:
    """Return the screen without frames, as one line."""
    return " ".join("".join(sign for sign in text(app) if sign not in "│╭╮╰╯─").split())


async def go_to(pilot: Pilot[None], column: str, value: str) -> None:
    """Take the cursor down to a row."""
    app = pilot.app
    assert isinstance(app, CycleApp)
    for _ in range(60):
        row = app.selection().row
        if row is not None and value in str(row[column]):
            await settle(pilot)
            return
        await press(pilot, "j")
    raise AssertionError(f"no row with {value} in {column}:\n{text(app)}")


async def test_a_check_is_explained_beside_the_list_with_the_rows_that_broke_it(
    make: Make, own: Workspace
) -> None:
    app = make(own, first=2)
    async with app.run_test(size=WIDE) as pilot:
        await settle(pilot)
        await go_to(pilot, "check", "rent between")
        told = words(app)
        assert "`rent` lies between" in told and "rows that break it stay" in told
        assert "1 of 4" in told and "checks/flats.yaml:" in told
        assert "900" in told and "-5" in told
        assert "bad rows, batch by batch" in told


async def test_v_steps_through_the_rows_with_the_column_marked(make: Make, own: Workspace) -> None:
    app = make(own, first=2)
    async with app.run_test(size=NARROW) as pilot:
        await settle(pilot)
        await go_to(pilot, "check", "flats.flat unique")
        await press(pilot, "v")
        assert isinstance(app.screen, RowsOfCheckScreen)
        told = words(app)
        assert "No two rows have the same `flat`" in told
        assert "1 of 2 row 2, key 901" in told and "▶ flat 901" in told and "rent 700" in told
        await press(pilot, "j")
        assert "2 of 2 row 3, key 901" in words(app) and "it was set aside" in words(app)
        await press(pilot, "j", "k", "k")
        assert "1 of 2" in words(app)
        await press(pilot, "G")
        assert "2 of 2" in words(app)
        await press(pilot, "escape")
        assert not isinstance(app.screen, RowsOfCheckScreen)


async def test_what_a_file_brought_is_shown_and_never_obeyed(make: Make, own: Workspace) -> None:
    rows = "flat,rooms,metres,floor,town,rent\n960,2,50,1,\x1b[31mUlm\x1b]0;owned\x07,800\n"
    (own.root / "odd.csv").write_text(rows)
    gateway = Gateway(own)
    gateway.do("data.ingest", own.root / "odd.csv", source="flats")
    gateway.do("quality.check")
    app = make(own, first=2)
    async with app.run_test(size=WIDE) as pilot:
        await settle(pilot)
        for _ in range(60):
            row = app.selection().row
            if row is not None and row["check"] == "flats.town in set" and row["considered"] == 1:
                break
            await press(pilot, "j")
        assert "Ulm" in text(app) and "\x1b" not in text(app)
        await press(pilot, "v")
        assert "▶ town" in words(app) and "owned" in text(app)
        assert "\x1b" not in text(app) and "\x07" not in text(app)


async def test_explain_says_the_same_on_the_command_line(own: Workspace) -> None:
    from click.testing import CliRunner

    from mlcycle_app.cli.data import quality_explain

    answer = CliRunner().invoke(quality_explain, ["-w", str(own.root), "flats.flat unique"])
    assert answer.exit_code == 0
    assert "No two rows have the same `flat`" in answer.stdout
    assert "row 3, set aside: flat=901" in answer.stdout


async def test_v_on_a_row_set_aside_begins_with_that_row(make: Make, own: Workspace) -> None:
    app = make(own, first=2)
    async with app.run_test(size=NARROW) as pilot:
        await settle(pilot)
        await press(pilot, "tab", "tab", "enter")
        assert "▶ flat" in words(app) and "the row as it was read" in words(app)
        await press(pilot, "escape", "v")
        assert "2 of 2 row 3, key 901" in words(app)


async def test_v_on_a_row_set_aside_behind_the_first_thousand_shows_that_row_and_no_other(
    make: Make, own: Workspace
) -> None:
    lines = [f"{5000 if number else 4999},2,50,1,Ulm,{number}" for number in range(1_300)]
    (own.root / "many.csv").write_text("\n".join(["flat,rooms,metres,floor,town,rent", *lines]) + "\n")
    gateway = Gateway(own)
    gateway.do("data.ingest", own.root / "many.csv", source="flats")
    gateway.do("quality.check")
    app = make(own, first=2)
    async with app.run_test(size=NARROW) as pilot:
        await settle(pilot)
        await press(pilot, "tab", "tab", "G")
        row = app.selection().row
        assert row is not None and row["row"] == 1_300
        await press(pilot, "v")
        told = words(app)
        assert "row 1,300, key 5000 of many.csv" in told and "it was set aside" in told
        assert "1,001 of 1,001 shown, 1,299 in all" in told and "rent 1299" in told and "▶ flat" in told
        await press(pilot, "k")
        assert "1,000 of 1,001 shown" in words(app) and "row 1,001," in words(app)


async def test_v_on_a_row_that_is_not_set_aside_any_more_says_so(make: Make, own: Workspace) -> None:
    app = make(own, first=2)
    async with app.run_test(size=NARROW) as pilot:
        await settle(pilot)
        await press(pilot, "tab", "tab")
        with Store(own).transaction("release") as change:
            change.execute("DELETE FROM quarantined")
        await press(pilot, "v")
        assert "row 3 is not there any more" in words(app)
        assert not isinstance(app.screen, RowsOfCheckScreen)


async def test_v_without_bad_rows_or_without_a_check_says_so(make: Make, own: Workspace) -> None:
    app = make(own, first=2)
    async with app.run_test(size=NARROW) as pilot:
        await settle(pilot)
        await go_to(pilot, "check", "flats.metres not null")
        await press(pilot, "v")
        assert "no row of this batch breaks flats.metres not null" in words(app)
        await press(pilot, "tab", "v")
        assert "take the cursor to a check" in words(app)


async def test_suggested_checks_are_marked_with_space_and_written_with_enter(
    make: Make, own: Workspace
) -> None:
    file = own.root / "checks" / "flats.yaml"
    file.write_text("# mine\ntable: flats\nconsistency:\n  - unique: flat # once\n    then: set_aside\n")
    app = make(own, first=2)
    async with app.run_test(size=NARROW) as pilot:
        await settle(pilot)
        await press(pilot, "a")
        assert isinstance(app.screen, SuggestionsScreen)
        told = words(app)
        assert "flats.flat.not_null" in told and "none missing in" in told and "checks/flats.yaml" in told
        await press(pilot, "space", "j", "space")
        assert text(app).count("◆") == 2
        await press(pilot, "enter")
        await app.jobs.wait()
        await settle(pilot)
        assert [job.state for job in app.jobs.all] == ["done"], list(app.jobs.all[0].lines)
        accepted = [word for word in app.jobs.all[0].words if word.startswith("flats.")]
        assert len(accepted) == 2
    written = file.read_text()
    assert written.startswith("# mine\ntable: flats\nconsistency:\n  - unique: flat # once\n")
    assert written.count("not_null") == 2 and written.count("severity: warning") == 2
    assert not {one.name for one in Gateway(own).do("quality.suggest", "flats")} & set(accepted)


async def test_leaving_the_suggestions_writes_nothing(make: Make, own: Workspace) -> None:
    before = (own.root / "checks/flats.yaml").read_bytes()
    app = make(own, first=2)
    async with app.run_test(size=NARROW) as pilot:
        await settle(pilot)
        await press(pilot, "a", "a", "escape")
        assert app.jobs.all == []
    assert (own.root / "checks/flats.yaml").read_bytes() == before


async def test_without_data_the_keys_that_look_at_it_say_what_comes_first(
    make: Make, empty: Workspace, own: Workspace
) -> None:
    app = make(empty, first=2)
    async with app.run_test(size=NARROW) as pilot:
        await settle(pilot)
        for key in ("a", "p"):
            await press(pilot, key)
            assert "no data yet: press i to ingest a file" in text(app)
            assert app.screen_stack[1:] == [] and app.jobs.all == []
    with Store(own).transaction("forget") as change:
        change.execute("DELETE FROM dataset_version")
    app = make(own, first=2)
    async with app.run_test(size=NARROW) as pilot:
        await settle(pilot)
        await press(pilot, "a")
        assert "no data is checked yet: press r to check what has arrived" in text(app)


async def test_i_takes_a_file_in_and_r_judges_it(make: Make, own: Workspace) -> None:
    file = own.root / "more.csv"
    file.write_text("flat,rooms,metres,floor,town,rent\n950,2,50,1,Ulm,800\n951,3,60,2,Trier,900\n")
    app = make(own, first=2)
    async with app.run_test(size=NARROW) as pilot:
        await settle(pilot)
        await press(pilot, "i")
        app.focused.value = str(file)  # type: ignore[union-attr]
        await press(pilot, "down")
        app.focused.value = "flats"  # type: ignore[union-attr]
        await press(pilot, "enter")
        await app.jobs.wait()
        await settle(pilot)
        assert [job.state for job in app.jobs.all] == ["done"], list(app.jobs.all[0].lines)
        assert Gateway(own).rows("SELECT count(*) AS n FROM batches WHERE state = 'arrived'") == [{"n": 1}]
        await press(pilot, "r")
        await app.jobs.wait()
        assert app.jobs.all[0].words == ("quality", "check")
    newest = Gateway(own).rows("SELECT state, rows FROM batches WHERE path = 'more.csv'")
    assert newest == [{"state": "admitted", "rows": 2}]


async def test_a_batch_shows_its_checks_and_its_columns_beside_the_batch_before(
    make: Make, own: Workspace
) -> None:
    app = make(own, first=2)
    async with app.run_test(size=(140, 80)) as pilot:
        await settle(pilot)
        await press(pilot, "tab")
        await go_to(pilot, "set_aside", "1")
        told = words(app)
        assert "4, 0 of them could not be read" in told, text(app)
        assert "flats.rent between" in told
        assert "columns, 4 rows" in told and "Atlantis" in told
        card = app.query_one("#view-2 Detail", Detail).card
        assert card is not None
        bins = {part.title: part for part in card.parts if isinstance(part, Bins)}
        town = bins["town, beside the batch before"]
        assert dict(zip(town.labels, town.now, strict=True))["Ulm"] == 3 and town.n_reference == 399


async def test_a_store_whose_files_are_gone_still_shows_what_it_kept(make: Make) -> None:
    app = make(first=2)
    async with app.run_test(size=WIDE) as pilot:
        await settle(pilot)
        told = words(app)
        assert "parcels_weight_positive" in told and "what it asked was not kept" in told.lower(), text(app)
        await press(pilot, "tab")
        assert "parcels" in words(app)
