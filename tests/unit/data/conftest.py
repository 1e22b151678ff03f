"""A workspace of a few lines, written by each test."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from mlcycle import clock
from mlcycle.data import Batch
from mlcycle.engines.local import session
from mlcycle.store import Store
from mlcycle.workspace import Workspace

NOW = datetime(2026, 1, 1)


@dataclass(frozen=True)
class Product:
    """A workspace under construction; YAML is written as JSON, which it contains."""

    workspace: Workspace

    @property
    def root(self) -> Path:
        return self.workspace.root

    def source(self, name: str = "things", **declared: Any) -> None:
        """Declare one more source; id and amount in things.csv unless said."""
        file = self.root / "data.yaml"
        sources = json.loads(file.read_text())["sources"] if file.exists() else {}
        columns = {"id": "integer", "amount": "number"}
        sources[name] = {"path": f"{name}.csv", "format": "csv", "key": "id", "columns": columns} | declared
        file.write_text(json.dumps({"sources": sources}))

    def write(self, name: str, content: str | bytes) -> Path:
        """Write a file of the workspace."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def rows(self, batch: Batch) -> list[tuple[Any, ...]]:
        """Return the raw part's rows as tuples, the row number first."""
        return self._part(batch.raw_part)

    def lost(self, batch: Batch) -> list[tuple[Any, ...]]:
        """Return (row, line, raw, reason) of the rows that could not be read."""
        return [] if batch.malformed_part is None else self._part(batch.malformed_part)

    def parts(self) -> list[Path]:
        """Return every file of the data folder and of tmp: what an ingest could leave behind."""
        folders = (self.workspace.data, self.workspace.tmp)
        return [file for folder in folders if folder.is_dir() for file in folder.iterdir() if file.is_file()]

    def _part(self, sha256: str) -> list[tuple[Any, ...]]:
        with session(self.workspace) as engine:
            engine.table("part", [self.workspace.part(sha256)])
            return [tuple(row.values()) for row in engine.rows("FROM part ORDER BY __row")]


@pytest.fixture
def product(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Product:
    monkeypatch.setenv(clock.VARIABLE, NOW.isoformat())
    root = tmp_path / "product"
    root.mkdir()
    (root / "mlcycle.yaml").write_text("name: product\n")
    workspace = Workspace(root)
    Store.create(workspace)
    return Product(workspace)
