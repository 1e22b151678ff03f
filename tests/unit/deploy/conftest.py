from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from tests.unit.deploy.product import make

from mlcycle import deploy
from mlcycle.workspace import Workspace


@pytest.fixture
def product(tmp_path: Path) -> Iterator[Callable[..., Workspace]]:
    """Make workspaces whose servers are ended with the test."""
    made: list[Workspace] = []

    def create(**options: Any) -> Workspace:
        made.append(make(tmp_path / f"product{len(made)}", **options))
        return made[-1]

    yield create
    for workspace in made:
        for row in deploy.stop_all(workspace):
            assert row.state == "stopped"


@pytest.fixture
def nothing_left(tmp_path: Path) -> Iterator[None]:
    """Fail if a server of this test still runs when it ends."""
    yield
    left = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if (
                any(str(tmp_path) in word for word in process.cmdline())
                and "mlcycle.serving" in process.cmdline()
            ):
                left.append(process.pid)
    assert left == []
