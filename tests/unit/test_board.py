"""The lifecycle board: what it says of an empty workspace, of a young one, and what it asks for next."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mlcycle.board import FACTS, Board, PhaseState, board
from mlcycle.ids import new_id
from mlcycle.store import Store, archive
from mlcycle.workspace import Workspace

NOON = datetime(2026, 1, 1, 12)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    (tmp_path / "mlcycle.yaml").write_text("name: lamps\n", encoding="utf-8")
    made = Workspace(tmp_path)
    Store.create(made)
    return made


def put(workspace: Workspace, table: str, **row: Any) -> None:
    with Store(workspace).transaction("test") as transaction:
        transaction.insert(table, [row])


def batch(workspace: Workspace, state: str, arrived_at: datetime = NOON) -> None:
    put(
        workspace,
        "batch",
        batch_id=new_id(),
        source="lamps",
        path="lamps.csv",
        sha256="0" * 64,
        bytes=1,
        rows=10,
        malformed=0,
        raw_part="0" * 64,
        set_aside=0,
        mended=0,
        state=state,
        as_of=NOON,
        arrived_at=arrived_at,
        trained=False,
    )


def states(found: Board) -> dict[str, str]:
    return {phase.phase: phase.state for phase in found.phases}


def test_an_empty_workspace_has_seven_phases_and_begins_with_design(workspace: Workspace) -> None:
    found = board(workspace)
    assert set(states(found).values()) == {"none"}
    assert [phase.number for phase in found.phases] == [1, 2, 3, 4, 5, 6, 7]
    assert found.next is not None
    assert found.next.phase == "Design"


def test_a_batch_that_waits_for_its_check_asks_for_attention_and_names_the_command(
    workspace: Workspace,
) -> None:
    batch(workspace, "arrived")
    found = board(workspace)
    assert states(found)["Data"] == "attention"
    assert found.next is not None
    assert found.next.command == "mlcycle quality check"


def test_a_refused_batch_comes_before_everything_else(workspace: Workspace) -> None:
    batch(workspace, "refused")
    batch(workspace, "arrived")
    found = board(workspace)
    assert states(found)["Data"] == "failed"
    assert found.next is not None
    assert found.next.phase == "Data"


def test_an_open_alert_is_named(workspace: Workspace) -> None:
    Store(workspace).append("prediction", [prediction()])
    put(workspace, "window_metric", **window())
    put(workspace, "alert", **alert("heat"))
    monitor = next(phase for phase in board(workspace).phases if phase.phase == "Monitor")
    assert monitor.state == "attention"
    assert monitor.says == "1 alert open: heat"


def test_a_score_that_nothing_measured_is_not_shown_as_a_number(workspace: Workspace) -> None:
    batch(workspace, "admitted")
    data = next(phase for phase in board(workspace).phases if phase.phase == "Data")
    assert "not measured" in data.says


def prediction() -> dict[str, Any]:
    return {
        "prediction_id": new_id(),
        "ts": NOON.isoformat(),
        "as_of": NOON.isoformat(),
        "deployment": "local",
        "model": "lamps",
        "version": 1,
        "entity": "1",
        "score": 0.5,
        "latency_ms": 1.0,
        "status": 200,
        "features": {"heat": 1.0},
    }


def window() -> dict[str, Any]:
    return {
        "window_id": new_id(),
        "deployment": "local",
        "metric": "psi",
        "subject": "heat",
        "starts": NOON,
        "ends": NOON,
        "n": 50,
        "value": 0.5,
        "limit": 0.2,
        "verdict": "alert",
        "computed_at": NOON,
    }


def alert(subject: str) -> dict[str, Any]:
    return {
        "alert_id": new_id(),
        "deployment": "local",
        "metric": "psi",
        "subject": subject,
        "kind": "drift",
        "window_start": NOON,
        "window_end": NOON,
        "severity": "critical",
        "value": 0.5,
        "limit": 0.2,
        "state": "open",
        "opened_at": NOON,
    }


def test_a_refused_batch_is_forgotten_once_a_newer_one_of_its_source_is_admitted(
    workspace: Workspace,
) -> None:
    batch(workspace, "refused")
    batch(workspace, "admitted", arrived_at=NOON + timedelta(hours=1))
    assert states(board(workspace))["Data"] == "ok"


def test_a_kept_model_that_nobody_registered_asks_for_it(workspace: Workspace) -> None:
    run_id = new_id()
    started = {"run_id": run_id, "name": "linear", "experiment": "default", "parent_run_id": None}
    Store(workspace).append(
        "run",
        [
            {"kind": "start", "started_at": NOON.isoformat(), "command": "", "script_sha256": None, **started}
            | {"git_commit": None, "git_dirty": None, "environment": {}},
            {"kind": "artifact", "run_id": run_id, "path": "model.zip", "sha256": "0" * 64, "bytes": 1}
            | {"ts": NOON.isoformat()},
            {"kind": "end", "run_id": run_id, "status": "finished", "ended_at": NOON.isoformat()},
        ],
    )
    phases = {phase.phase: phase for phase in board(workspace).phases}
    assert phases["Experiments"].command == "mlcycle models register"


def test_predictions_are_counted_in_the_table_the_archive_and_the_tail(workspace: Workspace) -> None:
    store = Store(workspace)
    store.append("prediction", [prediction(), prediction(), prediction()])
    store.fold()
    piece = archive.write(store, NOON.date())
    assert piece is not None
    with store.transaction("test") as change:
        archive.take(change, piece, NOON)
    later = {"ts": (NOON + timedelta(days=1)).isoformat(), "as_of": (NOON + timedelta(days=1)).isoformat()}
    store.append("prediction", [prediction() | later])
    store.fold()
    store.append("prediction", [prediction() | later, prediction() | later])
    with store.looking() as ask:  # does not fold
        facts = ask(FACTS)[0]
        once = ask("SELECT count(*) AS n FROM predictions")[0]["n"]
        in_table = ask("SELECT count(*) AS n FROM store.main.prediction")[0]["n"]
    assert (facts["predictions"], once, in_table) == (6, 6, 1)
    assert facts["scored_at"] == NOON + timedelta(days=1)


def test_a_deleted_prediction_is_not_counted_though_its_minute_still_counts_it(workspace: Workspace) -> None:
    store = Store(workspace)
    store.append("prediction", [prediction(), prediction()])
    with store.transaction("test") as change:
        change.execute("DELETE FROM prediction")
    assert store.read("SELECT sum(n)::BIGINT AS n FROM rollup_1m")[0]["n"] == 2
    assert store.read(FACTS)[0]["predictions"] == 0


def champion(workspace: Workspace, version: int = 2) -> None:
    put(workspace, "alias", model="lamps", alias="champion", version=version, since=NOON, rev=1)


def monitor(workspace: Workspace) -> PhaseState:
    return next(phase for phase in board(workspace).phases if phase.phase == "Monitor")


def test_a_champion_that_has_scored_nothing_is_not_called_fine_because_another_model_was(
    workspace: Workspace,
) -> None:
    Store(workspace).append("prediction", [prediction()])
    put(workspace, "window_metric", **window() | {"model": "lamps", "version": 1, "verdict": "ok"})
    champion(workspace, 1)
    assert (monitor(workspace).state, monitor(workspace).says) == ("ok", "1 prediction, no alert open")
    with Store(workspace).transaction("test") as transaction:
        transaction.execute("UPDATE alias SET version = 2")
    found = monitor(workspace)
    assert (found.state, found.says) == ("attention", "lamps:2 is not judged yet: nothing scored")
    assert (found.next, found.command) == ("start a server", "mlcycle deploy start")
    server = {"deployment": "local", "model": "lamps", "version": 2, "kind": "local", "state": "running"}
    put(workspace, "deployment", **server, since=NOON, rev=1)
    found = monitor(workspace)
    assert (found.next, found.command) == ("score rows", "mlcycle predict")


def test_a_champion_whose_predictions_no_window_has_judged_asks_for_that(workspace: Workspace) -> None:
    Store(workspace).append("prediction", [prediction(), prediction() | {"version": 2}])
    put(workspace, "window_metric", **window() | {"model": "lamps", "version": 1, "verdict": "ok"})
    champion(workspace)
    found = monitor(workspace)
    assert (found.state, found.says) == ("attention", "lamps:2 is not judged yet")
    assert (found.next, found.command) == ("judge it", "mlcycle monitor run")
    put(workspace, "window_metric", **window() | {"model": "lamps", "version": 2, "verdict": "ok"})
    assert monitor(workspace).state == "ok"


@pytest.mark.parametrize("verdict", ["too few", "not measured"])
def test_a_window_with_too_little_to_say_is_no_verdict_on_the_champion(
    workspace: Workspace, verdict: str
) -> None:
    Store(workspace).append("prediction", [prediction() | {"version": 2}])
    lamps = {"model": "lamps", "version": 2}
    put(workspace, "window_metric", **window() | lamps | {"verdict": verdict})
    counted = {"metric": "predictions", "subject": None, "limit": None, "verdict": "ok"}
    put(workspace, "window_metric", **window() | lamps | counted)
    champion(workspace)
    found = monitor(workspace)
    assert (found.state, found.command) == ("attention", "mlcycle monitor windows")
    assert found.says == "lamps:2 is not judged yet: too few rows or labels"
