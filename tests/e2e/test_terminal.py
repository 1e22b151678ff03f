"""The UI in a real terminal: started, walked through, quit; the terminal is given back."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest
from tests.e2e.conftest import COMMAND, Played
from tests.e2e.terminal import terminal

pytestmark = pytest.mark.e2e


@pytest.fixture(autouse=True)
def _own_state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What is opened here is none of the workspaces that the user opened last."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def test_every_screen_opens_by_its_number_and_q_gives_the_terminal_back(played: Played) -> None:
    with terminal("-w", str(played.folder)) as shown:
        shown.wait_for("next action")
        shown.wait_for("Retrain")
        for key, words in (
            ("1", "requirements"),
            ("2", "checks"),
            ("3", "training sets"),
            ("4", "runs"),
            ("5", "model versions"),
            ("6", "drift"),
            ("7", "triggers"),
            ("0", "lifecycle"),
        ):
            shown.type(key)
            shown.wait_for(words)
        shown.type("?")
        shown.wait_for("previous, next phase")
        shown.type("\x1b")
        shown.wait_until_gone("previous, next phase")
        shown.type("q")
        assert shown.wait_for_end() == 0
        assert b"\x1b[?1049l" in shown.raw


def test_a_small_window_and_back_does_not_break_it(played: Played) -> None:
    with terminal("-w", str(played.folder), columns=140, lines=40) as shown:
        shown.wait_for("next action")
        shown.resize(60, 15)
        shown.type("6")
        shown.wait_for("traffic")
        shown.resize(140, 40)
        shown.type("0")
        shown.wait_for("next action")
        shown.type("q")
        assert shown.wait_for_end() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_with_the_terminal_restored(played: Played, number: int) -> None:
    with terminal("-w", str(played.folder)) as shown:
        shown.wait_for("next action")
        shown.process.send_signal(number)
        assert shown.wait_for_end() == 128 + number
        assert b"\x1b[?1049l" in shown.raw


def test_without_a_workspace_it_says_how_to_begin(tmp_path_factory: pytest.TempPathFactory) -> None:
    empty = tmp_path_factory.mktemp("empty")
    done = subprocess.run(
        COMMAND,
        cwd=empty,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "MLCYCLE_WORKSPACE": ""},
    )
    assert done.returncode == 0
    assert "mlcycle demo" in done.stdout and "mlcycle init" in done.stdout
