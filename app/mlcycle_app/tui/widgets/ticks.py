"""Where an axis has labels, and what they say: round numbers, powers of ten, round times."""

from __future__ import annotations

import math
from datetime import UTC, datetime

__all__ = ["log_ticks", "nice_ticks", "short", "time_ticks"]

Tick = tuple[float, str]
"""Place and words."""
MINUTE, HOUR, DAY = 60, 3600, 86400
STEPS = (
    1, 2, 5, 10, 15, 30,
    MINUTE, 2 * MINUTE, 5 * MINUTE, 10 * MINUTE, 15 * MINUTE, 30 * MINUTE,
    HOUR, 2 * HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR,
    DAY, 2 * DAY, 7 * DAY, 14 * DAY, 30 * DAY, 90 * DAY, 180 * DAY, 365 * DAY,
)  # fmt: skip
"""Seconds between two labels of a time axis."""


def short(value: float) -> str:
    """Return a number in at most six characters or so: three digits that count, thousands as k, M, G."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= size:
            return f"{value / size * (10 if unit == 'k' else 1):.3g}{unit}"
    words = f"{value:.4g}" if abs(value) >= 1000 else f"{value:.3g}"
    return words if len(words) <= 7 else f"{value:.1e}"


def nice_ticks(low: float, high: float, most: int) -> list[Tick]:
    """Return multiples of 1, 2 or 5 times a power of ten within a range, at most so many."""
    if not high > low:
        return [(low, short(low))]
    power = 10.0 ** math.floor(math.log10((high - low) / max(1, most)))

    def ends(step: float) -> tuple[int, int]:
        return math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)

    steps = (power * factor for factor in (1, 2, 5, 10, 20, 50))
    step = next((step for step in steps if ends(step)[1] - ends(step)[0] < most), high - low)
    first, last = ends(step)
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    values = [number * step for number in range(first, last + 1)]
    if max((abs(value) for value in values), default=0.0) >= 1e4 or digits > 5:
        return [(value, short(value)) for value in values]
    return [(value, f"{value + 0.0:.{digits}f}") for value in values]


def log_ticks(low: float, high: float, most: int) -> list[Tick]:
    """Return round numbers on a scale of powers; low and high are logarithms to base ten."""
    first, last = math.floor(low), math.ceil(high)
    for factors in ((1, 2, 5), (1, 3), (1,)):
        values = [
            factor * 10.0**power
            for power in range(first, last + 1)
            for factor in factors
            if low <= math.log10(factor * 10.0**power) <= high
        ]
        if len(values) <= most:
            break
    every = -(-len(values) // max(1, most))
    return [(value, short(value)) for value in values[::every]]


def time_ticks(low: float, high: float, most: int) -> list[Tick]:
    """Return round moments between two times in seconds since 1970, UTC: hours within days, days beyond."""
    years = STEPS[-1] * max(1, math.ceil((high - low) / STEPS[-1] / max(1, most)))
    step = next((step for step in STEPS if (high - low) / step <= most), years)
    if high <= low:
        return [(low, _said(low, MINUTE if low % DAY else DAY))]
    values = [float(number * step) for number in range(math.ceil(low / step), math.floor(high / step) + 1)]
    return [(value, _said(value, step)) for value in values]


def _said(value: float, step: int) -> str:
    moment = datetime.fromtimestamp(value, UTC)
    if step >= DAY:
        return moment.strftime("%Y-%m" if step >= 90 * DAY else "%m-%d")
    if step < MINUTE:
        return moment.strftime("%H:%M:%S")
    return moment.strftime("%m-%d" if value % DAY == 0 else "%H:%M")
