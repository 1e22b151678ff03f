from __future__ import annotations

import os
import shutil
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest

from mlcycle.errors import Busy, CouldNot
from mlcycle.ids import new_id
from mlcycle.store import Store
from mlcycle.store.compacting import compact
from mlcycle.workspace import Workspace

NOON = datetime(2026, 1, 2, 12)

KILLED = """
import os, sys
from pathlib import Path
from mlcycle.store.compacting import compact
from mlcycle.workspace import Workspace

def hook(stage):
    if stage == sys.argv[2]:
        os._exit(9)

compact(Workspace(Path(sys.argv[1])), hook=hook)
"""


def log(store: Store, count: int) -> None:
    store.append(
        "metric",
        [{"run_id": new_id(), "key": "loss", "step": n, "ts": NOON, "value": n / 7} for n in range(count)],
    )


@pytest.fixture
def wasteful(store: Store) -> Store:
    """Return a store whose file has room that nobody uses."""
    log(store, 20_000)
    store.append(
        "prediction",
        [
            {
                "prediction_id": new_id(),
                "ts": NOON,
                "deployment": "d",
                "model": "m",
                "version": 1,
                "features": {"a": 1},
            }
        ],
    )
    with store.transaction("test") as change:
        change.execute("DELETE FROM metric WHERE step % 1000 > 0")
    return store


def held(store: Store) -> list[list[dict[str, object]]]:
    return [
        store.read(f"SELECT * FROM {name} ORDER BY ALL")
        for name in ("metrics", "predictions", "runs", "segment")
    ]


def test_compacting_makes_the_file_smaller_and_changes_no_row(wasteful: Store) -> None:
    before = held(wasteful)
    done = compact(wasteful.workspace)
    assert done.after_bytes < done.before_bytes
    assert wasteful.workspace.database.stat().st_size == done.after_bytes
    assert held(wasteful) == before
    log(wasteful, 3)
    wasteful.fold()
    assert len(held(wasteful)[0]) == len(before[0]) + 3


def test_a_compacted_file_has_the_pinned_format_and_its_constraints(wasteful: Store) -> None:
    kinds = "SELECT table_name, constraint_type, constraint_text FROM duckdb_constraints() ORDER BY ALL"
    tags = "SELECT tags['storage_version'] AS v FROM duckdb_databases() WHERE database_name = 'store'"
    before = wasteful.read(kinds), wasteful.read(tags)
    compact(wasteful.workspace)
    assert (wasteful.read(kinds), wasteful.read(tags)) == before


def test_a_file_that_cannot_become_smaller_stays(wasteful: Store) -> None:
    compact(wasteful.workspace)
    inode = wasteful.workspace.database.stat().st_ino
    done = compact(wasteful.workspace)
    assert done.before_bytes == done.after_bytes
    assert wasteful.workspace.database.stat().st_ino == inode
    assert list(wasteful.workspace.tmp.iterdir()) == []


def test_what_is_in_the_journal_is_folded_before(wasteful: Store) -> None:
    log(wasteful, 5)
    compact(wasteful.workspace)
    assert wasteful.health().backlog_bytes == 0


def test_a_store_that_is_held_is_not_compacted_and_the_holder_is_named(wasteful: Store) -> None:
    code = """
import sys
from pathlib import Path
from mlcycle.journal import Turnstile
with Turnstile(Path(sys.argv[1]), shared=False, timeout_s=5):
    print("held", flush=True)
    sys.stdin.read()
"""
    words = [sys.executable, "-c", code, str(wasteful.workspace.home)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None and other.stdin is not None
        other.stdout.readline()
        with pytest.raises(Busy, match=f"pid {other.pid}"):
            compact(wasteful.workspace, wait_s=0.05)
        other.stdin.close()
    assert compact(wasteful.workspace).after_bytes > 0


def test_a_workspace_that_can_only_be_read_is_not_compacted_and_says_what_to_type(wasteful: Store) -> None:
    if os.name != "posix" or os.getuid() != 0:
        pytest.skip("only root can become somebody else")
    code = """
import os, sys
from pathlib import Path
from mlcycle.errors import WorkspaceError
from mlcycle.store.compacting import compact
from mlcycle.workspace import Workspace
import duckdb, mlcycle.store.migrate, mlcycle.store.fold
os.setuid(65534)
try:
    compact(Workspace(Path(sys.argv[1])))
except WorkspaceError as error:
    print(error.message, "|", error.hint)
"""
    words = [sys.executable, "-c", code, str(wasteful.workspace.root)]
    said = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    assert "cannot be written" in said and "store compact" in said.partition("|")[2]


@pytest.mark.parametrize("stage", ["before copying", "after copying", "before the swap", "after the swap"])
def test_killed_at_any_stage_the_store_opens_with_all_its_rows(wasteful: Store, stage: str) -> None:
    before = held(wasteful)
    done = subprocess.run([sys.executable, "-c", KILLED, str(wasteful.workspace.root), stage], check=False)
    assert done.returncode == 9
    assert held(wasteful) == before
    compact(wasteful.workspace)
    assert held(wasteful) == before


def test_a_disk_with_too_little_room_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    if os.name != "posix" or os.getuid() != 0:
        pytest.skip("only root can mount")
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(tmp_path)], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip("mounting is not permitted here")
    try:
        (tmp_path / "mlcycle.yaml").write_text("name: test\n")
        store = Store.create(Workspace(tmp_path))
        with pytest.raises(CouldNot, match="free disk"):
            compact(store.workspace)
        assert shutil.disk_usage(tmp_path).free > 0
        assert list(store.workspace.tmp.iterdir()) == []
    finally:
        subprocess.run(["umount", "-l", str(tmp_path)], check=True)
