"""The Deploy screen: why the gate said no, what serves, and what its keys leave in the store."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.tui.screen import press, settle, text
from textual.pilot import Pilot

from mlcycle import deploy
from mlcycle.store import Store
from mlcycle.workspace import Workspace
from mlcycle_app.gateway import Gateway
from mlcycle_app.tui.app import CycleApp
from mlcycle_app.tui.job import Job
from mlcycle_app.tui.widgets.log_tail import LogPane

Make = Callable[..., CycleApp]
NARROW, WIDE = (80, 24), (140, 40)


def words(app: CycleApp) -> str:
    """Return the screen without frames, as one line."""
    return " ".join("".join(sign for sign in text(app) if sign not in "│╭╮╰╯─").split())


async def ended(pilot: Pilot[None]) -> Job:
    """Wait for the job that was begun last."""
    app = pilot.app
    assert isinstance(app, CycleApp)
    assert app.jobs.all, text(app)
    await asyncio.wait_for(app.jobs.wait(), 60)
    await settle(pilot)
    return app.jobs.all[0]


async def write(pilot: Pilot[None], said: str) -> None:
    """Type text into what has the focus."""
    for sign in said:
        await pilot.press({":": "colon", "_": "underscore"}.get(sign, sign))
    await settle(pilot)


async def test_a_refused_version_says_why_in_words(make: Make) -> None:
    app = make(first=5)
    async with app.run_test(size=WIDE) as pilot:
        await settle(pilot)
        await press(pilot, "down")
        told = words(app)
        assert "✗ refused" in told and "why it was refused" in told
        assert "✗ punctual: auc is 0.71, the limit is >= 0.78" in told
        assert "asks again, or with other limits" in told


async def test_the_gate_shows_each_requirement_with_limit_observed_and_n(make: Make, own: Workspace) -> None:
    app = make(own, first=5)
    async with app.run_test(size=WIDE) as pilot:
        await settle(pilot)
        [row] = Gateway(own).rows(
            "SELECT evidence->>'$.requirements[0].id' AS id, (evidence->>'$.requirements[0].n')::INT AS n "
            "FROM decisions WHERE kind = 'gate' AND subject = ? ORDER BY ts DESC LIMIT 1",
            [app.selection().names("model")[0]],
        )
        told = words(app)
        assert f"{row['id']} ✓ met" in told or f"{row['id']} ✗ not met" in told
        assert "limit" in told and f"n {row['n']:,}" in told


async def test_c_puts_the_marked_versions_side_by_side_and_one_beside_the_champion(
    make: Make, own: Workspace
) -> None:
    app = make(own, first=5)
    async with app.run_test(size=WIDE) as pilot:
        await settle(pilot)
        await press(pilot, "c")  # the champion itself
        assert "nothing to compare: mark two versions first" in text(app)
        await press(pilot, "down", "c")
        assert "2 runs side by side" in text(app) and "params that differ" in text(app)
        await press(pilot, "escape", "space", "up", "space", "down", "c")
        assert "2 runs side by side" in text(app) and "trees" in text(app) and "linear" in text(app)


async def test_a_deployment_shows_what_it_served_lately_with_the_window(make: Make) -> None:
    app = make(first=5)
    async with app.run_test(size=WIDE) as pilot:
        await settle(pilot)
        await press(pilot, "tab")
        told = words(app)
        assert "the last 15 min" in told and "answered 29" in told and "errors 1" in told
        assert "(n = 29)" in told and "4.2 % of a core" in told and "71 MB" in told
        assert "nothing: it speaks when something goes wrong" in told


async def test_a_card_of_a_server_holds_the_end_of_its_log_and_obeys_nothing_in_it(
    make: Make, own: Workspace
) -> None:
    deploy.start(own)
    deploy.stop(own)
    (own.home / "logs" / "local.log").write_text("bell \a and no more\n")
    app = make(own, first=5)
    async with app.run_test(size=WIDE) as pilot:
        await settle(pilot)
        await press(pilot, "tab")
        assert "bell � and no more" in words(app)


async def test_an_image_says_how_to_run_it(make: Make, own: Workspace) -> None:
    row = {
        "model": "flats_model",
        "version": 2,
        "tag": "mlcycle/flats-model:2",
        "digest": "sha256:1",
        "bytes": 9,
    }
    with Store(own).transaction("test") as transaction:
        transaction.insert(
            "image", [row | {"image_id": "01a20ab3-0000-7000-8000-000000000001", "built_at": Gateway.now()}]
        )
    app = make(own, first=5)
    async with app.run_test(size=WIDE) as pilot:
        await settle(pilot)
        await press(pilot, "tab", "tab")
        told = words(app)
        assert "docker run --rm -p" in told and "to run it" in told and "nothing of the workspace" in told


async def test_r_starts_a_server_c_swaps_it_and_x_stops_it(make: Make, own: Workspace) -> None:
    app = make(own, first=5)
    async with app.run_test(size=WIDE) as pilot:
        await settle(pilot)
        await press(pilot, "down")
        [older] = app.selection().names("model")
        # The gate refused it, so it is asked first.
        await press(pilot, "r", "enter")
        assert "all the same?" in text(app)
        await press(pilot, "tab", "enter")
        assert (await ended(pilot)).state == "done"
        try:
            [row] = deploy.list_deployments(own)
            assert (row.state, f"{row.model}:{row.version}") == ("running", older)
            await press(pilot, "tab")
            assert str(row.url) in text(app) and "x stops it" in text(app)
            await press(pilot, "C", "tab", "enter")
            assert (await ended(pilot)).state == "done"
            [row] = deploy.list_deployments(own)
            assert (row.state, row.version) == ("running", 2)
            await press(pilot, "x", "enter")
            assert deploy.list_deployments(own) == [row]
            await press(pilot, "x", "tab", "enter")
            assert (await ended(pilot)).state == "done"
            assert [one.state for one in deploy.list_deployments(own)] == ["stopped"]
        finally:
            deploy.stop_all(own)


async def test_v_asks_the_gate_and_the_card_shows_the_new_answer(make: Make, own: Workspace) -> None:
    count = "SELECT count(*) AS n FROM decisions WHERE kind = 'gate'"
    before = Gateway(own).rows(count)[0]["n"]
    app = make(own, first=5)
    async with app.run_test(size=WIDE) as pilot:
        await settle(pilot)
        await press(pilot, "v", "enter")
        job = await ended(pilot)
        assert job.state in ("done", "refused"), list(job.lines)
        outcome = Gateway(own).rows(
            "SELECT outcome FROM decisions ORDER BY ts DESC, decision_id DESC LIMIT 1"
        )[0]["outcome"]
        assert outcome == ("approved" if job.state == "done" else "refused")
        assert f"outcome {'✓' if outcome == 'approved' else '✗'} {outcome}" in words(app)
    assert Gateway(own).rows(count)[0]["n"] == before + 1


async def test_p_promotes_only_when_the_name_was_typed(make: Make, own: Workspace) -> None:
    app = make(own, first=5)
    async with app.run_test(size=NARROW) as pilot:
        await settle(pilot)
        await press(pilot, "down")
        [model] = app.selection().names("model")
        await press(pilot, "P", "enter")
        assert f"type {model} to say yes" in words(app)
        await press(pilot, "enter")
        assert not app.jobs.all
        await write(pilot, model)
        await press(pilot, "enter")
        job = await ended(pilot)
        assert job.words == ("models", "promote", model) and job.state in ("done", "refused")
    [last] = Gateway(own).rows(
        "SELECT subject, outcome FROM decisions ORDER BY ts DESC, decision_id DESC LIMIT 1"
    )
    assert last == {"subject": model, "outcome": "approved" if job.state == "done" else "refused"}


async def test_b_typed_brings_the_champion_before_back(make: Make, own: Workspace) -> None:
    app = make(own, first=5)
    async with app.run_test(size=NARROW) as pilot:
        await settle(pilot)
        await press(pilot, "B")
        await write(pilot, "flats_model")
        await press(pilot, "enter")
        assert (await ended(pilot)).state == "done"
    assert Gateway(own).rows("SELECT version FROM aliases WHERE alias = 'champion'") == [{"version": 1}]


async def test_without_an_engine_the_build_says_what_was_tried_and_what_to_install(
    make: Make, own: Workspace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path / 'no.sock'}")
    app = make(own, first=5)
    async with app.run_test(size=WIDE) as pilot:
        await settle(pilot)
        await press(pilot, "b", "enter")
        job = await ended(pilot)
        assert (job.state, job.code) == ("failed", 3)
        told = words(app)
        assert "✗ images build failed: no container engine answers at unix://" in told
        assert "install and start Docker or podman" in told
        log = app.query_one(LogPane)
        assert log.display is True
        await press(pilot, "escape")
        assert app.query("#build-log").first().display is False
        assert app.selection().names("model")
