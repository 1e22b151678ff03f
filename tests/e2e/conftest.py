"""The installed command, run as a user runs it. The story is played once and looked at by many tests."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

COMMAND = [sys.executable, "-m", "mlcycle_app"]


def mlcycle(
    *words: str | Path, folder: Path | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    place = ["-w", str(folder)] if folder else []
    variables = {name: value for name, value in os.environ.items() if not name.startswith("MLCYCLE_")}
    return subprocess.run(
        [*COMMAND, *place, *map(str, words)],
        capture_output=True,
        text=True,
        env=variables | environment,
        timeout=300,
        check=False,
    )


@dataclass(frozen=True)
class Played:
    """What one demo left."""

    document: dict[str, Any]
    folder: Path
    cpu_s: float
    """CPU seconds, user and system, of the command and everything it started, as the kernel counted them."""

    def ask(self, query: str) -> list[dict[str, Any]]:
        """Return the rows of `mlcycle sql --json`."""
        done = mlcycle("sql", "--json", query, folder=self.folder)
        assert done.returncode == 0, done.stderr
        rows: list[dict[str, Any]] = json.loads(done.stdout)
        return rows


def play(folder: Path, *options: str) -> Played:
    """Play the demo headless into a folder."""
    before = _children_s()
    done = mlcycle("demo", "--headless", "--json", "--dir", folder, *options)
    assert done.returncode == 0, done.stderr
    return Played(json.loads(done.stdout), folder, _children_s() - before)


def _children_s() -> float:
    used = os.times()
    return used.children_user + used.children_system


@pytest.fixture(scope="session")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    """The story with its own seed."""
    return play(tmp_path_factory.mktemp("story") / "demo")


@pytest.fixture
def command() -> Callable[..., subprocess.CompletedProcess[str]]:
    """The command, to call with words."""
    return mlcycle
