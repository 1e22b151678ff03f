"""What lies in the inbox: drops, whether they stand still, and links that lead out. Files only, no store."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mlcycle.hashing import sha256_file, sha256_value

__all__ = ["Drop", "content_of", "drops", "is_still", "is_written"]

UNFINISHED = (".part", ".partial", ".tmp", ".crdownload", ".filepart", ".swp", "~")
"""Endings of files that another program has not finished."""


@dataclass(frozen=True)
class Drop:
    """A file or folder at the top of the inbox."""

    path: Path
    files: tuple[Path, ...]
    signature: tuple[tuple[str, int, int], ...]
    """Name below the drop, bytes and time of the last change (ns) of every file; equal when nothing changed."""
    changed_at: float
    """When anything in it last changed, seconds since 1970."""
    unfinished: bool
    """It holds a file whose name says that it is still being written."""
    problem: str = ""
    """Why it cannot be taken at all; empty if it can."""

    @property
    def name(self) -> str:
        """Its name in the inbox."""
        return self.path.name


def drops(inbox: Path) -> list[Drop]:
    """Return what lies in the inbox by name; hidden and unfinished files are not there yet."""
    try:
        entries = sorted(inbox.iterdir())
    except FileNotFoundError:
        return []
    home = inbox.resolve()
    return [_drop(entry, home) for entry in entries if not _hidden(entry) and not _unfinished(entry)]


def is_still(drop: Drop, now: float, settle_s: float) -> bool:
    """Return whether nothing in a drop changed for a while, by the file system's own times.

    Parameters
    ----------
    now
        Seconds since 1970.
    settle_s
        How long it must have been left alone. A change in the future is a clock that differs, not a writer.
    """
    return not drop.unfinished and abs(now - drop.changed_at) >= settle_s


def is_written(files: Sequence[Path]) -> bool:
    """Return whether some process has one of the files open for writing, as far as the system tells."""
    return any(_has_writer(path) for path in files)


def content_of(drop: Drop) -> str:
    """Return one hash over the names and bytes of a drop's files."""
    names = [name for name, _, _ in drop.signature]
    return sha256_value([[name, sha256_file(path)] for name, path in zip(names, drop.files, strict=True)])


def _drop(entry: Path, home: Path) -> Drop:
    files: list[Path] = []
    signature: list[tuple[str, int, int]] = []
    changed, unfinished, problem = 0.0, False, ""
    for path in _walk(entry):
        try:
            if path.is_symlink() and not path.resolve().is_relative_to(home):
                problem = f"{path.relative_to(entry.parent)} is a link that leads out of the inbox"
                break
            found = path.stat()
        except OSError:
            # A dangling link, or a file that went away between the listing and the look.
            unfinished = True
            continue
        # A copy may keep the old modification time; the inode's own time is always that of the last write or rename.
        changed = max(changed, found.st_mtime, found.st_ctime)
        if stat.S_ISDIR(found.st_mode):
            continue
        if not stat.S_ISREG(found.st_mode):
            problem = f"{path.relative_to(entry.parent)} is no regular file"
            break
        if _hidden(path):
            continue
        unfinished = unfinished or _unfinished(path)
        files.append(path)
        signature.append(
            (path.relative_to(entry).as_posix(), found.st_size, max(found.st_mtime_ns, found.st_ctime_ns))
        )
    return Drop(entry, tuple(files), tuple(signature), changed, unfinished, problem)


def _walk(entry: Path) -> Iterator[Path]:
    yield entry
    if entry.is_symlink() or not entry.is_dir():
        return
    for folder, folders, names in os.walk(entry):
        folders.sort()
        for name in (*folders, *sorted(names)):
            yield Path(folder) / name


def _hidden(path: Path) -> bool:
    return path.name.startswith(".")


def _unfinished(path: Path) -> bool:
    return path.name.endswith(UNFINISHED)


def _has_writer(path: Path) -> bool:
    """Ask the kernel for a read lease, which it refuses while anybody has the file open for writing."""
    if sys.platform != "linux":
        return False
    import fcntl
    import signal

    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        # Who opens the file while we hold the lease makes the kernel signal us; SIGIO would end the process.
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except BlockingIOError:
        return True
    except OSError:
        return False  # not our file, or a file system without leases: standing still must do
    finally:
        os.close(descriptor)
    return False
