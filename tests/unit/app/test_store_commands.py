"""`mlcycle store ...`: exit codes, what is asked before, and answers that programs can read."""

from __future__ import annotations

import io
import json
import shlex
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from mlcycle.ids import new_id
from mlcycle.store import Store
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


def artifact(sha256: str) -> dict[str, object]:
    facts = {"path": "m.bin", "sha256": sha256, "bytes": 1, "ts": datetime(2026, 1, 2)}
    return {"kind": "artifact", "run_id": new_id()} | facts


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
    assert "lies in the workspace itself" in capsys.readouterr().err
    (folder.parent / "full").mkdir()
    (folder.parent / "full" / "letter.txt").write_text("keep me")
    assert run(["store", "export", str(folder.parent / "full"), "-w", str(folder)]) == 2
    assert "not empty" in capsys.readouterr().err


def test_the_hint_of_a_restore_that_nobody_confirmed_does_just_that_restore(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    backup = tmp_path / "the disk"
    assert run(["store", "backup", str(backup), "-w", str(folder)]) == 0
    monkeypatch.setattr("sys.stdin", io.StringIO())
    monkeypatch.chdir(tmp_path)
    capsys.readouterr()
    assert run(["-w", str(folder), "store", "restore", str(backup)]) == 2
    [hint] = [line for line in capsys.readouterr().err.splitlines() if "try: " in line]
    words = shlex.split(hint.partition("try: ")[2])
    assert words == ["mlcycle", "-w", str(folder), "store", "restore", str(backup), "--yes"]
    assert run(words[1:]) == 0
    assert str(backup) in capsys.readouterr().out


def test_an_export_to_where_nobody_can_write_says_so(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder.parent / "file").write_text("")
    assert run(["store", "export", str(folder.parent / "file" / "out"), "-w", str(folder)]) == 3
    said = capsys.readouterr().err
    assert "cannot be written" in said and "mlcycle store export DEST" in said


def test_health_of_a_store_that_is_gone_says_that_it_is_gone(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / ".mlcycle" / "data").mkdir(exist_ok=True)
    (folder / ".mlcycle" / "data" / f"{'0' * 64}.parquet").write_bytes(b"")
    (folder / ".mlcycle" / "store.duckdb").unlink()
    assert run(["store", "health", "-w", str(folder)]) == 3
    said = capsys.readouterr()
    assert "is missing" in said.err and "mlcycle store restore" in said.err and said.out == ""


def said_by_doctor(folder: Path, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    capsys.readouterr()
    assert run(["doctor", "-w", str(folder), *words]) == 1
    return capsys.readouterr().out


def test_doctor_offers_to_mend_only_what_it_can_mend(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder.parent)
    mend = f"mlcycle -w {folder} doctor --mend"
    again = f"mlcycle -w {folder} store restore"
    store = folder / ".mlcycle" / "store.duckdb"
    whole = store.read_bytes()

    store.write_bytes(b"\0" * len(whole))
    said = said_by_doctor(folder, capsys)
    assert said.splitlines()[-1].endswith(again) and "--mend" not in said

    store.write_bytes(whole)
    Store(Gateway.open(folder).workspace).append("run", [artifact("1" * 64)])
    said = said_by_doctor(folder, capsys)
    assert said.splitlines()[-1].endswith(f"{again} BACKUP") and "--mend" not in said

    (folder / ".mlcycle" / "store.duckdb.wal").write_bytes(b"left")
    assert mend in said_by_doctor(folder, capsys)
    said = said_by_doctor(folder, capsys, "--mend")
    assert "mended" in said and mend not in said


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
