"""The runs that are active in this process, and which of them a thread logs to."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlcycle.experiments.run import Run

__all__ = ["current", "drop", "every", "lock", "outer", "push"]

_active: list[Run] = []
"""In the order they were begun. Read without the lock: it is replaced, never changed."""
_lock = threading.RLock()


def lock() -> threading.RLock:
    """Return the lock under which runs begin and end; another one after a fork."""
    return _lock


def current() -> Run | None:
    """Return the run that this thread logs to.

    That is the newest that the thread began; else the newest of the main thread; else the newest of all, so that
    workers log to the run of the one who started them.
    """
    runs = _active
    if len(runs) < 2:
        return runs[0] if runs else None
    main = threading.main_thread().ident
    for thread in (threading.get_ident(), main):
        for run in reversed(runs):
            if run.thread == thread:
                return run
    return runs[-1]


def outer() -> Run | None:
    """Return the run that a new one of this thread would lie inside: its own newest, else the main thread's."""
    threads = (threading.get_ident(), threading.main_thread().ident)
    found = current()
    # Threads that each try something of their own are no children of each other.
    return found if found is not None and found.thread in threads else None


def push(run: Run) -> None:
    """Make a run the active one of its thread."""
    global _active  # noqa: PLW0603 - replaced whole, so that readers need no lock
    with _lock:
        _active = [*_active, run]


def drop(run: Run) -> list[Run]:
    """Take a run out, with those that lie inside it; returns these, the innermost first."""
    global _active  # noqa: PLW0603 - as above
    with _lock:
        inside: list[Run] = []
        for other in _active:
            if other.outer is run or other.outer in inside:
                inside.append(other)
        _active = [other for other in _active if other is not run and other not in inside]
    return inside[::-1]


def every() -> list[Run]:
    """Return all active runs, the newest first."""
    return _active[::-1]


def _after_fork() -> None:
    # A thread of the parent may have held it.
    global _lock  # noqa: PLW0603 - a lock cannot be taken from a thread that is not here
    _lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
