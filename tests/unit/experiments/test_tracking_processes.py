"""Logging from many processes and threads: forked and spawned workers, kills, and who ends a run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import mlcycle
from mlcycle.errors import UsageError
from mlcycle.experiments import list_runs, run_command
from mlcycle.store import Store
from mlcycle.workspace import Workspace

WITHIN_S = 120
WORKER = """
import os, sys
import mlcycle

def work(number):
    return mlcycle.log_metrics({f"worker{number}": float(number)}, step=number)

def work_with_a_run(number):
    with mlcycle.start_run(f"trial-{number}", nested=True):
        return mlcycle.log_metrics({"number": float(number)})

def work_alone(number):
    mlcycle.log_metrics({"number": float(number)})
    if number == 2:
        raise ValueError("this one breaks")
"""


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    """Return an empty workspace that is found from here, and leave no run active."""
    (tmp_path / "mlcycle.yaml").write_text("name: test\n")
    (tmp_path / "worker.py").write_text(WORKER)
    monkeypatch.chdir(tmp_path)
    for name in ("MLCYCLE_WORKSPACE", "MLCYCLE_RUN_ID"):
        monkeypatch.delenv(name, raising=False)
    yield Workspace(tmp_path)
    while mlcycle.active_run():
        mlcycle.end_run("failed")


def started(
    workspace: Workspace, script: str, name: str = "train.py", **variables: str
) -> subprocess.Popen[str]:
    """Start a script in the workspace, as a user would."""
    (workspace.root / name).write_text(script)
    return subprocess.Popen(
        [sys.executable, name],
        cwd=workspace.root,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **variables},
    )


def python(workspace: Workspace, script: str, **variables: str) -> tuple[int, str, str]:
    """Run a script to its end; returns its exit code, stdout and stderr."""
    with started(workspace, script, **variables) as process:
        out, err = process.communicate(timeout=WITHIN_S)
    return process.returncode, out, err


def rows(workspace: Workspace, sql: str) -> list[dict[str, Any]]:
    """Ask the store."""
    return Store(workspace).read(sql)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_forked_worker_logs_to_the_run_of_its_parent_and_does_not_end_it(workspace: Workspace) -> None:
    script = """
import os, sys
import mlcycle
with mlcycle.start_run("outer") as run:
    mlcycle.log_metric("parent", 0)
    for number in range(3):
        child = os.fork()
        if child == 0:
            mlcycle.log_metric(f"child{number}", number)
            mlcycle.end_run("failed") if number == 1 else None
            sys.exit(number)
        os.waitpid(child, 0)
    assert run.status == "running"
    assert mlcycle.log_metric("after", 1)
print(run.run_id)
"""
    code, out, err = python(workspace, script)
    assert (code, err) == (0, "")
    [run] = list_runs(workspace)
    assert (run.run_id, run.status, run.tags) == (out.strip(), "finished", {})
    assert run.metrics == {"after": 1.0, "child0": 0.0, "child1": 1.0, "child2": 2.0, "parent": 0.0}
    assert [row["n"] for row in rows(workspace, "SELECT count(*) AS n FROM run_end")] == [1]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_workers_forked_while_threads_log_are_not_held_up(workspace: Workspace) -> None:
    script = """
import os, signal, threading
import mlcycle
over = threading.Event()
def work(name):
    step = 0
    while not over.is_set():
        mlcycle.log_metric(name, step, step)
        step += 1
with mlcycle.start_run():
    threads = [threading.Thread(target=work, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    codes = []
    for number in range(50):
        child = os.fork()
        if child == 0:
            signal.alarm(20)
            os._exit(0 if mlcycle.log_metric("child", number, number) and mlcycle.set_tag(f"c{number}", 1) else 1)
        codes.append(os.waitpid(child, 0)[1])
    over.set()
    for thread in threads:
        thread.join()
assert codes == [0] * 50, codes
"""
    assert python(workspace, script)[::2] == (0, "")
    assert rows(workspace, "SELECT count(*) AS n FROM metrics WHERE key = 'child'") == [{"n": 50}]
    assert len(list_runs(workspace)[0].tags) == 50


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_workers_of_a_pool_log_to_the_run_they_are_given(workspace: Workspace, method: str) -> None:
    script = f"""
import multiprocessing, os
import mlcycle, worker
if __name__ == "__main__":
    run = mlcycle.start_run("outer")
    os.environ["MLCYCLE_RUN_ID"] = run.run_id
    with multiprocessing.get_context({method!r}).Pool(2) as pool:
        assert pool.map(worker.work, range(6)) == [True] * 6
        pool.close()
        pool.join()
    assert run.end()
"""
    code, _out, err = python(workspace, script)
    assert (code, err) == (0, "")
    [run] = list_runs(workspace)
    assert (run.name, run.status) == ("outer", "finished")
    assert run.metrics == {f"worker{number}": float(number) for number in range(6)}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_workers_may_have_runs_of_their_own_inside_the_outer_one(workspace: Workspace) -> None:
    script = """
import multiprocessing
import mlcycle, worker
with mlcycle.start_run("outer"):
    with multiprocessing.get_context("fork").Pool(2) as pool:
        assert all(pool.map(worker.work_with_a_run, range(4)))
        pool.close()
        pool.join()
"""
    assert python(workspace, script)[::2] == (0, "")
    found = {run.name: run for run in list_runs(workspace)}
    outer = found.pop("outer")
    assert {run.parent_run_id for run in found.values()} == {outer.run_id}
    assert sorted(found) == [f"trial-{number}" for number in range(4)]
    assert {run.status for run in (outer, *found.values())} == {"finished"}
    assert outer.metrics == {}


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_worker_without_any_run_begins_one_that_ends_as_the_worker_does(
    workspace: Workspace, method: str
) -> None:
    if not hasattr(os, "fork") and method == "fork":
        pytest.skip("this system cannot fork")
    script = f"""
import multiprocessing
import mlcycle, worker
if __name__ == "__main__":
    processes = [multiprocessing.get_context({method!r}).Process(target=worker.work_alone, args=(n,)) for n in (1, 2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert mlcycle.active_run() is None
"""
    code, _out, err = python(workspace, script)
    assert code == 0
    assert err.count("Traceback") == 1
    found = {run.metrics["number"]: (run.status, run.tags) for run in list_runs(workspace)}
    assert found == {1.0: ("finished", {}), 2.0: ("failed", {"mlcycle.error": "ValueError: this one breaks"})}


def test_threads_log_to_the_run_of_the_one_who_started_them(workspace: Workspace) -> None:
    with mlcycle.start_run("outer") as run, ThreadPoolExecutor(4) as pool:
        assert all(pool.map(lambda step: mlcycle.log_metric("x", step, step), range(400)))
        assert all(pool.map(lambda number: mlcycle.log_param(f"p{number % 10}", number % 10), range(100)))
        with pytest.raises(UsageError, match="still active"):
            pool.submit(mlcycle.start_run).result()
    found = mlcycle.get_run(run.run_id)
    assert found.params == {f"p{number}": str(number) for number in range(10)}
    assert rows(workspace, "SELECT count(*) AS n FROM metrics") == [{"n": 400}]


@pytest.mark.parametrize("nested", [True, False])
def test_threads_with_runs_of_their_own_do_not_mix_them(workspace: Workspace, nested: bool) -> None:
    meeting = threading.Barrier(4)

    def trial(number: int) -> None:
        with mlcycle.start_run(f"trial-{number}", nested=nested):
            meeting.wait(WITHIN_S)
            mlcycle.log_metric("number", number)
            meeting.wait(WITHIN_S)

    outer = mlcycle.start_run("outer") if nested else None
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(trial, range(4)))
    mlcycle.end_run()
    found = [run for run in list_runs(workspace) if run.name != "outer"]
    assert {run.name: run.metrics for run in found} == {f"trial-{n}": {"number": float(n)} for n in range(4)}
    assert {run.parent_run_id for run in found} == {outer.run_id if outer else None}


def test_four_scripts_begin_at_once_where_no_store_is(workspace: Workspace) -> None:
    script = "import sys, mlcycle\nsys.stdin.readline()\nmlcycle.log_metrics({'x': 1.0})\n"
    processes = [started(workspace, script, f"train{number}.py") for number in range(4)]
    ended = [process.communicate("go\n", timeout=WITHIN_S) for process in processes]
    assert [process.returncode for process in processes] == [0] * 4
    assert [err for _out, err in ended] == [""] * 4
    assert not workspace.database.exists()
    assert [(run.status, run.metrics) for run in list_runs(workspace)] == [("finished", {"x": 1.0})] * 4


def test_two_processes_go_on_with_one_run_and_the_last_ends_it(workspace: Workspace) -> None:
    points = 2_000
    with mlcycle.start_run("shared") as run:
        run.log_param("given", 1)
    script = f"""
import sys
import mlcycle
name = sys.stdin.readline().strip()
with mlcycle.start_run(run_id={run.run_id!r}) as run:
    print("in", flush=True)
    sys.stdin.readline()
    assert run.log_param("chosen", name)
    assert all(run.log_metric(f"loss-{{name}}", step / 7, step) for step in range({points}))
    print("logged", flush=True)
    sys.stdin.readline()
    if name == "two":
        sys.exit(3)
"""
    one, two = (started(workspace, script, f"{name}.py") for name in ("one", "two"))
    for process, name in ((one, "one"), (two, "two")):
        assert process.stdin and process.stdout
        process.stdin.write(f"{name}\n")
        process.stdin.flush()
        assert process.stdout.readline() == "in\n"
    assert mlcycle.get_run(run.run_id).status == "running"
    for process in (one, two):
        assert process.stdin and process.stdout
        process.stdin.write("go\n")
        process.stdin.flush()
        assert process.stdout.readline() == "logged\n"
    assert one.communicate("end\n", timeout=WITHIN_S)[1] == ""
    assert mlcycle.get_run(run.run_id).status == "running"
    assert two.communicate("end\n", timeout=WITHIN_S)[1] == ""
    found = mlcycle.get_run(run.run_id)
    assert (found.status, found.params) == ("failed", {"chosen": "one", "given": "1"})
    assert rows(workspace, "SELECT key, count(*) AS n FROM metrics GROUP BY key ORDER BY key") == [
        {"key": "loss-one", "n": points},
        {"key": "loss-two", "n": points},
    ]
    assert [(one.key, one.value, one.other) for one in found.conflicts] == [("chosen", "one", "two")]


def test_a_killed_writer_loses_nothing_acknowledged_and_its_run_is_killed(workspace: Workspace) -> None:
    script = """
import os
import mlcycle
mlcycle.start_run("tight")
step = 0
while True:
    if mlcycle.log_metric("x", step, step):
        os.write(1, b"%d\\n" % step)
    step += 1
"""
    acknowledged = []
    for _ in range(3):
        with started(workspace, script) as process:
            assert process.stdout
            lines = [process.stdout.readline() for _ in range(500)]
            running = [run.status for run in list_runs(workspace, limit=1)]
            process.kill()
            rest = process.stdout.read()
        whole = rest[: rest.rfind("\n") + 1].split()
        acknowledged.append(int((whole or lines)[-1]) + 1)
        assert running == ["running"]
    found = list(reversed(list_runs(workspace)))
    assert [run.status for run in found] == ["killed"] * 3
    kept = rows(workspace, "SELECT run_id::VARCHAR AS run_id, count(*) AS n FROM metrics GROUP BY run_id")
    counts = {row["run_id"]: row["n"] for row in kept}
    assert all(counts[run.run_id] >= n for run, n in zip(found, acknowledged, strict=True))


@pytest.mark.parametrize("style", ["with", "without"])
@pytest.mark.parametrize(
    ("ending", "code", "status", "tags"),
    [
        ("", 0, "finished", {}),
        ("sys.exit()", 0, "finished", {}),
        ("sys.exit(3)", 3, "failed", {"exit_code": "3"}),
        ("sys.exit('no data')", 1, "failed", {"exit_code": "1", "mlcycle.error": "no data"}),
        ("raise ValueError('no')", 1, "failed", {"mlcycle.error": "ValueError: no"}),
        ("os.kill(os.getpid(), signal.SIGINT)", -2, "killed", {}),
        ("os.kill(os.getpid(), signal.SIGTERM)", -15, "killed", {}),
    ],
)
def test_how_a_script_ends_is_how_its_run_ends(
    workspace: Workspace, style: str, ending: str, code: int, status: str, tags: dict[str, str]
) -> None:
    body = f"    mlcycle.log_metric('x', 1)\n    {ending or 'pass'}\n"
    block = "with mlcycle.start_run():\n" if style == "with" else "if True:\n"
    script = f"import os, signal, sys\nimport mlcycle\n{block}{body}"
    assert python(workspace, script)[0] == code
    [run] = list_runs(workspace)
    assert (run.status, run.tags, run.metrics) == (status, tags, {"x": 1.0})


@pytest.mark.parametrize(
    ("said", "status", "tags"),
    [
        ("3", "failed", {"exit_code": "3"}),
        ("'no rows'", "failed", {"exit_code": "1", "mlcycle.error": "no rows"}),
        ("0", "finished", {}),
        ("None", "finished", {}),
    ],
)
def test_a_run_left_open_fails_with_the_code_that_main_returns_to_sys_exit(
    workspace: Workspace, said: str, status: str, tags: dict[str, str]
) -> None:
    script = f"""
import sys
import mlcycle
def main():
    mlcycle.start_run("x")
    return {said}
if __name__ == "__main__":
    sys.exit(main())
"""
    assert python(workspace, script)[0] == int(tags.get("exit_code", 0))
    assert [(run.status, run.tags) for run in list_runs(workspace)] == [(status, tags)]


def test_an_exit_of_a_thread_does_not_fail_a_run(workspace: Workspace) -> None:
    script = """
import sys, threading
import mlcycle
mlcycle.start_run("x")
thread = threading.Thread(target=lambda: sys.exit(5))
thread.start()
thread.join()
raise SystemExit
"""
    assert python(workspace, script)[0] == 0
    assert [(run.status, run.tags) for run in list_runs(workspace)] == [("finished", {})]


def test_an_exit_imported_from_sys_is_seen_after_the_import_of_mlcycle_and_not_before(
    workspace: Workspace,
) -> None:
    body = "mlcycle.start_run('x')\nexit(3)\n"
    assert python(workspace, f"import mlcycle\nfrom sys import exit\n{body}")[0] == 3
    assert python(workspace, f"from sys import exit\nimport mlcycle\n{body}")[0] == 3
    assert [run.status for run in list_runs(workspace)] == ["finished", "failed"]


def test_an_exit_that_was_caught_does_not_fail_a_run(workspace: Workspace) -> None:
    script = """
import sys
import mlcycle
mlcycle.log_metric("x", 1)
def parse():
    try:
        sys.exit(2)
    except SystemExit:
        pass
parse()
try:
    sys.exit(2)
except SystemExit:
    pass
mlcycle.log_metric("x", 2, 1)
"""
    assert python(workspace, script)[0] == 0
    assert [(run.status, run.tags) for run in list_runs(workspace)] == [("finished", {})]


def test_a_users_own_handler_of_a_signal_stays_in_place(workspace: Workspace) -> None:
    script = """
import os, signal, sys
import mlcycle
signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
with mlcycle.start_run():
    os.kill(os.getpid(), signal.SIGTERM)
    mlcycle.log_metric("x", 1)
"""
    assert python(workspace, script)[0] == 7
    assert [(run.status, run.tags) for run in list_runs(workspace)] == [("failed", {"exit_code": "7"})]


def test_a_run_that_was_killed_can_be_gone_on_with_and_finished(workspace: Workspace) -> None:
    script = "import os, signal, mlcycle\nmlcycle.log_metric('x', 1)\nos.kill(os.getpid(), signal.SIGKILL)\n"
    assert python(workspace, script)[0] == -signal.SIGKILL
    [run] = list_runs(workspace)
    assert run.status == "killed"
    with mlcycle.start_run(run_id=run.run_id):
        assert list_runs(workspace)[0].status == "running"
        mlcycle.log_metric("x", 2, 1)
    assert [(run.status, run.metrics) for run in list_runs(workspace)] == [("finished", {"x": 2.0})]


def test_a_script_that_hands_on_its_own_run_does_not_join_it_again(workspace: Workspace) -> None:
    with mlcycle.start_run("one") as one:
        os.environ["MLCYCLE_RUN_ID"] = one.run_id
    try:
        with mlcycle.start_run("two"):
            pass
    finally:
        del os.environ["MLCYCLE_RUN_ID"]
    assert [(run.name, run.parent_run_id) for run in list_runs(workspace)] == [("two", None), ("one", None)]


def test_a_spawned_worker_may_begin_runs_inside_the_one_it_was_given(workspace: Workspace) -> None:
    with mlcycle.start_run("outer") as outer:
        script = "import worker\nassert worker.work_with_a_run(1) and worker.work_with_a_run(2)\n"
        assert python(workspace, script, MLCYCLE_RUN_ID=outer.run_id)[::2] == (0, "")
    found = {run.name: (run.parent_run_id, run.status) for run in list_runs(workspace)}
    inner = (outer.run_id, "finished")
    assert found == {"outer": (None, "finished"), "trial-1": inner, "trial-2": inner}


def test_a_run_named_in_the_environment_that_is_none_is_refused_by_name(workspace: Workspace) -> None:
    script = "import mlcycle\nmlcycle.start_run()\n"
    code, _out, err = python(workspace, script, MLCYCLE_RUN_ID="../../x")
    assert code == 1
    assert "MLCYCLE_RUN_ID: '../../x' is no run id" in err


def test_a_captured_command_that_is_killed_is_a_killed_run(workspace: Workspace) -> None:
    (workspace.root / "fit.py").write_text(
        "import os, signal, mlcycle\nmlcycle.log_metric('x', 1)\nos.kill(os.getpid(), signal.SIGKILL)\n"
    )
    assert run_command(workspace, [sys.executable, "fit.py"], trust=True) == 137
    assert [(run.status, run.metrics) for run in list_runs(workspace)] == [("killed", {"x": 1.0})]
