"""CPU seconds of this process and all its children, phase by phase."""

from __future__ import annotations

import os

import psutil

__all__ = ["Meter"]


class Meter:
    """Counts CPU seconds (user and system, children too) between calls."""

    def __init__(self) -> None:
        self._last = 0.0
        self._phases: dict[str, float] = {}

    def lap(self, phase: str) -> None:
        """Book what was used since the last call on a phase."""
        now = _used()
        self._phases[phase] = self._phases.get(phase, 0.0) + now - self._last
        self._last = now

    def document(self) -> dict[str, float]:
        """Return CPU seconds by phase, and `total`."""
        laps = {phase: round(seconds, 3) for phase, seconds in self._phases.items()}
        return {**laps, "total": round(sum(self._phases.values()), 3)}


def _used() -> float:
    """Seconds so far: ours, those of children that ended, and those of children that still run."""
    times = os.times()
    running = 0.0
    for child in psutil.Process().children(recursive=True):
        try:
            spent = child.cpu_times()
        except psutil.Error:
            continue  # it ended meanwhile: the next call finds it among the ended ones
        running += spent.user + spent.system
    return times.user + times.system + times.children_user + times.children_system + running
