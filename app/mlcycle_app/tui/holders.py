"""Which other process has a store open: ours by its lock, a foreign program by what the system says of the file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from mlcycle_app.gateway import CouldNot, MlcycleError

if TYPE_CHECKING:
    from mlcycle_app.gateway import Gateway

__all__ = ["explained", "foreign", "holding"]

LOCKS = Path("/proc/locks")
"""Linux: every lock on every file, with the number of its process. Other systems tell nobody but administrators."""


def holding(gateway: Gateway) -> str:
    """Return who keeps others from reading the store, in words; empty if nobody is known to. Waits for nothing."""
    if busy := gateway.busy():
        return busy
    pid = foreign(gateway.workspace.database)
    return "" if pid is None else _program(pid)


def explained(gateway: Gateway, error: MlcycleError) -> MlcycleError:
    """Return an error of the environment as what it comes from, where a foreign program is seen to hold the store."""
    if not isinstance(error, CouldNot) or gateway.busy():
        return error  # one of ours has the file open then; it cannot be closed there, and the error names it
    pid = foreign(gateway.workspace.database)
    if pid is None:
        return error
    return CouldNot(f"the store is held by {_program(pid)}", hint="close it there, or open a copy there")


def foreign(path: Path) -> int | None:
    """Return the process that has a file locked for writing, nought if it cannot be seen; None if none has."""
    try:
        file = path.stat()
        lines = LOCKS.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return None
    place = f"{os.major(file.st_dev):02x}:{os.minor(file.st_dev):02x}:{file.st_ino}"
    for line in lines:
        # 1: POSIX  ADVISORY  WRITE 4711 fd:01:1234 0 EOF
        words = line.split()
        if "->" not in words and len(words) > 5 and (words[3], words[5]) == ("WRITE", place):
            pid = int(words[4])
            if pid != os.getpid():
                return max(0, pid)
    return None


def _program(pid: int) -> str:
    name = _name(pid)
    return f"another program (pid {pid} {name})" if name else "another program"


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text(encoding="utf-8", errors="replace").strip() if pid else ""
    except OSError:
        return ""
