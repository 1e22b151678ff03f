"""The data room's SQL over the store: batches, dataset versions and their parts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from mlcycle.data.model import Batch, DatasetVersion
from mlcycle.engines.local import Part
from mlcycle.store import Store, Transaction
from mlcycle.workspace import Workspace

__all__ = [
    "admit_batch",
    "batch_numbers",
    "batches",
    "find_batch",
    "insert_batches",
    "insert_version",
    "newest_number",
    "part_hashes",
    "refuse_batch",
    "versions",
]

ARRIVAL = "ORDER BY arrived_at, batch_id"
"""Batches of one call share their time; their ids are in order."""


def batches(store: Store, *, source: str | None = None, states: Sequence[str] = ()) -> list[Batch]:
    """Return batches in the order of their arrival."""
    rows = store.read(
        f"SELECT * FROM batch WHERE ($source IS NULL OR source = $source) "
        f"AND (len($states::VARCHAR[]) = 0 OR list_contains($states::VARCHAR[], state)) {ARRIVAL}",
        {"source": source, "states": list(states)},
    )
    return [Batch.from_row(row) for row in rows]


def batch_numbers(store: Store) -> dict[str, tuple[int, int]]:
    """Return, by batch id, its number among its source's batches and the rows found in the ones before."""
    rows = store.read(
        "SELECT batch_id, row_number() OVER w AS number, (sum(rows) OVER w - rows)::BIGINT AS before "
        "FROM batch WINDOW w AS (PARTITION BY source ORDER BY arrived_at, batch_id)"
    )
    return {row["batch_id"]: (row["number"], row["before"]) for row in rows}


def find_batch(transaction: Transaction, source: str, sha256: str) -> Batch | None:
    """Return the batch that brought these bytes already."""
    row = transaction.one("SELECT * FROM batch WHERE source = ? AND sha256 = ?", [source, sha256])
    return None if row is None else Batch.from_row(row | {"batch_id": str(row["batch_id"])})


def insert_batches(transaction: Transaction, new: Sequence[Batch]) -> None:
    """Add batches that arrived."""
    transaction.insert("batch", [asdict(batch) for batch in new])


def admit_batch(transaction: Transaction, batch_id: str, version: str, set_aside: int, mended: int) -> None:
    """Record that a batch became part of a dataset version."""
    transaction.execute(
        "UPDATE batch SET state = 'admitted', dataset_version = ?, set_aside = ?, mended = ? WHERE batch_id = ?",
        [version, set_aside, mended, batch_id],
    )


def refuse_batch(transaction: Transaction, batch_id: str) -> None:
    """Record that a batch stays out."""
    transaction.execute("UPDATE batch SET state = 'refused' WHERE batch_id = ?", [batch_id])


def newest_number(transaction: Transaction, dataset: str) -> int:
    """Return the number of the dataset's newest version, 0 if it has none."""
    row = transaction.one(
        "SELECT coalesce(max(number), 0) AS number FROM dataset_version WHERE dataset = ?", [dataset]
    )
    return int(row["number"]) if row else 0


def versions(
    store: Store, workspace: Workspace, *, dataset: str | None = None, as_of: datetime | None = None
) -> list[DatasetVersion]:
    """Return dataset versions with their parts, oldest first; as of a moment, those made by then."""
    rows = store.read(
        "SELECT v.*, list(p.sha256 ORDER BY p.position) AS parts FROM dataset_version v "
        "JOIN part p USING (dataset_version) "
        "WHERE ($dataset IS NULL OR v.dataset = $dataset) AND ($as_of IS NULL OR v.created_at <= $as_of) "
        "GROUP BY ALL ORDER BY v.dataset, v.number",
        {"dataset": dataset, "as_of": as_of},
    )
    return [_version(row, workspace) for row in rows]


def part_hashes(store: Store, version: str) -> list[Part]:
    """Return the parts of a version in their order."""
    rows = store.read(
        "SELECT sha256, rows, bytes FROM part WHERE dataset_version = ? ORDER BY position", [version]
    )
    return [Part(**row) for row in rows]


def insert_version(transaction: Transaction, version: DatasetVersion, parts: Sequence[Part]) -> None:
    """Add a dataset version and its manifest."""
    row: dict[str, Any] = asdict(version) | {"columns": json.dumps(version.columns)}
    del row["parts"]
    transaction.insert("dataset_version", [row])
    transaction.insert(
        "part",
        [
            {"dataset_version": version.dataset_version, "position": position, **asdict(part)}
            for position, part in enumerate(parts)
        ],
    )


def _version(row: dict[str, Any], workspace: Workspace) -> DatasetVersion:
    parts: tuple[Path, ...] = tuple(workspace.part(sha256) for sha256 in row["parts"])
    return DatasetVersion(**(row | {"columns": json.loads(row["columns"]), "parts": parts}))
