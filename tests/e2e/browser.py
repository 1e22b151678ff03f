"""A headless Chromium driven over the DevTools protocol's pipe: no port, no driver program, no network."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pyte

LIMIT_S = 30
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--headless=new",
    "--remote-debugging-pipe",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-dev-shm-usage",
    "--disable-extensions",
    "--disable-gpu",
    "--disable-sync",
    "--metrics-recording-only",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--window-size=1200,800",
    "about:blank",
)


def find() -> str | None:
    """Return where a Chromium is that starts, None if there is none: some systems have only its name."""
    for program in filter(None, map(shutil.which, NAMES)):
        done = subprocess.run([program, "--version"], capture_output=True, timeout=LIMIT_S)
        if done.returncode == 0:
            return program
    return None


def until(true: Callable[[], object], what: str | Callable[[], str]) -> None:
    """Return as soon as something is true; what it waits for is another process."""
    pause = threading.Event()
    end = time.monotonic() + LIMIT_S
    while not true():
        assert time.monotonic() < end, f"never: {what if isinstance(what, str) else what()}"
        pause.wait(0.05)


class Page:
    """One page of the browser, and what it did on the network."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        target = browser.ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = browser.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self._target = target
        self.asked: list[str] = []
        """Every address it asked for."""
        self.errors: list[str] = []
        """What the browser complained of: refused loads, broken scripts."""
        self.screen: pyte.Screen | None = None
        """What its terminal was told to show."""
        self._stream: pyte.ByteStream | None = None
        browser.listeners[self._session] = self._hear
        for domain in ("Network", "Page", "Runtime", "Log"):
            self.ask(f"{domain}.enable")

    def ask(self, method: str, **options: Any) -> dict[str, Any]:
        return self._browser.ask(method, session=self._session, **options)

    def go(self, url: str) -> None:
        self.ask("Page.navigate", url=url)

    def reload(self) -> None:
        self.screen = None
        self.ask("Page.reload")

    def close(self) -> None:
        self._browser.ask("Target.closeTarget", targetId=self._target)

    def evaluate(self, expression: str) -> Any:
        answer = self.ask("Runtime.evaluate", expression=expression, returnByValue=True)
        return answer["result"].get("value")

    def press(self, key: str) -> None:
        code = f"Digit{key}" if key.isdigit() else f"Key{key.upper()}"
        for kind in ("keyDown", "keyUp"):
            text = {"text": key} if kind == "keyDown" else {}
            self.ask("Input.dispatchKeyEvent", type=kind, key=key, code=code, **text)

    def picture(self) -> bytes:
        return base64.b64decode(self.ask("Page.captureScreenshot", format="png")["data"])

    def text(self) -> str:
        return "" if self.screen is None else "\n".join(self.screen.display)

    def wait_for(self, words: str) -> None:
        """Return as soon as the terminal shows the words."""
        until(lambda: self._browser.listen() or words in self.text(), lambda: f"{words!r} in\n{self.text()}")

    def wait_until_gone(self, words: str) -> None:
        until(lambda: self._browser.listen() or words not in self.text(), f"no {words!r}")

    def _hear(self, method: str, told: dict[str, Any]) -> None:
        if method == "Network.requestWillBeSent":
            self.asked.append(told["request"]["url"])
        elif method == "Network.webSocketCreated":
            self.asked.append(told["url"])
            size = parse_qs(urlsplit(told["url"]).query)
            self.screen = pyte.Screen(int(size["width"][0]), int(size["height"][0]))
            self._stream = pyte.ByteStream(self.screen)
        elif method == "Network.webSocketFrameReceived" and told["response"]["opcode"] == 2:
            assert self._stream is not None
            self._stream.feed(base64.b64decode(told["response"]["payloadData"]))
        elif method == "Log.entryAdded" and told["entry"]["level"] == "error":
            self.errors.append(told["entry"]["text"])
        elif method == "Runtime.exceptionThrown":
            self.errors.append(str(told["exceptionDetails"]))


class Browser:
    """A Chromium without a window.

    Parameters
    ----------
    program
        Where it is.
    profile
        A folder for what it keeps.
    """

    def __init__(self, program: str, profile: Path) -> None:
        self.listeners: dict[str, Callable[[str, dict[str, Any]], None]] = {}
        self._count, self._rest = 0, b""
        theirs_in, self._out = os.pipe()
        self._in, theirs_out = os.pipe()
        # Chromium reads from 3 and writes to 4: out of the way first, for they may be taken by these very pipes.
        high = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 10) for fd in (theirs_in, theirs_out)]

        def place() -> None:
            os.dup2(high[0], 3)
            os.dup2(high[1], 4)

        self.process = subprocess.Popen(
            [
                program,
                *(["--no-sandbox"] if os.geteuid() == 0 else []),
                f"--user-data-dir={profile}",
                *FLAGS,
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=place,  # noqa: PLW1509 - it takes no lock that another thread could hold
            pass_fds=(3, 4),
            start_new_session=True,
        )
        for fd in (theirs_in, theirs_out, *high):
            os.close(fd)

    def ask(self, method: str, *, session: str = "", **options: Any) -> dict[str, Any]:
        """Send a command; return what it answers."""
        self._count += 1
        command = {"id": self._count, "method": method, "params": options}
        if session:
            command["sessionId"] = session
        os.write(self._out, json.dumps(command).encode() + b"\0")
        end = time.monotonic() + LIMIT_S
        while time.monotonic() < end:
            for answer in self._receive(0.5):
                if answer.get("id") == self._count:
                    assert "error" not in answer, (method, answer)
                    result: dict[str, Any] = answer["result"]
                    return result
        raise AssertionError(f"no answer to {method}")

    def listen(self) -> bool:
        """Hear what has happened meanwhile; return False."""
        while self._receive(0.05):
            pass
        return False

    def close(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        os.close(self._out)
        os.close(self._in)

    def _receive(self, wait_s: float) -> list[dict[str, Any]]:
        if not select.select([self._in], [], [], wait_s)[0]:
            return []
        piece = os.read(self._in, 1 << 20)
        assert piece, "the browser has ended"
        *whole, self._rest = (self._rest + piece).split(b"\0")
        messages = [json.loads(one) for one in whole]
        for message in messages:
            hear = self.listeners.get(message.get("sessionId", ""))
            if hear is not None and "method" in message:
                hear(message["method"], message["params"])
        return messages or self._receive(wait_s)


@contextmanager
def browser(program: str, profile: Path) -> Iterator[Browser]:
    made = Browser(program, profile)
    try:
        yield made
    finally:
        made.close()
