from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import psutil
import pytest
from tests.unit.deploy.product import crown, register

from mlcycle import clock, deploy
from mlcycle.deploy import Deployment, processes, records
from mlcycle.deploy.client import Connection
from mlcycle.errors import Busy, EngineError, NotFoundError, UsageError
from mlcycle.journal import FileLock
from mlcycle.store import Store
from mlcycle.workspace import Workspace

Product = Callable[..., Workspace]


def health(row: Deployment) -> int:
    assert row.url is not None
    with Connection(row.url) as connection:
        return connection.get("/health")[0]


def kill(row: Deployment) -> None:
    assert row.pid is not None
    process = psutil.Process(row.pid)
    process.kill()
    process.wait(10)


def test_start_serves_the_champion_and_writes_it_down(product: Product) -> None:
    workspace = product(versions=2, champion=1)
    row = deploy.start(workspace)
    assert (row.deployment, row.model, row.version, row.state) == ("local", "machines", 1, "running")
    assert health(row) == 200
    assert deploy.list_deployments(workspace) == [row]
    (audit,) = Store(workspace).read("SELECT action, object FROM audit WHERE object LIKE 'deployment%'")
    assert audit == {"action": "deploy start", "object": "deployment local"}


def test_the_version_that_is_meant_is_the_champion_or_the_one_named(product: Product) -> None:
    workspace = product(versions=3, champion=2)
    named = (None, "machines", "machines@champion", "machines:3")
    assert [deploy.which(workspace, name).version for name in named] == [2, 2, 2, 3]
    assert deploy.which(workspace, version=1, model="machines").version == 1


def test_start_again_returns_what_runs(product: Product) -> None:
    workspace = product()
    assert deploy.start(workspace) == deploy.start(workspace)


def test_start_of_another_version_points_to_swap(product: Product) -> None:
    workspace = product(versions=2)
    deploy.start(workspace)
    with pytest.raises(UsageError, match="already serves machines:1") as caught:
        deploy.start(workspace, "machines:2")
    assert "deploy swap" in caught.value.hint


def test_a_deployment_is_since_the_simulated_now(product: Product, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(clock.VARIABLE, "2026-02-01T00:00:00")
    assert deploy.start(product()).since == datetime(2026, 2, 1)


def test_start_after_a_kill_9_starts_anew(product: Product) -> None:
    workspace = product()
    first = deploy.start(workspace)
    kill(first)
    (seen,) = deploy.list_deployments(workspace)
    assert (seen.state, seen.why) == ("failed", f"its process {first.pid} is gone")
    second = deploy.start(workspace)
    assert (second.state, second.rev) == ("running", first.rev + 1)
    assert health(second) == 200


def test_two_deployments_of_one_product_run_side_by_side(product: Product) -> None:
    workspace = product(versions=2)
    one, two = deploy.start(workspace), deploy.start(workspace, version=2, name="shadow", model="machines")
    assert [row.deployment for row in deploy.list_deployments(workspace)] == ["local", "shadow"]
    assert (health(one), health(two)) == (200, 200)


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize(
    ("model", "name", "error", "said"),
    [
        ("machines:9", None, NotFoundError, "machines:9"),
        ("birds", None, NotFoundError, "birds"),
        (None, None, NotFoundError, "no models have a champion"),
        ("machines:1", "../etc", UsageError, "not a name"),
    ],
)
def test_what_cannot_be_started_is_named(
    product: Product, model: str | None, name: str | None, error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        deploy.start(product(champion=None), model, name=name)


@pytest.mark.usefixtures("nothing_left")
def test_a_server_that_does_not_come_up_is_told_with_its_own_words(product: Product) -> None:
    workspace = product(champion=None)
    register(workspace, 2, model=b"no graph")
    with pytest.raises(EngineError, match="ended with code 3: the ONNX model cannot be loaded"):
        deploy.start(workspace, "machines:2")
    assert deploy.list_deployments(workspace) == []


@pytest.mark.usefixtures("nothing_left")
def test_a_damaged_package_is_not_served(product: Product) -> None:
    workspace = product()
    (path,) = workspace.artifacts.glob("*/*")
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(EngineError, match="damaged"):
        deploy.start(workspace)


@pytest.mark.usefixtures("nothing_left")
def test_a_server_that_nobody_could_write_down_is_ended(
    product: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = product()
    row = deploy.start(workspace)
    stale = dataclasses.replace(row, rev=7, state="stopped")
    monkeypatch.setattr(records, "deployment", lambda *_: stale)
    with pytest.raises(Busy, match="changed deployment 'local' meanwhile"):
        deploy.start(workspace)
    monkeypatch.undo()
    assert health(row) == 200
    deploy.stop(workspace)


@pytest.mark.usefixtures("nothing_left")
def test_stop_ends_the_server_and_stopping_again_is_no_error(product: Product) -> None:
    workspace = product()
    started = deploy.start(workspace)
    stopped = deploy.stop(workspace)
    assert (stopped.state, stopped.url, stopped.pid) == ("stopped", None, None)
    assert deploy.stop(workspace) == stopped
    assert started.pid is not None
    assert not processes.is_ours(started.pid, "local", workspace.journal)


def test_stop_of_a_server_that_was_killed_writes_that_down(product: Product) -> None:
    workspace = product()
    kill(deploy.start(workspace))
    assert deploy.stop(workspace).state == "stopped"


def test_stop_of_an_unknown_name_is_not_found(product: Product) -> None:
    with pytest.raises(NotFoundError, match="no deployment 'x'"):
        deploy.stop(product(), "x")


def test_stop_leaves_a_process_alone_that_was_given_the_same_id(product: Product) -> None:
    workspace = product()
    kill(deploy.start(workspace))
    assert deploy.find(workspace, "local").state == "failed"
    stranger = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    try:
        with Store(workspace).transaction("test") as transaction:
            transaction.execute("UPDATE deployment SET pid = ?", [stranger.pid])
        assert deploy.find(workspace, "local").state == "failed"
        deploy.stop(workspace)
        assert stranger.poll() is None
    finally:
        stranger.communicate()


def test_a_server_of_another_workspace_is_not_ours(product: Product) -> None:
    one, other = product(), product()
    pid = deploy.start(one).pid
    assert processes.is_ours(pid, "local", one.journal)
    assert not processes.is_ours(pid, "local", other.journal)
    assert not processes.is_ours(pid, "shadow", one.journal)


def test_swap_serves_the_new_champion_and_ends_the_old_server(product: Product) -> None:
    workspace = product(versions=2)
    old = deploy.start(workspace)
    crown(workspace, 2)
    new = deploy.swap(workspace)
    assert (new.version, new.rev) == (2, old.rev + 1)
    assert health(new) == 200
    assert not processes.is_ours(old.pid, "local", workspace.journal)
    assert deploy.swap(workspace) == new


def test_swap_to_a_version_that_cannot_serve_changes_nothing(product: Product) -> None:
    workspace = product()
    old = deploy.start(workspace)
    register(workspace, 2, model=b"no graph")
    with pytest.raises(EngineError):
        deploy.swap(workspace, version=2)
    assert deploy.list_deployments(workspace) == [old]
    assert health(old) == 200


def test_swap_on_a_fixed_port_brings_the_old_version_back_when_the_new_one_fails(product: Product) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    workspace = product(versions=2, deploy=f"port: {port}\n")
    assert deploy.start(workspace).url == f"http://127.0.0.1:{port}"
    new = deploy.swap(workspace, version=2)
    assert (new.version, new.url) == (2, f"http://127.0.0.1:{port}")
    register(workspace, 3, model=b"no graph")
    with pytest.raises(EngineError, match="machines:2 serves again"):
        deploy.swap(workspace, version=3)
    (row,) = deploy.list_deployments(workspace)
    assert (row.version, row.state, health(row)) == (2, "running", 200)


def test_swap_starts_what_does_not_run(product: Product) -> None:
    assert health(deploy.swap(product())) == 200


@pytest.mark.usefixtures("nothing_left")
def test_serving_in_front_ends_the_server_when_it_is_told_to(product: Product) -> None:
    workspace, leave, seen = product(), threading.Event(), []

    def ready(row: Deployment) -> None:
        seen.append((row.version, health(row)))
        leave.set()

    assert deploy.serve(workspace, on_ready=ready, until=leave).state == "stopped"
    assert seen == [(1, 200)]


@pytest.mark.usefixtures("nothing_left")
def test_serving_in_front_goes_on_while_another_process_holds_the_store(
    product: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlcycle.store.opening.READ_WAIT_S", 0.01)
    monkeypatch.setattr("mlcycle.store.store.FOLD_FIRST_WAIT_S", 0.01)
    workspace, rows = product(), []
    held = FileLock(workspace.home / "store.lock", shared=False, timeout_s=1)

    class Leave(threading.Event):
        looks = 0

        def wait(self, timeout: float | None = None) -> bool:
            # Two rounds with the store held, one with it free.
            self.looks += 1
            if self.looks == 1:
                held.__enter__()
            elif self.looks == 3:
                with pytest.raises(Busy):
                    deploy.find(workspace, "local")
                held.__exit__(None, None, None)
                rows.append((deploy.find(workspace, "local").state, health(ready[0])))
            return self.looks > 3

    ready: list[Deployment] = []
    assert deploy.serve(workspace, on_ready=ready.append, until=Leave()).state == "stopped"
    assert rows == [("running", 200)]


def test_serving_in_front_ends_with_an_error_when_its_server_is_gone_and_the_store_held(
    product: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlcycle.store.opening.READ_WAIT_S", 0.01)
    monkeypatch.setattr(sys.modules["mlcycle.deploy.serve"], "FOLD_EVERY_S", 0.01)
    workspace, stack = product(), contextlib.ExitStack()

    def ready(row: Deployment) -> None:
        stack.enter_context(FileLock(workspace.home / "store.lock", shared=False, timeout_s=1))
        kill(row)

    with stack, pytest.raises(EngineError, match=r"no longer running: its process \d+ is gone"):
        deploy.serve(workspace, on_ready=ready)


def test_serving_in_front_refuses_a_deployment_that_runs_and_leaves_it_alone(product: Product) -> None:
    workspace = product()
    row = deploy.start(workspace)
    with pytest.raises(UsageError, match=f"already runs: {row.url}, pid {row.pid}") as caught:
        deploy.serve(workspace)
    assert caught.value.hint == "mlcycle deploy stop local"
    assert health(row) == 200


def test_swap_on_a_fixed_port_brings_the_old_version_back_after_a_change_by_another_process(
    product: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    workspace = product(versions=2, deploy=f"port: {port}\n")
    deploy.start(workspace)
    spawn, left = processes.spawn, [1, 1]

    def meddled(place: processes.Place) -> processes.Started:
        # While the server comes up another process changes the row: once under the new one, once under the old.
        if left:
            with Store(workspace).transaction("test") as transaction:
                transaction.execute("UPDATE deployment SET rev = rev + ?", [left.pop()])
        return spawn(place)

    monkeypatch.setattr(processes, "spawn", meddled)
    with pytest.raises(EngineError, match="changed deployment 'local' meanwhile; machines:1 serves again"):
        deploy.swap(workspace, version=2)
    (row,) = deploy.list_deployments(workspace)
    assert (row.version, row.state, row.rev, health(row)) == (1, "running", 4, 200)


def test_swap_on_a_fixed_port_does_not_bring_back_what_another_process_stopped(
    product: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    workspace = product(versions=2, deploy=f"port: {port}\n")
    deploy.start(workspace)
    spawn = processes.spawn

    def stopped(place: processes.Place) -> processes.Started:
        deploy.stop(workspace)
        return spawn(place)

    monkeypatch.setattr(processes, "spawn", stopped)
    with pytest.raises(EngineError, match="another process stopped the deployment meanwhile"):
        deploy.swap(workspace, version=2)
    assert deploy.find(workspace, "local").state == "stopped"


def test_stop_in_a_moved_workspace_names_the_server_of_the_old_path(product: Product, tmp_path: Path) -> None:
    workspace = product()
    row = deploy.start(workspace)
    moved = Workspace(workspace.root.rename(tmp_path / "moved"))
    assert deploy.find(moved, "local").why == f"a server of {workspace.root} still runs: pid {row.pid}"
    with pytest.raises(EngineError, match=f"a server of {workspace.root} still runs") as caught:
        deploy.stop(moved)
    assert caught.value.hint == f"kill {row.pid}"
    assert health(row) == 200
    kill(row)
    assert deploy.stop(moved).state == "stopped"
    moved.root.rename(workspace.root)


def test_stop_in_a_copied_workspace_points_to_the_original(product: Product, tmp_path: Path) -> None:
    workspace = product()
    row = deploy.start(workspace)
    shutil.copytree(workspace.root, tmp_path / "copy")
    with pytest.raises(EngineError, match=f"pid {row.pid}") as caught:
        deploy.stop(Workspace(tmp_path / "copy"))
    assert caught.value.hint == f"mlcycle -w {workspace.root} deploy stop local"
    assert health(row) == 200


STARTER = """
import sys
from mlcycle import deploy
from mlcycle.workspace import Workspace
row = deploy.start(Workspace.find(sys.argv[1]), lives_with_parent=sys.argv[2] == "with")
print(row.pid, flush=True)
sys.stdin.read()
"""


def starter(workspace: Workspace, how: str) -> tuple[subprocess.Popen[str], int]:
    process = subprocess.Popen(
        [sys.executable, "-c", STARTER, str(workspace.root), how],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    return process, int(process.stdout.readline())


@pytest.mark.usefixtures("nothing_left")
def test_a_server_that_lives_with_its_parent_is_gone_when_that_was_killed(product: Product) -> None:
    workspace = product()
    process, pid = starter(workspace, "with")
    server = psutil.Process(pid)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=10)
    server.wait(10)
    assert deploy.find(workspace, "local").state == "failed"


@pytest.mark.usefixtures("nothing_left")
def test_a_server_left_running_is_found_and_ended_by_another_process(product: Product) -> None:
    workspace = product()
    process, pid = starter(workspace, "without")
    process.communicate(timeout=10)
    row = deploy.find(workspace, "local")
    assert (row.state, row.pid, health(row)) == ("running", pid, 200)
    assert deploy.stop(workspace).state == "stopped"


def test_what_a_server_says_is_kept_in_the_workspace(product: Product) -> None:
    workspace = product(champion=None)
    register(workspace, 2, model=b"no graph")
    with pytest.raises(EngineError):
        deploy.start(workspace, "machines:2")
    assert "cannot be loaded" in (workspace.home / "logs" / "local.log").read_text()


def test_reading_deployments_changes_no_row(product: Product, tmp_path: Path) -> None:
    workspace = product()
    row = deploy.start(workspace)
    kill(row)
    deploy.list_deployments(workspace)
    assert records.deployments(workspace) == [row]
