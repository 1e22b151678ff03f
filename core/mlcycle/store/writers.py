"""The segments that this process writes: one for each journal and stream, shared by all its stores."""

from __future__ import annotations

import atexit
import os
import threading
from collections import OrderedDict
from pathlib import Path

from mlcycle.journal import SegmentWriter
from mlcycle.store.rules import STREAMS

__all__ = ["MOST", "close_all", "refused", "writer"]

MOST = 64
"""Segments kept open; beyond it the one used longest ago is closed."""

_writers: OrderedDict[tuple[str, str], SegmentWriter] = OrderedDict()
_lock = threading.Lock()


def writer(journal: str, stream: str) -> SegmentWriter:
    """Return this process's writer of a stream.

    Raises
    ------
    ValueError
        If there is no such stream.
    """
    key = (journal, stream)
    with _lock:
        found = _writers.get(key)
        if found is None:
            if stream not in STREAMS:
                raise ValueError(f"no stream is called {stream!r}; there are {', '.join(STREAMS)}")
            found = _writers[key] = SegmentWriter(Path(journal), stream)
            if len(_writers) > MOST:
                _writers.popitem(last=False)[1].close()
        _writers.move_to_end(key)
        return found


def refused(journal: str) -> int:
    """Return how many records this process was not able to keep in a journal."""
    with _lock:
        return sum(one.refused for (where, _), one in _writers.items() if where == journal)


def close_all() -> None:
    """End all segments of this process; a later append begins others."""
    with _lock:
        for one in _writers.values():
            one.close()
        _writers.clear()


def _after_fork() -> None:
    # A thread of the parent may have held it, and does not exist in the child.
    global _lock  # noqa: PLW0603
    _lock = threading.Lock()


atexit.register(close_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
