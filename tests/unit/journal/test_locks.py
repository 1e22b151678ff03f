from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mlcycle.errors import Busy, WorkspaceError
from mlcycle.journal.locks import FileLock, Turnstile, holder

HOLD = """
import sys
from pathlib import Path
from mlcycle.journal.locks import Turnstile
with Turnstile(Path(sys.argv[1]), shared=sys.argv[2] == "shared", timeout_s=5):
    print("held", flush=True)
    sys.stdin.read()
"""


def hold(folder: Path, mode: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", HOLD, str(folder), mode]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None and child.stdout.readline() == "held\n"
    return child


def end(child: subprocess.Popen[str]) -> None:
    child.kill()
    child.communicate()


def test_readers_share_and_a_writer_is_told_who_holds(tmp_path: Path) -> None:
    child = hold(tmp_path, "shared")
    try:
        with Turnstile(tmp_path, shared=True, timeout_s=1):
            pass
        with pytest.raises(Busy, match=f"pid {child.pid}"), Turnstile(tmp_path, shared=False, timeout_s=0.05):
            pass
    finally:
        end(child)


def test_an_exclusive_holder_keeps_readers_out_until_it_dies(tmp_path: Path) -> None:
    child = hold(tmp_path, "exclusive")
    try:
        with pytest.raises(Busy) as caught, Turnstile(tmp_path, shared=True, timeout_s=0.05):
            pass
        assert f"pid {child.pid}" in caught.value.message
        assert caught.value.hint
        found = holder(tmp_path)
        assert found is not None and found.pid == child.pid and found.command
    finally:
        end(child)
    with Turnstile(tmp_path, shared=False, timeout_s=5):
        pass


def test_who_waits_at_the_gate_stops_those_who_come_later(tmp_path: Path) -> None:
    late = Turnstile(tmp_path, shared=True, timeout_s=0.02)
    with FileLock(tmp_path / "gate.lock", shared=False, timeout_s=1), pytest.raises(Busy), late:
        pass


def test_a_lock_is_free_again_after_its_block(tmp_path: Path) -> None:
    for _ in range(3):
        with Turnstile(tmp_path, shared=False, timeout_s=0):
            pass
    assert holder(tmp_path) is None


def test_a_reader_goes_on_without_a_lock_where_none_can_be_made(tmp_path: Path) -> None:
    with Turnstile(tmp_path / "gone", shared=True, timeout_s=0):
        pass


def test_a_writer_needs_its_lock(tmp_path: Path) -> None:
    lock = Turnstile(tmp_path / "gone", shared=False, timeout_s=0)
    with pytest.raises(WorkspaceError, match="cannot be written"), lock:
        pass


@pytest.mark.skipif(not Path("/proc/locks").exists(), reason="the kernel lists lock holders on Linux only")
def test_a_lock_file_that_is_gone_names_nobody(tmp_path: Path) -> None:
    assert holder(tmp_path) is None
    assert list(tmp_path.iterdir()) == []


FORK = """
import os, sys
from pathlib import Path
from mlcycle.journal.locks import Turnstile
with Turnstile(Path(sys.argv[1]), shared=False, timeout_s=1):
    child = os.fork()
    if not child:
        sys.stdin.read()
        os._exit(0)
with Turnstile(Path(sys.argv[1]), shared=False, timeout_s=0):
    print("free", flush=True)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_child_forked_while_the_lock_was_held_does_not_keep_it(tmp_path: Path) -> None:
    command = [sys.executable, "-c", FORK, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None and parent.stdout.readline() == "free\n"
