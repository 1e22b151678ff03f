"""Stopping a run: only its own living process is asked, as Ctrl-C would ask, and the answer is the run's state."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import mlcycle
from mlcycle import experiments
from mlcycle.errors import CouldNot, NotFoundError, UsageError
from mlcycle.experiments import list_runs
from mlcycle.journal.frame import control
from mlcycle.journal.segment import SegmentWriter
from mlcycle.store import Store
from mlcycle.workspace import Workspace

WAITS = """
import sys, mlcycle
with mlcycle.start_run("long"):
    mlcycle.log_metrics({"auc": 0.5})
    print("ready", flush=True)
    sys.stdin.read()
"""
DEAF = """
import signal, sys, mlcycle
signal.signal(signal.SIGINT, signal.SIG_IGN)
mlcycle.start_run("long")
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    (tmp_path / "mlcycle.yaml").write_text("name: test\n")
    monkeypatch.chdir(tmp_path)
    for name in ("MLCYCLE_WORKSPACE", "MLCYCLE_RUN_ID"):
        monkeypatch.delenv(name, raising=False)
    yield Workspace(tmp_path)
    while mlcycle.active_run():
        mlcycle.end_run("failed")


@pytest.fixture
def processes() -> Iterator[list[subprocess.Popen[str]]]:
    started: list[subprocess.Popen[str]] = []
    yield started
    for process in started:
        process.kill()
        process.communicate()


def started(
    workspace: Workspace, processes: list[subprocess.Popen[str]], script: str, *before: str
) -> subprocess.Popen[str]:
    """Start a script and wait until it has a run."""
    (workspace.root / "train.py").write_text(script)
    process = subprocess.Popen(
        [*before, sys.executable, "train.py"],
        cwd=workspace.root,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    processes.append(process)
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    return process


@pytest.mark.skipif(os.name == "nt", reason="SIGINT")
def test_a_running_run_is_stopped_and_ends_itself_as_killed(
    workspace: Workspace, processes: list[subprocess.Popen[str]]
) -> None:
    process = started(workspace, processes, WAITS)

    told = experiments.stop(workspace, "long", within_s=60)

    assert (told.name, told.status, told.pids) == ("long", "killed", (process.pid,))
    (run,) = list_runs(workspace)
    assert run.status == "killed" and run.metrics == {"auc": 0.5}
    with pytest.raises(UsageError, match="is killed: there is nothing to stop"):
        experiments.stop(workspace, "long")


@pytest.mark.skipif(os.name == "nt", reason="SIGINT")
def test_a_script_under_mlcycle_run_is_stopped_with_it(
    workspace: Workspace, processes: list[subprocess.Popen[str]]
) -> None:
    command = (sys.executable, "-m", "mlcycle_app", "run", "--trust", "--")
    started(workspace, processes, "import sys; print('ready', flush=True); sys.stdin.read()", *command)

    told = experiments.stop(workspace, "train", within_s=60)

    assert told.status == "killed"
    assert experiments.show(workspace, "train").tags["exit_code"] == str(-signal.SIGINT)


@pytest.mark.skipif(os.name == "nt", reason="SIGINT")
def test_a_process_that_does_not_listen_leaves_the_run_running(
    workspace: Workspace, processes: list[subprocess.Popen[str]]
) -> None:
    process = started(workspace, processes, DEAF)

    assert experiments.stop(workspace, "long", within_s=0.5).status == "running"
    assert process.poll() is None


def test_a_run_of_this_very_process_is_not_stopped(workspace: Workspace) -> None:
    mlcycle.start_run("mine")

    with pytest.raises(UsageError, match="written by this very process"):
        experiments.stop(workspace, "mine")


def test_a_run_that_nobody_knows_is_told(workspace: Workspace) -> None:
    Store.create(workspace)
    with pytest.raises(NotFoundError, match="there is no run 'x'"):
        experiments.stop(workspace, "x")


def test_a_run_of_another_machine_is_refused(workspace: Workspace) -> None:
    store = Store.create(workspace)
    mark = f"{os.getpid()}-00000000"
    folder = workspace.journal / "run"
    folder.mkdir(parents=True, exist_ok=True)
    with SegmentWriter(workspace.root / "beside", "run") as writer:
        writer.append([{"kind": "start", "run_id": RUN, "name": "far", "experiment": "e", **REST}])
        assert writer.path is not None
        lines = writer.path.read_bytes().splitlines(keepends=True)
    head = control("start", format=1, stream="run", pid=os.getpid(), namespace="elsewhere pid:[1]")
    (folder / f"{1:020d}-{mark}.jnl").write_bytes(head + lines[1])

    assert [run.status for run in list_runs(workspace)] == ["running"]
    with pytest.raises(CouldNot, match="on another machine or in another container"):
        experiments.stop(workspace, "far")
    assert store.read("SELECT status FROM runs") == [{"status": "running"}]


def test_another_process_that_got_the_id_since_is_left_alone(
    workspace: Workspace, processes: list[subprocess.Popen[str]]
) -> None:
    bystander = started(workspace, processes, "import sys; print('ready', flush=True); sys.stdin.read()")
    run = mlcycle.start_run("mine")
    writer = Store(workspace).read("SELECT writer FROM live_run_writer")[0]["writer"]
    (segment,) = (workspace.journal / "run").glob(f"*-{writer}.jnl")
    # The lock goes with the open file, the name does not: now the bystander seems to be its writer.
    segment.rename(segment.with_name(segment.name.replace(f"-{os.getpid()}-", f"-{bystander.pid}-")))
    mark = writer.replace(f"{os.getpid()}-", f"{bystander.pid}-")
    with Store(workspace).transaction("test") as transaction:
        transaction.execute("UPDATE run_writer SET writer = ?", [mark])

    with pytest.raises(CouldNot, match=f"process {bystander.pid} is not the one that writes run 'mine'"):
        experiments.stop(workspace, run.run_id)
    assert bystander.poll() is None


RUN = "01890000-0000-7000-8000-000000000001"
REST: dict[str, object] = {
    "parent_run_id": None,
    "started_at": "2030-01-01T00:00:00",
    "command": "",
    "script_sha256": None,
    "git_commit": None,
    "git_dirty": None,
    "environment": {},
}
