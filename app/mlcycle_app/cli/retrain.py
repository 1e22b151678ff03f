"""`mlcycle watch` and `mlcycle retrain ...`."""

from __future__ import annotations

import click

from mlcycle_app.cli.options import command
from mlcycle_app.cli.output import Answer, say
from mlcycle_app.gateway import Gateway, UsageError

__all__ = [
    "retrain_approve",
    "retrain_judge",
    "retrain_propose",
    "retrain_reject",
    "retrain_run",
    "retrain_status",
    "watch",
]


@command
@click.option("--once", is_flag=True, help="Take what lies in inbox/ now, then end.")
def watch(gateway: Gateway, once: bool) -> Answer:
    """Watch inbox/ and take in what is dropped there, until Ctrl-C; with --once exit code 1 when a file is refused."""
    if once:
        taken = gateway.do("retrain.scan")
        refused = any("refused" in (one.outcome, *(batch.state for batch in one.batches)) for one in taken)
        text = "\n".join(one.describe() for one in taken)
        return Answer(taken, text=text, empty="inbox/ holds nothing new", code=1 if refused else 0)
    say(f"watching {gateway.workspace.inbox}; Ctrl-C ends")
    gateway.do("retrain.watch", on_event=lambda taken: say(taken.describe()))
    return Answer({}, text="stopped")


@command
def retrain_status(gateway: Gateway) -> Answer:
    """Show triggers, challenger and decisions."""
    return Answer(gateway.do("retrain.status"))


@command
def retrain_propose(gateway: Gateway) -> Answer:
    """Open a trigger if alerts or new data ask for it."""
    trigger = gateway.do("retrain.propose")
    if trigger is not None:
        return Answer(trigger)
    waiting = [row["reason"] for row in gateway.table("triggers") if row["state"] == "open"]
    many = f"{len(waiting)} triggers are" if len(waiting) > 1 else "1 trigger is"
    told = f"nothing new asks for retraining; {many} open already: {', '.join(waiting)}"
    return Answer({"trigger": None}, text=told if waiting else "nothing asks for retraining")


@command
def retrain_run(gateway: Gateway) -> Answer:
    """Train a challenger on old and new data."""
    return Answer(gateway.do("retrain.run"))


@command
def retrain_judge(gateway: Gateway) -> Answer:
    """Judge the challenger on newer labels than it learnt from; exit code 1 when the champion stays."""
    decision = gateway.do("retrain.judge")
    return Answer(decision, text=decision.describe(), code=0 if decision.outcome == "approved" else 1)


@command
@click.argument("model", required=False)
@click.option("--reason", required=True, help="Why.")
def retrain_approve(gateway: Gateway, model: str | None, reason: str) -> Answer:
    """Promote the challenger by hand, with a reason that is kept; MODEL:VERSION makes sure that it is this one."""
    if model is not None:
        rows = gateway.rows("SELECT model || ':' || version AS name FROM aliases WHERE alias = 'challenger'")
        names = [row["name"] for row in rows]
        if model not in names:
            known = f"; it is {' and '.join(names)}" if names else ""
            raise UsageError(f"{model} is not the challenger{known}", hint="mlcycle retrain status")
    return Answer(gateway.do("retrain.decide", "approve", reason=reason))


@command
@click.option("--reason", required=True, help="Why.")
def retrain_reject(gateway: Gateway, reason: str) -> Answer:
    """Turn the challenger or the open trigger down, with a reason that is kept."""
    return Answer(gateway.do("retrain.decide", "reject", reason=reason))
