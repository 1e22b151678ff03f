"""One tab: a process of the UI, what passes between it and the browser, and its end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence
from typing import Any

import psutil
from textual_serve.app_service import AppService

from mlcycle_app.web import DRIVER

__all__ = ["Tab"]

PRELUDE = b"__GANGLION__\n"
TERMINAL = {"TEXTUAL_DRIVER": DRIVER, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
"""What the page's terminal can do, whatever the server's own one can."""
ELSEWHERE = ("TMUX", "TMUX_PANE", "STY")
"""Of the terminal that the server was started in, which nobody in the browser looks at."""
END_S = 0.85
"""How long a process may take to end before it is killed: its own jobs get 0.7 s of it."""
TOLD = 64 * 1024
"""Bytes that are kept of what a process says on stderr."""


class Tab(AppService):
    """The process behind one tab.

    Parameters
    ----------
    words
        The command, word by word.
    sides
        What `AppService` asks for: ways to write to the browser, and the downloads.
    """

    def __init__(self, words: Sequence[str], **sides: Any) -> None:
        super().__init__(words[0], **sides)
        self._words = tuple(words)
        self._said = b""

    async def start(self, width: int, height: int) -> None:
        """Start the process, and pass on what it draws."""
        await self._open_app_process(width, height)
        self._task = asyncio.create_task(self.run(), name="tab")

    async def stop(self) -> None:
        """End the process and all that it started, within a second; may be called twice."""
        process, self._process = self._process, None
        if process is None:
            return
        await self._download_manager.cancel_app_downloads(app_service_id=self.app_service_id)
        if process.returncode is None:
            await self._end(process)
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def run(self) -> None:
        """Pass on what the process draws until it ends; then close the tab, with its last words if there are any."""
        process = self._process
        if process is None or process.stdout is None or process.stderr is None:
            return
        listening = asyncio.create_task(self._listen(process.stderr), name="tab's stderr")
        try:
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
                if await process.stdout.readline() == PRELUDE:
                    await self._relay(process.stdout)
            await listening
            with contextlib.suppress(ConnectionError):
                if self._said.strip():
                    # Out of the alternate screen, where a program that ended would have left it.
                    words = self._said.decode("utf-8", "replace").replace("\n", "\r\n")
                    await self.remote_write_bytes(f"\x1b[?1049l\x1b[?25l\r\n{words}".encode())
                await self.remote_close()
        finally:
            listening.cancel()

    def _build_environment(self, width: int = 80, height: int = 24) -> dict[str, str]:
        made = super()._build_environment(width, height) | TERMINAL
        return {name: value for name, value in made.items() if name not in ELSEWHERE}

    async def _open_app_process(self, width: int = 80, height: int = 24) -> Process:
        # A session of its own: ctrl+c in the terminal is the server's, which then ends its tabs in order.
        process = await asyncio.create_subprocess_exec(
            *self._words,
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
            env=self._build_environment(width, height),
            start_new_session=True,
        )
        self._process, self._stdin = process, process.stdin
        return process

    async def _relay(self, packets: asyncio.StreamReader) -> None:
        while True:
            kind = await packets.readexactly(1)
            size = int.from_bytes(await packets.readexactly(4), "big")
            payload = await packets.readexactly(size)
            if kind == b"D":
                await self.on_data(payload)
            elif kind == b"M":
                await self.on_meta(payload)
            elif kind == b"P":
                await self.on_packed(payload)

    async def _listen(self, words: asyncio.StreamReader) -> None:
        while piece := await words.read(4096):
            self._said = (self._said + piece)[-TOLD:]

    async def _end(self, process: Process) -> None:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), END_S)
            return
        _kill(process.pid)
        await process.wait()


def _kill(pid: int) -> None:
    """Kill a process that did not end, and what it started: its jobs have sessions of their own."""
    with contextlib.suppress(psutil.Error):
        for child in psutil.Process(pid).children(recursive=True):
            with contextlib.suppress(psutil.Error):
                child.kill()
    with contextlib.suppress(OSError):
        if hasattr(os, "killpg"):
            os.killpg(pid, signal.SIGKILL)
        else:  # pragma: no cover - Windows
            os.kill(pid, signal.SIGTERM)
