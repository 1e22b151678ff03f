"""Recent workspaces: newest first, bounded, shared by many programs, and never a reason to fail."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from mlcycle import clock, recent, trust
from mlcycle.workspace import MARKER, Workspace

NOON = datetime(2026, 3, 1, 12)


@pytest.fixture(autouse=True)
def _own_state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def workspace(folder: Path) -> Workspace:
    folder.mkdir(parents=True)
    (folder / MARKER).write_text("name: x\n")
    return Workspace(folder)


def at(monkeypatch: pytest.MonkeyPatch, minutes: int) -> None:
    monkeypatch.setattr(clock, "wall", lambda: NOON + timedelta(minutes=minutes))


def test_the_newest_comes_first_and_each_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = workspace(tmp_path / "one"), workspace(tmp_path / "two")
    for minute, opened in enumerate((one, two, one)):
        at(monkeypatch, minute)
        assert recent.remember(opened)
    assert [(r.root.name, r.opened.minute, r.exists) for r in recent.recent()] == [
        ("one", 2, True),
        ("two", 1, True),
    ]


def test_a_workspace_that_is_gone_stays_listed_as_gone_until_it_is_forgotten(tmp_path: Path) -> None:
    gone = workspace(tmp_path / "gone")
    recent.remember(gone)
    (gone.root / MARKER).unlink()
    assert [r.exists for r in recent.recent()] == [False]
    recent.forget(gone.root)
    recent.forget(gone.root)
    assert recent.recent() == ()


def test_no_more_than_twenty_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(recent.MOST + 5):
        at(monkeypatch, number)
        recent.remember(workspace(tmp_path / f"w{number}"))
    names = [r.root.name for r in recent.recent()]
    assert len(names) == recent.MOST and names[0] == "w24"
    assert len(list(recent.folder().iterdir())) == recent.MOST


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "3",
        '{"root": "relative", "opened": "2026-01-01"}',
        '{"root": "/x", "opened": "yesterday"}',
        '{"root": "/x", "opened": "2026-01-01T00:00:00+01:00"}',
        '{"root": "/a\\u0000b", "opened": "2026-01-01"}',
        '{"root": 3, "opened": 4}',
        "[" * 100_000,
        '"' + "x" * 100_000 + '"',
    ],
)
def test_a_broken_file_is_set_aside_and_the_others_stay(tmp_path: Path, text: str) -> None:
    recent.remember(workspace(tmp_path / "kept"))
    broken = recent.folder() / "0.json"
    broken.write_text(text)
    assert [r.root.name for r in recent.recent()] == ["kept"]
    assert not broken.exists() and broken.with_suffix(recent.BROKEN).exists()
    assert recent.remember(Workspace(tmp_path / "kept"))


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    recent.folder().mkdir(parents=True)
    os.mkfifo(recent.folder() / "pipe.json")
    (recent.folder() / "link.json").symlink_to(tmp_path / "elsewhere")
    assert recent.recent() == ()


def test_names_that_are_no_text_can_be_remembered(tmp_path: Path) -> None:
    odd = workspace(Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9 \n")))
    assert recent.remember(odd)
    assert [r.root for r in recent.recent()] == [odd.root]


def test_programs_that_remember_at_once_lose_nothing(tmp_path: Path) -> None:
    roots = [workspace(tmp_path / f"w{number}").root for number in range(8)]
    probe = (
        "import sys; from mlcycle import recent; from mlcycle.workspace import Workspace; from pathlib import Path\n"
        "for _ in range(20):\n"
        "    for root in sys.argv[1:]: assert recent.remember(Workspace(Path(root)))\n"
        "    recent.recent()\n"
    )
    halves = [list(map(str, roots[:5])), list(map(str, roots[3:]))]
    programs = [subprocess.Popen([sys.executable, "-c", probe, *half]) for half in halves]
    assert [program.wait(timeout=60) for program in programs] == [0, 0]
    assert {r.root for r in recent.recent()} == set(roots)
    assert {path.suffix for path in recent.folder().iterdir()} == {".json"}


def test_where_nothing_can_be_written_nothing_is_remembered_and_nothing_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = tmp_path / "a file"
    refused.write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(refused))
    assert not recent.remember(workspace(tmp_path / "one"))
    assert recent.recent() == ()
    recent.forget(tmp_path / "one")


def test_a_user_without_a_home_has_no_recent_workspaces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nowhere() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setattr(Path, "home", nowhere)
    assert not recent.remember(workspace(tmp_path / "one"))
    assert recent.recent() == ()
    assert not trust.is_trusted(Workspace(tmp_path / "one"))


def test_to_be_remembered_is_not_to_be_trusted(tmp_path: Path) -> None:
    found = workspace(tmp_path / "one")
    recent.remember(found)
    assert not trust.is_trusted(found) and not trust.is_made_here(found)
    assert json.loads(next(recent.folder().iterdir()).read_text())["root"] == str(found.root)
