"""Times as people say them."""

from __future__ import annotations

from datetime import datetime

__all__ = ["age", "moment"]

UNITS = ((86400 * 365, "y"), (86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def age(at: datetime | None, now: datetime, wall: datetime | None = None) -> str:
    """Return how long ago something was, in its largest unit; empty when it never was.

    Parameters
    ----------
    at
        When it was.
    now
        The story's time.
    wall
        The real time. What lies ahead of the story's clock was done by a process, and is as old as that one says.
    """
    if at is None:
        return ""
    seconds = (now - at).total_seconds()
    if seconds < -1 and wall is not None:
        seconds = (wall - at).total_seconds()
    if seconds < 1:
        return "now" if seconds > -86400 else at.strftime("%Y-%m-%d")
    size, unit = next((size, unit) for size, unit in UNITS if seconds >= size)
    return f"{int(seconds // size)} {unit}"


def moment(at: datetime) -> str:
    """Return a time to the minute, or the day alone at midnight."""
    return (
        at.strftime("%Y-%m-%d")
        if (at.hour, at.minute, at.second) == (0, 0, 0)
        else at.strftime("%Y-%m-%d %H:%M")
    )
