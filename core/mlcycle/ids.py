"""Identifiers: UUIDv7 (RFC 9562), ordered by time, which Python 3.11 does not make itself."""

from __future__ import annotations

import os
import time
from uuid import UUID

__all__ = ["new_id", "short"]


def new_id() -> str:
    """Return a new UUIDv7 as 36 lower-case characters: 48 bits of milliseconds, 74 random bits."""
    value = (time.time_ns() // 1_000_000) << 80 | int.from_bytes(os.urandom(10), "big")
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return str(UUID(int=value))


def short(identifier: object) -> str:
    """Return the last 8 hex digits: the first ones are a clock, and so alike for neighbours."""
    return str(identifier).replace("-", "")[-8:]
