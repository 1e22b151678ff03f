"""Waiting for the disk: what has to survive a power cut, not only the death of its process."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["sync"]


def sync(path: Path) -> None:
    """Wait until the disk has a file's content, or a folder's names; Windows cannot wait for folders.

    Raises
    ------
    OSError
        If it cannot be opened, or the disk fails.
    """
    if os.name == "nt" and path.is_dir():
        return
    handle = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
