"""Code of a workspace from another hand runs only after somebody said yes; what was made here runs at once."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from mlcycle import trust
from mlcycle.errors import TrustError
from mlcycle.workspace import Workspace


@pytest.fixture(autouse=True)
def _own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv(trust.VARIABLE, raising=False)


@pytest.fixture
def foreign(tmp_path: Path) -> Workspace:
    root = tmp_path / "churn"
    root.mkdir()
    (root / "mlcycle.yaml").write_text("name: churn\n")
    (root / "train.py").write_text("print('trained')\n")
    return Workspace(root)


def never(question: str) -> bool:
    pytest.fail(f"asked: {question}")


def test_without_somebody_to_ask_it_is_refused_with_what_to_type(foreign: Workspace) -> None:
    script = str(foreign.root / "train.py")
    with pytest.raises(TrustError, match=r"train\.py") as raised:
        trust.ask_to_run(foreign, ["python", script])
    assert raised.value.exit_code == 2
    assert f"mlcycle run --trust -- python {script}" in raised.value.hint
    assert "MLCYCLE_TRUST=1" in raised.value.hint
    assert not trust.state_file().exists()


def test_a_yes_is_asked_for_once_and_holds_until_the_code_changes(foreign: Workspace) -> None:
    asked = []

    def yes(question: str) -> bool:
        asked.append(question)
        return True

    trust.ask(foreign, "`mlcycle run`", ["train.py"], answer=yes)
    trust.ask(foreign, "`mlcycle run`", ["train.py"], answer=never)
    (foreign.root / "data.yaml").write_text("sources: {}\n")  # no code
    trust.ask(foreign, "`mlcycle run`", ["train.py"], answer=never)
    assert asked == ["This workspace was not made here. `mlcycle run` will execute train.py from it. Go on?"]
    (foreign.root / "helper.py").write_text("print('changed')\n")
    assert not trust.is_trusted(foreign)


def test_a_no_is_not_remembered(foreign: Workspace) -> None:
    with pytest.raises(TrustError, match="said no"):
        trust.ask(foreign, "`mlcycle run`", ["train.py"], answer=lambda _: False)
    assert not trust.is_trusted(foreign)
    assert not trust.state_file().exists()


def test_the_flag_trusts_the_folder_whatever_changes_in_it(foreign: Workspace) -> None:
    trust.ask(foreign, "`mlcycle run`", trust=True, answer=never)
    (foreign.root / "train.py").write_text("print('changed')\n")
    trust.ask(foreign, "`mlcycle run`", answer=never)


def test_the_variable_lets_it_pass_and_is_not_remembered(
    foreign: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(trust.VARIABLE, "1")
    trust.ask(foreign, "`mlcycle run`", answer=never)
    monkeypatch.setenv(trust.VARIABLE, "0")
    with pytest.raises(TrustError):
        trust.ask(foreign, "`mlcycle run`")


def test_what_was_made_here_is_trusted_and_moves_with_its_folder(foreign: Workspace) -> None:
    trust.remember(foreign, whole=True)
    (foreign.root / "train.py").write_text("print('mine')\n")
    assert trust.is_trusted(foreign)
    moved = Workspace(foreign.root.rename(foreign.root.with_name("moved")))
    assert trust.is_trusted(moved)


def test_a_copy_and_another_folder_at_the_same_path_are_asked_for(foreign: Workspace) -> None:
    trust.remember(foreign, whole=True)
    copy = foreign.root.with_name("copy")
    shutil.copytree(foreign.root, copy)  # with the id in it
    assert not trust.is_trusted(Workspace(copy))
    shutil.rmtree(foreign.root)
    foreign.root.mkdir()
    (foreign.root / "train.py").write_text("print('theirs')\n")
    assert not trust.is_trusted(foreign)
    shutil.rmtree(foreign.root)
    copy.rename(foreign.root)
    assert not trust.is_trusted(foreign)


def test_an_id_that_a_workspace_brought_is_worth_nothing(foreign: Workspace) -> None:
    foreign.home.mkdir()
    (foreign.home / trust.ID).write_text("0" * 32)
    assert not trust.is_trusted(foreign)


def test_the_answers_are_the_users_own(foreign: Workspace) -> None:
    trust.remember(foreign)
    file = trust.state_file()
    assert file.stat().st_mode & 0o777 == 0o600
    assert not file.is_relative_to(foreign.root)
    assert list(file.parent.iterdir()) == [file]
    assert list(json.loads(file.read_text())["workspaces"]) == [str(foreign.root)]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"workspaces": 3}', '{"workspaces": {"/x": 1}}', "\udcff"])
def test_answers_that_cannot_be_read_are_no_answers(foreign: Workspace, text: str) -> None:
    trust.remember(foreign)
    trust.state_file().write_bytes(text.encode("utf-8", "surrogateescape"))
    assert not trust.is_trusted(foreign)
    trust.remember(foreign)
    assert trust.is_trusted(foreign)


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["python", "train.py"], ["train.py"]),
        (["python", "-m", "package.module"], ["package/module.py"]),
        (["python", "-m", "package"], ["package/__main__.py"]),
        (["./train.py", "--out", "train.py"], ["train.py"]),
        (["python", "link.py"], ["link.py"]),
        (["python", "-c", "print(1)"], []),
        (["python", "nothing.py"], []),
        (["python", "x" * 5000, "a\0b"], []),
    ],
)
def test_a_commands_files_of_the_workspace_are_named(
    foreign: Workspace, monkeypatch: pytest.MonkeyPatch, words: list[str], named: list[str]
) -> None:
    package = foreign.root / "package"
    package.mkdir()
    (package / "module.py").touch()
    (package / "__main__.py").touch()
    outside = foreign.root.parent / "outside.py"
    outside.touch()
    (foreign.root / "link.py").symlink_to(outside)
    monkeypatch.chdir(foreign.root)
    assert trust.brought(foreign, words) == named


def test_a_command_from_elsewhere_that_names_nothing_of_it_is_not_asked_for(
    foreign: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "own.py"
    own.touch()
    monkeypatch.chdir(tmp_path)
    trust.ask_to_run(foreign, ["python", str(own)], answer=never)


def test_a_command_started_in_the_folder_may_import_what_lies_there(
    foreign: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(foreign.root)
    with pytest.raises(TrustError):
        trust.ask_to_run(foreign, ["python", "-c", "import train"])
    (foreign.root / "train.py").unlink()
    trust.ask_to_run(foreign, ["python", "-c", "print(1)"])


def test_the_hash_is_of_all_code_and_of_nothing_else(foreign: Workspace) -> None:
    before = trust.code_hash(foreign)
    (foreign.root / "notes.md").write_text("no code")
    foreign.home.mkdir()
    (foreign.home / "x.py").touch()
    assert trust.code_hash(foreign) == before
    (foreign.root / "Makefile").write_text("all:\n")
    with_makefile = trust.code_hash(foreign)
    assert with_makefile != before
    (foreign.root / "link.py").symlink_to("/nowhere")
    os.mkfifo(foreign.root / "pipe.py")
    assert trust.code_hash(foreign) != with_makefile


def test_a_workspace_without_code_has_no_hash(tmp_path: Path) -> None:
    (tmp_path / "mlcycle.yaml").write_text("name: test\n")
    assert trust.code_hash(Workspace(tmp_path)) == ""


def test_only_what_this_program_made_is_made_here(foreign: Workspace) -> None:
    trust.remember(foreign, whole=True)
    assert trust.is_trusted(foreign) and not trust.is_made_here(foreign)
    trust.remember(foreign, whole=True, made=True)
    assert trust.is_made_here(foreign)
    copy = Workspace(Path(shutil.copytree(foreign.root, foreign.root.with_name("copied"))))
    assert not trust.is_made_here(copy)
