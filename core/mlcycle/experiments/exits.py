"""How a run ended: by itself, by an exception, by an exit code or from the keyboard."""

from __future__ import annotations

import sys
import threading
from opcode import opname
from types import FrameType
from typing import NoReturn

__all__ = ["at_exit", "exit_code", "facts", "status_of", "watch"]

LONGEST_LINE = 1000

_asked: list[str | int | None] = []
"""What `sys.exit` was called with the last time."""
_outermost: list[FrameType] = []
"""The frame in which the program began."""


def status_of(error: BaseException | None) -> str:
    """Return `finished`, `failed` or `killed` for what left the block, None for nothing."""
    if error is None or (isinstance(error, SystemExit) and exit_code(error) == 0):
        return "finished"
    return "killed" if isinstance(error, KeyboardInterrupt) else "failed"


def exit_code(error: SystemExit) -> int:
    """Return the code that the process ends with; a message means 1."""
    return 0 if error.code is None else int(error.code) if isinstance(error.code, int) else 1


def facts(error: BaseException | None) -> dict[str, str]:
    """Return the tags that tell why a run failed: the last line of the traceback, or the exit code."""
    if error is None or status_of(error) != "failed":
        return {}
    if isinstance(error, SystemExit):
        said = {} if isinstance(error.code, int) else {"mlcycle.error": _line(str(error.code))}
        return {"exit_code": str(exit_code(error)), **said}
    from traceback import format_exception_only

    return {"mlcycle.error": _line(format_exception_only(error)[-1])}


def watch() -> None:
    """Note what `sys.exit` is called with: the interpreter tells nobody else with which code it ends.

    What it does stays the same. `raise SystemExit(3)` is not seen, but a `with` block sees both.
    """
    frame = sys._current_frames().get(threading.main_thread().ident or 0)
    while frame is not None and frame.f_back is not None:
        frame = frame.f_back
    _outermost[:] = [] if frame is None else [frame]
    if getattr(sys.exit, "__module__", "") == __name__:
        return
    plain = sys.exit

    def exit(status: str | int | None = None, /) -> NoReturn:  # noqa: A001 - it takes the place of that name
        if threading.current_thread() is threading.main_thread():  # elsewhere it ends the thread only
            _asked[:] = [status]
        plain(status)

    sys.exit = exit


def at_exit() -> BaseException | None:
    """Return what ended the program, asked when it ends; None for its last line."""
    error: BaseException | None = sys.exc_info()[1]
    if error is not None:  # a worker process of multiprocessing, which ends while its exception is in flight
        return error
    if not hasattr(sys, "ps1"):  # at a prompt it is the last one of many
        error = getattr(sys, "last_value", None)
    return error or _uncaught_exit()


def _uncaught_exit() -> SystemExit | None:
    """Return the last `sys.exit` if an exception ended the program: its first frame has then not returned."""
    if not _asked or not _outermost:
        return None
    frame = _outermost[0]
    last = opname[frame.f_code.co_code[frame.f_lasti]] if frame.f_lasti >= 0 else ""
    return None if last.startswith("RETURN") else SystemExit(_asked[0])


def _line(text: str) -> str:
    return (text.strip().splitlines() or [""])[0][:LONGEST_LINE]
