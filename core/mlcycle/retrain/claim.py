"""Whose a running trigger is: one process retrains at a time, and what a dead one left is free again."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

import psutil

from mlcycle.errors import UsageError
from mlcycle.retrain import records
from mlcycle.retrain.model import Trigger
from mlcycle.store import Store, Transaction
from mlcycle.workspace import Workspace

__all__ = ["claim", "give_back", "is_alive", "release_abandoned"]


def is_alive(trigger: Trigger) -> bool:
    """Return whether the process that retrains for a running trigger is still there."""
    if trigger.state != "running" or trigger.pid is None:
        return False
    try:
        return psutil.Process(trigger.pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
    except psutil.Error:
        return True


def release_abandoned(tx: Transaction) -> None:
    """Open the triggers again whose process ended before it was done."""
    for one in records.triggers(tx, ["running"]):
        if not is_alive(one):
            records.set_trigger(tx, one, "open")
            tx.audit(f"trigger {one.trigger_id}", before=f"running, pid {one.pid}", after="open")


def claim(
    workspace: Workspace, choose: Callable[[Transaction, Sequence[Trigger]], list[Trigger]]
) -> list[Trigger]:
    """Take triggers for this process; returns them as running.

    Parameters
    ----------
    choose
        Picks among the open triggers, or makes one.

    Raises
    ------
    UsageError
        If a process is retraining: a second challenger would learn the same and push the first aside.
    """
    with Store(workspace).transaction("retrain run") as tx:
        release_abandoned(tx)
        for one in records.triggers(tx, ["running"]):
            raise UsageError(
                f"the model is being retrained by pid {one.pid}", hint="wait for it: mlcycle retrain status"
            )
        chosen = choose(tx, records.triggers(tx, ["open"]))
        for one in chosen:
            records.set_trigger(tx, one, "running", pid=os.getpid())
        ids = {one.trigger_id for one in chosen}
        running = {one.trigger_id: one for one in records.triggers(tx, ["running"]) if one.trigger_id in ids}
    return [running[one.trigger_id] for one in chosen]


def give_back(workspace: Workspace, claimed: Sequence[Trigger]) -> None:
    """Open claimed triggers again, those that are still ours."""
    with Store(workspace).transaction("retrain run") as tx:
        for one in claimed:
            records.set_trigger(tx, one, "open")
