"""The SQL of `trace`: reads over the tables of every room, writes nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from mlcycle.store import Store

__all__ = [
    "alerts_of",
    "batches_of",
    "decisions_about",
    "decisions_under",
    "prediction",
    "requirement_versions",
    "run",
    "training_set",
    "triggers_of",
    "version",
    "windows_of",
]


def requirement_versions(store: Store, requirement_id: str) -> list[dict[str, Any]]:
    """Return every version of a requirement, oldest first."""
    return store.read(
        "SELECT * FROM requirements WHERE requirement_id = ? ORDER BY version", [requirement_id]
    )


def decisions_under(store: Store, requirement_id: str) -> list[dict[str, Any]]:
    """Return the decisions that measured a requirement, oldest first, with what they saw of it."""
    rows = store.read(
        """
        SELECT decision_id, kind, subject, outcome, evidence, decided_by, ts FROM decisions
        WHERE list_contains(json_extract_string(evidence, '$.requirements[*].id'), ?) ORDER BY ts, decision_id
        """,
        [requirement_id],
    )
    found = []
    for row in rows:
        seen = json.loads(row.pop("evidence"))["requirements"]
        found.append({**row, "seen": next(one for one in seen if one["id"] == requirement_id)})
    return found


def decisions_about(store: Store, subject: str) -> list[dict[str, Any]]:
    """Return the decisions about `model:version`, oldest first."""
    return store.read(
        "SELECT decision_id, kind, subject, outcome, reasons, decided_by, ts FROM decisions "
        "WHERE subject = ? ORDER BY ts, decision_id",
        [subject],
    )


def windows_of(store: Store, requirement_id: str) -> list[dict[str, Any]]:
    """Return the windows that were held against a requirement, oldest first."""
    return store.read(
        """
        SELECT deployment, model, version, start, "end", n, value, "limit", verdict, requirement_version
        FROM windows WHERE requirement_id = ? ORDER BY "end", deployment, version
        """,
        [requirement_id],
    )


def alerts_of(store: Store, requirement_id: str) -> list[dict[str, Any]]:
    """Return the alerts a requirement raised."""
    return store.read(
        """
        SELECT alert_id, deployment, model, version, metric, window_start, window_end,
            severity, value, "limit", state, opened_at
        FROM alerts WHERE kind = 'requirement' AND subject = ? ORDER BY opened_at, alert_id
        """,
        [requirement_id],
    )


def triggers_of(store: Store, alert_ids: Sequence[str]) -> list[dict[str, Any]]:
    """Return the triggers that name one of the alerts, each with those it names."""
    rows = store.read(
        """
        SELECT trigger_id, reason, state, run_id, ts,
            json_extract_string(evidence, '$.alerts[*].alert_id') AS alert_ids
        FROM triggers WHERE list_has_any(json_extract_string(evidence, '$.alerts[*].alert_id'), ?)
        ORDER BY ts, trigger_id
        """,
        [list(alert_ids)],
    )
    return [{**row, "alert_ids": set(row["alert_ids"])} for row in rows]


def prediction(store: Store, digits: str) -> list[dict[str, Any]]:
    """Return the predictions whose id ends in these digits, two at most, with label and features."""
    return store.read(
        """
        SELECT p.prediction_id, p.ts, p.as_of, p.deployment, p.model, p.version, p.entity, p.score,
            p.latency_ms, p.status, p.features, l.value AS label, l.known_at
        FROM predictions AS p LEFT JOIN labels AS l USING (prediction_id)
        WHERE ends_with(replace(p.prediction_id::VARCHAR, '-', ''), ?) LIMIT 2
        """,
        [digits],
    )


def version(store: Store, model: str, number: int) -> dict[str, Any] | None:
    """Return a model version."""
    rows = store.read(
        """
        SELECT model, version, run_id, sha256, format, task, parity, training_set_id,
            created_at FROM model_versions WHERE model = ? AND version = ?
        """,
        [model, number],
    )
    return rows[0] if rows else None


def run(store: Store, run_id: str) -> dict[str, Any] | None:
    """Return a run with its params."""
    rows = store.read(
        "SELECT run_id, name, experiment, status, started_at, ended_at, command, script_sha256, git_commit, git_dirty "
        "FROM runs WHERE run_id = ?::UUID",
        [run_id],
    )
    if not rows:
        return None
    params = store.read("SELECT key, value FROM params WHERE run_id = ?::UUID ORDER BY key", [run_id])
    return {**rows[0], "params": {row["key"]: row["value"] for row in params}}


def training_set(store: Store, training_set_id: str) -> dict[str, Any] | None:
    """Return a training set with the dataset versions it was built from."""
    rows = store.read(
        """
        SELECT training_set_id, name, rows, train_rows, validation_rows, fingerprint, sha256, as_of,
            look_ahead, created_at, dataset_versions
        FROM training_set_version WHERE training_set_id = ?::UUID
        """,
        [training_set_id],
    )
    return {**rows[0], "dataset_versions": json.loads(rows[0]["dataset_versions"])} if rows else None


def batches_of(store: Store, versions: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return each dataset version with the batches, and so the files, that are in it, oldest first.

    Parameters
    ----------
    versions
        Dataset to dataset version.
    """
    return store.read(
        """
        SELECT v.dataset, v.dataset_version, v.number, v.rows AS version_rows, v.fingerprint, v.created_at,
            b.batch_id, b.path, b.sha256, b.rows, b.set_aside, b.arrived_at
        FROM dataset_version AS v JOIN dataset_version AS made ON made.dataset = v.dataset AND made.number <= v.number
            JOIN batch AS b ON b.dataset_version = made.dataset_version
        WHERE list_contains($versions::VARCHAR[], v.dataset_version) ORDER BY v.dataset, made.number, b.batch_id
        """,
        {"versions": list(versions.values())},
    )
