"""A user's own scripts, run as a user runs them, and read back through the command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Command = Callable[..., subprocess.CompletedProcess[str]]
TRAIN = """
import sys
import mlcycle

with mlcycle.start_run("my idea", experiment="tries", tags={"team": "blue"}):
    mlcycle.log_params({"depth": 6, "long": "ä" * 1_000_000})
    for step in range(100):
        mlcycle.log_metrics({"loss": 1 / (step + 1), "метрика/val 1": float("nan")}, step=step)
    mlcycle.log_metric("best", float("inf"))
    mlcycle.log_metric("worst", "-inf")
    mlcycle.log_artifact(__file__, "code")
    loaded = {"duckdb", "polars", "sklearn", "numpy", "textual", "yaml"} & set(sys.modules)
    assert not loaded, loaded
"""
FIT = """
import numpy as np
import mlcycle
from sklearn.ensemble import HistGradientBoostingClassifier

random = np.random.default_rng(0)
X = random.normal(size=(400, 2))
y = (X[:, 0] > 0).astype(int)
with mlcycle.start_run("own model") as run:
    mlcycle.log_model(HistGradientBoostingClassifier(max_iter=10).fit(X, y), "own", example=X, features=["a", "b"])
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return an empty workspace."""
    (tmp_path / "mlcycle.yaml").write_text("name: test\n")
    return tmp_path


def python(folder: Path, script: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a script in a folder with nothing but Python."""
    (folder / "train.py").write_text(script)
    clean = {name: value for name, value in os.environ.items() if not name.startswith("MLCYCLE_")}
    return subprocess.run(
        [sys.executable, "train.py"],
        cwd=folder,
        env=clean | variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def ask(command: Command, folder: Path, *words: str) -> Any:
    """Return what a command answers in JSON."""
    done = command(*words, "--json", folder=folder)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_plain_script_is_read_back_whole(command: Command, folder: Path) -> None:
    done = python(folder, TRAIN)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    [listed] = ask(command, folder, "runs", "list")
    assert (listed["run"], listed["status"]) == ("my idea", "finished")
    shown = ask(command, folder, "runs", "show", "my idea")
    assert shown["params"] == {"depth": "6", "long": "ä" * 1_000_000}
    assert shown["metrics"]["loss"] == 0.01
    assert sorted(shown["metrics"]) == ["best", "loss", "worst", "метрика/val 1"]
    counted = ask(command, folder, "sql", "SELECT key, count(*) AS n FROM metrics GROUP BY key ORDER BY key")
    assert {row["key"]: row["n"] for row in counted} == {
        "best": 1,
        "loss": 100,
        "worst": 1,
        "метрика/val 1": 100,
    }
    kinds = ask(
        command,
        folder,
        "sql",
        "SELECT key FROM latest_metrics WHERE isnan(value) OR isinf(value) ORDER BY key",
    )
    assert [row["key"] for row in kinds] == ["best", "worst", "метрика/val 1"]


def test_a_model_of_a_script_becomes_a_version(command: Command, folder: Path) -> None:
    done = python(folder, FIT)
    assert (done.returncode, done.stderr) == (0, "")
    registered = ask(command, folder, "models", "register", "own model")
    assert (registered["model"], registered["version"], registered["format"]) == ("own", 1, "onnx")


def test_a_captured_script_and_its_own_run_are_one_run(command: Command, folder: Path) -> None:
    (folder / "fit.py").write_text("import mlcycle\nmlcycle.log_metric('x', 1)\nraise SystemExit(4)\n")
    done = command("run", "--trust", "--", sys.executable, str(folder / "fit.py"), folder=folder)
    assert done.returncode == 1
    [run] = ask(command, folder, "runs", "list")
    shown = ask(command, folder, "runs", "show", run["id"])
    assert (shown["status"], shown["metrics"], shown["tags"]["exit_code"]) == ("failed", {"x": 1.0}, "4")


def test_outside_a_workspace_a_script_is_told_what_to_type(tmp_path: Path) -> None:
    done = python(tmp_path, "import mlcycle\nmlcycle.log_metric('x', 1)\n")
    assert done.returncode == 1
    assert "is not in a workspace: no mlcycle.yaml here or above" in done.stderr
    assert "mlcycle init" in done.stderr
    assert not (tmp_path / ".mlcycle").exists()


def test_the_workspace_may_be_named_from_anywhere(
    command: Command, folder: Path, tmp_path_factory: Any
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    done = python(elsewhere, "import mlcycle\nmlcycle.log_metric('x', 1)\n", MLCYCLE_WORKSPACE=str(folder))
    assert (done.returncode, done.stderr) == (0, "")
    assert len(ask(command, folder, "runs", "list")) == 1
    assert sorted(path.name for path in elsewhere.iterdir()) == ["train.py"]
