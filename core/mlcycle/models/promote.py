"""Making a champion, and going back to the one before."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from mlcycle import clock
from mlcycle.errors import NotMet
from mlcycle.ids import new_id
from mlcycle.models import records
from mlcycle.models.gate import Latency, consider
from mlcycle.models.judge import On
from mlcycle.models.model import AliasRow, Decision, ModelVersion
from mlcycle.models.profile import profiles
from mlcycle.models.register import CHAMPION, declared_model, resolve
from mlcycle.store.transaction import user
from mlcycle.workspace import Workspace

__all__ = ["promote", "rollback"]

CHALLENGER = "challenger"


def promote(
    workspace: Workspace,
    model_version: str | ModelVersion | None = None,
    *,
    on: On | None = None,
    champion_paired: bool = True,
    latency: Latency | None = None,
    now: datetime | None = None,
    decided_by: str | None = None,
) -> Decision:
    """Ask the gate, and where it approves let the version become champion.

    The decision, the alias and the drift reference (the profile of the rows it was judged on) change together or not
    at all; a refusal is kept too and changes nothing else. Where the version is the champion already nothing is asked
    or written: the answer is the decision that made it so, and says that. Parameters as for `gate`.

    Raises
    ------
    NotFoundError
        If there is no such version; the message says which there are.
    CouldNot
        If somebody else moved the champion while this version was judged.
    """
    from mlcycle.experiments.evaluation import layout_of
    from mlcycle.store import Store

    version = resolve(workspace, model_version)
    seen = records.alias(workspace, version.model, CHAMPION)
    already = _already(workspace, version, seen)
    if already is not None:
        return already
    decision, judged = consider(
        workspace,
        version,
        on=on,
        champion_paired=champion_paired,
        latency=latency,
        now=now,
        decided_by=decided_by,
    )
    reference = profiles(layout_of(judged.package), judged.rows.columns, judged.scores.shown)
    with Store(workspace).transaction("models promote") as transaction:
        records.add_decision(transaction, decision)
        if decision.approved:
            moved = records.move_alias(
                transaction, version.model, CHAMPION, version.version, seen=seen, since=decision.ts
            )
            records.put_profiles(transaction, version.model, version.version, reference)
            records.drop_alias(transaction, version.model, CHALLENGER, version.version)
            if moved:
                transaction.audit(
                    records.champion_object(version.model),
                    before={"version": seen.version} if seen else None,
                    after={"version": version.version, "decision_id": decision.decision_id},
                )
    return decision


def _already(workspace: Workspace, version: ModelVersion, seen: AliasRow | None) -> Decision | None:
    if seen is None or seen.version != version.version:
        return None
    said = f"{version.subject} already is the champion, since {seen.since:%Y-%m-%d %H:%M}: nothing was decided anew"
    past = records.decisions(workspace, version.subject)
    made = next((one for one in past if one.kind == "gate" and one.approved), None)
    return replace(made, reasons=(said,)) if made is not None else None


def rollback(
    workspace: Workspace,
    model: str | None = None,
    *,
    now: datetime | None = None,
    decided_by: str | None = None,
) -> Decision:
    """Let the champion before the present one be champion again.

    Raises
    ------
    NotMet
        If there was none.
    CouldNot
        If somebody else moved the champion meanwhile.
    """
    from mlcycle.store import Store

    name = model or declared_model(workspace)
    seen = records.alias(workspace, name, CHAMPION)
    before = records.champions_before(workspace, name)
    if seen is None or not before:
        raise NotMet(f"model {name!r} has no earlier champion to go back to", hint="mlcycle models list")
    moment = now or clock.now()
    back = resolve(workspace, f"{name}:{before[-1]}")
    decision = Decision(
        decision_id=new_id(),
        kind="rollback",
        subject=back.subject,
        outcome="approved",
        reasons=(f"back from version {seen.version} to version {back.version}",),
        evidence={"from": seen.version, "to": back.version, "package": back.sha256},
        decided_by=decided_by or user(),
        ts=moment,
    )
    with Store(workspace).transaction("models rollback") as transaction:
        records.add_decision(transaction, decision)
        records.move_alias(transaction, name, CHAMPION, back.version, seen=seen, since=moment)
        transaction.audit(
            records.champion_object(name),
            before={"version": seen.version},
            after={"version": back.version, "decision_id": decision.decision_id},
        )
    return decision
