"""The workspaces a person opened last, remembered in the user's own folder: one small file each.

A file each, so that two programs never overwrite what the other one remembered, and a broken one costs nothing but
itself. What stands there is only ever shown: to open a workspace from here trusts and runs as little as any opening.
"""

from __future__ import annotations

import json
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from mlcycle import clock
from mlcycle.hashing import sha256_bytes
from mlcycle.trust import state_file
from mlcycle.workspace import MARKER, Workspace

__all__ = ["MOST", "Recent", "folder", "forget", "recent", "remember"]

MOST = 20
"""How many are remembered."""
FORMAT = 1
LARGEST = 64 * 1024
"""Bytes beyond which a file is none of ours."""
BROKEN = ".broken"


@dataclass(frozen=True)
class Recent:
    """A workspace that was opened once."""

    root: Path
    opened: datetime
    """When it was opened last, by the real clock."""
    exists: bool
    """Whether it is still there, as far as can be seen."""


def folder() -> Path:
    """Return where they are remembered, whether the folder exists or not."""
    return state_file().parent / "recent"


def remember(workspace: Workspace) -> bool:
    """Note that a workspace was opened now; return whether that could be written: looking must not need it."""
    root = workspace.root.resolve()
    facts = {"format": FORMAT, "root": str(root), "opened": clock.wall().isoformat()}
    path = _file(root)
    scratch = path.with_name(f"{path.name}.{os.getpid()}-{secrets.token_hex(4)}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0), 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(json.dumps(facts))
        scratch.replace(path)
    except (OSError, ValueError):
        with suppress(OSError):
            scratch.unlink(missing_ok=True)
        return False
    _prune()
    return True


def recent() -> tuple[Recent, ...]:
    """Return the workspaces opened last, the latest first; a file that says nothing is set aside."""
    found: dict[Path, Recent] = {}
    for path in _files():
        one = _read(path)
        if one is None:
            with suppress(OSError):  # or it was forgotten a moment ago
                path.replace(path.with_suffix(BROKEN))
        elif one.root not in found or found[one.root].opened < one.opened:
            found[one.root] = one
    return tuple(sorted(found.values(), key=lambda one: one.opened, reverse=True)[:MOST])


def forget(root: Path) -> None:
    """Take a workspace off the list; the workspace itself is left alone."""
    with suppress(OSError):
        _file(root).unlink(missing_ok=True)


def _file(root: Path) -> Path:
    return folder() / f"{sha256_bytes(os.fsencode(root))[:32]}.json"


def _files() -> Iterator[Path]:
    with suppress(OSError):
        yield from [path for path in folder().iterdir() if path.suffix == ".json"]


def _read(path: Path) -> Recent | None:
    try:
        facts = path.lstat()
        if not stat.S_ISREG(facts.st_mode) or facts.st_size > LARGEST:
            return None  # a pipe would be waited for
        found = json.loads(path.read_text(encoding="utf-8"))
        root, opened = Path(found["root"]), datetime.fromisoformat(found["opened"])
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None
    if not root.is_absolute() or opened.tzinfo is not None or "\0" in str(root):
        return None
    return Recent(root, opened, _is_there(root))


def _is_there(root: Path) -> bool:
    try:
        return (root / MARKER).is_file()
    except OSError:
        return False


def _prune() -> None:
    """Forget the oldest, and of what was set aside or left half written too."""
    times = []
    with suppress(OSError):
        for path in folder().iterdir():
            with suppress(OSError):
                times.append((path.lstat().st_mtime_ns, path))
    whole = [one for one in times if one[1].suffix == ".json"]
    rest = [one for one in times if one[1].suffix != ".json"]
    for _, path in (*sorted(whole, reverse=True)[MOST:], *sorted(rest, reverse=True)[MOST:]):
        with suppress(OSError):
            path.unlink()
