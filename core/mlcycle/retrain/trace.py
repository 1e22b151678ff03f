"""The thread: from a requirement to every decision made under it, from a prediction back to the files behind it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import groupby
from typing import Any

from mlcycle.errors import NotFoundError, UsageError
from mlcycle.ids import short
from mlcycle.retrain import trails
from mlcycle.retrain.model import Step, Trace
from mlcycle.store import Store
from mlcycle.workspace import Workspace

__all__ = ["trace"]

DIGITS = re.compile(r"[0-9a-f]{6,32}")
"""The end of an id."""


def trace(workspace: Workspace, what: str) -> Trace:
    """Follow the thread from one thing.

    Parameters
    ----------
    what
        A requirement's id; a prediction's id, or six or more of its last digits; or `MODEL:VERSION`.

    Raises
    ------
    NotFoundError
        If nothing carries that name.
    UsageError
        If several predictions end in those digits.
    """
    store = Store(workspace)
    versions = trails.requirement_versions(store, what)
    if versions:
        return Trace(_requirement(store, what, versions))
    model, _, number = what.rpartition(":")
    if model and number.isdigit() and trails.version(store, model, int(number)) is not None:
        return Trace(_version(store, model, int(number)))
    digits = what.replace("-", "").lower()
    if DIGITS.fullmatch(digits):
        found = trails.prediction(store, digits)
        if len(found) > 1:
            raise UsageError(f"several predictions end in {what}", hint="give more digits of the id")
        if found:
            return Trace(_prediction(store, found[0]))
    raise NotFoundError(
        f"{what} is no requirement, no prediction and no model version",
        hint='mlcycle design list, or mlcycle sql "SELECT prediction_id FROM predictions LIMIT 5"',
    )


def _requirement(store: Store, name: str, versions: Sequence[dict[str, Any]]) -> Step:
    decisions, windows = trails.decisions_under(store, name), trails.windows_of(store, name)
    alerts = trails.alerts_of(store, name)
    triggers = trails.triggers_of(store, [alert["alert_id"] for alert in alerts]) if alerts else []
    steps = []
    for row in versions:
        judged = [
            _decision_under(one) for one in decisions if one["seen"]["version"] in (row["version"], None)
        ]
        watched = [
            _window(one, alerts, triggers) for one in windows if one["requirement_version"] == row["version"]
        ]
        until = "" if row["until"] is None else f", until {row['until']:%Y-%m-%d}"
        says = (
            f"{row['metric']} {row['comparison']} {row['value']:g}, binds {', '.join(row['phases'])}{until}"
        )
        steps.append(
            Step("version", str(row["version"]), says, row["since"], _details(row), (*judged, *watched))
        )
    last = versions[-1]
    says = f"{last['role']}" + (f", owner {last['owner']}" if last["owner"] else "")
    return Step("requirement", name, says, None, {"statement": last["statement"]}, tuple(steps))


def _decision_under(row: dict[str, Any]) -> Step:
    seen = row["seen"]
    number = "not measured" if seen["observed"] is None else f"{seen['observed']:.4g}"
    met = "met" if seen["met"] else "not met"
    limit = f"limit {seen['comparison']} {seen['limit']:g}"
    says = f"{row['kind']} of {row['subject']} {row['outcome']}; {number}, {limit}, {met} (n = {seen['n']:,})"
    return Step("decision", short(row["decision_id"]), says, row["ts"], _details(row))


def _window(
    row: dict[str, Any], alerts: Sequence[dict[str, Any]], triggers: Sequence[dict[str, Any]]
) -> Step:
    number = "no number" if row["value"] is None else f"{row['value']:.4g}"
    says = f"{row['verdict']}: {number}, limit {row['limit']:g} (n = {row['n']:,}), by {row['model']}:{row['version']}"
    steps = []
    place = tuple(row[name] for name in ("deployment", "model", "version", "start", "end"))
    for alert in alerts:
        if place == tuple(
            alert[name] for name in ("deployment", "model", "version", "window_start", "window_end")
        ):
            asked = tuple(_trigger(one) for one in triggers if alert["alert_id"] in one["alert_ids"])
            steps.append(
                Step(
                    "alert",
                    short(alert["alert_id"]),
                    alert["state"],
                    alert["opened_at"],
                    _details(alert),
                    asked,
                )
            )
    return Step(
        "window", f"{row['deployment']} {row['end']:%Y-%m-%d %H:%M}", says, None, _details(row), tuple(steps)
    )


def _trigger(row: dict[str, Any]) -> Step:
    led = f", led to run {short(row['run_id'])}" if row["run_id"] else ""
    return Step(
        "trigger", short(row["trigger_id"]), f"{row['reason']}: {row['state']}{led}", row["ts"], _details(row)
    )


def _prediction(store: Store, row: dict[str, Any]) -> Step:
    label = (
        "label not known yet"
        if row["label"] is None
        else f"label {row['label']:g}, known {row['known_at']:%Y-%m-%d}"
    )
    score = "no score" if row["score"] is None else f"score {row['score']:.4g}"
    says = f"{row['entity']} as of {row['as_of']:%Y-%m-%d %H:%M}: {score}; {label}"
    behind = (_version(store, row["model"], row["version"]),)
    return Step("prediction", short(row["prediction_id"]), says, row["ts"], _details(row), behind)


def _version(store: Store, model: str, number: int) -> Step:
    row = trails.version(store, model, number)
    name = f"{model}:{number}"
    if row is None:
        return Step("model version", name, "not in the registry")
    decided = tuple(
        Step(
            "decision",
            short(one["decision_id"]),
            f"{one['kind']} {one['outcome']} by {one['decided_by']}",
            one["ts"],
            _details(one),
        )
        for one in trails.decisions_about(store, name)
    )
    says = f"{row['task']}, {row['format']}, package {row['sha256'][:8]}"
    behind = (_run(store, row["run_id"]), *_training_set(store, row["training_set_id"]))
    return Step("model version", name, says, row["created_at"], _details(row), (*decided, *behind))


def _run(store: Store, run_id: str) -> Step:
    row = trails.run(store, run_id)
    if row is None:
        return Step("run", short(run_id), "not in the store")
    said = ", ".join(f"{key}={value}" for key, value in row["params"].items())
    commit = (
        ""
        if not row["git_commit"]
        else f", commit {row['git_commit'][:8]}{' (changed)' if row['git_dirty'] else ''}"
    )
    return Step(
        "run",
        short(run_id),
        f"{row['name']}, {row['status']}: {said}{commit}",
        row["started_at"],
        _details(row),
    )


def _training_set(store: Store, training_set_id: str | None) -> tuple[Step, ...]:
    row = trails.training_set(store, training_set_id) if training_set_id else None
    if row is None:
        return ()
    steps = []
    for dataset, rows in groupby(
        trails.batches_of(store, row["dataset_versions"]), key=lambda one: one["dataset"]
    ):
        batches = list(rows)
        first = batches[0]
        says = f"version {first['number']} ({first['dataset_version']}), {first['version_rows']:,} rows"
        files = tuple(_batch(one) for one in batches)
        steps.append(
            Step(
                "dataset version",
                dataset,
                says,
                first["created_at"],
                {"fingerprint": first["fingerprint"]},
                files,
            )
        )
    ahead = f", looks {row['look_ahead']} ahead" if row["look_ahead"] else ""
    says = f"{row['rows']:,} rows known on {row['as_of']:%Y-%m-%d}{ahead}"
    return (
        Step(
            "training set",
            short(row["training_set_id"]),
            says,
            row["created_at"],
            _details(row),
            tuple(steps),
        ),
    )


def _batch(row: dict[str, Any]) -> Step:
    says = f"{row['rows']:,} rows, {row['set_aside']:,} set aside, sha256 {row['sha256'][:8]}"
    return Step(
        "batch", row["path"], says, row["arrived_at"], {"batch_id": row["batch_id"], "sha256": row["sha256"]}
    )


def _details(row: dict[str, Any]) -> dict[str, Any]:
    return {key: sorted(value) if isinstance(value, set) else value for key, value in row.items()}
