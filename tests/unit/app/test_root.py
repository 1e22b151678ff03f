"""The command line's border: exit codes, what is said of the unforeseen, and answers that programs can read."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from mlcycle_app.cli import start
from mlcycle_app.cli.root import run
from mlcycle_app.gateway import Gateway


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    assert run(["init", str(tmp_path / "lamps")]) == 0
    return tmp_path / "lamps"


def fall(error: BaseException) -> Any:
    def board(_: Gateway) -> None:
        raise error

    return board


def test_an_unforeseen_error_is_told_in_three_lines_and_kept_in_the_workspace(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    monkeypatch.setattr(Gateway, "board", fall(ZeroDivisionError("no lamp")))

    assert run(["status", "-w", str(folder)]) == 3

    told = capsys.readouterr()
    kept = folder / ".mlcycle" / "error.log"
    assert told.out == ""
    assert told.err.splitlines()[:2] == [
        "mlcycle: unexpected ZeroDivisionError: no lamp",
        f"  the traceback is in {kept}",
    ]
    assert len(told.err.splitlines()) == 3
    assert "Traceback" in kept.read_text(encoding="utf-8")


def test_an_unforeseen_error_outside_a_workspace_is_kept_in_the_temp_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(start, "free", lambda *_, **__: 1 / 0)

    assert run(["config", "show"]) == 3

    [kept] = tmp_path.glob("mlcycle-error-*.log")
    assert str(kept) in capsys.readouterr().err


def test_debugging_shows_the_traceback(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLCYCLE_DEBUG", "1")
    monkeypatch.setattr(Gateway, "board", fall(ZeroDivisionError("no lamp")))
    assert run(["status", "-w", str(folder)]) == 3
    assert "Traceback" in capsys.readouterr().err


def test_an_interrupted_command_says_so_and_gives_130(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Gateway, "board", fall(KeyboardInterrupt()))
    assert run(["status", "-w", str(folder)]) == 130
    assert "interrupted" in capsys.readouterr().err


def test_a_mistyped_verb_is_answered_with_the_nearest_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["data", "lst"]) == 2
    assert "did you mean 'data list'?" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["-w", "DIR", "status"], ["status", "-w", "DIR"]])
def test_the_workspace_may_stand_before_or_behind_the_verb(folder: Path, words: list[str]) -> None:
    assert run([str(folder) if word == "DIR" else word for word in words]) == 0


def test_the_next_command_can_be_typed_where_the_program_was_started(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    capsys.readouterr()
    run(["status", "-w", str(folder)])
    assert f"mlcycle -w {folder} design check" in capsys.readouterr().out


def test_columns_of_one_name_all_reach_the_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    run(["sql", "--json", "-w", str(folder), "SELECT 1 AS a, 2 AS a, 3 AS a"])
    assert json.loads(capsys.readouterr().out) == [{"a": 1, "a_2": 2, "a_3": 3}]


def test_what_a_script_prints_stays_out_of_the_json(
    folder: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(os.environ, "PYTHONDONTWRITEBYTECODE", "1")
    capfd.readouterr()
    script = "print('words'); raise SystemExit(7)"
    assert run(["run", "--json", "-w", str(folder), "--", sys.executable, "-c", script]) == 1
    told = capfd.readouterr()
    assert json.loads(told.out) == {"exit_code": 7}
    assert "words" in told.err


def test_status_of_retraining_can_be_asked_before_anything_is_declared(folder: Path) -> None:
    assert run(["retrain", "status", "-w", str(folder)]) == 0


def test_a_refused_drop_is_a_no(folder: Path) -> None:
    (folder / "inbox" / "odd.csv").write_text("a\n1\n", encoding="utf-8")
    assert run(["watch", "--once", "-w", str(folder)]) == 1


def test_a_refused_batch_is_judged_again_after_its_rule_was_mended(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "lamps.csv"
    rows = [f"{n},{n % 7},{'abc'[n % 3]}" for n in range(60)]
    file.write_text("\n".join(["id,heat,kind", *rows]), encoding="utf-8")
    place = tmp_path / "w"
    assert run(["init", str(place), "--from", str(file), "--target", "kind"]) == 0
    assert run(["data", "ingest", "-w", str(place)]) == 0
    assert run(["quality", "check", "-w", str(place)]) == 0
    (place / "inbox" / file.name).write_text("id,heat,kind\n90,1,d\n91,2,a\n", encoding="utf-8")
    assert run(["watch", "--once", "-w", str(place)]) == 1
    assert run(["quality", "check", "--again", "-w", str(place)]) == 1

    rules = place / "checks" / "lamps.yaml"
    rules.write_text(rules.read_text(encoding="utf-8").replace("[a, b, c]", "[a, b, c, d]"), encoding="utf-8")

    assert run(["quality", "check", "--again", "-w", str(place)]) == 0
    capsys.readouterr()
    run(["data", "list", "--json", "-w", str(place)])
    assert {row["state"] for row in json.loads(capsys.readouterr().out)} == {"admitted"}
