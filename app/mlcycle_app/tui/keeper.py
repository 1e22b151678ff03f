"""The lifecycle board between two reads: whether it is time to look again, and how old what is shown may be called."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlcycle_app.gateway import Board

__all__ = ["Keeper"]

EVERY_S = 2.0
"""Seconds between two looks."""
REST = 20.0
"""A read is followed by a rest of so many times what it took: while a server writes, the board costs a few percent."""
LONGEST = 3.5
"""The longest rest, in `EVERY_S`."""
OLD_S = 5.0
"""Seconds that one read may take before the board counts as old."""


@dataclass
class Keeper:
    """The last board and what is known of it."""

    board: Board | None = None
    failed: bool = False
    _stamp: object = None
    _at: float = field(default_factory=time.monotonic)
    _began: float | None = None
    _ended: float = -1e9
    _took: float = 0.0

    @property
    def reading(self) -> bool:
        """Whether it is being read."""
        return self._began is not None

    @reading.setter
    def reading(self, now: bool) -> None:
        if now:
            self._began = time.monotonic()
        elif self._began is not None:
            self._ended = time.monotonic()
            self._took, self._began = self._ended - self._began, None

    def is_due(self, stamp: object) -> bool:
        """Tell whether to read: something was written, or the last read failed. Else the board is current as of now."""
        now = time.monotonic()
        if self.reading or (self._stamp is not None and now - self._at < EVERY_S):
            return False
        if self.failed:
            return True
        if stamp != self._stamp:
            return now - self._ended >= min(LONGEST * EVERY_S, REST * self._took)
        self._at = now
        return False

    def keep(self, board: Board, stamp: object) -> None:
        """A read has succeeded; the stamp is from before it."""
        self.board, self._stamp, self._at, self.failed = board, stamp, time.monotonic(), False

    @property
    def age(self) -> float | None:
        """Seconds since it was known to be current; None while that needs no saying."""
        seconds = time.monotonic() - self._at
        return seconds if self.failed or (self.reading and seconds > OLD_S) else None
