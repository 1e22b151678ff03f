"""The demo's story: the sample product once round the whole cycle, told through the public API only.

A simulated clock says which day it is, because labels become known thirty days late: without it the first
training set would already know everything. Each chapter does what a person would type, and says what it taught.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from mlcycle import (
    clock,
    data,
    deploy,
    design,
    experiments,
    features,
    models,
    monitor,
    quality,
    retrain,
    trust,
)
from mlcycle.store import Store
from mlcycle.workspace import Workspace
from mlcycle_sample.generate import DEFAULT_SEED
from mlcycle_sample.meter import Meter
from mlcycle_sample.workspace import playing, write_workspace

__all__ = ["Outcome", "Teller", "play"]

NEW_YEAR = datetime(2026, 1, 1)
DECEMBER_KNOWN = datetime(2026, 1, 31)
FEBRUARY_FIRST = datetime(2026, 2, 1)
MARCH_FIRST = datetime(2026, 3, 1)
JANUARY_KNOWN = datetime(2026, 3, 3)
FEBRUARY_KNOWN = datetime(2026, 3, 31)
SNAPSHOTS = {"december": NEW_YEAR, "january": FEBRUARY_FIRST, "february": MARCH_FIRST}
MODEL = "churn"
VALUE = {"cost": 3, "keep": 90, "save": 0.35}
"""A call costs 3; a leaver who is called stays in 35 of 100 cases and is then worth 90."""
WATCH_LIMIT_S = 120


class Teller(Protocol):
    """Whoever listens to the story."""

    def begin(self, phase: str, does: str, total: int | None = None) -> None:
        """A step begins."""

    def advance(self, done: int, total: int | None = None) -> None:
        """So much of the step is done."""

    def learnt(self, phase: str, words: str) -> None:
        """What the step taught, in one line."""


@dataclass
class Outcome:
    """What the story leaves."""

    document: dict[str, Any]
    now: datetime
    """The story's last day."""


@dataclass
class _Stage:
    """What the chapters share."""

    workspace: Workspace
    tell: Teller
    meter: Meter
    document: dict[str, Any] = field(default_factory=dict)
    packages: dict[str, bytes] = field(default_factory=dict)


@contextmanager
def play(folder: Path, *, seed: int | None, tell: Teller, keep_serving: bool = False) -> Iterator[Outcome]:
    """Play the story into a folder and hand out what came of it.

    Parameters
    ----------
    folder
        Becomes the workspace. Emptied if an earlier demo made it, refused if it holds somebody's files.
    seed
        Of the sample; its own one if None.
    tell
        Listens.
    keep_serving
        Whether the model server lives until the context is left; otherwise it ends with the story.

    Raises
    ------
    UsageError
        If the folder holds somebody's files, or another story plays in it.
    """
    place = folder.resolve()
    with playing(place):
        yield from _play(_Stage(Workspace(place), tell, Meter()), seed, keep_serving=keep_serving)


def _play(stage: _Stage, seed: int | None, *, keep_serving: bool) -> Iterator[Outcome]:
    before = clock.now() if clock.is_simulated() else None
    _write(stage, DEFAULT_SEED if seed is None else seed)
    try:
        _design(stage)
        _data(stage)
        _quality(stage)
        _features(stage)
        _experiments(stage)
        _gate(stage)
        _deploy(stage)
        _quiet_month(stage)
        _drift(stage)
        _retrain(stage)
        _prove(stage)
        if not keep_serving:
            deploy.stop(stage.workspace)
        _reckon(stage)
        yield Outcome(stage.document, clock.now())
    finally:
        deploy.stop_all(stage.workspace)
        clock.set_now(before)


def _write(stage: _Stage, seed: int) -> None:
    stage.tell.begin("sample", "makes a year of a subscription box, with 14 kinds of defects in it", 100)
    write_workspace(stage.workspace.root, seed, lambda share, _: stage.tell.advance(round(100 * share), 100))
    clock.set_now(NEW_YEAR)
    Store.create(stage.workspace)
    trust.remember(stage.workspace, whole=True, made=True)
    stage.document["seed"] = seed
    stage.document["sources"] = {}
    stage.meter.lap("sample")
    stage.tell.learnt(
        "sample", "five sources in four formats, 2025 on file; it is New Year's Day 2026 in the story"
    )


def _design(stage: _Stage) -> None:
    stage.tell.begin("design", "reads the requirements")
    checked = design.check(stage.workspace)
    stage.meter.lap("design")
    stage.tell.learnt(
        "design",
        f"{checked.requirements} requirements in {checked.roles} roles: they will stop a model later, by name",
    )


def _data(stage: _Stage) -> None:
    stage.tell.begin("data", "ingests the history")
    batches = data.ingest(stage.workspace)
    _count(stage, "history", batches)
    stage.meter.lap("data")
    rows, malformed = sum(batch.rows for batch in batches), sum(batch.malformed for batch in batches)
    stage.tell.learnt(
        "data", f"{rows:,} rows in {len(batches)} batches; {malformed} lines no reader can parse, kept"
    )


def _quality(stage: _Stage) -> None:
    stage.tell.begin("quality", "judges the batches in four dimensions")
    reports = quality.check(stage.workspace)
    defects = {
        result.name: result.bad_rows if result.surplus is None else result.surplus
        for report in reports
        for result in report.results
        if result.bad_rows
    }
    aside = {report.dataset: report.set_aside for report in reports if report.set_aside}
    stage.document["quality"] = {"defects": defects, "quarantined": aside}
    stage.meter.lap("quality")
    mended = sum(report.mended for report in reports)
    stage.tell.learnt(
        "quality",
        f"{len(defects)} kinds of defects, each counted: {mended:,} rows mended, {sum(aside.values()):,} set aside",
    )


def _features(stage: _Stage) -> None:
    stage.tell.begin("features", "builds what was known at each snapshot")
    made = features.build(stage.workspace)
    stage.document["training"] = {
        "rows": made.rows,
        "train": made.train_rows,
        "validation": made.validation_rows,
    }
    features.build(stage.workspace, name="leaky", look_ahead="30d")
    found = features.lint(stage.workspace)
    stage.meter.lap("features")
    fired = sorted({finding.rule for finding in found})
    stage.tell.learnt(
        "features",
        f"{made.rows:,} rows, {len(made.features)} features, point in time; "
        f"and a leaky set on purpose (lint: {', '.join(fired) or 'silent'})",
    )


def _experiments(stage: _Stage) -> None:
    stage.tell.begin("experiments", "fits a rule, a linear model, and a sweep of 12")
    rule, linear = experiments.train(stage.workspace, models=["rule", "linear"])
    sweep = experiments.sweep(stage.workspace)
    best = sweep.best
    stage.tell.begin("experiments", "fits the same on leaky features")
    leaky_set = features.find(stage.workspace, "leaky")
    [leaky] = experiments.train(
        stage.workspace,
        models=["trees"],
        training_set_id=leaky_set.training_set_id,
        params=best.params,
        name="leaky",
    )
    honest = _score(stage, leaky.package, _validation(stage), "auc")
    stage.document["auc"] = {
        "rule": rule.metrics["auc"],
        "linear": linear.metrics["auc"],
        "champion": best.metrics["auc"],
        "leaky": leaky.metrics["auc"],
        "leaky_served_honestly": honest,
    }
    version = models.register(stage.workspace, best.run_id)
    stage.document["chosen"] = {
        key: best.params[key] for key in ("learning_rate", "max_leaf_nodes", "l2_regularization")
    }
    stage.meter.lap("experiments")
    stage.tell.learnt(
        "experiments",
        f"AUC: rule {rule.metrics['auc']:.3f}, linear {linear.metrics['auc']:.3f}, "
        f"trees {best.metrics['auc']:.3f} -> {version.subject}",
    )
    stage.tell.learnt(
        "experiments",
        f"the leak looks brilliant ({leaky.metrics['auc']:.3f}) and is worth {honest:.3f} when served honestly",
    )


def _gate(stage: _Stage) -> None:
    stage.tell.begin("gate", "asks the requirements")
    promoted = deploy.promote(stage.workspace)
    what_if = deploy.gate(stage.workspace, what_if=["auc=0.90"])
    stage.document["gates"] = [_gate_line(promoted), _gate_line(what_if)]
    stage.document["aliases"] = {"before": {"champion": _champion(stage)}}
    stage.meter.lap("gate")
    met = sum(line["met"] for line in stage.document["gates"][0]["requirements"])
    stage.tell.learnt("gate", f"{promoted.outcome}: {met} requirements met; champion is {promoted.subject}")
    stage.tell.learnt("gate", f"what if AUC had to be 0.90? {what_if.outcome}: {'; '.join(what_if.reasons)}")


def _deploy(stage: _Stage) -> None:
    stage.tell.begin("deploy", "builds an image, or says why not")
    image = deploy.build_image(stage.workspace)
    stage.document["image"] = {"built": image.built} | (
        {"digest": image.digest} if image.built else {"why_not": image.why_not}
    )
    stage.meter.lap("image")
    stage.tell.learnt(
        "deploy", f"image {image.tag}: {image.digest}" if image.built else f"no image: {image.why_not}"
    )
    stage.tell.begin("deploy", "starts the model server and scores December's subscribers")
    started = deploy.start(stage.workspace, lives_with_parent=True)
    scored = deploy.score(stage.workspace, as_of=NEW_YEAR)
    stage.document["scored"] = {"december": len(scored)}
    stage.meter.lap("deploy")
    stage.tell.learnt(
        "deploy", f"{started.deployment} answers on {started.url}; {len(scored):,} predictions journaled"
    )


def _quiet_month(stage: _Stage) -> None:
    stage.tell.begin("monitor", "waits for December's labels")
    clock.set_now(DECEMBER_KNOWN)
    monitor.labels(stage.workspace)
    monitor.run(stage.workspace)
    _watch_window(stage, "december")
    stage.meter.lap("monitor")
    alerts = stage.document["alerts"]["december"]
    quiet = "no alert" if not alerts["drift"] and not alerts["requirements"] else f"alerts: {alerts}"
    stage.tell.learnt("monitor", f"December's labels: AUC {stage.document['auc']['december']:.3f}, {quiet}")


def _drift(stage: _Stage) -> None:
    clock.set_now(FEBRUARY_FIRST)
    _drop(stage, "drops/2026-01")
    _score_month(stage, "january")
    monitor.run(stage.workspace)
    alarming = sorted(alert.subject for alert in _alerts(stage, "january") if alert.kind == "drift")
    stage.meter.lap("monitor")
    stage.tell.learnt("monitor", f"January drifts at once, a month before its labels: {', '.join(alarming)}")
    clock.set_now(MARCH_FIRST)
    _drop(stage, "drops/2026-02")
    _score_month(stage, "february")
    monitor.run(stage.workspace)
    stage.meter.lap("monitor")


def _retrain(stage: _Stage) -> None:
    stage.tell.begin("retrain", "January's labels arrive")
    clock.set_now(JANUARY_KNOWN)
    monitor.labels(stage.workspace)
    monitor.run(stage.workspace)
    _watch_window(stage, "january")
    broken = stage.document["alerts"]["january"]["requirements"]
    stage.tell.learnt(
        "monitor",
        f"January's labels: AUC {stage.document['auc']['january']:.3f}; broken: {', '.join(broken) or 'none'}",
    )
    trigger = retrain.propose(stage.workspace)
    report = retrain.run(stage.workspace)
    stage.meter.lap("retrain")
    reason = trigger.reason if trigger else report.trigger.reason
    stage.tell.learnt(
        "retrain",
        f"trigger: {reason}; {report.model}:{report.version} learns from {report.rows:,} old and new rows, "
        f"the newest x{report.weight_newest:g}",
    )


def _prove(stage: _Stage) -> None:
    stage.tell.begin("retrain", "February's labels judge champion and challenger")
    clock.set_now(FEBRUARY_KNOWN)
    monitor.labels(stage.workspace)
    monitor.run(stage.workspace)
    _watch_window(stage, "february")
    judged = retrain.judge(stage.workspace)
    stage.document["gates"].append(_gate_line(models.decision(stage.workspace, judged.decision_id or "")))
    stage.document["auc"]["retrained"] = judged.value
    rows = experiments.rows_of(
        features.labelled(stage.workspace, MARCH_FIRST, MARCH_FIRST, known_by=FEBRUARY_KNOWN)
    )
    stage.document["value"] = {
        name: _score(
            stage, models.show(stage.workspace, f"{MODEL}:{version}").sha256, rows, "value_at_20", VALUE
        )
        for name, version in (("february", judged.champion), ("retrained", judged.challenger))
    }
    deploy.swap(stage.workspace, lives_with_parent=True)
    stage.document["aliases"]["after"] = {"champion": _champion(stage)}
    stage.meter.lap("retrain")
    value = stage.document["value"]
    stage.tell.learnt(
        "retrain",
        f"{judged.outcome}: AUC {judged.champion_value:.3f} -> {judged.value:.3f} on February, "
        f"value {value['february']:,.0f} -> {value['retrained']:,.0f} a month",
    )
    stage.tell.learnt("retrain", "one command brings the old champion back: mlcycle models rollback")


def _reckon(stage: _Stage) -> None:
    [served] = Store(stage.workspace).read(
        "SELECT count(*) AS n, quantile_cont(latency_ms, [0.5, 0.95, 0.99]) AS latency "
        "FROM predictions WHERE status = 200"
    )
    p50, p95, p99 = (round(value, 4) for value in served["latency"])
    stage.document["serving"] = {
        "predictions": served["n"],
        "latency_ms": {"p50": p50, "p95": p95, "p99": p99},
    }
    stage.meter.lap("reckon")
    stage.document["cpu_s"] = stage.meter.document()


def _drop(stage: _Stage, drop: str) -> None:
    """Lay a month into the inbox while the watchdog watches, and go on once it has taken it."""
    stage.tell.begin("retrain", f"{drop.partition('/')[2]} is dropped into inbox/; the watchdog notices")
    taken: list[Any] = []
    seen, stop = threading.Event(), threading.Event()

    def heard(event: Any) -> None:
        if event.outcome != "waiting":
            taken.append(event)
            seen.set()

    watcher = threading.Thread(
        target=retrain.watch, args=(stage.workspace,), kwargs={"on_event": heard, "stop": stop}, daemon=True
    )
    watcher.start()
    name = drop.partition("/")[2]
    arriving = stage.workspace.inbox / f".{name}.part"
    shutil.copytree(stage.workspace.root / drop, arriving)
    arriving.rename(stage.workspace.inbox / name)
    seen.wait(WATCH_LIMIT_S)
    stop.set()
    watcher.join()
    if not taken or taken[0].outcome != "taken":
        raise RuntimeError(f"the watchdog did not take {drop}: {taken}")
    _count(stage, drop, taken[0].batches)
    stage.meter.lap("watch")
    rows = sum(batch.rows for batch in taken[0].batches)
    stage.tell.learnt("retrain", f"{name}: {rows:,} rows taken and checked; flagged: untrained data")


def _count(stage: _Stage, drop: str, batches: Any) -> None:
    stage.document["sources"][drop] = {batch.source: batch.rows for batch in batches}


def _score_month(stage: _Stage, month: str) -> None:
    stage.tell.begin("deploy", f"scores {month.capitalize()}'s subscribers")
    stage.document["scored"][month] = len(deploy.score(stage.workspace, as_of=SNAPSHOTS[month]))
    stage.meter.lap("deploy")


def _watch_window(stage: _Stage, month: str) -> None:
    """Put what the monitor says of a month into the document."""
    moment = SNAPSHOTS[month]
    rows = Store(stage.workspace).read(
        "SELECT metric, subject, value FROM windows WHERE \"end\" = ? AND (metric = 'psi' OR requirement_id = 'auc')",
        [moment],
    )
    distances = {row["subject"]: row["value"] for row in rows if row["metric"] == "psi"}
    stage.document.setdefault("psi", {})[month] = distances
    stage.document["auc"][month] = next(row["value"] for row in rows if row["metric"] == "auc")
    alerts = _alerts(stage, month)
    stage.document.setdefault("alerts", {})[month] = {
        "drift": sorted(alert.subject for alert in alerts if alert.kind == "drift"),
        "requirements": sorted(alert.subject for alert in alerts if alert.kind == "requirement"),
    }


def _alerts(stage: _Stage, month: str) -> list[Any]:
    return [alert for alert in monitor.alerts(stage.workspace) if alert.window_start == SNAPSHOTS[month]]


def _validation(stage: _Stage) -> Any:
    return experiments.training_rows(stage.workspace)[1].of_split("validation")


def _score(
    stage: _Stage, sha256: str | None, rows: Any, metric: str, params: dict[str, Any] | None = None
) -> float:
    """Score rows with a package offline and measure."""
    package = stage.workspace.artifact(str(sha256)).read_bytes()
    scores = experiments.evaluate(package, rows.columns)
    measured = experiments.metrics.score(
        metric,
        scores.encode(rows.target),
        scores.values,
        task="binary",
        params=params or {},
        times=rows.times,
    )
    return measured.value if measured.value is not None else float("nan")


def _champion(stage: _Stage) -> int | None:
    found = models.champion(stage.workspace, MODEL)
    return found.version if found else None


def _gate_line(decision: Any) -> dict[str, Any]:
    model, _, version = decision.subject.partition(":")
    lines = [
        {key: line[key] for key in ("id", "version", "limit", "observed", "n", "met")}
        for line in decision.evidence["requirements"]
    ]
    return {
        "kind": decision.kind,
        "model": model,
        "version": int(version),
        "outcome": decision.outcome,
        "requirements": lines,
    }
