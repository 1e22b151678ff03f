"""`mlcycle store ...`: exit codes, what is asked before, and answers that programs can read."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from mlcycle_app.cli.root import run
from mlcycle_app.gateway import Gateway


@pytest.fixture
def folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    place = tmp_path / "lamps"
    assert run(["init", str(place)]) == 0
    assert run(["design", "check", "-w", str(place)]) == 0
    capsys.readouterr()
    return place


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def answer(capsys: pytest.CaptureFixture[str], *words: object, code: int = 0) -> Any:
    capsys.readouterr()
    assert run([*map(str, words), "--json"]) == code
    return json.loads(capsys.readouterr().out)


def test_a_backup_beside_the_store_is_a_generation(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done = answer(capsys, "store", "backup", "-w", folder)
    assert (Path(done["path"]) / "store.duckdb").stat().st_size == done["bytes"]
    assert answer(capsys, "store", "health", "-w", folder)["generation"] == done["generation"]


def test_a_backup_elsewhere_is_a_workspace(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert answer(capsys, "store", "backup", tmp_path / "disk", "-w", folder)["files"] > 0
    assert run(["status", "-w", str(tmp_path / "disk")]) == 0


def test_without_a_terminal_nothing_is_replaced_unless_told_so(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert run(["store", "restore", "-w", str(folder)]) == 2
    assert "--yes" in capsys.readouterr().err
    assert answer(capsys, "store", "restore", "--yes", "-w", folder)["missing"] == []


@pytest.mark.parametrize(("typed", "code"), [("y\n", 0), ("n\n", 1), ("\n", 1)])
def test_in_a_terminal_a_person_is_asked(
    folder: Path, typed: str, code: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", Terminal(typed))
    assert run(["store", "restore", "-w", str(folder)]) == code
    assert "recovery" in capsys.readouterr().err
    assert any((folder / ".mlcycle").glob("recovery/*")) == (code == 0)


def test_an_export_comes_back_into_a_new_folder(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = Gateway.open(folder).rows("SELECT * FROM requirements ORDER BY ALL")
    done = answer(capsys, "store", "export", tmp_path / "out", "-w", folder)
    assert done["tables"] > 30 and done["missing"] == []
    answer(capsys, "store", "restore", tmp_path / "out", "-w", tmp_path / "new")
    assert Gateway.open(tmp_path / "new").rows("SELECT * FROM requirements ORDER BY ALL") == before
    assert (tmp_path / "new" / "design.yaml").read_text() == (folder / "design.yaml").read_text()


def test_an_export_into_a_full_folder_is_wrong_usage(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["store", "export", str(folder), "-w", str(folder)]) == 2
    assert "not empty" in capsys.readouterr().err


def test_compacting_says_what_was_given_back_and_what_was_archived(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    done = answer(capsys, "store", "compact", "--older-than", "90d", "--drop-archive", "365d", "-w", folder)
    assert 0 < done["after_bytes"] <= done["before_bytes"]
    assert done["retained"] == {"days": 0, "rows": 0, "bytes": 0, "dropped": 0}


@pytest.mark.parametrize("text", ["90", "-3d", "soon", "1h", "9999999d"])
def test_only_days_are_taken_for_retention(
    folder: Path, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["store", "compact", f"--older-than={text}", "-w", str(folder)]) == 2
    assert "number of days" in capsys.readouterr().err


def test_health_names_backlog_and_holder(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, "store", "health", "-w", folder)
    assert {"backlog_bytes", "segments", "bad_lines", "refused", "holder", "copied_at", "log_bytes"} <= set(
        found
    )
    assert found["backlog_bytes"] == 0 and found["holder"] == ""
