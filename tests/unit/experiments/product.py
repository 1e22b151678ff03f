"""A small product for the tests of experiments and models: machines that fail under load, and in one hall."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from mlcycle import declare, features
from mlcycle.data import records
from mlcycle.data.manifest import next_version
from mlcycle.data.model import SQL_TYPES
from mlcycle.declare.model import all_columns
from mlcycle.engines import local
from mlcycle.engines.local import quote
from mlcycle.features import TrainingSet
from mlcycle.store import Store
from mlcycle.workspace import Workspace

START = datetime(2030, 1, 1)
"""The first month; `month(n)` is n months of 30 days later."""
MONTHS = 6
NOW = datetime(2030, 6, 15)
"""By then the labels of months 0 to 4 are known."""

COLUMNS = {
    "machine": "integer",
    "asked": "timestamp",
    "load": "number",
    "hours": "integer",
    "hall": "text",
    "failed": "integer",
    "told": "timestamp",
}
TREES = {"max_iter": 20, "min_samples_leaf": 10, "max_leaf_nodes": 4, "learning_rate": 0.2}
DESIGN = [
    {
        "id": "ranking",
        "role": "data scientist",
        "metric": "auc",
        "comparison": ">=",
        "value": 0.7,
        "phases": ["gate"],
    },
    {
        "id": "fair",
        "role": "compliance",
        "metric": "recall_gap",
        "params": {"by": "hall", "top": 20},
        "comparison": "<=",
        "value": 1.0,
        "phases": ["gate"],
    },
]


def month(number: int) -> datetime:
    """Return the moment of a month."""
    return START + timedelta(days=30 * number)


SOURCE = {
    "path": "checks.csv",
    "format": "csv",
    "key": ["machine", "asked"],
    "time": "asked",
    "columns": COLUMNS,
}
FEATURES = {
    "spine": {
        "table": "checks",
        "key": "machine",
        "time": "asked",
        "target": "failed",
        "known": "told",
    },
    "views": {
        "state": {
            "table": "checks",
            "key": "machine",
            "features": {"load": "load", "hours": "hours", "hall": "hall"},
        }
    },
}


def make(
    root: Path,
    *,
    task: str = "binary",
    training: Mapping[str, Any] | None = None,
    design: list[dict[str, Any]] | None = None,
    rows: list[dict[str, Any]] | None = None,
) -> Workspace:
    """Write the declarations, and the checked rows as one batch."""
    root.mkdir(parents=True, exist_ok=True)
    declared: dict[str, Any] = {
        "mlcycle": {"name": "machines"},
        "data": {"sources": {"checks": SOURCE}},
        "features": FEATURES,
        "training": {
            "model": "failures",
            "task": task,
            "experiment": "machines",
            "split": {"newest": 1},
            "models": {
                "rule": {"kind": "rule", "score": "load"},
                "flat": {"kind": "constant"},
                "linear": {"kind": "linear"},
                "trees": {"kind": "boosted_trees", "params": TREES},
            },
            "sweep": {
                "model": "trees",
                "grid": {"max_leaf_nodes": [2, 4], "max_iter": [2, 20]},
                "choose": "auc",
            },
            "weight_newest": 4,
            **(training or {}),
        },
        "design": {"requirements": DESIGN if design is None else design},
    }
    if task == "multiclass":
        del declared["training"]["models"]["rule"]
    for name, content in declared.items():
        (root / f"{name}.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    workspace = Workspace(root)
    Store.create(workspace)
    admit(workspace, rows if rows is not None else machines(task))
    return workspace


def machines(task: str = "binary", *, each: int = 120, seed: int = 7) -> list[dict[str, Any]]:
    """Return the rows of all months; in month 5 load says the opposite of what it said before."""
    source = np.random.default_rng(seed)
    rows = []
    for number in range(MONTHS):
        for machine in range(each):
            load = float(source.normal())
            hall = ("A", "B", "C")[int(source.integers(3))]
            risk = (load if number < 5 else -load) * 1.5 + (1.0 if hall == "B" else 0.0)
            noisy = risk + float(source.normal()) * 0.7
            target = {"binary": int(noisy > 0.8), "multiclass": int(noisy > 0) + int(noisy > 1.2)}.get(task)
            rows.append(
                {
                    "machine": machine,
                    "asked": month(number),
                    "load": None if machine % 17 == 0 else round(load, 3),
                    "hours": int(source.integers(1, 9)),
                    "hall": hall,
                    "failed": round(noisy * 100) if target is None else target,
                    "told": month(number) + timedelta(days=15),
                }
            )
    return rows


def admit(workspace: Workspace, rows: list[dict[str, Any]]) -> None:
    """Make rows the checked table, past ingest and quality."""
    columns = all_columns(declare.load(workspace).data.sources["checks"])
    types = {**{name: SQL_TYPES[kind] for name, kind in columns.items()}, "batch_number": "BIGINT"}
    with local.session(workspace) as session:
        listed = ", ".join(f"{quote(name)} {kind}" for name, kind in types.items())
        session.execute(f"CREATE TABLE batch ({listed})")
        session.insert("batch", [{**row, "batch_number": 1} for row in rows])
        parts = [session.write_part("FROM batch")]
    version = next_version(
        workspace, "checks", None, parts, fingerprint="0-0", columns=columns, created_at=START
    )
    with Store(workspace).transaction("test") as transaction:
        records.insert_version(transaction, version, parts)


def build(workspace: Workspace, until: int = 4, **options: Any) -> TrainingSet:
    """Build a training set of what was known at the start of a month: for month 4, months 0 to 3."""
    return features.build(workspace, as_of=month(until), **options)
