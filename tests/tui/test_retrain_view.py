"""The Retrain screen: from a trigger to a decision by its keys alone, and the way back."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.tui.factory import NOW, _id
from tests.tui.screen import press, settle, text
from textual.pilot import Pilot

from mlcycle.store import Store
from mlcycle.workspace import Workspace
from mlcycle_app.gateway import Gateway
from mlcycle_app.tui.app import CycleApp
from mlcycle_app.tui.views.retrain import RetrainView
from mlcycle_app.tui.widgets.detail import Detail

Make = Callable[..., CycleApp]
NARROW, WIDE = (80, 24), (140, 40)


def words(app: CycleApp) -> str:
    """Return the screen without frames, as one line."""
    return " ".join("".join(sign for sign in text(app) if sign not in "│╭╮╰╯─").split())


async def write(pilot: Pilot[None], said: str) -> None:
    """Type text into what has the focus."""
    for sign in said:
        await pilot.press({" ": "space", ":": "colon", "_": "underscore"}.get(sign, sign))
    await settle(pilot)


async def done(pilot: Pilot[None]) -> None:
    """Wait for the job; it went well."""
    app = pilot.app
    assert isinstance(app, CycleApp)
    await app.jobs.wait()
    await settle(pilot)
    assert app.jobs.all[0].state == "done", list(app.jobs.all[0].lines)


async def test_a_trigger_shows_its_evidence_and_a_decision_the_numbers(make: Make) -> None:
    app = make(first=7)
    async with app.run_test(size=WIDE) as pilot:
        await settle(pilot)
        told = words(app)
        assert "asks because of" in told and "alerts" in told
        await press(pilot, "tab")
        assert "gate of late:" in words(app)


@pytest.mark.slow
async def test_from_new_data_to_a_champion_and_back_by_keys(make: Make, own: Workspace) -> None:
    app = make(own, first=7)
    gateway = Gateway(own)
    champion = "SELECT version FROM aliases WHERE alias = 'champion'"
    [before] = gateway.rows(champion)
    async with app.run_test(size=NARROW) as pilot:
        await settle(pilot)
        await press(pilot, "p")
        await done(pilot)
        assert gateway.rows("SELECT state FROM triggers") == [{"state": "open"}]
        await press(pilot, "enter")
        told = words(app)
        assert (
            "untrained data" in told
            and "data no champion has learnt from" in told
            and "mlcycle retrain run" in told
        ), text(app)
        await press(pilot, "escape", "r")
        await done(pilot)
        [challenger] = gateway.rows("SELECT version FROM aliases WHERE alias = 'challenger'")
        name = f"flats_model:{challenger['version']}"
        await press(pilot, "J")
        await app.jobs.wait()
        await settle(pilot)
        assert app.jobs.all[0].words == ("retrain", "judge")
        assert app.jobs.all[0].state == "refused", list(
            app.jobs.all[0].lines
        )  # no rows that it has not learnt from
        assert gateway.rows(champion) == [before]
        await press(pilot, "P")
        assert name in words(app)  # the form names it
        await press(pilot, "enter")
        assert "is needed" in words(app)
        await write(pilot, "old data was thin")
        await press(pilot, "enter")
        assert f"Let {name} become champion?" in words(app)
        await press(pilot, "enter")
        assert gateway.rows(champion) == [before]  # nothing typed, nothing done
        await write(pilot, name)
        await press(pilot, "enter")
        await done(pilot)
        assert gateway.rows(champion) == [challenger]
        rows = gateway.rows("SELECT subject FROM decisions WHERE list_contains(reasons, 'old data was thin')")
        assert rows == [{"subject": name}]
        await press(pilot, "B")
        assert "Bring the previous champion of flats_model back?" in words(app)
        await write(pilot, "flats_model")
        await press(pilot, "enter")
        await done(pilot)
        assert gateway.rows(champion) == [before]


@pytest.mark.slow
async def test_a_trigger_is_turned_down_with_a_reason_that_is_kept(make: Make, own: Workspace) -> None:
    app = make(own, first=7)
    gateway = Gateway(own)
    async with app.run_test(size=NARROW) as pilot:
        await settle(pilot)
        await press(pilot, "p")
        await done(pilot)
        await press(pilot, "X")
        await write(pilot, "too few rows")
        await press(pilot, "enter")
        await done(pilot)
    assert gateway.rows("SELECT state FROM triggers") == [{"state": "rejected"}]
    rows = gateway.rows("SELECT outcome FROM decisions WHERE list_contains(reasons, 'too few rows')")
    assert rows == [{"outcome": "refused"}]


async def test_a_trigger_offers_only_what_can_be_done_in_its_state(make: Make, own: Workspace) -> None:
    trigger = {"trigger_id": _id(90), "reason": "by hand", "evidence": "{}", "ts": NOW}
    [made] = Gateway(own).rows("SELECT run_id FROM model_versions WHERE version = 1")
    with Store(own).transaction("seed") as tx:
        tx.insert("retrain_trigger", [{**trigger, "state": "open"}])
    app = make(own, first=7)
    async with app.run_test(size=WIDE) as pilot:
        detail, view = app.query_one("#view-7 Detail", Detail), app.query_one("#view-7", RetrainView)

        async def offers(change: str) -> str:
            with Store(own).transaction("seed") as tx:
                tx.execute(change)
            view.refresh_data()
            await settle(pilot)
            assert detail.card is not None
            return detail.card.hint

        settled = "UPDATE retrain_trigger SET state = '{}'"
        assert await offers(settled.format("open")) == "r run   X reject"
        assert await offers(settled.format("running")) == "! jobs"
        assert await offers(settled.format("rejected")) == ""
        assert await offers(f"UPDATE retrain_trigger SET state = 'done', run_id = '{made['run_id']}'") == ""
        named = "'flats_model', 'challenger', 1, now(), 1"
        challenger = f"INSERT INTO alias (model, alias, version, since, rev) VALUES ({named})"
        assert await offers(challenger) == "P approve   X reject"
        assert await offers("DELETE FROM decision") == "J judge   P approve   X reject"
        assert "it has not been judged yet: J (mlcycle retrain judge)" in words(app)
        assert await offers("DELETE FROM alias WHERE alias = 'challenger'") == ""
        assert await offers("UPDATE alias SET version = 1") == "B roll back"


async def test_approving_another_model_than_the_challenger_is_refused(own: Workspace) -> None:
    from click.testing import CliRunner

    from mlcycle_app.cli.retrain import retrain_approve
    from mlcycle_app.gateway import UsageError

    given = ["-w", str(own.root), "flats_model:7", "--reason", "why not"]
    answer = CliRunner().invoke(retrain_approve, given)
    assert isinstance(answer.exception, UsageError)
    assert "flats_model:7 is not the challenger" in str(answer.exception)
