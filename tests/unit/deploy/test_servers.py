from __future__ import annotations

import dataclasses
import os
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
