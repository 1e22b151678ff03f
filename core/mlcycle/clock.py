"""The time it is. The story's time can be set (`--now`); the wall clock cannot.

Facts about the product (a batch arrived, a gate decided, a label became known) carry `now()`.
Facts about a process (a run started, a prediction was served) carry `wall()`.
All times are naive UTC with microseconds, as the store keeps them.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime

from mlcycle.errors import UsageError

__all__ = ["VARIABLE", "is_simulated", "now", "parse", "set_now", "wall"]

VARIABLE = "MLCYCLE_NOW"
"""The environment variable by which a simulated now reaches child processes."""


def wall() -> datetime:
    """Return the real time, naive UTC."""
    return datetime.now(UTC).replace(tzinfo=None)


def now() -> datetime:
    """Return the simulated time if one is set, else the real one; naive UTC."""
    text = os.environ.get(VARIABLE)
    return parse(text) if text else wall()


def is_simulated() -> bool:
    """Tell whether a simulated time is set."""
    return bool(os.environ.get(VARIABLE))


def set_now(moment: datetime | None) -> None:
    """Set the simulated time of this process and its children; None goes back to the real one."""
    if moment is None:
        os.environ.pop(VARIABLE, None)
    else:
        os.environ[VARIABLE] = moment.isoformat()


def parse(text: str) -> datetime:
    """Read an ISO 8601 date or time; without a zone it is UTC.

    Raises
    ------
    UsageError
        If the text is no such time.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(
            f"{text!r} is not a date or time", hint="write it as 2026-01-31 or 2026-01-31T12:00:00"
        ) from error
    return moment if moment.tzinfo is None else moment.astimezone(UTC).replace(tzinfo=None)
