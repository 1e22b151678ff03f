"""The challenger before the gate, on rows newer than anything it has learnt from."""

from __future__ import annotations

from datetime import datetime

from mlcycle import clock, deploy, models, monitor
from mlcycle.declare import load
from mlcycle.errors import NotFoundError
from mlcycle.experiments import metrics
from mlcycle.models import Decision, ModelVersion
from mlcycle.models.fresh import Fresh, fresh
from mlcycle.models.judge import On
from mlcycle.retrain import records
from mlcycle.retrain.learnt import learnt, mark
from mlcycle.retrain.model import Judgement
from mlcycle.retrain.run import CHALLENGER
from mlcycle.store import Store
from mlcycle.workspace import Workspace

__all__ = ["judge"]

BY = "mlcycle retrain judge"


def judge(workspace: Workspace) -> Judgement:
    """Let the gate judge the challenger, paired with the champion on the same rows; promote it where it approves.

    The rows are those of all labelled spine times newer than any the challenger learnt from; without a time column
    the validation share, which it did not learn from either.

    Raises
    ------
    NotFoundError
        If there is no challenger.
    """
    declared = load(workspace)
    model = declared.require_training().model
    challenger = _challenger(workspace, model)
    champion = models.champion(workspace, model)
    spine = declared.require_features().spine
    on: On = "validation"
    moment = None
    base = learnt(workspace, model, challenger.version)
    if spine.time is not None:
        found = fresh(workspace, base.to if base else None, clock.now())
        if found.start is None or found.end is None or found.rows < declared.monitor.too_few:
            return _waits(challenger, champion, found, declared.monitor.too_few)
        on, moment = (found.start, found.end), found.end
    decision = deploy.promote(workspace, challenger.subject, on=on, decided_by=BY)
    if decision.approved:
        with Store(workspace).transaction("retrain judge") as tx:
            mark(tx, base)
    if decision.approved and champion is not None:
        monitor.close(workspace, model, champion.version, because=f"{challenger.subject} took over")
    return _judgement(decision, challenger, moment)


def _challenger(workspace: Workspace, model: str) -> ModelVersion:
    version = records.alias_version(Store(workspace), model, CHALLENGER)
    if version is None:
        raise NotFoundError(f"{model} has no challenger", hint="mlcycle retrain run")
    return models.resolve(workspace, f"{model}:{version}")


def _waits(challenger: ModelVersion, champion: ModelVersion | None, found: Fresh, too_few: int) -> Judgement:
    if found.start is not None:
        why = f"not measured: {found.rows} labelled rows are newer than what it learnt from, {too_few} are needed"
    elif found.waits_for is not None:
        why = f"not measured: waits for labels of {found.waits_for:%Y-%m-%d %H:%M}"
    else:
        why = "not measured: no row is newer than what it learnt from"
    return Judgement(
        outcome="not measured",
        model=challenger.model,
        challenger=challenger.version,
        champion=champion.version if champion else None,
        moment=found.waits_for,
        rows=found.rows,
        metric=metrics.standard(challenger.task)[0],  # type: ignore[arg-type]
        value=None,
        champion_value=None,
        low=None,
        high=None,
        reasons=(why,),
        decision_id=None,
        promoted=False,
    )


def _judgement(decision: Decision, challenger: ModelVersion, moment: datetime | None) -> Judgement:
    against = decision.evidence.get("champion") or {}
    metric = str(against.get("metric") or next(iter(decision.evidence["metrics"])))
    return Judgement(
        outcome=decision.outcome,
        model=challenger.model,
        challenger=challenger.version,
        champion=against.get("version"),
        moment=moment,
        rows=int(decision.evidence["judged_on"]["rows"]),
        metric=metric,
        value=decision.evidence["metrics"].get(metric),
        champion_value=against.get("champion"),
        low=against.get("low"),
        high=against.get("high"),
        reasons=decision.reasons,
        decision_id=decision.decision_id,
        promoted=decision.approved,
    )
