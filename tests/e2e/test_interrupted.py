"""Ctrl-C while a command works: it ends with 130, in one word, whatever it was at."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from tests.e2e.browser import until
from tests.e2e.conftest import COMMAND, mlcycle
from tests.tui import factory

pytestmark = pytest.mark.e2e

LIMIT_S = 30
BUSY_S = 3.0
"""CPU seconds that nothing before the query takes."""
LONG = "SELECT sum(a.i * b.i) FROM range(1_000_000) AS a(i), range(10_000_000) AS b(i)"


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return factory.full(tmp_path_factory.mktemp("interrupted") / "parcels").root


@pytest.fixture
def _heard() -> Iterator[None]:
    """Let what is started hear ctrl+c: a shell's background jobs ignore it, and so would their children."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_heard")
def test_a_query_that_is_interrupted_ends_with_130_and_no_traceback(workspace: Path) -> None:
    process = subprocess.Popen(
        [*COMMAND, "-w", str(workspace), "sql", LONG],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    running = psutil.Process(process.pid)

    def is_at_work() -> bool:
        used = running.cpu_times()
        return process.poll() is not None or used.user + used.system > BUSY_S

    until(is_at_work, "the query at work")
    process.send_signal(signal.SIGINT)
    out, said = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 130, said
    assert said.split() == ["interrupted"] and out == ""


def test_lines_that_never_end_are_not_promised_as_one_document(workspace: Path) -> None:
    for form in ("--json", "--csv"):
        done = mlcycle("deploy", "logs", "--follow", form, folder=workspace)
        assert done.returncode == 2 and done.stdout == ""
        assert "--follow" in done.stderr and form in done.stderr
        assert "try: mlcycle deploy logs --lines 200 " in done.stderr
