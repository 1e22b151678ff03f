"""What a person or the UI sees of long work while it runs: one line on stderr, overwritten or one a piece of news.

With MLCYCLE_PROGRESS=lines, as in the UI's jobs, every piece of news is a line of its own that begins with the sign
RS (0x1e) and goes on as a JSON object `{"what": ..., "done": ..., "total": ...}`. On a terminal it is one line that is
overwritten and gone in the end. Elsewhere nothing is said. Nothing heavy is imported: every command passes here.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import TextIO

from mlcycle_app.gateway import listen

__all__ = ["LINES", "SIGN", "bar", "shown", "wipe"]

LINES = "MLCYCLE_PROGRESS"
"""Variable that asks for lines: `lines`; anything else is no wish."""
SIGN = "\x1e"
"""First character of a line of progress; no other line begins with it."""
PAUSE = 0.1
"""Seconds between two pieces of news; the last of some work is always told."""
WIDTH = 24
"""Columns of the bar, where there is room for them."""


def shown() -> AbstractContextManager[None]:
    """Return a block in which progress is shown on stderr, as the environment and the terminal ask for it."""
    if os.environ.get(LINES) == "lines":
        return _told(_Lines(sys.stderr))
    if sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
        return _told(_Overwritten(sys.stderr))
    return nullcontext()


def wipe() -> None:
    """Take the line of progress off the terminal, before words go there; the next news draws it again."""
    if _line is not None:
        _line.wipe()


def bar(what: str, done: int, total: int | None, width: int) -> str:
    """Return one line of at most `width` columns: `what 12/40 ━━━━╌╌╌ 30 %`; without a total, `what 12`.

    The bar goes first when there is little room, then the end of the words.
    """
    if not total:
        return f"{what} {done:,}"[:width]
    share = min(max(done / total, 0.0), 1.0)
    count, percent = f" {done:,}/{total:,}", f" {int(share * 100)} %"
    room = width - len(what) - len(count) - len(percent) - 1
    if room < 4:
        return what[: max(width - len(count) - len(percent), 0)] + count + percent
    length = min(room, WIDTH)
    full = int(share * length)
    return f"{what}{count} {'━' * full}{'╌' * (length - full)}{percent}"


class _Teller:
    """Passes news on, at most so often: what came in between is told when it was the last of its work."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._next = 0.0
        self._held: tuple[str, int, int | None] | None = None

    def __call__(self, what: str, done: int, total: int | None) -> None:
        if self._held is not None and self._held[0] != what:
            self._flush()
        self._held = (what, done, total)
        if time.monotonic() >= self._next or (total is not None and done >= total):
            self._flush()

    def close(self) -> None:
        """Tell what is still held back."""
        self._flush()

    def _flush(self) -> None:
        if self._held is not None:
            held, self._held = self._held, None
            self._next = time.monotonic() + PAUSE
            with suppress(OSError, ValueError):  # whoever watched has gone; the work goes on
                self._write(*held)
                self._out.flush()

    def _write(self, what: str, done: int, total: int | None) -> None:
        raise NotImplementedError


class _Lines(_Teller):
    def _write(self, what: str, done: int, total: int | None) -> None:
        news = json.dumps({"what": what, "done": done, "total": total}, ensure_ascii=True)
        # one write, so that another thread's words never land inside the line
        self._out.write(f"{SIGN}{news}\n")


class _Overwritten(_Teller):
    """One line of a terminal."""

    def __init__(self, out: TextIO) -> None:
        super().__init__(out)
        self._drawn = False

    def _write(self, what: str, done: int, total: int | None) -> None:
        plain = "".join(sign for sign in what if sign.isprintable())
        width = shutil.get_terminal_size().columns - 1
        self._out.write(f"\r{bar(plain, done, total, width)}\x1b[K")
        self._drawn = True

    def wipe(self) -> None:
        """Take the line away."""
        if self._drawn:
            self._drawn = False
            with suppress(OSError, ValueError):
                self._out.write("\r\x1b[K")
                self._out.flush()

    def close(self) -> None:
        """Leave nothing behind: words that come after begin on an empty line."""
        self._held = None
        self.wipe()


_line: _Overwritten | None = None


@contextmanager
def _told(teller: _Teller) -> Iterator[None]:
    global _line  # noqa: PLW0603 - a process has one terminal
    before, _line = _line, teller if isinstance(teller, _Overwritten) else None
    try:
        with listen(teller):
            yield
    finally:
        _line = before
        teller.close()
