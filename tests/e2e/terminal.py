"""A program on a pty, with a terminal in memory that draws what it says."""

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
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyte
from tests.e2e.conftest import COMMAND

LIMIT_S = 30


class Terminal:
    """A program on a pty, and the screen it draws."""

    def __init__(
        self,
        command: Sequence[str],
        columns: int,
        lines: int,
        *,
        cwd: Path | None = None,
        environment: Mapping[str, str | None] | None = None,
    ) -> None:
        self.screen = pyte.Screen(columns, lines)
        self._stream = pyte.ByteStream(self.screen)
        self.raw = b""
        primary, secondary = pty.openpty()
        fcntl.ioctl(secondary, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        variables: dict[str, str | None] = {
            **os.environ,
            "TERM": "xterm-256color",
            "COLORTERM": "truecolor",
            "TEXTUAL_ANIMATIONS": "none",
            **(environment or {}),
        }
        self._before = termios.tcgetattr(primary)
        self.process = subprocess.Popen(
            list(command),
            cwd=cwd,
            stdin=secondary,
            stdout=secondary,
            stderr=secondary,
            env={name: value for name, value in variables.items() if value is not None},
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

    def is_restored(self) -> bool:
        """Whether lines are read as before, the first screen is back, and mouse and cursor are as they were."""
        last = {
            name: self.raw.rfind(f"\x1b[?{name}".encode())
            for name in ("1049l", "1049h", "1000l", "1000h", "25h", "25l")
        }
        pairs = (("1049l", "1049h"), ("1000l", "1000h"), ("25h", "25l"))
        return termios.tcgetattr(self._primary) == self._before and all(
            last[on] >= last[off] for on, off in pairs
        )

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
def terminal(
    *words: str,
    columns: int = 80,
    lines: int = 24,
    command: Sequence[str] = COMMAND,
    cwd: Path | None = None,
    environment: Mapping[str, str | None] | None = None,
) -> Iterator[Terminal]:
    """Run a command on a pty, and end it in any case; a variable that is None is taken out of its environment."""
    made = Terminal([*command, *words], columns, lines, cwd=cwd, environment=environment)
    try:
        yield made
    finally:
        made.close()
