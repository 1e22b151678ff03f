"""A user's own scripts, run as a user runs them, and read back through the command."""

from __future__ import annotations

import json
import os
import re
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


def test_a_run_is_listed_by_the_name_it_was_given_last(command: Command, folder: Path) -> None:
    begun = "import mlcycle\nwith mlcycle.start_run('first') as run:\n    print(run.run_id)\n"
    done = python(folder, begun)
    assert (done.returncode, done.stderr) == (0, "")
    resumed = f"import mlcycle\nwith mlcycle.start_run('second', run_id={done.stdout.strip()!r}):\n    pass\n"
    assert python(folder, resumed).stderr == ""
    python(folder, "import mlcycle\nwith mlcycle.start_run('other'):\n    pass\n")
    assert [row["run"] for row in ask(command, folder, "runs", "list")] == ["other", "second"]


def test_two_values_of_one_param_are_both_shown_with_the_run(command: Command, folder: Path) -> None:
    body = "mlcycle.log_param('depth', {})\n"
    child = "import mlcycle\n" + body.format(8)
    parent = (
        "import os, subprocess, sys, mlcycle\nwith mlcycle.start_run('twice') as run:\n    " + body.format(6)
    )
    parent += "    os.environ['MLCYCLE_RUN_ID'] = run.run_id\n"
    parent += f"    subprocess.run([sys.executable, '-c', {child!r}], check=True)\n"
    done = python(folder, parent)
    assert (done.returncode, done.stderr) == (0, "")
    shown = ask(command, folder, "runs", "show", "twice")
    assert shown["params"] == {"depth": "6"}
    assert [(one["key"], one["value"], one["other"]) for one in shown["conflicts"]] == [("depth", "6", "8")]
    text = command("runs", "show", "twice", folder=folder).stdout
    assert re.search(r"conflicts\s+key +value +other", text)
    assert re.search(r"depth +6 +8", text)


def test_a_shown_run_has_its_artifacts_command_script_and_commit(command: Command, folder: Path) -> None:
    assert python(folder, TRAIN).returncode == 0
    shown = ask(command, folder, "runs", "show", "my idea")
    kept = {one["path"]: one for one in shown["artifacts"]}
    assert sorted(kept) == ["code/train.py", "params/long.txt", "script/train.py"]
    assert kept["script/train.py"]["bytes"] == len(TRAIN.encode())
    assert len(kept["script/train.py"]["sha256"]) == 64
    assert shown["command"].endswith("train.py")
    assert (shown["script"], shown["git_commit"], shown["inputs"]) == ("script/train.py", None, {})
    text = command("runs", "show", "my idea", folder=folder).stdout
    assert f"  {kept['script/train.py']['sha256'][:8]}" in text


def test_a_scripts_traceback_ends_with_what_to_type(folder: Path) -> None:
    done = python(folder, "import mlcycle\nmlcycle.get_run('nobody')\n")
    assert done.stderr.splitlines()[-1] == "try: mlcycle runs list"


def test_the_first_script_of_the_guide_runs_when_it_is_pasted(command: Command, folder: Path) -> None:
    guide = Path(__file__).parents[2] / "docs" / "howto" / "track-from-a-script.md"
    [script] = re.findall(r"\A.*?```python\n(.*?)```", guide.read_text(encoding="utf-8"), re.DOTALL)
    done = python(folder, script)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert ask(command, folder, "runs", "show", "my idea")["status"] == "finished"


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
