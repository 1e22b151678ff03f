"""Two processes that change declarations at once: one waits for the other, and neither's change is lost."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from mlcycle import data, design, quality
from mlcycle.design import rewrite
from mlcycle.errors import Busy, DeclarationError, WorkspaceError
from mlcycle.store import Store, backup, export
from mlcycle.store.doctor import examine
from mlcycle.workspace import Workspace

EACH = 4
"""Requirements that each process adds."""
LINE: dict[str, Any] = {
    "role": "business",
    "metric": "auc",
    "comparison": ">=",
    "value": 0.7,
    "phases": ["gate"],
}
ADDS = f"""
import sys
from pathlib import Path
from mlcycle import design
from mlcycle.workspace import Workspace
workspace = Workspace(Path(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
for number in range({EACH}):
    design.add(workspace, f"{{sys.argv[2]}}-{{number}}", **{LINE!r})
"""
HOLDS = """
import sys
from pathlib import Path
from mlcycle.design.rewrite import alone
from mlcycle.workspace import Workspace
with alone(Workspace(Path(sys.argv[1]))):
    print("ready", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    root = tmp_path / "product"
    root.mkdir()
    (root / "mlcycle.yaml").write_text("name: p\n")
    (root / "design.yaml").write_text("# ours\n")
    found = Workspace(root)
    Store.create(found)
    return found


def begin(program: str, workspace: Workspace, *words: str) -> subprocess.Popen[str]:
    """Start a process and wait until it says that it is ready."""
    command = [sys.executable, "-c", program, str(workspace.root), *words]
    pipe = subprocess.PIPE
    child = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
    assert child.stdout is not None and child.stdout.readline() == "ready\n"
    return child


@contextmanager
def held(workspace: Workspace) -> Iterator[subprocess.Popen[str]]:
    """Let another process hold the declarations."""
    child = begin(HOLDS, workspace)
    try:
        yield child
    finally:
        child.communicate("go on\n", timeout=60)


def test_two_processes_that_add_requirements_at_once_lose_none(workspace: Workspace) -> None:
    children = [begin(ADDS, workspace, name) for name in ("one", "two")]
    for child in children:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    for child in children:
        _, said = child.communicate(timeout=120)
        assert (child.returncode, said) == (0, "")
    wanted = {f"{name}-{number}" for name in ("one", "two") for number in range(EACH)}
    text = (workspace.root / "design.yaml").read_text()
    assert text.startswith("# ours\n") and text.count("- id: ") == len(wanted)
    assert {one.requirement_id for one in design.list_requirements(workspace)} == wanted
    assert sorted(path.name for path in workspace.root.glob(".design*")) == []


def test_one_that_does_not_let_go_is_named_with_what_to_do(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    design.add(workspace, "first", **LINE)
    before = (workspace.root / "design.yaml").read_bytes()
    monkeypatch.setattr(rewrite, "WAIT_S", 0.02)
    with held(workspace) as child:
        for change in (
            lambda: design.add(workspace, "second", **LINE),
            lambda: design.edit(workspace, "first", value=0.8),
            lambda: quality.accept(workspace),
        ):
            with pytest.raises(Busy) as caught:
                change()
            assert f"has held the declarations of {workspace.root} for longer" in caught.value.message
            assert caught.value.hint
            if sys.platform == "linux":
                assert f"pid {child.pid} (" in caught.value.message
                assert caught.value.hint == f"wait for it, or end it: kill {child.pid}"
    assert (workspace.root / "design.yaml").read_bytes() == before
    assert design.edit(workspace, "first", value=0.8).value == 0.8


def test_reading_and_other_work_do_not_wait_for_it(workspace: Workspace) -> None:
    design.add(workspace, "first", **LINE)
    with held(workspace):
        assert [one.requirement_id for one in design.list_requirements(workspace)] == ["first"]
        assert [one.version for one in design.sync(workspace)] == []
        assert data.list_versions(workspace) == []


def test_one_that_was_killed_has_let_go(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    child = begin(HOLDS, workspace)
    child.kill()
    child.communicate(timeout=60)
    monkeypatch.setattr(rewrite, "WAIT_S", 0.0)
    assert design.add(workspace, "first", **LINE).version == 1


def test_its_file_is_one_of_ours_for_doctor_and_in_no_copy(workspace: Workspace, tmp_path: Path) -> None:
    design.add(workspace, "first", **LINE)
    assert (workspace.home / rewrite.LOCK).read_bytes() == b""
    with held(workspace):  # also while it is held
        report = examine(workspace)
        assert report.exit_code == 0 and rewrite.LOCK not in str(report.findings)
        backup(workspace, tmp_path / "backup")
        export(workspace, tmp_path / "export")
    for copy in ("backup", "export"):
        names = {path.name for path in (tmp_path / copy).rglob("*")}
        assert names and rewrite.LOCK not in names
    kept = examine(Workspace(tmp_path / "backup"))
    assert kept.exit_code == 0
    assert [one.requirement_id for one in design.list_requirements(Workspace(tmp_path / "backup"))] == [
        "first"
    ]


def test_a_change_that_is_refused_before_there_is_a_store_leaves_a_workspace_that_works(
    tmp_path: Path,
) -> None:
    (tmp_path / "mlcycle.yaml").write_text("name: p\n")
    fresh = Workspace(tmp_path)
    with pytest.raises(DeclarationError):
        design.add(fresh, "first", **{**LINE, "phases": ["no such phase"]})
    assert examine(fresh).exit_code == 0
    assert design.add(fresh, "first", **LINE).version == 1
    assert (fresh.home / ".gitignore").read_text() == "*\n"


def test_a_link_in_the_place_of_its_file_is_refused_and_nothing_is_made_behind_it(
    workspace: Workspace, tmp_path: Path
) -> None:
    (workspace.home / rewrite.LOCK).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(WorkspaceError, match="is a link") as caught:
        design.add(workspace, "first", **LINE)
    assert caught.value.hint.endswith(f"rm {workspace.home / rewrite.LOCK}")
    assert not (tmp_path / "elsewhere").exists()
    assert (workspace.root / "design.yaml").read_text() == "# ours\n"
