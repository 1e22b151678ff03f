"""The quality room's SQL over the store: definitions, runs, results, quarantined rows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from mlcycle.quality.model import HistoryPoint, QualityReport, QuarantineRow
from mlcycle.quality.rules import Rule, rule_from
from mlcycle.store import Store, Transaction

__all__ = [
    "define",
    "defined",
    "examples",
    "history",
    "insert_report",
    "quarantine",
    "quarantined_rows",
    "set_aside",
    "state_of",
]


def define(transaction: Transaction, rules: Sequence[Rule], since: datetime) -> None:
    """Add the rules that are new; bring name, severity and consequence of known ones up to date."""
    known = {row["check_id"]: row for row in transaction.rows("SELECT * FROM check_definition")}
    new = []
    for rule in rules:
        definition = json.dumps(rule.definition)
        old = known.get(rule.check_id)
        if old is None:
            new.append(
                {
                    "check_id": rule.check_id,
                    "name": rule.name,
                    "dataset": rule.dataset,
                    "dimension": rule.dimension,
                    "severity": rule.severity,
                    "kind": rule.kind,
                    "definition": definition,
                    "since": since,
                }
            )
        elif old["name"] != rule.name or json.loads(old["definition"]) != json.loads(definition):
            transaction.execute(
                "UPDATE check_definition SET name = ?, severity = ?, definition = ? WHERE check_id = ?",
                [rule.name, rule.severity, definition, rule.check_id],
            )
    transaction.insert("check_definition", new)


def insert_report(transaction: Transaction, report: QualityReport) -> None:
    """Add one judgement of a batch and the results of its checks."""
    transaction.insert(
        "quality_run",
        [
            {
                "quality_run_id": report.quality_run_id,
                "dataset": report.dataset,
                "batch_id": report.batch_id,
                "dataset_version": report.dataset_version,
                "rows": report.rows,
                "verdict": report.verdict,
                "score": report.score,
                **{str(dimension): score for dimension, score in report.dimensions.items()},
                "ts": report.ts,
            }
        ],
    )
    transaction.insert(
        "check_result",
        [
            {
                "quality_run_id": report.quality_run_id,
                "check_id": result.check_id,
                "batch_id": report.batch_id,
                "dataset_version": report.dataset_version,
                "verdict": result.verdict,
                "considered": result.considered,
                "bad_rows": result.bad_rows,
                "surplus": result.surplus,
                "observed": result.observed,
                "examples": json.dumps(result.examples, default=str),
                "ts": report.ts,
            }
            for result in report.results
        ],
    )


def quarantine(transaction: Transaction, dataset: str, batch_id: str, rows: Sequence[dict[str, Any]]) -> None:
    """Add the rows that a batch lost."""
    transaction.insert("quarantined", [{"dataset": dataset, "batch_id": batch_id, **row} for row in rows])


def state_of(transaction: Transaction, batch_id: str) -> str | None:
    """Return the batch's state as it is now."""
    row = transaction.one("SELECT state FROM batch WHERE batch_id = ?", [batch_id])
    return None if row is None else str(row["state"])


def quarantined_rows(store: Store, dataset: str | None) -> list[QuarantineRow]:
    """Return the rows set aside, in the order of arrival."""
    rows = store.read(
        "SELECT q.* FROM quarantined q JOIN batch b USING (batch_id) WHERE $dataset IS NULL OR q.dataset = $dataset "
        "ORDER BY q.dataset, b.arrived_at, b.batch_id, q.row_number",
        {"dataset": dataset},
    )
    return [QuarantineRow(**(row | {"content": json.loads(row["content"] or "{}")})) for row in rows]


def history(store: Store, check_id: str) -> list[HistoryPoint]:
    """Return a check's answers in the order they were given."""
    rows = store.read(
        "SELECT check_id, r.batch_id, r.dataset_version, verdict, considered, bad_rows, surplus, observed, r.ts "
        "FROM check_result r JOIN batch b USING (batch_id) WHERE check_id = ? "
        "ORDER BY r.ts, b.arrived_at, b.batch_id, r.quality_run_id",
        [check_id],
    )
    return [HistoryPoint(**row) for row in rows]


def defined(store: Store) -> list[Rule]:
    """Return every rule that ever judged a batch, as it was when it ran last."""
    rows = store.read(
        "SELECT check_id, name, dataset, dimension, definition FROM check_definition ORDER BY since"
    )
    return [
        rule_from(
            row["check_id"], row["name"], row["dataset"], row["dimension"], json.loads(row["definition"])
        )
        for row in rows
    ]


def set_aside(store: Store, batch_id: str) -> set[int]:
    """Return the numbers of a batch's rows that were set aside, for whatever reason."""
    rows = store.read("SELECT row_number FROM quarantined WHERE batch_id = ?", [batch_id])
    return {int(row["row_number"]) for row in rows}


def examples(store: Store, check_id: str, batch_id: str) -> list[dict[str, Any]]:
    """Return the rows that were kept with a check's newest result on a batch."""
    rows = store.read(
        "SELECT examples FROM check_result WHERE check_id = ? AND batch_id = ? ORDER BY ts DESC LIMIT 1",
        [check_id, batch_id],
    )
    return list(json.loads(rows[0]["examples"])) if rows and rows[0]["examples"] else []
