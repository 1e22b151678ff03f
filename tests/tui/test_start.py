"""The way in: no workspace, no terminal, settings that mean nothing; and where a defect is written down."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from mlcycle.errors import DeclarationError
from mlcycle.settings import load
from mlcycle.workspace import Workspace
from mlcycle_app.gateway import Gateway, WorkspaceError
from mlcycle_app.tui import ages, crash
from mlcycle_app.tui.cells import in_full
from mlcycle_app.tui.frame import Look
from mlcycle_app.tui.start import look_of, open_ui
from mlcycle_app.tui.theme import CONTRAST


def test_without_a_workspace_it_says_how_to_begin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert open_ui(None, None) == 0
    assert "mlcycle demo" in capsys.readouterr().out


def test_a_folder_that_is_no_workspace_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(WorkspaceError):
        open_ui(str(tmp_path), None)


def test_without_a_terminal_it_names_the_command_to_use_instead(
    full: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    assert open_ui(str(full.root), None) == 2
    assert "mlcycle status" in capsys.readouterr().err


def test_a_defect_is_kept_in_the_workspace_once(empty: Workspace, tmp_path: Path) -> None:
    gateway = Gateway(empty)
    error = ValueError("planted here")
    path = crash.keep(gateway, error, "test")
    assert path == empty.home / "ui.log"
    assert crash.keep(gateway, error, "test") == path
    assert path.read_text().count("planted here") == 1
    told = crash.tell(gateway, error, "the UI stopped")
    assert told.message == "the UI stopped: ValueError: planted here" and str(path) in told.hint


def test_a_defect_in_a_workspace_that_cannot_be_written_is_kept_elsewhere(
    empty: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = tmp_path / "a file"
    refused.write_text("")
    places = [refused / "ui.log", tmp_path / "state" / "ui.log"]
    monkeypatch.setattr(Gateway, "log_files", lambda _: iter(places))
    assert crash.keep(Gateway(empty), RuntimeError("elsewhere"), "test") == places[1]
    monkeypatch.setattr(Gateway, "log_files", lambda _: iter(places[:1]))
    assert crash.keep(Gateway(empty), RuntimeError("nowhere"), "test") is None


def test_commands_name_the_workspace_only_where_it_is_not_the_nearest(
    full: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway = Gateway(full)
    assert gateway.typed("runs list") == f"mlcycle -w {full.root} runs list"
    monkeypatch.chdir(full.root)
    assert gateway.typed("runs list") == "mlcycle runs list"


def test_the_stamp_differs_once_something_was_written(empty: Workspace) -> None:
    gateway = Gateway(empty)
    before = gateway.stamp()
    assert gateway.stamp() == before
    empty.database.touch()
    assert gateway.stamp() != before


def test_moments_are_shown_in_the_zone_of_the_settings_and_days_and_ages_stay() -> None:
    noon, day = datetime(2026, 7, 1, 12, 30), datetime(2026, 7, 1)
    try:
        ages.set_zone("Europe/Prague")
        assert ages.moment(noon) == "2026-07-01 14:30" and ages.zone_name(noon) == "CEST"
        assert ages.moment(day) == "2026-07-01"
        assert ages.age(noon, datetime(2026, 7, 1, 14, 30)) == "2 h"
        assert in_full(noon) == "2026-07-01 14:30:00 CEST"
    finally:
        ages.set_zone("UTC")
    assert in_full(noon) == "2026-07-01 12:30:00" and ages.zone_name(noon) == "UTC"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[ui]\ntheme = "contrst"\n', ":2: `ui.theme` there is no theme `contrst`; did you mean `contrast`"),
        ('[keys]\n\nzoom = "ctrl+z+"\n', ":3: `zoom`: there is no key"),
    ],
)
def test_settings_that_mean_nothing_name_their_line(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "config.toml"
    file.write_text(text)
    with pytest.raises(DeclarationError) as caught:
        look_of(load(file))
    assert words in str(caught.value)


def test_settings_that_mean_something_are_how_the_ui_looks(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text('[ui]\ntheme = "contrast"\nteach = true\n\n[keys]\nquit = "F10"\n')
    assert look_of(load(file)) == Look(CONTRAST, teach=True, keys={"quit": "f10"})


def test_a_workspace_named_by_the_environment_that_is_none_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLCYCLE_WORKSPACE", str(tmp_path))
    with pytest.raises(WorkspaceError):
        open_ui(None, None)
