"""The Design screen: the thread of a requirement, and the file and the store after its keys."""

from __future__ import annotations

from collections.abc import Callable

from tests.tui.screen import press, settle, text
from textual.widgets import Input

from mlcycle.workspace import Workspace
from mlcycle_app.gateway import Gateway
from mlcycle_app.tui.app import CycleApp
from mlcycle_app.tui.dialogs.form import FormScreen

Make = Callable[..., CycleApp]
NARROW, WIDE = (80, 24), (140, 40)


def words(app: CycleApp) -> str:
    """Return the screen without frames, as one line."""
    return " ".join("".join(sign for sign in text(app) if sign not in "│╭╮╰╯─").split())


async def test_a_requirement_shows_what_was_measured_against_it_and_what_was_decided(make: Make) -> None:
    app = make(first=1)
    async with app.run_test(size=WIDE) as pilot:
        await settle(pilot)
        await press(pilot, "j")
        told = words(app)
        assert "punctual" in told and "auc >= 0.78" in told
        assert "live windows" in told and "✗ alert" in told and "0.615" in told
        assert "auc in live windows" in told
        assert "versions" in told and "dana" in told


async def test_a_refused_gate_says_of_each_requirement_what_was_seen_and_whether_it_was_met(
    make: Make, own: Workspace
) -> None:
    app = make(own, first=1)
    async with app.run_test(size=NARROW) as pilot:
        await settle(pilot)
        await press(pilot, "tab", "enter")
        told = words(app)
        assert "outcome" in told and "✗ refused" in told and "flats_model:1" in told
        assert "why it was refused" in told and "0.9999" in told
        assert "✗ not met" in told and "✓ met" in told and "limit >= 0.9999, n " in told
        await press(pilot, "escape")
        assert "requirements" in text(app)


async def test_e_opens_a_form_with_what_is_declared_and_writes_the_change_into_the_file(
    make: Make, own: Workspace
) -> None:
    file = own.root / "design.yaml"
    before = file.read_text()
    app = make(own, first=1)
    async with app.run_test(size=NARROW) as pilot:
        await settle(pilot)
        selected = app.selection().row
        assert selected is not None
        name = str(selected["requirement"])
        await press(pilot, "e")
        assert "mlcycle design edit" in words(app) and name in words(app)
        assert str(selected["value"]) in words(app)
        await press(pilot, "down")
        app.focused.clear()  # type: ignore[union-attr]
        for sign in ("7", "7"):
            await pilot.press(sign)
        await press(pilot, "enter")
        await app.jobs.wait()
        await settle(pilot)
        assert [job.state for job in app.jobs.all] == ["done"], list(app.jobs.all[0].lines)
        assert "77" in text(app)
    after = file.read_text()
    old = [line for line in before.splitlines() if line not in after.splitlines()]
    new = [line for line in after.splitlines() if line not in before.splitlines()]
    assert len(old) == len(new) == 1 and new[0].split() == ["value:", "77"]
    assert after.count("#") == before.count("#")
    sql = "SELECT version, value FROM requirements WHERE requirement_id = ? AND until IS NULL"
    [row] = Gateway(own).rows(sql, [name])
    assert row["value"] == 77 and row["version"] > 1


async def test_on_a_decision_e_edits_the_requirement_it_turned_on(make: Make, own: Workspace) -> None:
    app = make(own, first=1)
    async with app.run_test(size=NARROW) as pilot:
        await settle(pilot)
        await press(pilot, "tab")
        decisions = Gateway(own).rows(
            "SELECT kind, outcome FROM decisions ORDER BY ts DESC, decision_id DESC"
        )
        assert (decisions[0]["kind"], decisions[0]["outcome"]) == ("gate", "refused")
        [name] = app.selection().names("requirement")
        limit = "SELECT value FROM requirements WHERE requirement_id = ? AND until IS NULL"
        assert Gateway(own).rows(limit, [name]) == [{"value": 0.9999}]  # the one that was not met
        row = app.selection().row
        assert row is not None and "requirement" not in row
        await press(pilot, "e")
        assert isinstance(app.screen, FormScreen)  # the list behind it names the requirement too
        assert {name, "0.9999"} <= {field.value for field in app.screen.query(Input)}


async def test_e_says_so_where_no_requirement_is_meant(make: Make, empty: Workspace) -> None:
    app = make(empty, first=1)
    async with app.run_test(size=NARROW) as pilot:
        await settle(pilot)
        await press(pilot, "e")
        assert len(app.screen_stack) == 1
        assert "no requirement is selected here; n writes one" in text(app)
        await pilot.click("#hints", offset=(text(app).splitlines()[-1].index("edit"), 0))
        await settle(pilot)
        assert len(app.screen_stack) == 1
        await pilot.click("#hints", offset=(text(app).splitlines()[-1].index("new"), 0))
        await settle(pilot)
        assert "mlcycle design add" in text(app)


async def test_a_wrong_change_is_refused_and_the_file_stays(make: Make, own: Workspace) -> None:
    before = (own.root / "design.yaml").read_bytes()
    app = make(own, first=1)
    async with app.run_test(size=NARROW) as pilot:
        await settle(pilot)
        await press(pilot, "e", "down", "down", "down")
        app.focused.clear()  # type: ignore[union-attr]
        for sign in "never":
            await pilot.press(sign)
        await press(pilot, "enter")
        await app.jobs.wait()
        assert [job.state for job in app.jobs.all] == ["failed"]
        assert any("design.yaml:" in line for line in app.jobs.all[0].lines)
    assert (own.root / "design.yaml").read_bytes() == before


async def test_v_takes_over_what_was_written_by_hand(make: Make, own: Workspace) -> None:
    file = own.root / "design.yaml"
    file.write_text(file.read_text().replace("value: 100", "value: 90"))
    app = make(own, first=1)
    async with app.run_test(size=NARROW) as pilot:
        await settle(pilot)
        await press(pilot, "v")
        await app.jobs.wait()
        assert app.jobs.all[0].state == "done"
    rows = Gateway(own).rows("SELECT value FROM requirements WHERE metric = 'latency_p95' AND until IS NULL")
    assert rows == [{"value": 90.0}]
