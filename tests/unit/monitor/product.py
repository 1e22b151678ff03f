"""A small product for these tests: machines that fail, told by their readings."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from mlcycle.ids import new_id
from mlcycle.store import Store
from mlcycle.workspace import Workspace

JANUARY = datetime(2026, 1, 1)
FEBRUARY = datetime(2026, 2, 1)
SERVED = datetime(2026, 5, 1, 12)
"""When predictions were really served."""

DATA = """
sources:
  readings:
    path: data/readings.csv
    format: csv
    key: reading
    columns: {reading: integer, machine: integer, at: timestamp, heat: number, arrived: timestamp}
    time: at
    known: arrived
  outcomes:
    path: data/outcomes.csv
    format: csv
    key: [machine, day]
    columns: {machine: integer, day: timestamp, failed: integer, known: timestamp}
    time: day
"""
FEATURES = """
spine: {table: outcomes, key: machine, time: day, target: failed, known: known}
views:
  heat:
    table: readings
    key: machine
    windows:
      heat_30d: {avg: heat, over: 30d}
      readings_30d: {count: "*", over: 30d, fill: 0}
"""
TRAINING = """
model: failures
task: binary
split: {newest: 1}
models:
  trees: {kind: boosted_trees, params: {max_iter: 10, min_samples_leaf: 5}}
"""
DESIGN = """
requirements:
  - {id: ranking, role: data scientist, metric: auc, comparison: ">=", value: 0.7, phases: [gate, monitor, retrain]}
  - {id: speed, role: operations, metric: latency_p95, comparison: "<=", value: 50, phases: [gate, monitor]}
  - id: rounds
    role: business
    metric: contact_cost
    comparison: "<="
    value: 100
    phases: [monitor]
    params: {top: 20, cost: 3}
  - id: fresh
    role: subject expert
    metric: freshness
    comparison: "<="
    value: 3
    phases: [monitor]
    params: {source: readings}
"""


def make(root: Path, **files: str) -> Workspace:
    """Write the declarations (a keyword replaces a file) and an empty store."""
    root.mkdir(parents=True, exist_ok=True)
    texts = {
        "mlcycle": "name: machines\n",
        "data": DATA,
        "features": FEATURES,
        "training": TRAINING,
        "design": DESIGN,
    } | files
    for name, text in texts.items():
        (root / f"{name}.yaml").write_text(text)
    workspace = Workspace(root)
    Store.create(workspace)
    return workspace


def register(
    workspace: Workspace, version: int = 1, *, profiles: Sequence[Mapping[str, object]] = ()
) -> None:
    """Put a model version with its reference histograms into the store."""
    rows = [
        {
            "model": "failures",
            "version": version,
            "rows": 0,
            "missing": 0,
            **profile,
            "edges": json.dumps(profile["edges"]),
        }
        for profile in profiles
    ]
    with Store(workspace).transaction("test") as tx:
        tx.insert(
            "model_version",
            [
                {
                    "model": "failures",
                    "version": version,
                    "run_id": new_id(),
                    "sha256": "0" * 64,
                    "bytes": 1,
                    "format": "onnx",
                    "task": "binary",
                    "signature": json.dumps({"classes": ["0", "1"]}),
                    "created_at": JANUARY,
                }
            ],
        )
        if rows:
            tx.insert("profile", rows)


def record(model: str, entity: str, score: float, as_of: datetime) -> dict[str, object]:
    """Return one answered prediction as the server journals it, without features."""
    return {
        "prediction_id": new_id(),
        "ts": SERVED,
        "as_of": as_of,
        "deployment": "local",
        "model": model,
        "version": 1,
        "entity": entity,
        "score": score,
        "latency_ms": 5.0,
        "status": 200,
        "features": {},
    }


def predict(
    workspace: Workspace,
    scores: Sequence[float],
    *,
    as_of: datetime = JANUARY,
    version: int = 1,
    features: Sequence[Mapping[str, object]] | None = None,
    entities: Sequence[str] | None = None,
    latency_ms: float = 5.0,
    served: datetime = SERVED,
    status: int = 200,
) -> list[str]:
    """Serve predictions through the journal; returns their ids."""
    records = [
        {
            **record("failures", entities[number] if entities else str(number), score, as_of),
            "ts": served + timedelta(milliseconds=number),
            "version": version,
            "latency_ms": latency_ms,
            "status": status,
            "features": dict(features[number]) if features else {},
        }
        for number, score in enumerate(scores)
    ]
    assert Store(workspace).append("prediction", records)
    return [str(one["prediction_id"]) for one in records]


def label(
    workspace: Workspace, ids: Sequence[str], values: Sequence[float], as_of: datetime = JANUARY
) -> None:
    """Give predictions their labels without looking for them."""
    rows = [
        {
            "prediction_id": one,
            "entity": str(number),
            "as_of": as_of,
            "value": value,
            "known_at": as_of + timedelta(days=30),
        }
        for number, (one, value) in enumerate(zip(ids, values, strict=True))
    ]
    with Store(workspace).transaction("test") as tx:
        tx.insert("label", rows)
