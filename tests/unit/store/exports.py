"""What the tests of export and import share."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import duckdb

from mlcycle.hashing import sha256_bytes
from mlcycle.ids import new_id
from mlcycle.store import Store
from mlcycle.store.export_format import load
from mlcycle.workspace import Workspace

NOON = datetime(2026, 1, 2, 12)


def workspace(root: Path) -> Workspace:
    root.mkdir(parents=True, exist_ok=True)
    (root / "mlcycle.yaml").write_text("name: test\n")
    return Workspace(root)


def prediction(**facts: object) -> dict[str, object]:
    whole = {"prediction_id": new_id(), "ts": NOON, "deployment": "d", "model": "m", "version": 1}
    return whole | facts


def metric(**facts: object) -> dict[str, object]:
    return {"run_id": new_id(), "key": "loss", "step": 0, "ts": NOON, "value": 1.0} | facts


def put_content(store: Store, content: bytes = b"a model") -> str:
    sha256 = sha256_bytes(content)
    path = store.workspace.artifact(sha256)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    store.append(
        "run",
        [
            {
                "kind": "artifact",
                "run_id": new_id(),
                "path": "m.bin",
                "sha256": sha256,
                "bytes": len(content),
                "ts": NOON,
            }
        ],
    )
    return sha256


def decide(store: Store, **facts: object) -> None:
    row = {"decision_id": new_id(), "kind": "gate", "subject": "m:1", "outcome": "approved", "reasons": []}
    with store.transaction("test") as change:
        change.insert("decision", [row | {"evidence": {}, "decided_by": "me", "ts": NOON} | facts])


def differences(one: Path, other: Path) -> dict[str, int]:
    """Count the rows by which the tables of two exports differ, either way."""
    first, second = load(one), load(other)
    assert [table.name for table in first.tables] == [table.name for table in second.tables]
    found = {}
    for table in first.tables:
        a, b = (f"(FROM read_parquet('{place / table.path}'))" for place in (one, other))
        both = f"SELECT * FROM ({a} EXCEPT ALL {b}) UNION ALL SELECT * FROM ({b} EXCEPT ALL {a})"
        found[table.name] = len(duckdb.execute(both).fetchall())
    return {name: count for name, count in found.items() if count}
