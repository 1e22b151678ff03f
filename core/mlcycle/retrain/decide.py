"""A person's word: the challenger becomes champion, or it does not, with a reason that is kept."""

from __future__ import annotations

from typing import Literal

from mlcycle import clock, models
from mlcycle.declare import load
from mlcycle.errors import NotFoundError, UsageError
from mlcycle.experiments.rows import training_rows
from mlcycle.ids import new_id
from mlcycle.models import Decision, ModelVersion
from mlcycle.models import records as registry
from mlcycle.models.register import CHAMPION, profile_rows
from mlcycle.retrain import records
from mlcycle.retrain.learnt import learnt, mark
from mlcycle.retrain.run import CHALLENGER
from mlcycle.store import Store
from mlcycle.store.transaction import user
from mlcycle.workspace import Workspace

__all__ = ["decide"]


def decide(workspace: Workspace, verdict: Literal["approve", "reject"], *, reason: str) -> Decision:
    """Promote the challenger by hand, or turn it (without one, the open triggers) down.

    Approving asks no gate: the decision row says who did it and why, and `mlcycle models rollback` undoes it.

    Raises
    ------
    NotFoundError
        If there is nothing to decide about.
    UsageError
        If no reason is given.
    """
    if not reason.strip():
        raise UsageError("a decision by hand needs a reason", hint='--reason "..."')
    model = load(workspace).require_training().model
    version = records.alias_version(Store(workspace), model, CHALLENGER)
    if version is not None:
        challenger = models.resolve(workspace, f"{model}:{version}")
        return (
            _approve(workspace, challenger, reason)
            if verdict == "approve"
            else _reject(workspace, challenger, reason)
        )
    champion = models.champion(workspace, model)
    if (
        verdict == "approve"
        or champion is None
        or not records.triggers(Store(workspace), ["open", "running"])
    ):
        raise NotFoundError(f"{model} has no challenger to {verdict}", hint="mlcycle retrain run")
    return _reject(workspace, champion, reason)


def _decision(
    version: ModelVersion, outcome: Literal["approved", "refused"], reason: str, evidence: dict[str, object]
) -> Decision:
    return Decision(new_id(), "retrain", version.subject, outcome, (reason,), evidence, user(), clock.now())


def _approve(workspace: Workspace, challenger: ModelVersion, reason: str) -> Decision:
    seen = registry.alias(workspace, challenger.model, CHAMPION)
    gates = [
        one.decision_id for one in models.list_decisions(workspace, challenger.subject) if one.kind == "gate"
    ]
    decision = _decision(
        challenger, "approved", reason, {"by hand": True, "gates": gates, "package": challenger.sha256}
    )
    base = learnt(workspace, challenger.model, challenger.version)
    profiles = []
    if challenger.training_set_id is not None:
        # No gate judged it, so drift is measured against what it learnt from last.
        rows = training_rows(workspace, challenger.training_set_id)[1]
        newest = rows if rows.times is None else rows.take(rows.times == rows.times.max())
        profiles = profile_rows(models.read_version(workspace, challenger), newest)
    with Store(workspace).transaction("retrain approve") as tx:
        registry.add_decision(tx, decision)
        registry.move_alias(tx, challenger.model, CHAMPION, challenger.version, seen=seen, since=decision.ts)
        registry.drop_alias(tx, challenger.model, CHALLENGER, challenger.version)
        registry.put_profiles(tx, challenger.model, challenger.version, profiles)
        mark(tx, base)
        tx.audit(
            registry.champion_object(challenger.model),
            before={"version": seen.version} if seen else None,
            after={"version": challenger.version, "decision_id": decision.decision_id, "reason": reason},
        )
    return decision


def _reject(workspace: Workspace, version: ModelVersion, reason: str) -> Decision:
    store = Store(workspace)
    waiting = records.triggers(store, ["open", "running"])
    is_challenger = version.version == records.alias_version(store, version.model, CHALLENGER)
    rejected = [] if is_challenger else waiting
    turned_down = [one.trigger_id for one in rejected]
    decision = _decision(version, "refused", reason, {"by hand": True, "triggers": turned_down})
    with store.transaction("retrain reject") as tx:
        registry.add_decision(tx, decision)
        if is_challenger:
            registry.drop_alias(tx, version.model, CHALLENGER, version.version)
        for one in rejected:
            records.set_trigger(tx, one, "rejected")
        tx.audit(
            version.subject,
            after={"decision_id": decision.decision_id, "reason": reason, "triggers": turned_down},
        )
    return decision
