"""The gate: may this version serve? It reads the requirements that bind it, measures each, and writes down why.

What is not measured is not met. A limit holds for the point value, with n beside it; the bounds of an interval decide
one thing only, whether a challenger is better than the champion on the same rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from mlcycle import clock
from mlcycle.declare.metrics import find, unknown
from mlcycle.errors import DataError, UsageError
from mlcycle.experiments.artifacts import read_artifact
from mlcycle.experiments.bootstrap import paired
from mlcycle.experiments.evaluation import evaluate
from mlcycle.experiments.metrics import Measured, standard
from mlcycle.ids import new_id
from mlcycle.models import records
from mlcycle.models.judge import Judged, On, judge, learnt_by_champion
from mlcycle.models.model import Decision, ModelVersion
from mlcycle.models.register import champion, read_version, resolve
from mlcycle.store.transaction import user
from mlcycle.workspace import Workspace

if TYPE_CHECKING:
    from mlcycle.design import Requirement

__all__ = ["Latency", "Limits", "consider", "gate"]

Latency = Callable[[bytes], Sequence[float]]
"""A smoke test: a package's bytes in, milliseconds of single predictions out. The deploy room has one."""
Limits = Mapping[str, tuple[str, float]]
"""Metric, or requirement id, to comparison and limit."""
Kind = Literal["gate", "what-if"]
HOLDS: dict[str, Callable[[float, float], bool]] = {
    ">=": lambda seen, limit: seen >= limit,
    "<=": lambda seen, limit: seen <= limit,
    ">": lambda seen, limit: seen > limit,
    "<": lambda seen, limit: seen < limit,
}


def gate(
    workspace: Workspace,
    model_version: str | ModelVersion | None = None,
    *,
    on: On | None = None,
    kind: Kind = "gate",
    overrides: Limits | None = None,
    champion_paired: bool = True,
    latency: Latency | None = None,
    now: datetime | None = None,
    decided_by: str | None = None,
) -> Decision:
    """Judge a version and keep the decision.

    Parameters
    ----------
    model_version
        See `resolve`; the newest of the declared model if None.
    on
        The rows to judge on; `judge` chooses them if None.
    kind
        `what-if` asks about `overrides` and nothing else: it leaves a decision and no requirement.
    overrides
        Other limits, by metric or requirement.
    champion_paired
        Whether a version must be better than the champion on the same rows.
    latency
        The smoke test; without it a latency requirement is not measured, and so not met.
    now
        The moment the decision is made at; labels known later do not count.
    decided_by
        Who or what asked; the user if None.

    Raises
    ------
    NotFoundError
        If there is no such version, or no row to judge it on.
    UsageError
        If an override names neither a metric nor a requirement.
    """
    from mlcycle.store import Store

    version = resolve(workspace, model_version)
    decision, _ = consider(
        workspace,
        version,
        on=on,
        kind=kind,
        overrides=overrides,
        champion_paired=champion_paired,
        latency=latency,
        now=now,
        decided_by=decided_by,
    )
    with Store(workspace).transaction(f"models {kind}") as transaction:
        records.add_decision(transaction, decision)
        transaction.audit(
            version.subject, after={"decision_id": decision.decision_id, "outcome": decision.outcome}
        )
    return decision


def consider(
    workspace: Workspace,
    version: ModelVersion,
    *,
    on: On | None = None,
    kind: Kind = "gate",
    overrides: Limits | None = None,
    champion_paired: bool = True,
    latency: Latency | None = None,
    now: datetime | None = None,
    decided_by: str | None = None,
) -> tuple[Decision, Judged]:
    """Judge a version without keeping anything; returns the decision and what it was judged on."""
    from mlcycle import design

    moment = now or clock.now()
    wanted = _wanted(design.active(workspace, "gate"), kind, overrides or {})
    judged = judge(workspace, version, on, moment)
    timings = _timings(workspace, version, wanted, latency)
    rows = [_requirement(judged, requirement, timings) for requirement in wanted]
    reasons = [*judged.faults, *(_reason(row) for row in rows if not row["met"])]
    against: dict[str, Any] | None = None
    if kind == "gate" and champion_paired:
        against = _against_champion(workspace, judged)
        if against is not None and against["verdict"] != "better":
            reasons.append(_not_better(against))
    outcome: Literal["approved", "refused"] = "refused" if reasons else "approved"
    if not wanted:
        reasons.append("no requirement binds the gate: write one into design.yaml")
    evidence = {
        "judged_on": judged.on,
        "requirements": rows,
        "champion": against,
        "metrics": {name: judged.measure(name).value for name in standard(_task(judged))},
        "package": version.sha256,
    }
    decision = Decision(
        new_id(), kind, version.subject, outcome, tuple(reasons), evidence, decided_by or user(), moment
    )
    return decision, judged


def _wanted(requirements: Sequence[Requirement], kind: Kind, overrides: Limits) -> list[dict[str, Any]]:
    """Return what is to be measured: the requirements, or for a what-if the overridden limits alone."""
    found = []
    left = dict(overrides)
    for requirement in requirements:
        given = left.pop(requirement.requirement_id, None) or left.pop(requirement.metric, None)
        if given is None and kind == "what-if":
            continue
        comparison, limit = given or (requirement.comparison, requirement.value)
        found.append(
            {
                "id": requirement.requirement_id,
                "version": requirement.version,
                "metric": requirement.metric,
                "comparison": _comparison(comparison),
                "limit": float(limit),
                "params": dict(requirement.params),
            }
        )
    for name, (comparison, limit) in left.items():
        if find(name) is None:
            raise UsageError(unknown(name), hint="name a metric, or the id of a requirement")
        known = {"comparison": _comparison(comparison), "limit": float(limit), "params": {}}
        found.append({"id": name, "version": None, "metric": name, **known})
    return found


def _comparison(text: str) -> str:
    if text not in HOLDS:
        raise UsageError(f"{text!r} is no comparison", hint=f"one of {' '.join(HOLDS)}")
    return text


def _timings(
    workspace: Workspace, version: ModelVersion, wanted: Sequence[Mapping[str, Any]], latency: Latency | None
) -> list[float]:
    asked = any(_basis(row["metric"]) == "latency" for row in wanted)
    return list(latency(read_artifact(workspace, version.sha256))) if asked and latency is not None else []


def _basis(metric: str) -> str | None:
    kind = find(metric)
    return kind.basis if kind else None


def _requirement(judged: Judged, wanted: dict[str, Any], timings: Sequence[float]) -> dict[str, Any]:
    measured = _measure(judged, wanted, timings)
    value = measured.value
    met = value is not None and HOLDS[wanted["comparison"]](value, wanted["limit"])
    return {**wanted, "observed": value, "n": measured.n, "met": met, "why": measured.why}


def _measure(judged: Judged, wanted: Mapping[str, Any], timings: Sequence[float]) -> Measured:
    metric = str(wanted["metric"])
    basis = _basis(metric)
    if basis is None:
        return Measured(None, 0, unknown(metric))
    if basis == "latency":
        return _latency(metric, timings)
    if basis != "labels":
        return Measured(None, 0, "it is measured when predictions are made, not at the gate")
    return judged.measure(metric, wanted["params"])


def _latency(metric: str, timings: Sequence[float]) -> Measured:
    import numpy as np

    if not timings:
        return Measured(None, 0, "no server was asked")
    return Measured(float(np.percentile(np.asarray(timings), int(metric.rpartition("_p")[2]))), len(timings))


def _reason(row: Mapping[str, Any]) -> str:
    name = row["metric"] if row["id"] == row["metric"] else f"{row['id']} ({row['metric']})"
    if row["observed"] is None:
        return f"{name} was not measured: {row['why']}"
    return f"{name} is {row['observed']:.4g}, the limit is {row['comparison']} {row['limit']:g} (n = {row['n']:,})"


def _against_champion(workspace: Workspace, judged: Judged) -> dict[str, Any] | None:
    """Return the paired comparison with the champion, None without one or for the champion itself."""
    best = champion(workspace, judged.version.model)
    if best is None or best.version == judged.version.version:
        return None
    said: dict[str, Any] = {"version": best.version, "subject": best.subject}
    seen = learnt_by_champion(workspace, best, judged.rows)
    if seen:
        why = f"the champion learnt from {seen:,} of these rows, so the comparison says nothing"
        return {**said, "verdict": "not comparable", "why": why}
    try:
        theirs = evaluate(read_version(workspace, best), judged.rows.columns)
    except DataError as error:
        return {**said, "verdict": "not comparable", "why": str(error)}
    if theirs.classes != judged.scores.classes:
        return {**said, "verdict": "not comparable", "why": "the two know different classes"}
    found = paired(
        standard(_task(judged))[0],
        judged.y,
        judged.scores.values,
        theirs.values,
        entities=judged.rows.entities if judged.rows.keys else None,
    )
    if found is None:
        return {**said, "verdict": "not comparable", "why": "the metric has no value on these rows"}
    return {**said, **asdict(found)}


def _not_better(against: Mapping[str, Any]) -> str:
    if against["verdict"] == "not comparable":
        return f"it cannot be compared with the champion {against['subject']}: {against['why']}"
    return (
        f"it is {against['verdict']} {'than' if against['verdict'] == 'worse' else 'from'} the champion"
        f" {against['subject']}: {against['metric']} {against['difference']:+.3f}"
        f" [{against['low']:+.3f}, {against['high']:+.3f}] on the same {against['n']:,} rows"
    )


def _task(judged: Judged) -> Literal["binary", "multiclass", "regression"]:
    task: Literal["binary", "multiclass", "regression"] = judged.package.description["task"]
    return task
