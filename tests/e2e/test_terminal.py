"""The UI in a real terminal: started, walked through, quit; the terminal is given back."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pyte
import pytest
from tests.e2e.conftest import COMMAND, Played

pytestmark = pytest.mark.e2e

LIMIT_S = 30


class Terminal:
    """A program on a pty, and the screen it draws."""

    def __init__(self, command: list[str], columns: int, lines: int) -> None:
        self.screen = pyte.Screen(columns, lines)
        self._stream = pyte.ByteStream(self.screen)
        self.raw = b""
        primary, secondary = pty.openpty()
        fcntl.ioctl(secondary, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        environment = {
            **os.environ,
            "TERM": "xterm-256color",
            "COLORTERM": "truecolor",
            "TEXTUAL_ANIMATIONS": "none",
        }
        self.process = subprocess.Popen(
            command,
            stdin=secondary,
            stdout=secondary,
            stderr=secondary,
            env=environment,
            start_new_session=True,
        )
        os.close(secondary)
        self._primary = primary

    def type(self, keys: str) -> None:
        os.write(self._primary, keys.encode())

    def resize(self, columns: int, lines: int) -> None:
        self.screen.resize(lines, columns)
        fcntl.ioctl(self._primary, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        os.killpg(self.process.pid, signal.SIGWINCH)

    def text(self) -> str:
        return "\n".join(self.screen.display)

    def wait_for(self, words: str) -> None:
        """Read the program's output until the words stand on the screen."""
        end = time.monotonic() + LIMIT_S
        while words not in self.text():
            assert time.monotonic() < end, f"{words!r} never came:\n{self.text()}"
            assert self._read() or self.process.poll() is None, f"ended before {words!r}:\n{self.text()}"

    def wait_until_gone(self, words: str) -> None:
        """Read the program's output until the words have left the screen."""
        end = time.monotonic() + LIMIT_S
        while words in self.text():
            assert time.monotonic() < end, f"{words!r} never went:\n{self.text()}"
            self._read()

    def wait_for_end(self) -> int:
        """Read to the end; return the exit code."""
        end = time.monotonic() + LIMIT_S
        while self.process.poll() is None and time.monotonic() < end:
            self._read()
        while self._read():
            pass
        return self.process.wait(timeout=1)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._primary)

    def _read(self) -> bool:
        ready, _, _ = select.select([self._primary], [], [], 0.2)
        if not ready:
            return False
        try:
            piece = os.read(self._primary, 65536)
        except OSError:
            return False
        self.raw += piece
        self._stream.feed(piece)
        return bool(piece)


@contextmanager
def terminal(*words: str, columns: int = 80, lines: int = 24) -> Iterator[Terminal]:
    made = Terminal([*COMMAND, *words], columns, lines)
    try:
        yield made
    finally:
        made.close()


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
