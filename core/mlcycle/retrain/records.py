"""The retrain room's SQL: triggers, what the champion has learnt from, and the trails of `trace`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from mlcycle.data import Batch
from mlcycle.retrain.model import TakenBatch, Trigger
from mlcycle.store import Store, Transaction

__all__ = [
    "alias_version",
    "as_taken",
    "batches",
    "insert_trigger",
    "judged",
    "learnt_batches",
    "mark_trained",
    "set_trigger",
    "training_set_of",
    "triggers",
    "untrained",
]

TAKEN = "batch_id::VARCHAR AS batch_id, source, path, rows, malformed, set_aside, state, trained"
TRIGGER = "trigger_id::VARCHAR AS trigger_id, reason, evidence::VARCHAR AS evidence, state, run_id::VARCHAR AS run_id, ts, pid"
# A batch holds what happened since the one before it. It was learnt from if the training set saw the
# dataset version it made, and has rows about a later moment than the end of the batch before.
LEARNT = """
    WITH placed AS (
        SELECT b.batch_id, b.source, b.trained, v.number, max(b.as_of) OVER (
            PARTITION BY b.source ORDER BY b.as_of RANGE BETWEEN UNBOUNDED PRECEDING AND INTERVAL 1 MICROSECOND PRECEDING) AS before
        FROM batch AS b JOIN dataset_version AS v USING (dataset_version) WHERE b.state = 'admitted'),
    seen AS (SELECT dataset, number FROM dataset_version WHERE list_contains($versions::VARCHAR[], dataset_version))
    SELECT p.batch_id::VARCHAR AS batch_id FROM placed AS p JOIN seen AS s ON s.dataset = p.source
    WHERE NOT p.trained AND p.number <= s.number
        AND (p.before IS NULL OR $learnt_to::TIMESTAMP IS NULL OR p.before < $learnt_to)
"""


def as_taken(batch: Batch) -> TakenBatch:
    """Return the part of a batch that a watcher reports."""
    return TakenBatch(
        batch_id=batch.batch_id,
        source=batch.source,
        path=batch.path,
        rows=batch.rows,
        malformed=batch.malformed,
        set_aside=batch.set_aside,
        state=batch.state,
        trained=batch.trained,
    )


def batches(store: Store, ids: Sequence[str]) -> dict[str, TakenBatch]:
    """Return batches as they are now, by id."""
    rows = store.read(f"SELECT {TAKEN} FROM batch WHERE list_contains(?, batch_id::VARCHAR)", [list(ids)])
    return {row["batch_id"]: TakenBatch(**row) for row in rows}


def untrained(reader: Store | Transaction) -> list[TakenBatch]:
    """Return the admitted batches that no champion has learnt from, oldest first."""
    sql = f"SELECT {TAKEN} FROM batch WHERE state = 'admitted' AND NOT trained ORDER BY arrived_at, batch_id"
    rows = reader.read(sql) if isinstance(reader, Store) else reader.rows(sql)
    return [TakenBatch(**row) for row in rows]


def learnt_batches(
    reader: Store | Transaction, versions: Sequence[str], learnt_to: datetime | None
) -> list[str]:
    """Return the ids of the batches that a training set learnt from and that are not marked so.

    Parameters
    ----------
    versions
        The dataset versions it was built from.
    learnt_to
        Its newest spine time; None where the spine has no time.
    """
    params = {"versions": list(versions), "learnt_to": learnt_to}
    rows = reader.read(LEARNT, params) if isinstance(reader, Store) else reader.rows(LEARNT, params)
    return [row["batch_id"] for row in rows]


def mark_trained(tx: Transaction, versions: Sequence[str], learnt_to: datetime | None) -> int:
    """Mark the batches that a training set learnt from; returns how many became so."""
    found = learnt_batches(tx, versions, learnt_to)
    if found:
        tx.execute("UPDATE batch SET trained = TRUE WHERE list_contains(?, batch_id::VARCHAR)", [found])
    return len(found)


def alias_version(store: Store, model: str, alias: str) -> int | None:
    """Return the version an alias of a model points to."""
    rows = store.read("SELECT version FROM alias WHERE model = ? AND alias = ?", [model, alias])
    return int(rows[0]["version"]) if rows else None


def judged(store: Store, model: str, version: int) -> bool:
    """Return whether the gate, or somebody, has decided about a model version."""
    return bool(
        store.read(
            "SELECT 1 AS yes FROM decision WHERE kind IN ('gate', 'retrain') AND subject = ? LIMIT 1",
            [f"{model}:{version}"],
        )
    )


def training_set_of(store: Store, model: str, version: int) -> dict[str, Any] | None:
    """Return what a model version learnt from: id, parquet hash and dataset versions; None if nothing is known."""
    rows = store.read(
        """
        SELECT t.training_set_id::VARCHAR AS training_set_id, t.sha256, t.dataset_versions::VARCHAR AS dataset_versions,
            m.run_id::VARCHAR AS run_id
        FROM model_version AS m JOIN training_set_version AS t USING (training_set_id) WHERE m.model = ? AND m.version = ?
        """,
        [model, version],
    )
    return {**rows[0], "dataset_versions": json.loads(rows[0]["dataset_versions"])} if rows else None


def triggers(reader: Store | Transaction, states: Sequence[str] = ()) -> list[Trigger]:
    """Return triggers, the newest first."""
    sql = (
        f"SELECT {TRIGGER} FROM retrain_trigger WHERE len($states::VARCHAR[]) = 0 OR list_contains($states::VARCHAR[], state) "
        "ORDER BY ts DESC, trigger_id DESC"
    )
    params = {"states": list(states)}
    rows = reader.read(sql, params) if isinstance(reader, Store) else reader.rows(sql, params)
    return [_trigger(row) for row in rows]


def insert_trigger(tx: Transaction, trigger: Trigger) -> None:
    """Add a trigger."""
    tx.insert(
        "retrain_trigger",
        [
            {
                "trigger_id": trigger.trigger_id,
                "reason": trigger.reason,
                "evidence": json.dumps(trigger.evidence, default=str),
                "state": trigger.state,
                "run_id": trigger.run_id,
                "ts": trigger.ts,
                "pid": trigger.pid,
            }
        ],
    )


def set_trigger(
    tx: Transaction, before: Trigger, state: str, *, run_id: str | None = None, pid: int | None = None
) -> bool:
    """Change a trigger's state and whose it is, unless somebody else did since; name the run it led to.

    Parameters
    ----------
    before
        The trigger as it was read.
    pid
        The process that retrains for it; None for every state but `running`.

    Returns
    -------
    bool
        Whether it still was as before, and so was changed.
    """
    changed = tx.rows(
        """
        UPDATE retrain_trigger SET state = ?, run_id = coalesce(?::UUID, run_id), pid = ?
        WHERE trigger_id = ?::UUID AND state = ? AND pid IS NOT DISTINCT FROM ?::BIGINT RETURNING trigger_id::VARCHAR AS trigger_id
        """,
        [state, run_id, pid, before.trigger_id, before.state, before.pid],
    )
    return bool(changed)


def _trigger(row: Mapping[str, Any]) -> Trigger:
    return Trigger(**{**row, "evidence": json.loads(row["evidence"])})
