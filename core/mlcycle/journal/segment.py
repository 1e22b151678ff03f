"""Writing to the journal: each process has a segment of its own for each stream, and waits for nobody.

A record is acknowledged when its `write` has returned. The writer keeps an exclusive lock on its segment for
as long as it lives, so that who folds the journal knows a finished segment from a living one without
guessing by process id.
"""

from __future__ import annotations

import contextlib
import errno
import os
import platform
import shutil
import sys
import threading
import time
import weakref
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType

from mlcycle.journal.frame import LONGEST, control, encode, frame
from mlcycle.journal.locks import try_lock

__all__ = ["FORMAT", "SUFFIX", "SegmentWriter", "mark", "namespace"]

FORMAT = 1
SUFFIX = ".jnl"
DURABILITY = "MLCYCLE_DURABILITY"
"""Variable: `power` makes every record survive a power cut, not only the death of its process."""
ROTATE_AT = 64 << 20
LEAST_FREE = 0.05
LOOK_AT_DISK_EVERY_S = 1.0


def namespace() -> str:
    """Return what names this machine or container: process ids and locks mean something only inside it."""
    try:
        inside = os.readlink("/proc/self/ns/pid")
    except OSError:
        inside = ""
    return f"{platform.node()} {inside}".strip()


def mark() -> str:
    """Return what the names of all segments of this process have in common: its id, and a mark of its own."""
    pid = os.getpid()
    if _marks.get("pid") != str(pid):
        _marks.update(pid=str(pid), mark=f"{pid}-{os.urandom(4).hex()}")
    return _marks["mark"]


_marks: dict[str, str] = {}


class SegmentWriter:
    """Appends records to one stream of a journal. Safe in threads and after a fork.

    Parameters
    ----------
    root
        The folder of the journal; a stream is a folder in it.
    stream
        The stream's name.
    sync
        Whether every append also waits until the disk has it; if not said, where `MLCYCLE_DURABILITY` is `power`.
    rotate_at
        Bytes after which a new segment is begun.
    least_free
        The share of the disk that must stay free; below it records are refused.
    """

    def __init__(
        self,
        root: Path,
        stream: str,
        *,
        sync: bool | None = None,
        rotate_at: int = ROTATE_AT,
        least_free: float = LEAST_FREE,
    ) -> None:
        self.folder = root / stream
        self.stream = stream
        self.sync = os.environ.get(DURABILITY) == "power" if sync is None else sync
        self.rotate_at, self.least_free = rotate_at, least_free
        self.refused = 0
        """Records that this process was not able to keep."""
        self._untold = 0
        self._warned = False
        self._looked_at_disk = -LOOK_AT_DISK_EVERY_S
        self._lock = threading.Lock()
        self._handle: int | None = None
        self._pid = 0
        self._begun = 0
        self.path: Path | None = None
        """The segment that is being written, if there is one."""
        _writers.add(self)

    def append(self, records: Iterable[Mapping[str, object]], *, sync: bool | None = None) -> bool:
        """Write records in one call and say whether they are kept.

        Parameters
        ----------
        records
            JSON-like objects; see `frame.encode` for what else may be in them.
        sync
            Whether to wait until the disk has them; by default as the writer was made.

        Returns
        -------
        bool
            True once all are acknowledged. False if the disk is full or fails, or if a record is longer than
            1 MB: counted in `refused`, and said once on stderr. Of a refused batch a first part may
            have been kept.
        """
        lines = [frame(encode(record)) for record in records]
        if not lines:
            return True
        data = lines[0] if len(lines) == 1 else b"".join(lines)
        with self._lock:
            if len(data) > LONGEST and max(map(len, lines)) > LONGEST:
                return self._refuse(len(lines), "a record is longer than 1 MB")
            try:
                handle, size = self._ready()
                if self._disk_is_full():
                    share = f"less than {self.least_free:.0%} of the disk is free"
                    return self._refuse(len(lines), share)
                if self._untold:
                    data = control("refused", n=self._untold) + data
                self._write(handle, data, size)
                self._untold = 0
                if self.sync if sync is None else sync:
                    _flush(handle)
            except OSError as error:
                return self._refuse(len(lines), error.strerror or str(error))
        return True

    def close(self) -> None:
        """Write the end record and let go of the segment."""
        with self._lock:
            if self._handle is not None and self._pid == os.getpid():
                with contextlib.suppress(OSError):
                    size = os.fstat(self._handle).st_size
                    self._write(self._handle, control("end"), size)
            self._let_go()

    def __enter__(self) -> SegmentWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _write(self, handle: int, data: bytes, start: int) -> None:
        written = 0
        try:
            while written < len(data):
                written += os.write(handle, data[written:] if written else data)
        except BaseException:
            # Only a torn line is cut off. Whole lines stay: somebody may have folded them already,
            # and what would be written over them later would then never be read.
            keep = start + data.rfind(b"\n", 0, written) + 1
            try:
                os.ftruncate(handle, keep)
            except OSError:
                self._let_go()
            raise

    def _ready(self) -> tuple[int, int]:
        """Return the segment to write to and its length, which is asked for once a write."""
        handle = self._handle
        if handle is not None and self._pid == os.getpid():
            state = os.fstat(handle)
            if state.st_nlink and state.st_size < self.rotate_at:
                return handle, state.st_size
            if state.st_nlink:
                with contextlib.suppress(OSError):
                    self._write(handle, control("end"), state.st_size)
        self._let_go()
        return self._begin()

    def _begin(self) -> tuple[int, int]:
        for place in (self.folder, self.folder.parent):
            if place.is_symlink():  # a workspace from another hand could lead our records anywhere
                raise OSError(errno.ELOOP, f"{place} is a link")
        self.folder.parent.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder.mkdir(parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND
        flags |= getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
        while True:
            # Segments are read in the order of their names, also when the clock has been set back.
            self._begun = max(time.time_ns(), self._begun + 1)
            path = self.folder / f"{self._begun:020d}-{mark()}{SUFFIX}"
            try:
                handle = os.open(path, flags, 0o600)
            except FileExistsError:  # another writer of this process, in the same tick of a coarse clock
                continue
            self._handle, self._pid, self.path = handle, os.getpid(), path
            try:
                if try_lock(handle, shared=False) and _still_named(path, handle):
                    head = self._head()
                    self._write(handle, head, 0)
                    return handle, len(head)
            except BaseException:
                # Else a full disk would leave one empty file for every append that is tried.
                with contextlib.suppress(OSError):
                    path.unlink()
                self._let_go()
                raise
            # A fold took the empty file for a dead writer's before it was locked: begin another.
            self._let_go()

    def _head(self) -> bytes:
        return control("start", format=FORMAT, stream=self.stream, pid=os.getpid(), namespace=namespace())

    def _disk_is_full(self) -> bool:
        now = time.monotonic()
        if now - self._looked_at_disk < LOOK_AT_DISK_EVERY_S:
            return False
        usage = shutil.disk_usage(self.folder)
        if usage.total and usage.free / usage.total < self.least_free:
            return True
        self._looked_at_disk = now
        return False

    def _refuse(self, count: int, why: str) -> bool:
        self.refused += count
        self._untold += count
        if not self._warned and sys.stderr is not None:
            self._warned = True
            sys.stderr.write(f"mlcycle: {self.stream} records are not being kept: {why}\n")
        return False

    def _let_go(self) -> None:
        if self._handle is not None:
            os.close(self._handle)
        self._handle, self._pid, self.path = None, 0, None

    def _after_fork(self) -> None:
        # The child's copy only: the lock stays with the parent. A thread of the parent may have held ours.
        self._lock = threading.Lock()
        self._untold = self.refused = 0
        self._let_go()


_writers: weakref.WeakSet[SegmentWriter] = weakref.WeakSet()


def _forget_all() -> None:
    for writer in list(_writers):
        writer._after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)


def _still_named(path: Path, handle: int) -> bool:
    try:
        return os.name == "nt" or path.stat().st_ino == os.fstat(handle).st_ino
    except FileNotFoundError:
        return False


def _flush(handle: int) -> None:
    if sys.platform == "darwin":  # pragma: no cover
        import fcntl

        # fsync on macOS stops at the drive's cache.
        fcntl.fcntl(handle, fcntl.F_FULLFSYNC)
    else:
        os.fsync(handle)
