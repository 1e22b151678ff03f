"""The demo under hard treatment: watched by others, killed, and pointed at somebody's folder."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from pathlib import Path

import psutil
import pytest
from tests.e2e.conftest import COMMAND, mlcycle

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


def test_status_and_sql_in_a_loop_beside_the_demo_never_see_an_error(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    demo = subprocess.Popen(
        [*COMMAND, "demo", "--headless", "--json", "--dir", str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    complaints: list[str] = []
    looks = 0
    while demo.poll() is None:
        if not (folder / ".mlcycle" / "store.duckdb").exists():
            continue
        for words in (["status"], ["sql", "SELECT count(*) AS n FROM predictions"]):
            done = mlcycle(*words, folder=folder)
            looks += 1
            if done.returncode != 0:
                complaints.append(done.stderr)
    _, errors = demo.communicate()
    assert demo.returncode == 0, errors
    assert complaints == []
    assert looks > 5


MOMENTS = {
    "while data is read": "batches",
    "while models are fitted": "runs",
    "after the first promotion": "aliases",
    "while predictions are served": "predictions",
    "after drift was seen": "alerts",
}
SERVED = {"while predictions are served", "after drift was seen"}


@pytest.mark.parametrize("moment", MOMENTS)
def test_after_kill_9_doctor_mends_and_is_then_content(tmp_path: Path, moment: str) -> None:
    folder = tmp_path / "demo"
    demo = subprocess.Popen(
        [*COMMAND, "demo", "--headless", "--json", "--dir", str(folder)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    wait_for_rows(folder, MOMENTS[moment], demo)
    children = psutil.Process(demo.pid).children(recursive=True)
    os.kill(demo.pid, signal.SIGKILL)
    demo.wait()
    _, alive = psutil.wait_procs(children, timeout=20)
    assert alive == [], "a process outlived the demo"
    files = files_left(folder)  # before the store is asked anything: opening it may replay its log
    first = mlcycle("doctor", "--json", folder=folder)
    to_mend = [one for one in json.loads(first.stdout)["findings"] if one["level"] == "mend"]
    left = files | rows_left(folder)
    assert left or moment not in SERVED, "a killed demo that was serving leaves a deployment"
    assert {one["where"] for one in to_mend} >= left, "doctor did not see what the killed demo left"
    assert first.returncode == int(bool(to_mend)), first.stdout
    mended = mlcycle("doctor", "--mend", "--json", folder=folder)
    assert mended.returncode == 0, mended.stdout + mended.stderr
    put_right = json.loads(mended.stdout)["mended"]
    # The questions in `rows_left` opened the store: whoever does replays a log, and ends the runs of the dead.
    open_ones = [
        one for one in to_mend if not one["where"].endswith(".wal") and not one["what"].startswith("run ")
    ]
    assert [one for one in open_ones if one not in put_right] == []
    assert files_left(folder) | rows_left(folder) == set()
    second = mlcycle("doctor", "--json", folder=folder)
    assert second.returncode == 0, second.stdout
    assert json.loads(second.stdout)["healthy"] is True
    assert mlcycle("status", folder=folder).returncode == 0


def test_the_demo_leaves_a_folder_with_somebodys_files_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine", encoding="utf-8")
    done = mlcycle("demo", "--headless", "--dir", tmp_path)
    assert done.returncode == 2
    assert "left alone" in done.stderr and "--dir" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def files_left(folder: Path) -> set[str]:
    """Return a log of the store, and half written files: what a killed demo can leave on the disk."""
    home = folder / ".mlcycle"
    found = [*home.glob("store.duckdb.wal"), *(home / "tmp").rglob("pid*")]
    return {path.relative_to(folder).as_posix() for path in found if path.is_file()}


def rows_left(folder: Path) -> set[str]:
    """Return the runs that never ended and the deployments that have no process, asked of the store."""
    left = set()
    for query in (
        "SELECT run_id AS name FROM runs WHERE status = 'running'",
        "SELECT deployment AS name FROM deployments WHERE state IN ('starting', 'running')",
    ):
        done = mlcycle("sql", "--json", query, folder=folder)
        assert done.returncode == 0, done.stderr
        left |= {row["name"] for row in json.loads(done.stdout)}
    return left


def wait_for_rows(folder: Path, view: str, demo: subprocess.Popen[bytes]) -> None:
    """Return as soon as a public view has a row; the demo must still be going."""
    pause = threading.Event()
    end = time.monotonic() + 240
    while time.monotonic() < end and demo.poll() is None:
        if (folder / ".mlcycle" / "store.duckdb").exists():
            done = mlcycle("sql", "--json", f"SELECT count(*) AS n FROM {view}", folder=folder)
            if done.returncode == 0 and json.loads(done.stdout)[0]["n"] > 0:
                return
        pause.wait(0.05)
    pytest.fail(f"the demo ended before {view} had a row")
