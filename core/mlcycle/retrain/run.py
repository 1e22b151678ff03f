"""A challenger: the champion's recipe, learnt again from everything that is known now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mlcycle import experiments, features, models, progress
from mlcycle.declare import load
from mlcycle.errors import NotMet
from mlcycle.experiments import RunResult
from mlcycle.models import ModelVersion
from mlcycle.retrain import records, trigger
from mlcycle.retrain.claim import claim, give_back
from mlcycle.retrain.learnt import Learnt, learnt
from mlcycle.retrain.model import RetrainReport, Trigger
from mlcycle.store import Store, Transaction
from mlcycle.workspace import Workspace

__all__ = ["CHALLENGER", "run"]

CHALLENGER = "challenger"
STEPS = 3
"""A training set, a fitted model, a registered version."""


@dataclass(frozen=True)
class _Made:
    result: RunResult
    version: ModelVersion
    learnt: Learnt | None
    weight: float


def run(workspace: Workspace, *, trigger_id: str | None = None) -> RetrainReport:
    """Train the champion's recipe on old and new data and register the result as challenger.

    With a time column it learns from all rows known now, the newest spine time's weighing `weight_newest` of
    training.yaml, and is judged later, on rows that are newer still. Without one it learns from the training share
    alone, because the validation share judges it.

    Parameters
    ----------
    trigger_id
        The trigger that asks, or its last digits; all open ones unless given, and without any one made by hand.

    Raises
    ------
    NotMet
        If there is no champion whose recipe could be used.
    UsageError
        If another process is retraining.
    """
    declared, store = load(workspace), Store(workspace)
    champion = models.champion(workspace)
    if champion is None:
        raise NotMet("there is no champion to retrain", hint="mlcycle models promote")
    timeless = declared.require_features().spine.time is None
    asked = _claim(workspace, trigger_id)
    try:
        weight = 1.0 if timeless else declared.require_training().weight_newest
        made = _train(workspace, champion, timeless=timeless, weight=weight)
    except BaseException:
        # Whatever stopped it, an interrupt too: the triggers wait for the next try.
        give_back(workspace, asked)
        raise
    batches = _settle(workspace, asked, made)
    result = made.result
    return RetrainReport(
        trigger=trigger.named(records.triggers(store), asked[0].trigger_id),
        training_set_id=result.training_set_id,
        rows=result.rows,
        newest_rows=made.learnt.newest_rows if made.learnt and made.learnt.to else 0,
        learnt_to=made.learnt.to if made.learnt else None,
        weight_newest=made.weight,
        run_id=result.run_id,
        kind=result.kind,
        params=result.params,
        model=made.version.model,
        version=made.version.version,
        champion=champion.version,
        batches=batches,
    )


def _claim(workspace: Workspace, trigger_id: str | None) -> list[Trigger]:
    def choose(tx: Transaction, waiting: Sequence[Trigger]) -> list[Trigger]:
        if trigger_id is not None:
            return [trigger.named(waiting, trigger_id)]
        # What broke a limit comes before what is merely new.
        first = sorted(waiting, key=lambda one: (not one.evidence.get("alerts"), -one.ts.timestamp()))
        return first or [trigger.by_hand(tx)]

    if trigger_id is None and not records.triggers(Store(workspace), ["open", "running"]):
        trigger.propose(workspace)
    return claim(workspace, choose)


def _train(workspace: Workspace, champion: ModelVersion, *, timeless: bool, weight: float) -> _Made:
    progress.tell("retrain", 0, STEPS)
    model, params = experiments.model_params(workspace, champion.run_id)
    built = features.build(workspace, name="retrain")
    progress.tell("retrain", 1, STEPS)
    (result,) = experiments.train(
        workspace,
        training_set_id=built.training_set_id,
        models=[model],
        params=params,
        weight_newest=not timeless,
        whole=not timeless,
        name=f"{model} retrained",
    )
    progress.tell("retrain", 2, STEPS)
    version = models.register(workspace, result.run_id)
    models.set_alias(workspace, version, CHALLENGER)
    progress.tell("retrain", STEPS, STEPS)
    return _Made(result, version, learnt(workspace, version.model, version.version), weight)


def _settle(workspace: Workspace, asked: Sequence[Trigger], made: _Made) -> int:
    """Close the triggers that were answered; returns of how many batches it learnt what no champion knows."""
    with Store(workspace).transaction("retrain run") as tx:
        # They are marked as trained when the challenger is approved: refused, its data asks again.
        learnt_now: set[str] = set()
        if made.learnt is not None:
            learnt_now = set(records.learnt_batches(tx, made.learnt.versions, made.learnt.to))
        left = {batch.batch_id for batch in records.untrained(tx)} - learnt_now
        for one in asked:
            new = {str(batch["batch_id"]) for batch in one.evidence.get("batches", ())}
            # New data whose labels are not known yet still asks to be learnt from.
            waits = bool(new & left) and not one.evidence.get("alerts")
            records.set_trigger(
                tx, one, "open" if waits else "done", run_id=None if waits else made.result.run_id
            )
        tx.audit(
            made.version.subject,
            after={"run_id": made.result.run_id, "triggers": [one.trigger_id for one in asked]},
        )
    return len(learnt_now)
