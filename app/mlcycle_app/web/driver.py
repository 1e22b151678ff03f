"""How the UI draws when it is a tab: Textual's packets over a pipe, and an end when nobody reads them any more."""

from __future__ import annotations

import contextlib
import os
from typing import Any

from textual.app import App
from textual.drivers.web_driver import WebDriver

__all__ = ["TabDriver"]

GRACE_S = 1.5
"""How long the UI may take to end by itself: its jobs have 0.7 s."""
LOST = 128 + 1
MINE = ("TEXTUAL_DRIVER", "COLUMNS", "ROWS")
"""Variables that are meant for this process, and not for the commands it starts."""


class TabDriver(WebDriver):
    """Draws into a browser's tab."""

    def __init__(
        self, app: App[Any], *, debug: bool = False, mouse: bool = True, size: tuple[int, int] | None = None
    ) -> None:
        super().__init__(app, debug=debug, mouse=mouse, size=size)
        self._write = self._put  # type: ignore[assignment]
        for name in MINE:
            os.environ.pop(name, None)

    def run_input_thread(self) -> None:
        """Read what the tab sends. The end of that is the end of the server, however it died."""
        super().run_input_thread()
        if self.exit_event.is_set():
            return
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(lambda: self._app.exit(return_code=LOST))
        # The loop may be stuck in a write that nobody reads.
        if not self.exit_event.wait(GRACE_S):
            os._exit(LOST)

    def open_url(self, url: str, new_tab: bool = True) -> None:
        """Have the browser open a page, and nothing but a page."""
        if url.startswith(("http://", "https://")):
            super().open_url(url, new_tab)

    def _put(self, data: bytes) -> None:
        # A write that a signal interrupts is short; half a packet would be read as the head of the next.
        rest = memoryview(data)
        with contextlib.suppress(BrokenPipeError):
            while rest:
                rest = rest[os.write(self.fileno, rest) :]
