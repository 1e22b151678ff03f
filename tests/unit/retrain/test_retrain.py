"""Once round: a month arrives, its labels break a requirement, a challenger learns and is judged on a newer month."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from tests.unit.monitor import product
from tests.unit.retrain import plant
from tests.unit.retrain.plant import FEBRUARY, JANUARY, MARCH

from mlcycle import clock, data, experiments, features, models, monitor, quality, retrain
from mlcycle.errors import MlcycleError, NotFoundError, NotMet, UsageError
from mlcycle.ids import new_id
from mlcycle.models.fresh import stretch
from mlcycle.retrain import records, trigger
from mlcycle.store import Store
from mlcycle.workspace import Workspace

KNOWN = timedelta(days=30)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    yield plant.with_champion(tmp_path_factory.mktemp("template"))
    clock.set_now(None)


@pytest.fixture
def workspace(tmp_path: Path, template: Workspace) -> Iterator[Workspace]:
    clock.set_now(JANUARY)
    shutil.copytree(template.root, tmp_path / "w")
    yield Workspace(tmp_path / "w")
    clock.set_now(None)


@pytest.fixture(scope="module")
def broken(template: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """February's data is in, January's labels are known and break the requirement, a challenger has learnt."""
    workspace = Workspace(tmp_path_factory.mktemp("broken") / "w")
    shutil.copytree(template.root, workspace.root)
    clock.set_now(JANUARY)
    plant.predict(workspace, JANUARY)
    clock.set_now(FEBRUARY)
    plant.drop(workspace, FEBRUARY)
    retrain.scan(workspace, settle_s=0)
    monitor.labels(workspace)
    monitor.run(workspace)
    retrain.propose(workspace)
    retrain.run(workspace)
    return workspace


@pytest.fixture
def challenged(tmp_path: Path, broken: Workspace) -> Iterator[Workspace]:
    clock.set_now(FEBRUARY)
    shutil.copytree(broken.root, tmp_path / "w")
    yield Workspace(tmp_path / "w")
    clock.set_now(None)


def trained(workspace: Workspace) -> dict[str, bool]:
    rows = Store(workspace).read("SELECT path, trained FROM batches")
    return {row["path"]: row["trained"] for row in rows}


def break_a_limit(workspace: Workspace) -> None:
    plant.predict(workspace, JANUARY)
    clock.set_now(JANUARY + KNOWN)
    monitor.labels(workspace)
    assert [window.broken() for window in monitor.run(workspace).windows] == [("ranking",)]


def test_nothing_is_proposed_while_all_is_quiet(workspace: Workspace) -> None:
    assert retrain.propose(workspace) is None
    assert trained(workspace) == {"data/readings.csv": True, "data/outcomes.csv": True}
    assert retrain.status(workspace).next == ""


def test_a_broken_requirement_opens_a_trigger_once(workspace: Workspace) -> None:
    break_a_limit(workspace)
    trigger = retrain.propose(workspace)
    assert trigger is not None
    assert (trigger.reason, trigger.state) == ("requirement", "open")
    assert [alert["subject"] for alert in trigger.evidence["alerts"]] == ["ranking"]
    assert retrain.propose(workspace) is None
    assert retrain.status(workspace).next == "mlcycle retrain run"


def test_a_dropped_month_is_untrained_data_and_opens_a_trigger_once(workspace: Workspace) -> None:
    clock.set_now(FEBRUARY)
    plant.drop(workspace, FEBRUARY)
    (taken,) = retrain.scan(workspace, settle_s=0)
    assert (taken.name, taken.outcome) == ("2026-02", "taken")
    assert [(batch.source, batch.rows, batch.state, batch.trained) for batch in taken.batches] == [
        ("readings", 80, "admitted", False),
        ("outcomes", 80, "admitted", False),
    ]
    assert taken.trigger is not None
    assert taken.trigger.reason == "untrained data"
    assert {batch["path"] for batch in taken.trigger.evidence["batches"]} == {
        batch.path for batch in taken.batches
    }
    assert [one.outcome for one in retrain.scan(workspace, settle_s=0)] == ["known"]
    assert len(retrain.status(workspace).triggers) == 1
    assert len(retrain.status(workspace).untrained) == 2


def test_only_the_kinds_that_are_declared_open_a_trigger(workspace: Workspace) -> None:
    (workspace.root / "monitor.yaml").write_text("retrain_on: [drift]\n")
    break_a_limit(workspace)
    assert retrain.propose(workspace) is None


def test_without_a_champion_nothing_is_proposed_or_run(tmp_path: Path) -> None:
    workspace = product.make(tmp_path / "w")
    assert retrain.propose(workspace) is None
    with pytest.raises(NotMet):
        retrain.run(workspace)
    with pytest.raises(NotFoundError):
        retrain.judge(workspace)


def test_the_challenger_learns_the_champions_recipe_from_all_that_is_known(challenged: Workspace) -> None:
    (challenger,) = [one for one in models.list_versions(challenged) if "challenger" in one.aliases]
    assert challenger.version == 2
    params = Store(challenged).read(
        "SELECT key, value FROM params WHERE run_id = ?::UUID", [challenger.run_id]
    )
    said = {row["key"]: row["value"] for row in params}
    assert (said["fit_rows"], float(said["weight_newest"]), said["max_iter"]) == ("all", 20.0, "10")


def test_a_run_answers_what_it_could_and_leaves_new_data_without_labels_open(challenged: Workspace) -> None:
    states = {one.reason: one.state for one in retrain.status(challenged).triggers}
    assert states == {"requirement": "done", "untrained data": "open"}


def test_a_batch_whose_labels_are_not_known_stays_untrained(challenged: Workspace) -> None:
    found = trained(challenged)
    assert found["data/outcomes.csv"]
    assert not found["inbox/2026-02/outcomes.csv"]


def test_the_challenger_is_not_judged_before_newer_labels_are_known(challenged: Workspace) -> None:
    judged = retrain.judge(challenged)
    assert (judged.outcome, judged.moment, judged.promoted) == ("not measured", FEBRUARY, False)
    assert judged.reasons == ("not measured: waits for labels of 2026-02-01 00:00",)
    assert retrain.status(challenged).waits_for == FEBRUARY
    assert retrain.status(challenged).next == ""
    assert Store(challenged).read("SELECT * FROM decisions WHERE subject = 'failures:2'") == []


def test_the_challenger_is_judged_on_the_newer_month_paired_with_the_champion_and_promoted(
    challenged: Workspace,
) -> None:
    clock.set_now(FEBRUARY + KNOWN)
    assert retrain.status(challenged).next == "mlcycle retrain judge"
    judged = retrain.judge(challenged)
    assert (judged.outcome, judged.promoted, judged.moment, judged.rows) == ("approved", True, FEBRUARY, 80)
    assert (judged.champion, judged.challenger, judged.metric) == (1, 2, "auc")
    assert judged.value is not None
    assert judged.champion_value is not None
    assert judged.low is not None
    assert judged.value > 0.7 > judged.champion_value
    assert judged.low > 0
    champion = models.champion(challenged)
    assert champion is not None
    assert champion.version == 2
    assert "promoted" in judged.describe()
    assert models.rollback(challenged).version == 1


def test_alerts_about_a_champion_that_was_replaced_ask_for_nothing(challenged: Workspace) -> None:
    clock.set_now(FEBRUARY)
    plant.predict(challenged, FEBRUARY)
    clock.set_now(FEBRUARY + KNOWN)
    monitor.labels(challenged)
    assert [window.broken() for window in monitor.run(challenged).windows] == [("ranking",)]
    before = len(retrain.status(challenged).triggers)
    assert retrain.propose(challenged) is None
    retrain.judge(challenged)
    assert retrain.propose(challenged) is None
    assert len(retrain.status(challenged).triggers) == before


def test_a_person_may_promote_the_challenger_and_the_reason_is_kept(challenged: Workspace) -> None:
    decision = retrain.decide(challenged, "approve", reason="the plant stands still otherwise")
    assert (decision.kind, decision.outcome, decision.reasons) == (
        "retrain",
        "approved",
        ("the plant stands still otherwise",),
    )
    champion = models.champion(challenged)
    assert champion is not None
    assert champion.version == 2
    assert Store(challenged).read("SELECT count(*) AS n FROM profile WHERE version = 2")[0]["n"] == 3
    assert models.rollback(challenged).version == 1


def test_a_person_may_turn_the_challenger_down(challenged: Workspace) -> None:
    decision = retrain.decide(challenged, "reject", reason="not before the audit")
    assert (decision.subject, decision.outcome) == ("failures:2", "refused")
    assert retrain.status(challenged).challenger is None
    champion = models.champion(challenged)
    assert champion is not None
    assert champion.version == 1


def test_what_a_refused_challenger_learnt_asks_again_and_what_an_approved_one_learnt_does_not(
    workspace: Workspace,
) -> None:
    clock.set_now(FEBRUARY + KNOWN)
    plant.drop(workspace, FEBRUARY)
    (taken,) = retrain.scan(workspace, settle_s=0)
    assert taken.trigger is not None
    report = retrain.run(workspace)
    assert (report.trigger.state, report.batches, report.learnt_to) == ("done", 2, FEBRUARY)
    # While it waits, its data asks for nothing; but no champion has learnt from it.
    assert retrain.propose(workspace) is None
    assert len(retrain.status(workspace).untrained) == 2
    assert retrain.status(workspace).next == ""
    retrain.decide(workspace, "reject", reason="not before the audit")
    assert not trained(workspace)["inbox/2026-02/outcomes.csv"]
    again = retrain.propose(workspace)
    assert again is not None
    assert again.evidence["batches"] == taken.trigger.evidence["batches"]
    assert retrain.status(workspace).next == "mlcycle retrain run"
    retrain.run(workspace)
    retrain.decide(workspace, "approve", reason="the audit is over")
    assert trained(workspace)["inbox/2026-02/outcomes.csv"]
    assert retrain.propose(workspace) is None
    assert retrain.status(workspace).untrained == ()


def claimed(workspace: Workspace, pid: int) -> str:
    """Return a trigger that a process works on."""
    made = new_id()
    row = {
        "trigger_id": made,
        "reason": "by hand",
        "evidence": "{}",
        "ts": JANUARY,
        "state": "running",
        "pid": pid,
    }
    with Store(workspace).transaction("test") as tx:
        tx.insert("retrain_trigger", [row])
    return made


def test_two_runs_at_once_train_once(workspace: Workspace) -> None:
    claimed(workspace, os.getppid())
    with pytest.raises(UsageError, match=f"is being retrained by pid {os.getppid()}"):
        retrain.run(workspace)
    assert [one.state for one in retrain.status(workspace).triggers] == ["running"]
    assert retrain.status(workspace).next == ""
    assert len(models.list_versions(workspace)) == 1


def test_a_trigger_left_running_by_a_process_that_ended_is_open_again(workspace: Workspace) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass
    made = claimed(workspace, ended.pid)
    assert retrain.status(workspace).next == "mlcycle retrain run"
    report = retrain.run(workspace)
    assert (report.trigger.trigger_id, report.trigger.state, report.trigger.pid) == (made, "done", None)


def test_a_trigger_turned_down_while_its_run_goes_on_stays_so(workspace: Workspace) -> None:
    pid = os.getppid()
    made = claimed(workspace, pid)
    running = trigger.named(records.triggers(Store(workspace)), made)
    with Store(workspace).transaction("test") as tx:
        assert records.set_trigger(tx, running, "rejected")
        assert not records.set_trigger(tx, running, "done")
    assert [one.state for one in retrain.status(workspace).triggers] == ["rejected"]


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        ([100, 100, 100], (0, 2, 300, None)),
        ([100, 80, 100], (0, 0, 100, 1)),
        ([100, 100, 0], (0, 1, 200, 2)),
        ([50, 95, 90], (1, 2, 185, None)),
        ([50, 0, 0], (None, None, 0, 0)),
    ],
)
def test_every_moment_needs_nearly_all_its_labels(
    known: list[int], expected: tuple[int | None, int | None, int, int | None]
) -> None:
    months = plant.MONTHS[:3]
    rows = [{"moment": month, "n": 100, "known": n} for month, n in zip(months, known, strict=True)]
    start, end, labelled, waits = expected
    found = stretch(rows)
    assert found.rows == labelled
    assert found.start == (None if start is None else months[start])
    assert found.end == (None if end is None else months[end])
    assert found.waits_for == (None if waits is None else months[waits])


def test_without_a_challenger_a_person_turns_the_open_trigger_down(workspace: Workspace) -> None:
    break_a_limit(workspace)
    retrain.propose(workspace)
    retrain.decide(workspace, "reject", reason="known, the sensor was exchanged")
    assert [one.state for one in retrain.status(workspace).triggers] == ["rejected"]
    assert retrain.propose(workspace) is None
    with pytest.raises(NotFoundError):
        retrain.decide(workspace, "approve", reason="why not")


def test_a_decision_by_hand_needs_a_reason(workspace: Workspace) -> None:
    with pytest.raises(UsageError):
        retrain.decide(workspace, "approve", reason=" ")


def test_a_run_that_fails_leaves_its_trigger_open(workspace: Workspace) -> None:
    break_a_limit(workspace)
    retrain.propose(workspace)
    plant.write(workspace.root / "late", [MARCH])
    data.ingest(workspace, workspace.root / "late")  # unchecked, so no training set can be built
    with pytest.raises(MlcycleError):
        retrain.run(workspace)
    assert [one.state for one in retrain.status(workspace).triggers] == ["open"]


def test_a_run_nobody_asked_for_is_by_hand(workspace: Workspace) -> None:
    report = retrain.run(workspace)
    assert (report.trigger.reason, report.trigger.state, report.trigger.run_id) == (
        "by hand",
        "done",
        report.run_id,
    )
    assert (report.rows, report.newest_rows, report.learnt_to) == (400, 80, plant.MONTHS[4])
    assert (report.kind, report.weight_newest, report.champion, report.version) == (
        "boosted_trees",
        20.0,
        1,
        2,
    )


def test_a_requirement_leads_to_its_decisions_windows_alerts_and_triggers(challenged: Workspace) -> None:
    trace = retrain.trace(challenged, "ranking")
    kinds = [step.kind for _, step in trace.walk()]
    assert kinds == ["requirement", "version", "decision", "window", "alert", "trigger"]
    assert "owner plant lead" in trace.describe()
    assert "led to run" in trace.describe()


def test_a_prediction_leads_back_to_the_files_behind_it(challenged: Workspace) -> None:
    ids = Store(challenged).read("SELECT prediction_id FROM predictions LIMIT 1")
    trace = retrain.trace(challenged, ids[0]["prediction_id"][-12:])
    kinds = [step.kind for _, step in trace.walk()]
    assert (
        kinds
        == ["prediction", "model version", "decision", "run", "training set"]
        + ["dataset version", "batch"] * 2
    )
    assert [step.name for _, step in trace.walk() if step.kind == "batch"] == [
        "data/outcomes.csv",
        "data/readings.csv",
    ]
    assert retrain.trace(challenged, "failures:2").start.kind == "model version"


def test_a_name_that_nothing_carries_has_no_trace(challenged: Workspace) -> None:
    for what in ("nothing", "failures:9", "0123456789abcdef"):
        with pytest.raises(NotFoundError):
            retrain.trace(challenged, what)


def test_without_a_time_column_the_validation_share_judges(tmp_path: Path) -> None:
    columns = "{machine: integer, heat: number, load: number, wear: number}"
    workspace = product.make(
        tmp_path / "w",
        data=f"sources:\n  parts:\n    {{path: data/parts.csv, format: csv, key: machine, columns: {columns}}}\n",
        features="spine: {table: parts, key: machine, target: wear}\n"
        "views: {own: {table: parts, timeless: true, features: {hot: heat, loaded: load}}}\n",
        training="model: wear\ntask: regression\nsplit: {fraction: 0.3}\n"
        "models: {trees: {kind: boosted_trees, params: {max_iter: 20, min_samples_leaf: 5}}}\n",
        design="requirements:\n"
        "  - {id: error, role: business, metric: rmse, comparison: '<=', value: 40, phases: [gate, monitor]}\n",
    )
    rows = [f"{i},{i * 37 % 101},{i * 61 % 97},{i * 37 % 101 + i * 61 % 97}" for i in range(300)]
    (workspace.root / "data").mkdir()
    (workspace.root / "data" / "parts.csv").write_text("\n".join(["machine,heat,load,wear", *rows]) + "\n")
    data.ingest(workspace)
    quality.check(workspace)
    features.build(workspace)
    (result,) = experiments.train(workspace)
    assert models.promote(workspace, models.register(workspace, result.run_id)).approved
    report = retrain.run(workspace)
    assert (report.learnt_to, report.weight_newest, report.newest_rows) == (None, 1.0, 0)
    assert report.rows < 300
    judged = retrain.judge(workspace)
    assert (judged.metric, judged.moment) == ("rmse", None)
    assert judged.rows + report.rows == 300
    assert judged.outcome == "refused"  # the same recipe on the same rows is not better
