"""The SQL of the experiments room, and nobody else's."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from mlcycle.errors import NotFoundError, UsageError
from mlcycle.experiments.exits import FACTS
from mlcycle.experiments.model import Artifact, Conflict, RunDetails, RunRow, TrainingSet
from mlcycle.workspace import Workspace

__all__ = [
    "artifact",
    "best_run",
    "details",
    "inputs",
    "metric_names",
    "newest_sweeps_best",
    "open_writers",
    "points",
    "run",
    "runs",
    "training_set",
]

RUNS = """
    SELECT run_id::VARCHAR AS run_id, name, experiment, status, parent_run_id::VARCHAR AS parent_run_id, started_at, ended_at
    FROM runs
"""
# A name given later, by a tag, stands before the one a run began with. What `runs` knows besides costs as much again.
ONE = """
    SELECT run_id FROM (
        SELECT r.run_id::VARCHAR AS run_id, coalesce(n.value, r.name, '') AS name, r.started_at
        FROM (SELECT run_id, arg_min(name, started_at) AS name, min(started_at) AS started_at FROM live_run_start GROUP BY run_id) AS r
            LEFT JOIN (SELECT run_id, value FROM tags WHERE key = 'mlcycle.name') AS n USING (run_id))
    WHERE name = $name OR replace(run_id, '-', '') = $digits
        OR (length($digits) >= 4 AND ends_with(replace(run_id, '-', ''), $digits))
    ORDER BY name = $name DESC, started_at DESC
"""
# A range reaches through the views' grouping to the tables, whose blocks lie in the order of the ids; a list of ids does not.
SPAN = "run_id BETWEEN $first::UUID AND $last::UUID"
AMONG = f"{SPAN} AND run_id IN (SELECT unnest($ids::UUID[]))"
# One row a run: a row a value costs twice as much on its way to Python.
VALUES = "SELECT run_id::VARCHAR AS run_id, list(key) AS keys, list(value) AS found FROM {view} WHERE {where} GROUP BY run_id"
MADE = "SELECT command, git_commit, git_dirty FROM runs WHERE run_id BETWEEN $id::UUID AND $id::UUID"
ARTIFACTS = (
    "SELECT path, bytes, sha256 FROM artifacts WHERE run_id BETWEEN $id::UUID AND $id::UUID ORDER BY path"
)
CONFLICTS = """
    SELECT key, value, other, ts FROM param_conflicts WHERE run_id BETWEEN $id::UUID AND $id::UUID ORDER BY key, ts
"""
# The oldest of equal ones, or the newest; the metric's rows first, so that the joins stay small.
BEST = """
    SELECT m.run_id::VARCHAR AS run_id FROM latest_metrics AS m JOIN runs AS r USING (run_id)
    WHERE m.key = $key AND isfinite(m.value) AND r.status = 'finished' AND ($experiment IS NULL OR r.experiment = $experiment)
        AND {which}
    ORDER BY m.value {direction}, r.started_at {age}, m.run_id {age} LIMIT 1
"""
KEPT = "m.run_id IN (SELECT run_id FROM artifacts WHERE path = $path)"
METRIC_NAMES = """
    SELECT DISTINCT key FROM latest_metrics JOIN runs USING (run_id)
    WHERE status = 'finished' AND ($experiment IS NULL OR experiment = $experiment) ORDER BY key
"""
SWEEPS_BEST = """
    SELECT TRY_CAST(t.value AS UUID)::VARCHAR AS run_id FROM tags AS t JOIN runs AS r USING (run_id)
    WHERE t.key = 'best_run' AND r.status = 'finished' AND TRY_CAST(t.value AS UUID) IS NOT NULL ORDER BY r.started_at DESC, r.run_id DESC LIMIT 1
"""
# One row of a stretch of steps holds its first, least, greatest and last point; with as many stretches as steps, each.
POINTS = f"""
    WITH point AS (SELECT run_id, key, step, arg_max(value, (ts, value)) AS value FROM metrics
            WHERE list_contains($keys::VARCHAR[], key) AND isfinite(value) AND {AMONG} GROUP BY run_id, key, step),
        span AS (SELECT run_id, key, min(step) AS first, max(step) AS last, count(*) AS points FROM point
            GROUP BY run_id, key),
        placed AS (SELECT run_id, key, points, {{'step': step, 'value': value}} AS p,
            CASE WHEN points <= $most THEN step ELSE (step::HUGEINT - first) * ($most // 4) // (last::HUGEINT - first + 1) END AS stretch
            FROM point JOIN span USING (run_id, key)),
        kept AS (SELECT run_id, key, any_value(points) AS points, unnest(list_distinct([arg_min(p, p.step), arg_max(p, p.step),
            arg_min(p, (p.value, p.step)), arg_max(p, (p.value, -p.step))])) AS p FROM placed GROUP BY run_id, key, stretch)
    SELECT run_id::VARCHAR AS run_id, key, any_value(points) AS points, list(p.step ORDER BY p.step) AS steps,
        list(p.value ORDER BY p.step) AS "values"
    FROM kept GROUP BY run_id, key ORDER BY run_id, key
"""
OPEN_WRITERS = """
    SELECT w.writer FROM (SELECT writer, count(*) AS begun FROM live_run_writer WHERE run_id = $id::UUID GROUP BY writer) AS w
    LEFT JOIN (SELECT writer, count(*) AS ended FROM live_run_end WHERE run_id = $id::UUID GROUP BY writer) AS e USING (writer)
    WHERE w.begun > coalesce(e.ended, 0) ORDER BY w.writer
"""
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
    if ids is not None and not ids:
        return []
    wanted, given = ["TRUE"], dict[str, object]()
    if experiment is not None:
        wanted.append("experiment = $experiment")
        given["experiment"] = experiment
    if ids is not None:
        wanted.append(AMONG)
        given |= _among(ids)
    order = f"ORDER BY started_at DESC, runs.run_id DESC LIMIT {int(limit)}"
    with store.reading():
        found = store.read(f"{RUNS} WHERE {' AND '.join(wanted)} {order}", given)
        if not found:
            return []
        chosen = experiment is not None or ids is not None
        known = _among([row["run_id"] for row in found], listed=chosen)
        where = AMONG if chosen else SPAN
        lists = [
            store.read(VALUES.format(view=view, where=where), known)
            for view in ("params", "latest_metrics", "tags")
        ]
    params, metrics, tags = map(_by_run, lists)
    rows = []
    for row in found:
        run_id = row["run_id"]
        named = tags.get(run_id, {})
        row["name"] = named.get("mlcycle.name") or row["name"] or ""
        # They are emptied when what they tell is over.
        named = {key: value for key, value in named.items() if value or key not in FACTS}
        rows.append(RunRow(**row, params=params.get(run_id, {}), metrics=metrics.get(run_id, {}), tags=named))
    return rows


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
    store = Store(workspace)
    with store.reading():
        found = [row["run_id"] for row in store.read(ONE, {"name": named, "digits": wanted})]
        exact = runs(workspace, ids=found[:1])
    if not exact:
        raise NotFoundError(f"there is no run {named!r}", hint="mlcycle runs list")
    if len(found) > 1 and exact[0].name != named:
        raise UsageError(
            f"{named!r} fits {len(found)} runs", hint="give more digits of the id: mlcycle runs list"
        )
    return exact[0]


def details(workspace: Workspace, named: str) -> RunDetails:
    """Return a run, named as for `run`, with what it kept, read and was made by; long values as hashes.

    Raises
    ------
    NotFoundError
        If there is none.
    UsageError
        If the digits fit several.
    """
    from mlcycle.store import Store

    store = Store(workspace)
    with store.reading():
        found = run(workspace, named)
        given = {"id": found.run_id}
        made = store.read(MADE, given)[0]
        artifacts = tuple(Artifact(**row) for row in store.read(ARTIFACTS, given))
        conflicts = tuple(Conflict(**row) for row in store.read(CONFLICTS, given))
        read = inputs(workspace, found.run_id)
    script = next((one.path for one in artifacts if one.path.startswith("script/")), None)
    return RunDetails(
        **vars(found), **made, script=script, inputs=read, artifacts=artifacts, conflicts=conflicts
    )


def best_run(
    workspace: Workspace,
    metric: str,
    *,
    lower: bool,
    experiment: str | None = None,
    kept: str | None = None,
    newest: bool = False,
) -> str | None:
    """Return the id of the finished run with the best last value of a metric, None if none has one.

    Parameters
    ----------
    lower
        Whether less is better.
    kept
        Only runs that kept an artifact of this path.
    newest
        Of equal ones the newest instead of the oldest.
    """
    from mlcycle.store import Store

    sql = BEST.format(
        which=KEPT if kept else "TRUE",
        direction="ASC" if lower else "DESC",
        age="DESC" if newest else "ASC",
    )
    given = {"key": metric, "experiment": experiment} | ({"path": kept} if kept else {})
    found = Store(workspace).read(sql, given)
    return str(found[0]["run_id"]) if found else None


def metric_names(workspace: Workspace, experiment: str | None = None) -> list[str]:
    """Return the names of metrics that finished runs have."""
    from mlcycle.store import Store

    return [row["key"] for row in Store(workspace).read(METRIC_NAMES, {"experiment": experiment})]


def newest_sweeps_best(workspace: Workspace) -> str | None:
    """Return the run that the newest finished sweep chose, None if there was no sweep."""
    from mlcycle.store import Store

    found = Store(workspace).read(SWEEPS_BEST)
    return str(found[0]["run_id"]) if found else None


def points(
    workspace: Workspace, run_ids: Sequence[str], keys: Sequence[str], most: int
) -> list[dict[str, Any]]:
    """Return finite points by run and metric: `points` in all, and the `steps` and `values` that are kept."""
    from mlcycle.store import Store

    if not run_ids or not keys:
        return []
    return Store(workspace).read(POINTS, {"keys": list(keys), "most": most, **_among(run_ids)})


def open_writers(workspace: Workspace, run_id: str) -> list[str]:
    """Return the marks of the processes that have begun or resumed a run and not ended it."""
    from mlcycle.store import Store

    return [row["writer"] for row in Store(workspace).read(OPEN_WRITERS, {"id": run_id})]


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


def _among(run_ids: Sequence[str], *, listed: bool = True) -> dict[str, object]:
    """Return the parameters of `AMONG`, or of `SPAN` alone."""
    span: dict[str, object] = {"first": min(run_ids), "last": max(run_ids)}
    return span | ({"ids": list(run_ids)} if listed else {})


def _by_run(rows: Sequence[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {row["run_id"]: dict(sorted(zip(row["keys"], row["found"], strict=True))) for row in rows}
