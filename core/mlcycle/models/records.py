"""The SQL of the registry: versions, aliases, decisions and profiles."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from mlcycle.errors import CouldNot, NotFoundError
from mlcycle.models.model import AliasRow, Decision, ModelVersion, ProfileRow
from mlcycle.store import Store, Transaction
from mlcycle.workspace import Workspace

__all__ = [
    "add_decision",
    "add_version",
    "alias",
    "champion_object",
    "champions_before",
    "decision",
    "decisions",
    "drop_alias",
    "move_alias",
    "next_version",
    "put_profiles",
    "version_of_run",
    "versions",
]

VERSIONS = """
    SELECT v.model, v.version, v.run_id::VARCHAR AS run_id, v.sha256, v.bytes, v.format, v.task, v.parity,
        v.training_set_id::VARCHAR AS training_set_id, v.created_at, coalesce(a.names, []) AS aliases
    FROM model_version v
    LEFT JOIN (SELECT model, version, list(alias ORDER BY alias) AS names FROM alias GROUP BY model, version) a
        USING (model, version)
"""
DECISIONS = """
    SELECT decision_id::VARCHAR AS decision_id, kind, subject, outcome, reasons, evidence, decided_by, ts FROM decision
"""


def versions(workspace: Workspace, model: str | None = None) -> list[ModelVersion]:
    """Return the versions of a model, or of all, the newest first."""
    sql = f"{VERSIONS} WHERE ? IS NULL OR v.model = ? ORDER BY v.model, v.version DESC"
    rows = Store(workspace).read(sql, [model, model])
    return [ModelVersion(**{**row, "aliases": tuple(row["aliases"])}) for row in rows]


def alias(workspace: Workspace, model: str, name: str) -> AliasRow | None:
    """Return where an alias points, None if there is none."""
    sql = "SELECT model, alias, version, since, rev FROM alias WHERE model = ? AND alias = ?"
    rows = Store(workspace).read(sql, [model, name])
    return AliasRow(**rows[0]) if rows else None


def decisions(workspace: Workspace, subject: str | None = None) -> list[Decision]:
    """Return decisions about a subject (`model:version`), or all, the newest first."""
    sql = f"{DECISIONS} WHERE ? IS NULL OR subject = ? ORDER BY decision_id DESC"
    return [_decision(row) for row in Store(workspace).read(sql, [subject, subject])]


def decision(workspace: Workspace, decision_id: str) -> Decision:
    """Return a decision by its id, or the id's last digits.

    Raises
    ------
    NotFoundError
        If there is none.
    """
    sql = f"{DECISIONS} WHERE ends_with(replace(decision_id::VARCHAR, '-', ''), ?) ORDER BY 1 DESC LIMIT 1"
    wanted = decision_id.lower().replace("-", "")
    rows = Store(workspace).read(sql, [wanted]) if wanted else []
    if not rows:
        raise NotFoundError(f"there is no decision {decision_id!r}", hint="mlcycle models audit")
    return _decision(rows[0])


def champions_before(workspace: Workspace, model: str) -> list[int]:
    """Return the champions there were before the present one, the last one last.

    A promotion puts the champion it replaced on the pile, a rollback takes it off again.
    """
    sql = "SELECT action, before FROM audit_log WHERE object = ? ORDER BY ts, audit_id"
    pile: list[int] = []
    for row in Store(workspace).read(sql, [champion_object(model)]):
        before = json.loads(row["before"]) if row["before"] else None
        if row["action"].endswith("rollback"):
            del pile[-1:]
        elif before is not None:
            pile.append(int(before["version"]))
    return pile


def champion_object(model: str) -> str:
    """Return how audit rows name a model's champion."""
    return f"{model}@champion"


def next_version(transaction: Transaction, model: str) -> int:
    """Return the integer after the last version of a model."""
    row = transaction.one(
        "SELECT coalesce(max(version), 0) + 1 AS next FROM model_version WHERE model = ?", [model]
    )
    return int(row["next"]) if row else 1


def version_of_run(transaction: Transaction, model: str, run_id: str) -> ModelVersion | None:
    """Return the version that a run became, None if it is none yet."""
    rows = transaction.rows(
        f"{VERSIONS} WHERE v.model = ? AND v.run_id::VARCHAR = ? ORDER BY v.version DESC", [model, run_id]
    )
    return ModelVersion(**{**rows[0], "aliases": tuple(rows[0]["aliases"])}) if rows else None


def add_version(transaction: Transaction, version: ModelVersion, signature: dict[str, Any]) -> None:
    """Add a version."""
    transaction.insert(
        "model_version",
        [
            {
                "model": version.model,
                "version": version.version,
                "run_id": version.run_id,
                "sha256": version.sha256,
                "bytes": version.bytes,
                "format": version.format,
                "task": version.task,
                "parity": version.parity,
                "training_set_id": version.training_set_id,
                "signature": json.dumps(signature),
                "created_at": version.created_at,
            }
        ],
    )


def put_profiles(transaction: Transaction, model: str, version: int, rows: Sequence[ProfileRow]) -> None:
    """Replace the profiles of a version."""
    transaction.execute("DELETE FROM profile WHERE model = ? AND version = ?", [model, version])
    transaction.insert(
        "profile",
        [
            {
                "model": model,
                "version": version,
                "subject": row.subject,
                "kind": row.kind,
                "rows": row.rows,
                "missing": row.missing,
                "edges": json.dumps(list(row.edges)),
                "counts": list(row.counts),
            }
            for row in rows
        ],
    )


def add_decision(transaction: Transaction, decision: Decision) -> None:
    """Add a decision; decisions are never changed."""
    transaction.insert(
        "decision",
        [
            {
                "decision_id": decision.decision_id,
                "kind": decision.kind,
                "subject": decision.subject,
                "outcome": decision.outcome,
                "reasons": list(decision.reasons),
                "evidence": json.dumps(decision.evidence, default=str),
                "decided_by": decision.decided_by,
                "ts": decision.ts,
            }
        ],
    )


def move_alias(
    transaction: Transaction, model: str, name: str, version: int, *, seen: AliasRow | None, since: datetime
) -> bool:
    """Point an alias at a version if it still is as it was seen; returns whether it moved.

    Raises
    ------
    CouldNot
        If somebody moved it in the meantime.
    """
    row = transaction.one("SELECT version, rev FROM alias WHERE model = ? AND alias = ?", [model, name])
    if (row["rev"] if row else None) != (seen.rev if seen else None):
        raise CouldNot(
            f"{name} of {model} was moved by somebody else meanwhile", hint="mlcycle models list, then again"
        )
    if row is not None and row["version"] == version:
        return False
    if row is None:
        transaction.execute("INSERT INTO alias VALUES (?, ?, ?, ?, 1)", [model, name, version, since])
    else:
        transaction.execute(
            "UPDATE alias SET version = ?, since = ?, rev = rev + 1 WHERE model = ? AND alias = ?",
            [version, since, model, name],
        )
    return True


def drop_alias(transaction: Transaction, model: str, name: str, version: int) -> None:
    """Take an alias away if it points at that version."""
    transaction.execute(
        "DELETE FROM alias WHERE model = ? AND alias = ? AND version = ?", [model, name, version]
    )


def _decision(row: dict[str, Any]) -> Decision:
    return Decision(**{**row, "reasons": tuple(row["reasons"]), "evidence": json.loads(row["evidence"])})
