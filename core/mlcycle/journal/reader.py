"""Reading the journal: which segments there are, what is behind an offset, and whether a writer lives."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mlcycle.errors import CouldNot
from mlcycle.journal.frame import Parsed, control, parse
from mlcycle.journal.locks import try_lock
from mlcycle.journal.segment import FORMAT, SUFFIX, namespace

__all__ = [
    "BAD",
    "Segment",
    "Tail",
    "claim",
    "elsewhere",
    "end",
    "is_finished",
    "is_from_here",
    "read_tail",
    "segments",
]

BAD = "bad"
"""The folder of lines set aside; no stream may have this name."""
END_WITHIN = 4096


@dataclass(frozen=True)
class Segment:
    """A segment as found in the folder."""

    stream: str
    name: str
    path: Path
    size: int
    """Bytes when it was listed; a living writer makes it longer."""

    @property
    def writer(self) -> str:
        """What the segments of one writer have in common: process id and a random mark."""
        return self.name.partition("-")[2].removesuffix(SUFFIX)


@dataclass
class Tail:
    """What a segment holds behind an offset."""

    segment: Segment
    start: int
    parsed: Parsed
    torn: bytes
    """Bytes behind the last whole line, as far as read."""
    whole: bool
    """Whether it was read to the end of the file as it was then."""

    @property
    def end(self) -> int:
        """The offset behind the last whole line."""
        return self.start + self.parsed.used


def segments(journal: Path) -> list[Segment]:
    """Return all segments of a journal, oldest first."""
    found = []
    for stream in _names(journal):
        if stream == BAD:
            continue
        for name in _names(journal / stream):
            path = journal / stream / name
            if name.endswith(SUFFIX):
                with contextlib.suppress(FileNotFoundError):
                    info = path.lstat()
                    if stat.S_ISREG(info.st_mode):  # a pipe would block, a link shows what is not ours
                        found.append(Segment(stream, name, path, info.st_size))
    return sorted(found, key=lambda segment: segment.name)


def read_tail(segment: Segment, start: int, limit: int | None = None) -> Tail | None:
    """Read whole lines behind an offset.

    Parameters
    ----------
    segment
        The segment.
    start
        Bytes to pass over; the start of a line.
    limit
        The most bytes to read; None reads to the end. At least one line is read.

    Returns
    -------
    Tail or None
        None if the file is gone, or was written in a format newer than this program knows.

    Raises
    ------
    CouldNot
        If this user may not read it; names the file and its owner.
    """
    try:
        with segment.path.open("rb") as file:
            file.seek(start)
            chunk = file.read() if limit is None else file.read(limit)
            if limit is not None and len(chunk) == limit and not chunk.endswith(b"\n"):
                chunk += file.readline()
            size = os.fstat(file.fileno()).st_size
    except FileNotFoundError:
        return None
    except PermissionError as error:
        raise _closed(segment.path) from error
    parsed = parse(chunk)
    if start == 0 and parsed.controls and parsed.controls[0].get("format", FORMAT) > FORMAT:
        return None
    return Tail(segment, start, parsed, chunk[parsed.used :], start + len(chunk) >= size)


@contextmanager
def claim(segment: Segment) -> Iterator[bool]:
    """Take the writer's lock of a segment for a moment; yields whether it was free."""
    try:
        handle = os.open(segment.path, os.O_RDWR | getattr(os, "O_CLOEXEC", 0))
    except OSError:
        yield False
        return
    try:
        yield try_lock(handle, shared=False)
    finally:
        os.close(handle)


def is_finished(segment: Segment) -> bool:
    """Whether nobody will write to a segment any more.

    A lock says nothing about a writer in another machine or container: there only the end record counts.
    """
    with claim(segment) as free:
        if not free:
            return False
    where = _namespace(segment)
    return where is not None and (where in ("", namespace()) or _has_ended(segment))


def is_from_here(segment: Segment) -> bool:
    """Whether a segment was written in this machine or container, as far as it says."""
    return _namespace(segment) in ("", namespace())


def elsewhere(segment: Segment) -> str:
    """Return the machine or container that wrote a segment without an end; empty if that is this one.

    Whether such a writer still lives cannot be known here.
    """
    where = _namespace(segment) or ""
    return "" if where in ("", namespace()) or _has_ended(segment) else where


def end(segment: Segment) -> bool:
    """Write the end record of a segment for a writer that cannot; False if the writer is here and alive.

    A writer that lives after all begins another segment once this one has been folded and deleted.
    """
    with claim(segment) as free:
        if not free:
            return False
        with segment.path.open("rb+") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - 1))
            torn = file.read() not in (b"", b"\n")
            file.write((b"\n" if torn else b"") + control("end"))
    return True


def _namespace(segment: Segment) -> str | None:
    """Return where the writer said it was; empty if it did not, None if the file is gone or closed to us."""
    try:
        with segment.path.open("rb") as file:
            head = parse(file.readline()).controls
    except (FileNotFoundError, PermissionError):
        return None
    return str(head[0].get("namespace", "")) if head else ""


def _has_ended(segment: Segment) -> bool:
    try:
        with segment.path.open("rb") as file:
            file.seek(max(0, segment.path.stat().st_size - END_WITHIN))
            last = file.read().rstrip(b"\n").rpartition(b"\n")[2]
    except (FileNotFoundError, PermissionError):
        return False
    return any(fact.get("_segment") == "end" for fact in parse(last + b"\n").controls)


def _closed(path: Path) -> CouldNot:
    try:
        owner = path.owner()
    except (OSError, KeyError, NotImplementedError):
        owner = "another user"
    return CouldNot(
        f"{path} cannot be read: it belongs to {owner}", hint=f"let {owner} make it readable for you"
    )


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except PermissionError as error:
        raise _closed(folder) from error
