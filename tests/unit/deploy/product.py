"""A workspace with registered model versions and no data: what the deploy room needs of a product."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from tests.unit.serving.packages import WEIGHTS, description, graph, write

from mlcycle.hashing import sha256_file
from mlcycle.ids import new_id
from mlcycle.store import Store
from mlcycle.workspace import Workspace

SINCE = datetime(2026, 1, 1)
MODEL = "machines"


def make(root: Path, *, versions: int = 1, champion: int | None = 1, deploy: str = "") -> Workspace:
    """Make a workspace with so many versions of one model, one of them champion."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "mlcycle.yaml").write_text("name: machines\n")
    if deploy:
        (root / "deploy.yaml").write_text(deploy)
    workspace = Workspace(root)
    Store.create(workspace)
    for version in range(1, versions + 1):
        register(workspace, version)
    if champion is not None:
        crown(workspace, champion)
    return workspace


def register(workspace: Workspace, version: int, *, model: bytes | None = None, **changes: Any) -> str:
    """Put a version into the registry, its package among the artifacts; return the package's hash."""
    document = description(model=MODEL, version=version, **changes)
    workspace.tmp.mkdir(parents=True, exist_ok=True)
    weights = (WEIGHTS * np.float32(version)).astype(np.float32)
    path = write(workspace.tmp / "package.zip", document, graph(weights=weights) if model is None else model)
    sha256 = sha256_file(path)
    workspace.artifact(sha256).parent.mkdir(parents=True, exist_ok=True)
    size = path.stat().st_size
    path.rename(workspace.artifact(sha256))
    row = {"model": MODEL, "version": version, "run_id": new_id(), "sha256": sha256, "bytes": size}
    rest = {
        "format": document["runtime"],
        "task": "binary",
        "created_at": SINCE,
        "signature": json.dumps(document),
    }
    with Store(workspace).transaction("test") as transaction:
        transaction.insert("model_version", [row | rest])
    return sha256


def crown(workspace: Workspace, version: int) -> None:
    """Make a version champion."""
    row = {"model": MODEL, "alias": "champion", "version": version, "since": SINCE, "rev": version}
    with Store(workspace).transaction("test") as transaction:
        transaction.execute("DELETE FROM alias")
        transaction.insert("alias", [row])
