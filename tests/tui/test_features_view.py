"""Features: the keys of each action, and what the store holds afterwards."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.tui.screen import press, settle, text

from mlcycle.store import Store
from mlcycle.workspace import Workspace
from mlcycle_app.tui.app import CycleApp
from mlcycle_app.tui.card import Bins, Listing
from mlcycle_app.tui.widgets.detail import Detail

Make = Callable[..., CycleApp]
SIZE = (140, 40)


def rows(workspace: Workspace, sql: str) -> list[dict[str, Any]]:
    return Store(workspace).read(sql)


def done(app: CycleApp) -> None:
    assert [job.state for job in app.jobs.all] == ["done"], [job.lines for job in app.jobs.all]


async def test_declared_views_are_listed_with_their_age_and_the_card_shows_how_values_are_spread(
    make: Make, own: Workspace
) -> None:
    app = make(own)
    async with app.run_test(size=SIZE) as pilot:
        await press(pilot, "3")
        shown = text(app)
        assert "feature views" in shown and "! watch" in shown and "own row" in shown
        # A batch was admitted after the set was built.
        assert "newer than the newest training set" in shown
        card = app.query_one(Detail).card
        assert card is not None
        bins = [part for part in card.parts if isinstance(part, Bins)]
        assert {part.title.partition(":")[0] for part in bins} >= {"metres", "town"}
        assert all(part.n_now and part.n_reference for part in bins)


async def test_a_training_set_says_who_learnt_from_it_and_a_version_what_was_made_of_it(
    make: Make, own: Workspace
) -> None:
    app = make(own)
    async with app.run_test(size=SIZE) as pilot:
        await press(pilot, "3", "tab")
        card = app.query_one(Detail).card
        assert card is not None
        [learnt] = [
            part for part in card.parts if isinstance(part, Listing) and part.title == "learnt from by"
        ]
        trained = rows(own, "SELECT count(*) AS n FROM run_inputs WHERE kind = 'training_set'")[0]["n"]
        assert len(learnt.rows) == trained > 0
        await press(pilot, "tab")
        card = app.query_one(Detail).card
        assert card is not None and card.title == "flats version 2"
        await press(pilot, "j")
        card = app.query_one(Detail).card
        assert card is not None
        [used] = [part for part in card.parts if isinstance(part, Listing) and part.title == "used by"]
        assert len(used.rows) == 1 and used.rows[0]["training set"] == "default"


async def test_a_view_that_was_changed_since_it_was_built_says_so(make: Make, own: Workspace) -> None:
    path = own.root / "features.yaml"
    path.write_text(path.read_text().replace("metres: metres", "metres: metres * 2"))
    app = make(own)
    async with app.run_test(size=SIZE) as pilot:
        await press(pilot, "3")
        assert "! open" in text(app) and "has changed since" in text(app)


async def test_a_training_set_is_built(make: Make, own: Workspace) -> None:
    app = make(own)
    async with app.run_test(size=SIZE) as pilot:
        await press(pilot, "3", "r")
        assert "mlcycle features build" in text(app)
        await press(pilot, "enter")
        await app.jobs.wait()
        await settle(pilot)
        done(app)
        assert "2 rows" in text(app)
    assert len(rows(own, "SELECT * FROM training_sets")) == 2


async def test_lint_runs_at_once(make: Make, own: Workspace) -> None:
    app = make(own)
    async with app.run_test(size=SIZE) as pilot:
        await press(pilot, "3", "l")
        await app.jobs.wait()
        done(app)
        assert "no leak found" in "\n".join(app.jobs.all[0].lines)


async def test_the_source_row_behind_each_value_is_shown(make: Make, own: Workspace) -> None:
    app = make(own)
    async with app.run_test(size=SIZE) as pilot:
        await press(pilot, "3", "p")
        app.screen.query_one("#entity").focus()
        await pilot.press("end", *["backspace"] * 8, "1", "7", "enter")
        await settle(pilot)
        shown = text(app)
        assert "17 at" in shown and "flats 17" in shown
        found = app.gateway.do("features.explain", "17")
        metres = next(one for one in found.features if one.feature == "metres")
        assert metres.given_by[0].key == "17" and metres.given_by[0].batch.endswith("flats.csv")
        assert str(int(metres.value)) in shown and "flats.csv" in shown
        await press(pilot, "escape")
        assert "17 at" not in text(app)


async def test_a_stranger_is_told_in_the_dialog(make: Make, own: Workspace) -> None:
    app = make(own)
    async with app.run_test(size=SIZE) as pilot:
        await press(pilot, "3", "p")
        app.screen.query_one("#entity").focus()
        await pilot.press("end", *["backspace"] * 8, "9", "9", "9", "9", "9", "enter")
        await settle(pilot)
        assert "no table knows the entity 99999" in text(app)


async def test_without_a_feature_view_the_pane_says_what_to_do(make: Make, empty: Workspace) -> None:
    app = make(empty)
    async with app.run_test(size=(80, 24)) as pilot:
        await press(pilot, "3")
        assert "No feature view yet" in text(app)
