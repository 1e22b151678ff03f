"""Locks between processes: whole-file, shared or exclusive, released by the kernel when the holder dies.

POSIX: flock(2), which belongs to the open file and is not dropped when another handle of the same file is
closed. Windows: LockFileEx on one byte far behind the end, since its locks would otherwise stop readers of
the bytes. Lock files are empty and never deleted; whether they exist says nothing.
"""

from __future__ import annotations

import errno
import json
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from mlcycle.errors import Busy, WorkspaceError

__all__ = ["FileLock", "Holder", "Turnstile", "holder", "try_lock"]

GATE = "gate.lock"
STORE = "store.lock"
HOLDER = "holder.json"
FIRST_NAP_S = 0.0005
LONGEST_NAP_S = 0.01

if sys.platform == "win32":  # pragma: no cover
    import ctypes
    import msvcrt
    from ctypes import wintypes

    _kernel = ctypes.WinDLL("kernel32", use_last_error=True)
    _AT_ONCE, _EXCLUSIVE, _FAR = 1, 2, 0x7FFFFFFF

    class _Overlapped(ctypes.Structure):
        _fields_ = (
            ("internal", ctypes.c_void_p),
            ("internal_high", ctypes.c_void_p),
            ("offset", wintypes.DWORD),
            ("offset_high", wintypes.DWORD),
            ("event", wintypes.HANDLE),
        )

    def _unlock(handle: int) -> None:
        """Closing does it."""

    def try_lock(handle: int, *, shared: bool) -> bool:
        """Lock an open file if that can be had at once."""
        place = _Overlapped(offset_high=_FAR)
        flags = _AT_ONCE | (0 if shared else _EXCLUSIVE)
        file = wintypes.HANDLE(msvcrt.get_osfhandle(handle))
        return bool(_kernel.LockFileEx(file, flags, 0, 1, 0, ctypes.byref(place)))

else:
    import fcntl

    def _unlock(handle: int) -> None:
        # A child forked a moment ago has a copy of the handle still: closing ours would not be enough.
        fcntl.flock(handle, fcntl.LOCK_UN)

    def try_lock(handle: int, *, shared: bool) -> bool:
        """Lock an open file if that can be had at once."""
        try:
            fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as error:
            if error.errno in (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS):
                raise WorkspaceError(
                    "this file system has no file locks", hint="keep the workspace on a local disk"
                ) from error
            raise
        return True


@dataclass(frozen=True)
class Holder:
    """The process that has a lock."""

    pid: int
    command: str


class FileLock:
    """A lock on one file, for a `with` block.

    Parameters
    ----------
    path
        The lock file; made if it is not there.
    shared
        Whether others may share it.
    timeout_s
        How long to wait; 0 tries once.
    waited_s
        How long was waited before, for the message.
    optional
        Whether to go on without a lock where the lock file can neither be made nor opened, as a reader
        of a folder that nobody can write to may.
    what
        What is locked, for the message.

    Raises
    ------
    Busy
        On entry, if the lock was not had in time.
    """

    def __init__(
        self,
        path: Path,
        *,
        shared: bool,
        timeout_s: float,
        waited_s: float = 0.0,
        optional: bool = False,
        what: str = "the store",
    ) -> None:
        self.path, self.shared, self.timeout_s, self.optional = path, shared, timeout_s, optional
        self.waited_s, self.what = waited_s, what
        self._handle: int | None = None
        self._pid = 0

    def __enter__(self) -> FileLock:
        handle = self._open()
        if handle is None:
            return self
        end, nap = time.monotonic() + self.timeout_s, FIRST_NAP_S
        try:
            while not try_lock(handle, shared=self.shared):
                if time.monotonic() >= end:
                    raise _busy(self.path, self.timeout_s + self.waited_s, self.what)
                time.sleep(nap)
                nap = min(nap * 1.5, LONGEST_NAP_S)
        except BaseException:
            os.close(handle)
            raise
        self._handle, self._pid = handle, os.getpid()
        _held.add(handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._handle is not None and self._pid == os.getpid():
            _held.discard(self._handle)
            _unlock(self._handle)
            os.close(self._handle)
        self._handle = None

    def _open(self) -> int | None:
        close = getattr(os, "O_CLOEXEC", 0)
        try:
            return os.open(self.path, os.O_RDWR | os.O_CREAT | close, 0o600)
        except OSError as error:
            if error.errno not in (errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOENT):
                raise
            try:
                return os.open(self.path, os.O_RDONLY | close)
            except OSError:
                if self.optional:
                    return None
            raise WorkspaceError(f"{self.path.parent} cannot be written: {error.strerror}") from error


class Turnstile:
    """A shared or exclusive lock that readers cannot keep a writer from.

    Everybody passes a gate, held only while waiting: who waits for the store stops those who come later.
    The exclusive holder leaves its name in `holder.json`, for the messages of others.
    """

    def __init__(self, folder: Path, *, shared: bool, timeout_s: float) -> None:
        self.folder, self.shared, self.timeout_s = folder, shared, timeout_s
        self._store: FileLock | None = None

    def __enter__(self) -> Turnstile:
        end = time.monotonic() + self.timeout_s
        with FileLock(self.folder / GATE, shared=False, timeout_s=self.timeout_s, optional=self.shared):
            left = max(0.0, end - time.monotonic())
            waited = self.timeout_s - left
            store = FileLock(
                self.folder / STORE,
                shared=self.shared,
                timeout_s=left,
                waited_s=waited,
                optional=self.shared,
            )
            store.__enter__()
        self._store = store
        if not self.shared:
            _sign(self.folder)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._store is not None:
            self._store.__exit__(kind, error, trace)
            self._store = None


_held: set[int] = set()


def _after_fork() -> None:
    # A child's copy of the handle would keep the lock after the parent has let go of it.
    for handle in _held:
        os.close(handle)
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def holder(folder: Path) -> Holder | None:
    """Return who holds the store exclusively now, as far as that can be known."""
    path = folder / STORE
    handle = None
    try:
        handle = os.open(path, os.O_RDONLY)
        if try_lock(handle, shared=True):
            return None
    except OSError:
        return None
    finally:
        if handle is not None:
            os.close(handle)
    return _kernel_says(path) or _signed(folder)


def _busy(path: Path, timeout_s: float, what: str) -> Busy:
    if path.name in (GATE, STORE):
        who = _kernel_says(path.parent / STORE) or _kernel_says(path) or _signed(path.parent)
    else:
        who = _kernel_says(path)
    name = f"pid {who.pid} ({who.command})" if who else "another process"
    return Busy(
        f"{name} has held {what} of {path.parent.parent} for longer than {timeout_s:.3g} s",
        hint=f"wait for it, or end it: kill {who.pid}" if who else "try again",
    )


def _sign(folder: Path) -> None:
    # For messages only: a folder that is full or gone must not fail the work that has the lock already.
    text = json.dumps({"pid": os.getpid(), "command": " ".join(sys.argv)[:200]})
    try:
        (folder / HOLDER).write_text(text)
    except OSError:
        return


def _signed(folder: Path) -> Holder | None:
    try:
        facts = json.loads((folder / HOLDER).read_text())
        return Holder(int(facts["pid"]), str(facts["command"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _kernel_says(path: Path) -> Holder | None:
    # Linux lists lock holders by inode, readers too; holder.json knows only the last exclusive one.
    try:
        inode = str(path.stat().st_ino)
        lines = Path("/proc/locks").read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        pieces = line.split()
        if "->" not in pieces and pieces[1] == "FLOCK" and pieces[5].rpartition(":")[2] == inode:
            pid = int(pieces[4])
            if pid > 0 and pid != os.getpid():
                return Holder(pid, _command(pid))
    return None


def _command(pid: int) -> str:
    try:
        raw = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return "command unknown"
    return raw.replace(b"\0", b" ").decode("utf-8", "replace").strip()[:200] or "command unknown"
