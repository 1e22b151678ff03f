from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlcycle.ids import new_id
from mlcycle.journal.reader import segments
from mlcycle.store import Store
from mlcycle.workspace import Workspace

LOOK = """
import os, sys, tempfile
from pathlib import Path
from mlcycle.errors import WorkspaceError
from mlcycle.store import Store
from mlcycle.store.doctor import examine
from mlcycle.workspace import Workspace
if len(sys.argv) > 2:
    # Everything is imported first: the other user may not be able to read the interpreter's libraries.
    with tempfile.TemporaryDirectory() as folder:
        first = Store.create(Workspace(Path(folder)))
        first.sql("SELECT count(*) FROM metrics")
        examine(first.workspace)
    os.setgid(65534)
    os.setuid(65534)
store = Store(Workspace(Path(sys.argv[1])))
assert store.fold() is None
print(store.read("SELECT count(*) AS n FROM metrics")[0]["n"], store.sql("SELECT count(*) FROM metric")[1][0][0])
print(store.append("sys", [{"ts": "2026-01-01", "deployment": "d"}]))
try:
    with store.transaction("test"):
        pass
except WorkspaceError as error:
    print(error.message)
print([finding.level for finding in examine(store.workspace).findings])
"""


@pytest.fixture
def root() -> Iterator[Path]:
    # Not in pytest's own folder: that is closed to other users again whenever some pytest starts.
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        path.chmod(0o755)
        yield path


@pytest.fixture
def store(root: Path) -> Store:
    (root / "mlcycle.yaml").write_text("name: test\n")
    store = Store.create(Workspace(root))
    record: dict[str, object] = {"run_id": new_id(), "key": "k", "step": 1, "ts": "2026-01-01", "value": 1}
    store.append("metric", [record])
    store.fold()
    store.append("metric", [record | {"step": 2}])  # only in the journal
    return store


def look(root: Path, *more: str) -> list[str]:
    command = [sys.executable, "-c", LOOK, str(root), *more]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "not being kept" in done.stderr
    return done.stdout.splitlines()


def check(lines: list[str]) -> None:
    assert lines[0] == "2 2"
    assert lines[1] == "False"
    assert "cannot be written" in lines[2]
    assert lines[3] == "[]"


@pytest.mark.skipif(not hasattr(os, "setuid") or os.getuid() != 0, reason="only root can become another user")
def test_another_user_who_may_only_read_sees_everything(store: Store, root: Path) -> None:
    for path in (store.workspace.home, *store.workspace.home.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    check(look(root, "nobody"))
    for name in ("gate.lock", "store.lock"):  # not even the lock files can be opened
        (store.workspace.home / name).chmod(0o600)
    check(look(root, "nobody"))


@pytest.mark.skipif(not hasattr(os, "setuid") or os.getuid() != 0, reason="only root can become another user")
def test_a_folder_that_may_not_be_read_is_said_to_be_so(store: Store, root: Path) -> None:
    for path in (store.workspace.home, *store.workspace.home.rglob("*")):
        path.chmod(0o700)
    command = [sys.executable, "-c", LOOK, str(root), "nobody"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert f"WorkspaceError: {store.workspace.database} cannot be read" in done.stderr


def test_a_folder_mounted_read_only_is_read(store: Store, root: Path) -> None:
    where = str(root)
    if os.name != "posix" or os.getuid() != 0:
        pytest.skip("only root can mount")
    bound = subprocess.run(["mount", "--bind", where, where], capture_output=True)
    if bound.returncode:
        pytest.skip("mounting is not permitted here")
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", where], check=True)
        check(look(root))
    finally:
        subprocess.run(["umount", "-l", where], check=True)


CLOSED = """
import os, sys, tempfile
from pathlib import Path
from mlcycle.errors import CouldNot
from mlcycle.store import Store
from mlcycle.store.doctor import examine
from mlcycle.workspace import Workspace
with tempfile.TemporaryDirectory() as folder:
    first = Store.create(Workspace(Path(folder)))
    first.sql("SELECT count(*) FROM metrics")
    examine(first.workspace)
os.setgid(65534)
os.setuid(65534)
store = Store(Workspace(Path(sys.argv[1])))
try:
    store.read("SELECT count(*) AS n FROM metrics")
except CouldNot as error:
    print(error.message)
for finding in examine(store.workspace).findings:
    print(finding.level, finding.what)
"""


@pytest.mark.skipif(not hasattr(os, "setuid") or os.getuid() != 0, reason="only root can become another user")
def test_a_segment_that_may_not_be_read_is_named_with_its_owner(store: Store, root: Path) -> None:
    for path in (store.workspace.home, *store.workspace.home.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    (segment,) = segments(store.workspace.journal)
    segment.path.chmod(0o600)
    done = subprocess.run([sys.executable, "-c", CLOSED, str(root)], capture_output=True, text=True)
    what = f"{segment.path} cannot be read: it belongs to root"
    assert done.stdout.splitlines() == [what, f"damaged {what}"], done.stderr
