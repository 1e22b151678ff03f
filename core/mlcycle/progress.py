"""How far long work has come: verbs tell it, whoever runs them may listen.

Bottom of core, beside errors and clock. One listener a process; without one `tell` is a single comparison, so that a
loop over batches may call it freely. How it is drawn, and how often, is the listener's business.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import RLock

__all__ = ["Listener", "listen", "tell"]

Listener = Callable[[str, int, int | None], None]
"""Takes what is being done, how much of it is done, and of how much (None: nobody knows)."""

_lock = RLock()
_listener: Listener | None = None


def tell(what: str, done: int, total: int | None = None) -> None:
    """Say how far some work has come.

    Parameters
    ----------
    what
        The work, in a few plain words such as `fit models`; the same words as long as it is the same work.
    done
        How many of its parts are done, from 0.
    total
        How many parts there are; None if nobody knows yet.
    """
    if _listener is None:
        return
    with _lock:
        listener = _listener
        if listener is not None:
            listener(what, done, total)


@contextmanager
def listen(listener: Listener | None) -> Iterator[None]:
    """Hear, inside the block, what any thread of this process tells; the listener before is back afterwards.

    Parameters
    ----------
    listener
        Called one call at a time, in the thread that tells; an error it raises reaches the work. None: nobody hears.
    """
    global _listener  # noqa: PLW0603 - one listener a process is the point
    with _lock:
        before, _listener = _listener, listener
    try:
        yield
    finally:
        with _lock:
            _listener = before
