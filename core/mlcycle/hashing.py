"""Content hashes of files and of plain values."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import stat
from pathlib import Path
from typing import BinaryIO

__all__ = ["open_own", "sha256_bytes", "sha256_file", "sha256_value"]

CHUNK = 1 << 20


def sha256_bytes(content: bytes) -> str:
    """Return the SHA-256 of bytes as 64 lower-case hex digits."""
    return hashlib.sha256(content).hexdigest()


def open_own(path: Path) -> BinaryIO:
    """Open a file that this program has written: never a link, a pipe that would be waited for, or a device.

    Raises
    ------
    OSError
        If it is one of these, or cannot be opened.
    """
    if not stat.S_ISREG(path.lstat().st_mode):
        raise OSError(errno.EINVAL, "is no regular file", str(path))
    # Once more on what was opened: somebody may have put a link in its place since.
    flags = [getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_BINARY")]
    handle = os.open(path, os.O_RDONLY | sum(flags))
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(errno.EINVAL, "is no regular file", str(path))
    return os.fdopen(handle, "rb")


def sha256_file(path: Path, *, own: bool = False) -> str:
    """Return the SHA-256 of a file's bytes, read a megabyte at a time; `own`: see `open_own`."""
    digest = hashlib.sha256()
    with open_own(path) if own else path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def sha256_value(value: object) -> str:
    """Return the SHA-256 of a JSON-like value, equal for equal values whatever the key order."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)
    return sha256_bytes(text.encode())
