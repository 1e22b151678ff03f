"""The lifecycle board: each phase's state, its number, its age and the next action. One short read over all rooms.

Looking runs nothing and loads no declaration: what the store holds is shown as it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from mlcycle.store import Store
from mlcycle.workspace import Workspace

__all__ = ["Board", "PhaseState", "board"]

State = Literal["ok", "attention", "failed", "running", "none"]

FACTS = """
SELECT r.*, b.*, t.*, e.*, a.*, d.*, p.*, w.*, g.*,
  (SELECT count(*) FROM batches AS one WHERE state = 'refused' AND NOT EXISTS (FROM batches AS newer
     WHERE newer.source = one.source AND newer.state = 'admitted' AND newer.arrived_at > one.arrived_at)) AS refused,
  (SELECT sum(rows) FROM (SELECT arg_max(rows, number) AS rows FROM dataset_versions GROUP BY dataset)) AS clean_rows,
  (SELECT count(*) FROM quarantine WHERE released_at IS NULL) AS set_aside,
  (SELECT count(DISTINCT check_id) FROM check_results) AS checks,
  (SELECT avg(score) FROM (SELECT dataset, arg_max(score, ts) AS score FROM quality_runs GROUP BY dataset)) AS score,
  (SELECT count(*) FROM artifacts WHERE path = 'model.zip') AS packages,
  (SELECT count(*) FROM model_versions) AS versions,
  (SELECT count(*) FROM deployments WHERE state = 'running') AS deployed,
  (SELECT count(*) FROM alerts WHERE state = 'open') AS alerts,
  (SELECT string_agg(DISTINCT subject, ', ' ORDER BY subject) FROM alerts WHERE state = 'open'
     AND window_start = (SELECT max(window_start) FROM alerts WHERE state = 'open')) AS alarming,
  (SELECT max(model || ':' || version) FROM aliases AS one WHERE alias = 'challenger' AND NOT EXISTS (FROM decisions
     WHERE kind IN ('gate', 'retrain') AND subject = one.model || ':' || one.version)) AS challenger
FROM
  (SELECT count(*) FILTER (until IS NULL) AS requirements, count(DISTINCT role) FILTER (until IS NULL) AS roles,
     max(since) AS designed_at FROM requirements) AS r,
  (SELECT count(*) AS batches, count(*) FILTER (state = 'arrived') AS unchecked,
     max(arrived_at) AS arrived_at FROM batches) AS b,
  (SELECT count(*) AS training_sets, arg_max(rows, created_at) FILTER (look_ahead IS NULL) AS training_rows,
     arg_max(len(features), created_at) FILTER (look_ahead IS NULL) AS features,
     max(created_at) FILTER (look_ahead IS NULL) AS built_at FROM training_sets) AS t,
  (SELECT count(*) AS runs, count(*) FILTER (status = 'running') AS running, max(started_at) AS ran_at FROM runs) AS e,
  (SELECT arg_max(model || ':' || version, since) FILTER (alias = 'champion') AS champion,
     max(since) FILTER (alias = 'champion') AS promoted_at FROM aliases) AS a,
  (SELECT arg_max(outcome, ts) FILTER (kind = 'gate') AS gate,
     arg_max(outcome || ': ' || subject, ts) FILTER (kind IN ('gate', 'rollback', 'retrain')) AS decision,
     max(ts) AS decided_at FROM decisions) AS d,
  (SELECT count(*) AS predictions, max(as_of) AS scored_at FROM predictions) AS p,
  (SELECT count(*) AS windows, max("end") AS watched_at,
     list(DISTINCT model || ':' || version) FILTER ("limit" IS NOT NULL) AS watched,
     list(DISTINCT model || ':' || version)
       FILTER ("limit" IS NOT NULL AND verdict NOT IN ('too few', 'not measured')) AS judged
     FROM windows) AS w,
  (SELECT count(*) FILTER (state IN ('open', 'running')) AS triggers,
     arg_max(reason, ts) FILTER (state IN ('open', 'running')) AS trigger FROM triggers) AS g
"""
"""Most tables are asked once. Predictions are counted along with a time: laid over with the journal's tail, a count
alone reads a wide column, and costs eight times as much."""
SCORED = "SELECT 1 FROM predictions WHERE model || ':' || version = ? LIMIT 1"
"""Whether a model has scored anything; asked only where none of its windows was judged."""


@dataclass(frozen=True)
class PhaseState:
    """One line of the board."""

    number: int
    """Key of its screen, 1 to 7."""
    phase: str
    state: State
    says: str
    """What is, with its numbers."""
    at: datetime | None
    """When it last changed."""
    next: str
    """What to do now, in a few words; empty when nothing waits."""
    command: str
    """The command that does it."""


@dataclass(frozen=True)
class Board:
    """The seven phases."""

    product: str
    phases: tuple[PhaseState, ...]

    @property
    def next(self) -> PhaseState | None:
        """The first phase that waits for the user."""
        order = {"failed": 0, "attention": 1, "none": 2}
        waiting = [phase for phase in self.phases if phase.next and phase.state in order]
        return min(waiting, key=lambda phase: (order[phase.state], phase.number), default=None)


def board(workspace: Workspace) -> Board:
    """Read the board of a workspace.

    Raises
    ------
    WorkspaceError
        If the workspace was made by a newer version.
    """
    store = Store(workspace)
    with store.reading():
        facts = store.read(FACTS)[0]
        champion = facts["champion"]
        if champion is not None and facts["windows"] and champion not in (facts["watched"] or ()):
            facts["scored"] = bool(store.read(SCORED, [champion]))
    phases = (_design, _data, _features, _experiments, _deploy, _monitor, _retrain)
    return Board(product=workspace.root.name, phases=tuple(phase(facts) for phase in phases))


def _count(number: int, noun: str) -> str:
    plural = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}es" if noun.endswith("ch") else f"{noun}s"
    return f"{number:,} {noun if number == 1 else plural}"


def _design(facts: dict[str, Any]) -> PhaseState:
    if not facts["requirements"]:
        return PhaseState(
            1, "Design", "none", "no requirement yet", None, "write one", "mlcycle design check"
        )
    says = f"{_count(facts['requirements'], 'requirement')} in {_count(facts['roles'], 'role')}"
    return PhaseState(1, "Design", "ok", says, facts["designed_at"], "", "mlcycle design list")


def _data(facts: dict[str, Any]) -> PhaseState:
    at = facts["arrived_at"]
    if not facts["batches"]:
        return PhaseState(2, "Data", "none", "no batch yet", at, "bring data in", "mlcycle data ingest")
    if facts["refused"]:
        says = f"{_count(facts['refused'], 'batch')} refused by a check"
        return PhaseState(
            2, "Data", "failed", says, at, "mend it or its rule", "mlcycle quality check --again"
        )
    if facts["unchecked"]:
        says = f"{_count(facts['unchecked'], 'batch')} not checked yet"
        return PhaseState(2, "Data", "attention", says, at, "check them", "mlcycle quality check")
    score = "not measured" if facts["score"] is None else f"score {facts['score']:.1f}"
    rows, checks = f"{facts['clean_rows'] or 0:,} rows", _count(facts["checks"], "check")
    says = f"{rows}, {checks}, {score}, {facts['set_aside']:,} set aside"
    return PhaseState(2, "Data", "ok", says, at, "", "mlcycle quality quarantine")


def _features(facts: dict[str, Any]) -> PhaseState:
    if not facts["training_rows"]:
        ready = facts["clean_rows"] and not facts["unchecked"]
        return PhaseState(
            3,
            "Features",
            "none",
            "no training set yet",
            None,
            "build one" if ready else "",
            "mlcycle features build",
        )
    says = f"{_count(facts['features'], 'feature')}, training set of {facts['training_rows']:,} rows"
    return PhaseState(3, "Features", "ok", says, facts["built_at"], "", "mlcycle features list")


def _experiments(facts: dict[str, Any]) -> PhaseState:
    at = facts["ran_at"]
    if not facts["runs"]:
        ready = "train" if facts["training_rows"] else ""
        return PhaseState(4, "Experiments", "none", "no run yet", at, ready, "mlcycle train")
    if facts["running"]:
        says = f"{_count(facts['running'], 'run')} going, {facts['runs']:,} in all"
        return PhaseState(4, "Experiments", "running", says, at, "watch", "mlcycle runs list")
    says = f"{_count(facts['runs'], 'run')}, {_count(facts['versions'], 'model version')}"
    if not facts["versions"] and facts["packages"]:
        return PhaseState(
            4, "Experiments", "attention", says, at, "register the best", "mlcycle models register"
        )
    return PhaseState(4, "Experiments", "ok", says, at, "", "mlcycle runs list")


def _deploy(facts: dict[str, Any]) -> PhaseState:
    at = facts["promoted_at"]
    if facts["champion"] is None:
        if facts["gate"] == "refused":
            return PhaseState(
                5, "Deploy", "failed", "the gate refused", at, "see why", "mlcycle models audit"
            )
        ready = "promote" if facts["versions"] else ""
        return PhaseState(5, "Deploy", "none", "no champion yet", at, ready, "mlcycle models promote")
    if facts["deployed"]:
        says = f"{facts['champion']} is champion and serving, {facts['predictions']:,} predictions"
        return PhaseState(5, "Deploy", "ok", says, at, "", "mlcycle deploy list")
    says = f"{facts['champion']} is champion, no server runs"
    if facts["predictions"]:
        return PhaseState(5, "Deploy", "ok", says, at, "", "mlcycle deploy start")
    return PhaseState(5, "Deploy", "attention", says, at, "start a server", "mlcycle deploy start")


def _monitor(facts: dict[str, Any]) -> PhaseState:
    at = facts["watched_at"] or facts["scored_at"]
    if not facts["predictions"]:
        ready = "score rows" if facts["deployed"] else ""
        return PhaseState(6, "Monitor", "none", "no prediction yet", None, ready, "mlcycle predict")
    if not facts["windows"]:
        says = f"{_count(facts['predictions'], 'prediction')}, no window judged yet"
        return PhaseState(6, "Monitor", "attention", says, at, "judge them", "mlcycle monitor run")
    if facts["alerts"]:
        says = f"{_count(facts['alerts'], 'alert')} open: {facts['alarming']}"
        return PhaseState(6, "Monitor", "attention", says, at, "review", "mlcycle monitor alerts")
    if facts["champion"] is not None and facts["champion"] not in (facts["judged"] or ()):
        says, waits, command = _unjudged(facts)
        return PhaseState(6, "Monitor", "attention", says, at, waits, command)
    says = f"{_count(facts['predictions'], 'prediction')}, no alert open"
    return PhaseState(6, "Monitor", "ok", says, at, "", "mlcycle monitor windows")


def _unjudged(facts: dict[str, Any]) -> tuple[str, str, str]:
    """Return why there is no verdict on the champion, and what to do about it: no verdict is no good verdict."""
    says = f"{facts['champion']} is not judged yet"
    if facts["champion"] in (facts["watched"] or ()):
        return f"{says}: too few rows or labels", "see which", "mlcycle monitor windows"
    if facts["scored"]:
        return says, "judge it", "mlcycle monitor run"
    if facts["deployed"]:
        return f"{says}: nothing scored", "score rows", "mlcycle predict"
    return f"{says}: nothing scored", "start a server", "mlcycle deploy start"


def _retrain(facts: dict[str, Any]) -> PhaseState:
    if facts["triggers"]:
        says = f"{_count(facts['triggers'], 'trigger')} open: {facts['trigger']}"
        return PhaseState(
            7, "Retrain", "attention", says, facts["decided_at"], "retrain", "mlcycle retrain run"
        )
    if facts["challenger"] and facts["champion"]:
        says = f"{facts['challenger']} has not been judged"
        return PhaseState(
            7, "Retrain", "attention", says, facts["decided_at"], "judge it", "mlcycle retrain judge"
        )
    if facts["decision"] and facts["versions"] and facts["champion"]:
        return PhaseState(
            7,
            "Retrain",
            "ok",
            f"last decision {facts['decision']}",
            facts["decided_at"],
            "",
            "mlcycle retrain status",
        )
    return PhaseState(7, "Retrain", "none", "nothing asks for retraining", None, "", "mlcycle retrain status")
