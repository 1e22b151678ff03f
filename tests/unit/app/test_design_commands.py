"""`mlcycle design edit` from the command line: what can be emptied, and what cannot."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlcycle.store import Store
from mlcycle.workspace import Workspace
from mlcycle_app.cli.root import run
from mlcycle_app.gateway import Gateway

TEXT = """\
requirements:
  - id: ranks
    role: data scientist
    metric: auc
    comparison: ">="
    value: 0.7
    phases: [gate]
    owner: dana   # until June
    statement: >  # as agreed
      The scores order
      the rows.
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "mlcycle.yaml").write_text("name: lamps\n", encoding="utf-8")
    (tmp_path / "design.yaml").write_text(TEXT, encoding="utf-8")
    Store.create(Workspace(tmp_path))
    return tmp_path


def edit(folder: Path, *words: str) -> int:
    return run(["-w", str(folder), "design", "edit", "ranks", *words])


def in_force(folder: Path) -> dict[str, object]:
    [row] = Gateway.open(folder).rows(
        "SELECT owner, statement, version FROM requirements WHERE requirement_id = 'ranks' AND until IS NULL"
    )
    return row


@pytest.mark.parametrize("words", ["--owner=", "--owner= "])
def test_an_owner_that_is_emptied_is_gone_and_the_comment_beside_stays(folder: Path, words: str) -> None:
    assert edit(folder, words) == 0
    written = (folder / "design.yaml").read_text(encoding="utf-8")
    assert written == TEXT.replace("owner: dana", "owner: ''")
    assert in_force(folder)["owner"] == ""
    assert edit(folder, "--owner", "eve") == 0
    assert in_force(folder)["owner"] == "eve"
    assert in_force(folder)["version"] == 2
    written = (folder / "design.yaml").read_text(encoding="utf-8")
    assert written == TEXT.replace("owner: dana", "owner: 'eve'")


def test_a_statement_that_is_emptied_is_gone_and_the_comment_beside_stays(folder: Path) -> None:
    assert edit(folder, "--statement=") == 0
    assert in_force(folder)["statement"] == ""
    assert "statement: '' # as agreed" in (folder / "design.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["role", "metric"])
def test_what_a_requirement_cannot_do_without_is_not_emptied_and_it_is_said_what_to_type(
    folder: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    assert edit(folder, f"--{name}=") == 2
    told = capsys.readouterr()
    assert told.err.splitlines()[0] == f"mlcycle: a requirement needs a {name}"
    assert f"try: mlcycle design edit ranks --{name} " in told.err
    assert (folder / "design.yaml").read_text(encoding="utf-8") == TEXT
