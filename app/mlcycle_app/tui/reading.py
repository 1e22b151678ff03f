"""Reads away from the screen's loop, in threads that nobody waits for: quitting never hangs behind one.

Threads of Textual's own workers belong to an executor, and asyncio and the interpreter both wait for those at the end.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable
from typing import TypeVar

__all__ = ["elsewhere", "leave_with", "start"]

T = TypeVar("T")
GRACE_S = 0.5
"""How long the end of the program waits for reads under way."""

_going: set[threading.Thread] = set()
_codes: list[int] = []


def start(work: Callable[[], object], name: str) -> threading.Thread:
    """Run something in a thread of its own."""

    def run() -> None:
        try:
            work()
        finally:
            _going.discard(thread)

    thread = threading.Thread(target=run, name=name, daemon=True)
    _going.add(thread)
    thread.start()
    return thread


async def elsewhere(question: Callable[[], T], name: str) -> T:
    """Return what a blocking function returns; the loop goes on meanwhile, and may stop waiting at any time."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[T] = loop.create_future()

    def work() -> None:
        try:
            found = question()
        except BaseException as error:  # noqa: BLE001 - raised again where it is awaited
            _tell(loop, answer, error=error)
        else:
            _tell(loop, answer, found)

    start(work, name)
    return await answer


def leave_with(code: int) -> None:
    """Let the program end with this code, even while a read is stuck in native code."""
    _codes[:] = [code]


def _tell(
    loop: asyncio.AbstractEventLoop,
    answer: asyncio.Future[T],
    found: T | None = None,
    error: BaseException | None = None,
) -> None:
    def tell() -> None:
        if answer.done():
            return
        if error is not None:
            answer.set_exception(error)
        else:
            answer.set_result(found)  # type: ignore[arg-type]

    with contextlib.suppress(RuntimeError):  # the loop has ended: nobody asks any more
        loop.call_soon_threadsafe(tell)


@atexit.register
def _leave() -> None:
    # A thread that comes back from native code into an interpreter that is gone aborts the process.
    until = time.monotonic() + GRACE_S
    for thread in list(_going):
        thread.join(max(0.0, until - time.monotonic()) if _codes else None)
    if any(thread.is_alive() for thread in _going):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(_codes[0])
