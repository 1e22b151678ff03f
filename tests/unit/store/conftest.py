from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from mlcycle.store import Store
from mlcycle.workspace import Workspace


@pytest.fixture(scope="session")
def _empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("empty")
    (root / "mlcycle.yaml").write_text("name: test\n")
    Store.create(Workspace(root))
    return root


@pytest.fixture
def store(_empty: Path, tmp_path: Path) -> Store:
    """Return an empty store; a copy, because making the tables costs more than most tests."""
    shutil.copytree(_empty, tmp_path, dirs_exist_ok=True)
    return Store(Workspace(tmp_path))
