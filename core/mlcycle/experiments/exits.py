"""How a run ended: by itself, by an exception, by an exit code or from the keyboard."""

from __future__ import annotations

import sys
import threading
from opcode import opname
from types import FrameType

import mlcycle

__all__ = ["FACTS", "at_exit", "exit_code", "facts", "status_of", "watch"]

FACTS = ("exit_code", "mlcycle.error")
"""The tags that `facts` gives."""
LONGEST_LINE = 1000

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
    """Return the tags that tell why a run failed: the exception's own line, or the exit code."""
    if error is None or status_of(error) != "failed":
        return {}
    if isinstance(error, SystemExit):
        said = {} if isinstance(error.code, int) else {"mlcycle.error": _line(str(error.code))}
        return {"exit_code": str(exit_code(error)), **said}
    from traceback import TracebackException

    told = TracebackException(type(error), error, None)
    told.__notes__ = None  # which would come after its own line
    return {"mlcycle.error": _line(list(told.format_exception_only())[-1])}


def watch() -> None:
    """Note where the program began, to know at its end whether it came to its last line.

    What `sys.exit` was called with is noted from `import mlcycle` on. `raise SystemExit(3)` is not seen, nor an
    `exit` that was imported from `sys` before; a `with` block sees them all.
    """
    frame = sys._current_frames().get(threading.main_thread().ident or 0)
    while frame is not None and frame.f_back is not None:
        frame = frame.f_back
    _outermost[:] = [] if frame is None else [frame]


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
    asked = mlcycle._asked
    if not asked or not _outermost:
        return None
    frame = _outermost[0]
    last = opname[frame.f_code.co_code[frame.f_lasti]] if frame.f_lasti >= 0 else ""
    return None if last.startswith("RETURN") else SystemExit(asked[0])


def _line(text: str) -> str:
    return (text.strip().splitlines() or [""])[0][:LONGEST_LINE]
