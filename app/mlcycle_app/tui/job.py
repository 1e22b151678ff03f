"""One job as the UI sees it, and its log: read as it grows, in small pieces, nothing in it obeyed."""

from __future__ import annotations

import json
import os
import re
import time
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Literal

from mlcycle_app.tui.cells import harmless

__all__ = ["KINDS", "Job", "Log", "Progress"]

State = Literal["running", "done", "refused", "failed", "cancelled"]
KINDS = {"running": "running", "done": "ok", "refused": "attention", "failed": "failed", "cancelled": "none"}
"""The kind of state (`glyphs`) that each of a job's states is of."""

TAIL = 2_000
"""Lines of a log that are kept in memory."""
LONGEST_LINE = 2_000
PIECE = 64 * 1024
BEHIND = 1024 * 1024
"""Bytes that are read at most at one look; what lies before them is left out, and said so."""
LARGEST = 64 * 1024 * 1024
"""Bytes after which a log file begins anew: a loop that prints must not fill the disk."""
MARK = "\x1e"
"""Begins a line of progress."""
INTERRUPTED = (130, -2)
"""Exit codes of who heard ctrl+c: in time, and at its very end."""
REFUSED = 1
CRASHED = "Traceback (most recent call last)"
"""Python's own exit code is 1 too, but then nobody said no."""
SEQUENCES = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[PX^_][^\x1b]*(?:\x1b\\)?|[ -/]*[0-~])"
)
PREFIX, HINT = "mlcycle: ", "  try: "


@dataclass(frozen=True)
class Progress:
    """How far a job says it is."""

    what: str
    done: int
    total: int | None

    @property
    def share(self) -> float | None:
        """From 0 to 1; None if nobody knows the end."""
        return None if not self.total else min(1.0, max(0.0, self.done / self.total))


@dataclass
class Job:
    """A command at work, or one that was."""

    number: int
    words: tuple[str, ...]
    """Command and arguments, as typed after `mlcycle`."""
    title: str
    started: datetime
    state: State = "running"
    code: int | None = None
    """Its exit code; negative: the signal that ended it."""
    ended: datetime | None = None
    progress: Progress | None = None
    lines: deque[str] = field(default_factory=lambda: deque(maxlen=TAIL))
    """The end of what it said; safe to show."""
    said: int = 0
    """Lines it has said in all."""
    cancelled: bool = False
    """Whether somebody asked it to end."""
    folder: Path | None = None
    """The workspace it works on."""
    _began: float = field(default_factory=time.monotonic)
    _seconds: float | None = None
    _stage: tuple[str, float, int] = ("", 0.0, 0)

    @property
    def is_running(self) -> bool:
        """Whether it is at work."""
        return self.state == "running"

    @property
    def seconds(self) -> float:
        """How long it has worked."""
        return time.monotonic() - self._began if self._seconds is None else self._seconds

    @property
    def left(self) -> float | None:
        """Seconds it will take still, by the pace of what it does now; None if that cannot be known."""
        if self.progress is None or not self.progress.total or not self.is_running:
            return None
        _, since, first = self._stage
        done = self.progress.done - first
        return (
            (time.monotonic() - since) / done * (self.progress.total - self.progress.done)
            if done > 0
            else None
        )

    @property
    def last(self) -> str:
        """What it said last; of a failed one what is wrong, without the hint."""
        told = [line for line in self.lines if line.strip() and not line.startswith(HINT)]
        if self.state == "failed":
            told = [line for line in told if line.startswith(PREFIX)] or told
        return told[-1].strip().removeprefix(PREFIX) if told else ""

    @property
    def hint(self) -> str:
        """What to type next, as a failed job says it."""
        told = [line for line in self.lines if line.startswith(HINT)]
        return told[-1].removeprefix(HINT) if told and self.state in ("failed", "refused") else ""

    def say(self, line: str) -> None:
        """Add a line to its log."""
        self.lines.append(line)
        self.said += 1

    def tell(self, progress: Progress) -> None:
        """Say how far it is."""
        if progress.what != self._stage[0] or progress.done < self._stage[2]:
            self._stage = (progress.what, time.monotonic(), progress.done)
        self.progress = progress

    def end(self, code: int, at: datetime, why: str = "") -> None:
        """Note that it has ended, and how: the exit code says whether it did what it was asked."""
        self._seconds, self.code, self.ended = self.seconds, code, at
        if code == 0:
            self.state = "done"
        elif self.cancelled or code in INTERRUPTED:
            self.state = "cancelled"
        elif code == REFUSED and not any(line.startswith(CRASHED) for line in self.lines):
            self.state = "refused"
        else:
            self.state = "failed"
            if why or code < 0:
                self.say(why or f"it was ended by signal {-code}")


class Log:
    """The file that a job writes to.

    Parameters
    ----------
    path
        The file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._at = 0
        self._rest = b""

    def read(self, job: Job) -> bool:
        """Give the job what was written since the last look; return whether there was something."""
        try:
            size = self.path.stat().st_size
        except OSError:
            return False
        if size <= self._at:
            return False
        with self.path.open("rb") as file:
            if size - self._at > BEHIND:
                job.say(f"… {(size - self._at - BEHIND) // 1024:,} kB left out")
                self._at, self._rest = size - BEHIND, b""
            file.seek(self._at)
            while self._at < size and (piece := file.read(min(PIECE, size - self._at))):
                self._at += len(piece)
                self._take(job, piece)
        if self._at >= LARGEST:
            # What is written between the read and here is lost; whoever prints so much will print more.
            os.truncate(self.path, 0)
            self._at = 0
        return True

    def finish(self, job: Job) -> None:
        """Give the job a last line that has no end."""
        if self._rest:
            self._line(job, self._rest)
            self._rest = b""

    def _take(self, job: Job, piece: bytes) -> None:
        *whole, self._rest = (self._rest + piece).split(b"\n")
        for line in whole:
            self._line(job, line)
        if len(self._rest) > PIECE:
            self._line(job, self._rest)
            self._rest = b""

    @staticmethod
    def _line(job: Job, raw: bytes) -> None:
        # A bar that is drawn over itself: its last state is what the terminal would show.
        text = raw.decode("utf-8", "replace").rstrip("\r").rpartition("\r")[2]
        before, mark, told = text.partition(MARK)
        progress = _progress(told) if mark else None
        if progress is not None:
            job.tell(progress)
            text = before
        if text or progress is None:
            job.say(_shown(text[:LONGEST_LINE]))


def _shown(text: str) -> str:
    """Return a line without what a terminal would obey: escape sequences go, other such characters become a sign."""
    return harmless(SEQUENCES.sub("", text.expandtabs(4)))


def _progress(text: str) -> Progress | None:
    try:
        facts = json.loads(text)
        what, done, total = facts["what"], facts["done"], facts.get("total")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    if not isinstance(what, str) or not isinstance(done, int) or not isinstance(total, int | None):
        return None
    return Progress(_shown(what)[:60], done, total)
