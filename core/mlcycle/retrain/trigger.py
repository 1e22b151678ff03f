"""What asks for retraining: broken requirements, drift, or data nobody has learnt from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from mlcycle import clock, monitor
from mlcycle.declare import load
from mlcycle.errors import NotFoundError, UsageError
from mlcycle.ids import new_id
from mlcycle.monitor import Alert
from mlcycle.retrain import records
from mlcycle.retrain.claim import release_abandoned
from mlcycle.retrain.learnt import learnt, mark, untrained
from mlcycle.retrain.model import TakenBatch, Trigger
from mlcycle.store import Store, Transaction
from mlcycle.workspace import Workspace

__all__ = ["by_hand", "named", "propose", "reject"]

UNTRAINED = "untrained data"
ALERT = ("alert_id", "kind", "metric", "subject", "deployment", "window_start", "value", "limit")
BATCH = ("batch_id", "source", "path", "rows")


def propose(workspace: Workspace) -> Trigger | None:
    """Open a trigger for what speaks for retraining now and was neither asked, turned down nor answered before.

    Evidence are the open alerts about the champion, of the kinds that `retrain_on` in monitor.yaml names, and
    batches it has not learnt from. While a challenger waits to be judged, alerts about the champion are no news,
    nor are the batches the challenger has learnt from; once it is refused, all of them ask again.

    Returns
    -------
    Trigger or None
        None if there is nothing new, or no champion that could be retrained.
    """
    declared, store = load(workspace), Store(workspace)
    model = declared.require_training().model
    champion = records.alias_version(store, model, "champion")
    if champion is None:
        return None
    asked = declared.monitor.retrain_on
    challenger = _waiting_challenger(store, model, champion)
    alerts: list[Alert] = []
    if challenger is None:
        standing = monitor.alerts(workspace, state="open", version=(model, champion))
        alerts = [alert for alert in standing if alert.kind in asked]
    base = learnt(workspace, model, champion)
    batches = untrained(workspace, base) if UNTRAINED in asked else []
    if challenger is not None:
        still = {batch.batch_id for batch in untrained(workspace, learnt(workspace, model, challenger))}
        batches = [batch for batch in batches if batch.batch_id in still]
    with store.transaction("retrain propose") as tx:
        mark(tx, base)
        release_abandoned(tx)
        # Under the lock: two watchers that saw the same drop open one trigger.
        seen = _seen(records.triggers(tx, ["open", "running", "rejected"]))
        alerts = [alert for alert in alerts if alert.alert_id not in seen]
        batches = [batch for batch in batches if batch.batch_id not in seen]
        if not alerts and not batches:
            return None
        made = _open(alerts, batches)
        records.insert_trigger(tx, made)
        tx.audit(f"trigger {made.trigger_id}", after={"reason": made.reason})
    return made


def by_hand(tx: Transaction) -> Trigger:
    """Open a trigger because somebody wants one."""
    made = Trigger(new_id(), "by hand", {"alerts": [], "batches": []}, "open", None, clock.now())
    records.insert_trigger(tx, made)
    tx.audit(f"trigger {made.trigger_id}", after={"reason": made.reason})
    return made


def reject(workspace: Workspace, trigger_id: str) -> Trigger:
    """Say no to an open trigger; its evidence opens no other one.

    Raises
    ------
    NotFoundError
        If no open trigger has that id.
    """
    store = Store(workspace)
    found = named(records.triggers(store, ["open"]), trigger_id)
    with store.transaction("retrain reject") as tx:
        records.set_trigger(tx, found, "rejected")
        tx.audit(f"trigger {found.trigger_id}", before=found.state, after="rejected")
    return named(records.triggers(store), found.trigger_id)


def named(triggers: Sequence[Trigger], text: str) -> Trigger:
    """Return the trigger of an id, or of an id's last digits.

    Raises
    ------
    NotFoundError
        If there is none.
    UsageError
        If several end in those digits.
    """
    digits = text.replace("-", "").lower()
    found = [one for one in triggers if digits and one.trigger_id.replace("-", "").endswith(digits)]
    if not found:
        raise NotFoundError(f"no trigger is called {text}", hint="mlcycle retrain status")
    if len(found) > 1:
        raise UsageError(f"{len(found)} triggers end in {text}", hint="give more digits of the id")
    return found[0]


def _waiting_challenger(store: Store, model: str, champion: int) -> int | None:
    challenger = records.alias_version(store, model, "challenger")
    waits = challenger is not None and challenger > champion and not records.judged(store, model, challenger)
    return challenger if waits else None


def _seen(triggers: Sequence[Trigger]) -> set[str]:
    found: set[str] = set()
    for one in triggers:
        found.update(str(alert["alert_id"]) for alert in one.evidence.get("alerts", ()))
        found.update(str(batch["batch_id"]) for batch in one.evidence.get("batches", ()))
    return found


def _open(alerts: Sequence[Alert], batches: Sequence[TakenBatch]) -> Trigger:
    kinds = {str(alert.kind) for alert in alerts}
    reasons = [kind for kind in ("requirement", "drift") if kind in kinds] + ([UNTRAINED] if batches else [])
    evidence = {
        "alerts": [_pick(asdict(alert), ALERT) for alert in alerts],
        "batches": [_pick(asdict(batch), BATCH) for batch in batches],
    }
    return Trigger(new_id(), ", ".join(reasons), evidence, "open", None, clock.now())


def _pick(row: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return {
        name: row[name] if isinstance(row[name], int | float | None) else str(row[name]) for name in names
    }
