"""The SQL of the experiments room, and nobody else's."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from mlcycle.errors import NotFoundError, UsageError
from mlcycle.experiments.model import RunRow, TrainingSet
from mlcycle.workspace import Workspace

__all__ = ["artifact", "inputs", "run", "runs", "training_set"]

RUNS = """
    SELECT r.run_id::VARCHAR AS run_id, coalesce(n.value, r.name, '') AS name, r.experiment, r.status,
        r.parent_run_id::VARCHAR AS parent_run_id, r.started_at, r.ended_at
    FROM runs r LEFT JOIN (SELECT run_id, value FROM tags WHERE key = 'mlcycle.name') n USING (run_id)
"""
PARAMS = "SELECT run_id::VARCHAR AS run_id, key, value FROM params WHERE list_contains(?, run_id::VARCHAR) ORDER BY key"
METRICS = "SELECT run_id::VARCHAR AS run_id, key, value FROM latest_metrics WHERE list_contains(?, run_id::VARCHAR) ORDER BY key"
TAGS = "SELECT run_id::VARCHAR AS run_id, key, value FROM tags WHERE list_contains(?, run_id::VARCHAR) ORDER BY key"
TRAINING_SET = """
    SELECT training_set_id::VARCHAR AS training_set_id, name, sha256, features, dataset_versions, look_ahead,
        as_of, signature
    FROM training_set_version
"""


def runs(
    workspace: Workspace,
    *,
    experiment: str | None = None,
    ids: Sequence[str] | None = None,
    limit: int = 1000,
) -> list[RunRow]:
    """Return runs with their params, last metrics and tags, the newest first."""
    from mlcycle.store import Store

    store = Store(workspace)
    where, values = ["TRUE"], []
    if experiment is not None:
        where.append("r.experiment = ?")
        values.append(experiment)
    if ids is not None:
        where.append("list_contains(?, r.run_id::VARCHAR)")
        values.append(list(ids))  # type: ignore[arg-type]
    sql = f"{RUNS} WHERE {' AND '.join(where)} ORDER BY r.started_at DESC, r.run_id DESC LIMIT {int(limit)}"
    found = store.read(sql, values)
    known = [row["run_id"] for row in found]
    params, metrics, tags = (_by_run(store.read(sql, [known])) for sql in (PARAMS, METRICS, TAGS))
    return [
        RunRow(**row, params=params.get(i, {}), metrics=metrics.get(i, {}), tags=tags.get(i, {}))
        for row in found
        for i in (row["run_id"],)
    ]


def run(workspace: Workspace, named: str) -> RunRow:
    """Return the run of an id, of the last digits of one, or of a name (the newest of that name).

    Raises
    ------
    NotFoundError
        If there is none.
    UsageError
        If the digits fit several.
    """
    from mlcycle.store import Store

    wanted = named.lower().replace("-", "")
    sql = (
        f"SELECT run_id FROM ({RUNS}) WHERE name = ? OR replace(run_id, '-', '') = ?"
        " OR (length(?) >= 4 AND ends_with(replace(run_id, '-', ''), ?)) ORDER BY name = ? DESC, started_at DESC"
    )
    found = [row["run_id"] for row in Store(workspace).read(sql, [named, wanted, wanted, wanted, named])]
    if not found:
        raise NotFoundError(f"there is no run {named!r}", hint="mlcycle runs list")
    exact = runs(workspace, ids=found[:1])[0]
    if len(found) > 1 and exact.name != named:
        raise UsageError(
            f"{named!r} fits {len(found)} runs", hint="give more digits of the id: mlcycle runs list"
        )
    return exact


def inputs(workspace: Workspace, run_id: str) -> dict[str, str]:
    """Return what a run read, kind by kind; of several of a kind, all with commas between."""
    from mlcycle.store import Store

    sql = """
        SELECT kind, string_agg(reference, ', ' ORDER BY reference) AS reference FROM run_inputs
        WHERE run_id::VARCHAR = ? GROUP BY kind
    """
    return {row["kind"]: row["reference"] for row in Store(workspace).read(sql, [run_id])}


def artifact(workspace: Workspace, run_id: str, path: str) -> str | None:
    """Return the hash of a run's artifact, None if it has none of that path."""
    from mlcycle.store import Store

    sql = "SELECT sha256 FROM artifacts WHERE run_id::VARCHAR = ? AND path = ?"
    found = Store(workspace).read(sql, [run_id, path])
    return str(found[0]["sha256"]) if found else None


def training_set(workspace: Workspace, training_set_id: str | None = None) -> TrainingSet:
    """Return a training set by its id or the id's last digits, or the newest that does not look ahead.

    Raises
    ------
    NotFoundError
        If there is none.
    """
    from mlcycle.store import Store

    if training_set_id is None:
        sql = (
            f"{TRAINING_SET} WHERE look_ahead IS NULL ORDER BY created_at DESC, training_set_id DESC LIMIT 1"
        )
        found = Store(workspace).read(sql)
    else:
        wanted = training_set_id.lower().replace("-", "")
        sql = f"{TRAINING_SET} WHERE ends_with(replace(training_set_id::VARCHAR, '-', ''), ?) ORDER BY 1 DESC"
        found = Store(workspace).read(sql, [wanted]) if wanted else []
    if not found:
        what = "no training set yet" if training_set_id is None else f"no training set {training_set_id!r}"
        raise NotFoundError(f"there is {what}", hint="mlcycle features build")
    return _training_set(found[0])


def _training_set(row: dict[str, Any]) -> TrainingSet:
    return TrainingSet(
        training_set_id=row["training_set_id"],
        name=row["name"],
        sha256=row["sha256"],
        features=tuple(row["features"]),
        keys=tuple(json.loads(row["signature"])["keys"]),
        dataset_versions={str(key): str(value) for key, value in json.loads(row["dataset_versions"]).items()},
        look_ahead=row["look_ahead"],
        as_of=row["as_of"],
    )


def _by_run(rows: Sequence[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for row in rows:
        found.setdefault(row["run_id"], {})[row["key"]] = row["value"]
    return found
