"""Where retraining stands, and what to do next. Looks only; changes nothing."""

from __future__ import annotations

from mlcycle import clock
from mlcycle.declare import load
from mlcycle.models.fresh import Fresh, fresh
from mlcycle.retrain import records
from mlcycle.retrain.claim import is_alive
from mlcycle.retrain.learnt import learnt, untrained
from mlcycle.retrain.model import Status
from mlcycle.retrain.run import CHALLENGER
from mlcycle.store import Store
from mlcycle.workspace import Workspace

__all__ = ["status"]


def status(workspace: Workspace) -> Status:
    """Return triggers, data nobody has learnt from, champion and challenger, and the command to type next."""
    declared, store = load(workspace), Store(workspace)
    if declared.training is None or declared.features is None:
        return Status(tuple(records.triggers(store)), tuple(untrained(workspace, None)), None, None, None, "")
    model = declared.training.model
    champion = records.alias_version(store, model, "champion")
    challenger = records.alias_version(store, model, CHALLENGER)
    triggers = tuple(records.triggers(store))
    new = untrained(workspace, learnt(workspace, model, champion) if champion else None)
    spine = declared.features.spine
    newer = None
    if challenger is not None and spine.time is not None:
        base = learnt(workspace, model, challenger)
        newer = fresh(workspace, base.to if base else None, clock.now())
    judged = challenger is not None and records.judged(store, model, challenger)
    return Status(
        triggers=triggers,
        untrained=tuple(new),
        champion=champion,
        challenger=challenger,
        waits_for=newer.waits_for if newer and newer.start is None else None,
        next=_next(
            challenger=challenger is not None and not judged,
            newer=newer,
            asked=any(one.state in ("open", "running") for one in triggers)
            and not any(map(is_alive, triggers)),
            champion=champion is not None,
        ),
    )


def _next(*, challenger: bool, newer: Fresh | None, asked: bool, champion: bool) -> str:
    if challenger and (newer is None or newer.start is not None):
        return "mlcycle retrain judge"
    if challenger:
        return ""  # it waits for labels
    return "mlcycle retrain run" if asked and champion else ""
