"""What a model version has learnt from: its training set, how far it reaches, and which batches are in it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mlcycle.declare import load
from mlcycle.engines import local
from mlcycle.retrain import records
from mlcycle.retrain.model import TakenBatch
from mlcycle.store import Store, Transaction
from mlcycle.workspace import Workspace

__all__ = ["Learnt", "learnt", "mark", "untrained"]


@dataclass(frozen=True)
class Learnt:
    """The training set of a model version."""

    training_set_id: str
    run_id: str
    versions: tuple[str, ...]
    """Dataset versions it was built from."""
    to: datetime | None
    """Its newest spine time; None where the spine has no time."""
    newest_rows: int
    """Rows of that time."""


def learnt(workspace: Workspace, model: str, version: int) -> Learnt | None:
    """Return what a model version learnt from; None if it came from elsewhere and nothing is known."""
    found = records.training_set_of(Store(workspace), model, version)
    if found is None:
        return None
    newest: dict[str, Any] = {"moment": None, "n": 0}
    part = workspace.part(found["sha256"])
    # Without a time column the rows carry the moment they were asked about, which says nothing of their age.
    if part.exists() and load(workspace).require_features().spine.time is not None:
        with local.session(workspace) as session:
            session.table("learnt", [part])
            newest = session.one(
                "SELECT max(as_of)::TIMESTAMP AS moment, "
                "count(*) FILTER (as_of = (SELECT max(as_of) FROM learnt)) AS n FROM learnt"
            )
    versions = tuple(found["dataset_versions"].values())
    return Learnt(found["training_set_id"], found["run_id"], versions, newest["moment"], newest["n"])


def untrained(workspace: Workspace, champion: Learnt | None) -> list[TakenBatch]:
    """Return the admitted batches that no champion was trained on, oldest first."""
    store = Store(workspace)
    known = set(records.learnt_batches(store, champion.versions, champion.to)) if champion else set()
    return [batch for batch in records.untrained(store) if batch.batch_id not in known]


def mark(tx: Transaction, champion: Learnt | None) -> None:
    """Mark the batches that a champion has learnt from."""
    if champion is not None:
        records.mark_trained(tx, champion.versions, champion.to)
