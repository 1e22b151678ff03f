"""What happens to defects: the traceback goes to a file, and two lines say so."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from mlcycle_app.gateway import CouldNot

if TYPE_CHECKING:
    from mlcycle_app.gateway import Gateway

__all__ = ["keep", "tell"]

LONGEST = 1_000_000
"""Bytes after which the log begins anew."""
_kept: dict[str, Path] = {}
"""Tracebacks written by this process: what fails at every look is written once."""


def keep(gateway: Gateway, error: BaseException, where: str) -> Path | None:
    """Write a traceback to the UI's log; return its path, or None if no log can be written.

    Parameters
    ----------
    where
        The part of the UI that met it.
    """
    lines = "".join(traceback.format_exception(error))
    if lines in _kept:
        return _kept[lines]
    for path in gateway.log_files():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            fresh = not path.exists() or path.stat().st_size > LONGEST
            with path.open("w" if fresh else "a", encoding="utf-8") as log:
                log.write(f"{gateway.wall().isoformat(timespec='seconds')} {where}\n{lines}\n")
        except OSError:
            continue
        _kept[lines] = path
        return path
    return None


def tell(gateway: Gateway, error: BaseException, where: str) -> CouldNot:
    """Keep a defect and return the error that is shown instead."""
    path = keep(gateway, error, where)
    first = (str(error).splitlines() or [""])[0]
    hint = (
        f"a defect of mlcycle; its traceback is in {path}"
        if path
        else "a defect of mlcycle; no log can be written"
    )
    return CouldNot(f"{where}: {type(error).__name__}: {first}", hint=hint)
