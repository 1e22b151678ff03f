"""The feature room's SQL over the store: definitions of views by version, and training sets."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from mlcycle.features.model import Feature, TrainingSet
from mlcycle.store import Store, Transaction
from mlcycle.workspace import Workspace

__all__ = ["add_training_set", "looking_ahead", "training_sets", "version_views", "view_versions"]


def view_versions(store: Store) -> dict[str, tuple[int, str]]:
    """Return each view's newest version and the hash of its definition."""
    rows = store.read(
        "SELECT view, max(version) AS version, arg_max(sha256, version) AS sha256 FROM feature_view GROUP BY view"
    )
    return {row["view"]: (row["version"], row["sha256"]) for row in rows}


def version_views(
    transaction: Transaction, definitions: Mapping[str, tuple[str, str]], since: object
) -> dict[str, int]:
    """Give every changed definition a new version; returns the version of each.

    Parameters
    ----------
    transaction
        The open transaction.
    definitions
        View to the hash and the JSON text of its definition.
    since
        The moment from which new versions hold.
    """
    versions: dict[str, int] = {}
    new: list[dict[str, object]] = []
    for view, (sha256, definition) in definitions.items():
        last = transaction.one(
            "SELECT version, sha256 FROM feature_view WHERE view = ? ORDER BY version DESC LIMIT 1", [view]
        )
        if last is not None and last["sha256"] == sha256:
            versions[view] = last["version"]
            continue
        versions[view] = last["version"] + 1 if last is not None else 1
        row = {
            "view": view,
            "version": versions[view],
            "sha256": sha256,
            "definition": definition,
            "since": since,
        }
        new.append(row)
    if new:
        transaction.insert("feature_view", new)
    return versions


def add_training_set(transaction: Transaction, made: TrainingSet) -> None:
    """Add a training set."""
    signature = {
        "keys": made.keys,
        "target": made.target,
        "features": [{"name": f.name, "type": f.type, "view": f.view} for f in made.features],
    }
    transaction.insert(
        "training_set_version",
        [
            {
                "training_set_id": made.training_set_id,
                "name": made.name,
                "rows": made.rows,
                "train_rows": made.train_rows,
                "validation_rows": made.validation_rows,
                "fingerprint": made.fingerprint,
                "sha256": made.path.stem,
                "as_of": made.as_of,
                "features": [feature.name for feature in made.features],
                "views": json.dumps(dict(made.views)),
                "dataset_versions": json.dumps(dict(made.dataset_versions)),
                "look_ahead": made.look_ahead,
                "created_at": made.created_at,
                "signature": json.dumps(signature),
            }
        ],
    )


def training_sets(store: Store, workspace: Workspace) -> list[TrainingSet]:
    """Return all training sets, the newest first."""
    rows = store.read("SELECT * FROM training_set_version ORDER BY created_at DESC, training_set_id DESC")
    return [_training_set(row, workspace) for row in rows]


def looking_ahead(store: Store) -> list[dict[str, Any]]:
    """Return the training sets that were let into the future on purpose, the newest first."""
    return store.read(
        "SELECT training_set_id, name, look_ahead FROM training_set_version WHERE look_ahead IS NOT NULL "
        "ORDER BY created_at DESC, training_set_id DESC"
    )


def _training_set(row: dict[str, Any], workspace: Workspace) -> TrainingSet:
    signature = json.loads(row["signature"])
    return TrainingSet(
        training_set_id=str(row["training_set_id"]),
        name=row["name"],
        path=workspace.part(row["sha256"]),
        rows=row["rows"],
        train_rows=row["train_rows"],
        validation_rows=row["validation_rows"],
        features=tuple(Feature(**feature) for feature in signature["features"]),
        keys=tuple(signature["keys"]),
        target=signature["target"],
        as_of=row["as_of"],
        look_ahead=row["look_ahead"],
        dataset_versions=json.loads(row["dataset_versions"]),
        views=json.loads(row["views"]),
        fingerprint=row["fingerprint"],
        created_at=row["created_at"],
    )
