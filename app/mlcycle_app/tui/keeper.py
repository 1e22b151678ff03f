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
OLD_S = 5.0
"""Seconds that one read may take before the board counts as old."""


@dataclass
class Keeper:
    """The last board and what is known of it."""

    board: Board | None = None
    reading: bool = False
    failed: bool = False
    _stamp: object = None
    _at: float = field(default_factory=time.monotonic)

    def is_due(self, stamp: object) -> bool:
        """Tell whether to read: something was written, or the last read failed. Else the board is current as of now."""
        now = time.monotonic()
        if self.reading or (self._stamp is not None and now - self._at < EVERY_S):
            return False
        if self.failed or stamp != self._stamp:
            return True
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
