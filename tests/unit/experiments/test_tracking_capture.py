"""What is noted of a run without being asked: git, the command, the script, and never a secret."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import mlcycle
from mlcycle.experiments import environment, read_artifact, run_command
from mlcycle.experiments.environment import Git, git_state
from mlcycle.store import Store
from mlcycle.workspace import Workspace

SECRET = "swordfish-7261"
MoreGit = Callable[..., None]


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    """Return an empty workspace that is found from here, and leave no run active."""
    (tmp_path / "mlcycle.yaml").write_text("name: test\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLCYCLE_WORKSPACE", raising=False)
    yield Workspace(tmp_path)
    while mlcycle.active_run():
        mlcycle.end_run("failed")


@pytest.fixture
def git(workspace: Workspace) -> MoreGit:
    """Make the workspace a repository with one commit; returns what runs git in it."""

    def run(*words: str) -> None:
        environment._git_state.cache_clear()
        environment._declared.cache_clear()
        who = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-C", str(workspace.root)]
        subprocess.run(["git", *who, *words], check=True)

    (workspace.root / ".gitignore").write_text(".mlcycle/\n")
    run("init", "-q")
    run("add", ".")
    run("commit", "-q", "-m", "first")
    return run


def kept(workspace: Workspace) -> dict[str, bytes]:
    """Return all artifacts by their paths."""
    found = Store(workspace).read("SELECT path, sha256 FROM artifacts")
    return {row["path"]: read_artifact(workspace, row["sha256"]) for row in found}


def last_run(workspace: Workspace) -> dict[str, Any]:
    """Return the newest run."""
    return Store(workspace).read("SELECT * FROM runs ORDER BY started_at DESC LIMIT 1")[0]


def test_a_folder_without_a_repository_has_no_commit(workspace: Workspace) -> None:
    assert git_state(workspace.root / "nowhere") == Git(None, None)


def test_a_repository_without_a_commit_has_none(workspace: Workspace) -> None:
    subprocess.run(["git", "init", "-q", str(workspace.root)], check=True)
    environment._git_state.cache_clear()
    assert git_state(workspace.root) == Git(None, None)


def test_the_commit_is_noted_and_files_git_does_not_know_are_no_change(
    workspace: Workspace, git: MoreGit
) -> None:
    (workspace.root / "new.txt").write_text("new")
    found = git_state(workspace.root)
    assert (len(found.commit or ""), found.dirty, found.diff) == (40, False, b"")


def test_changes_are_kept_with_the_run_and_can_be_applied(workspace: Workspace, git: MoreGit) -> None:
    path = workspace.root / "mlcycle.yaml"
    path.write_text("name: changed\n")
    git("status", "--short")
    with mlcycle.start_run():
        pass
    run = last_run(workspace)
    assert (len(run["git_commit"]), run["git_dirty"]) == (40, True)
    patch = workspace.root / "p.patch"
    patch.write_bytes(kept(workspace)["git/diff.patch"])
    git("checkout", "-q", ".")
    git("apply", str(patch))
    assert path.read_text() == "name: changed\n"


def test_a_change_longer_than_a_megabyte_is_not_kept(workspace: Workspace, git: MoreGit) -> None:
    (workspace.root / "mlcycle.yaml").write_text("name: test\n" + "# long\n" * 200_000)
    git("status", "--short")
    found = git_state(workspace.root)
    assert (found.dirty, found.diff) == (True, b"")


def test_a_diff_runs_no_program_that_the_repository_names(workspace: Workspace, git: MoreGit) -> None:
    touched = workspace.root / "touched"
    (workspace.root / ".gitattributes").write_text("*.yaml diff=own\n")
    for key in ("diff.own.command", "diff.own.textconv", "diff.external", "core.fsmonitor"):
        git("config", key, f"touch {touched}; true")
    (workspace.root / "mlcycle.yaml").write_text("name: changed\n")
    environment._git_state.cache_clear()
    assert b"+name: changed" in git_state(workspace.root).diff
    assert not touched.exists()


def test_secrets_stand_in_nothing_that_is_captured(
    workspace: Workspace, git: MoreGit, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    declared = workspace.root / "data.yaml"
    declared.write_text("sources: {orders: {path: 'https://${env:SHOP_DOOR}@shop'}}\n")
    (workspace.root / ".env").write_text("A=b\n")
    git("add", "-f", "data.yaml", ".env")
    git("commit", "-q", "-m", "second")
    monkeypatch.setenv("SHOP_DOOR", SECRET)
    monkeypatch.setenv("MY_API_TOKEN", "token-" + SECRET)
    monkeypatch.setenv("HARMLESS", "harmless-value-1")
    declared.write_text(f"# door {SECRET}, token token-{SECRET}, harmless-value-1\n" + declared.read_text())
    (workspace.root / ".env").write_text("A=not-for-anybody\n")
    environment._git_state.cache_clear()
    environment._declared.cache_clear()
    (workspace.root / "fit.py").write_text(
        "import os, sys, mlcycle\nprint(os.environ['SHOP_DOOR'])\nmlcycle.log_metric('x', 1)\n"
    )
    assert run_command(workspace, [sys.executable, "fit.py", "--door", SECRET], trust=True) == 0
    patch = kept(workspace)["git/diff.patch"].decode()
    assert "${env:SHOP_DOOR}" in patch
    assert "harmless-value-1" in patch
    assert "not-for-anybody" not in patch
    assert kept(workspace)["output/stdout.txt"] == b"${env:SHOP_DOOR}\n"
    Store(workspace).fold()
    found = [
        path for path in workspace.home.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()
    ]
    assert found == []


def test_facts_of_the_machine_carry_no_host_name_and_no_variable(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    import platform

    monkeypatch.setenv("SOME_VARIABLE", "some-value-9981")
    with mlcycle.start_run():
        pass
    facts = json.loads(last_run(workspace)["environment"])
    assert sorted(facts) == ["implementation", "packages", "processors", "python", "system"]
    assert platform.node() not in json.dumps(facts["system"])
    assert "some-value-9981" not in json.dumps(facts)
