"""Backups: a new generation beside the store, or a copy of the workspace in another place."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from mlcycle import clock
from mlcycle.errors import CouldNot, UsageError
from mlcycle.hashing import sha256_file
from mlcycle.store.connection import close, exclusive, honest
from mlcycle.store.generations import begin, copy_file, current
from mlcycle.store.lost import MADE
from mlcycle.store.model import Backup
from mlcycle.workspace import Workspace

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

__all__ = ["CONTENTS", "FACTS", "backup", "copy_contents"]

WAIT_S = 30.0
CONTENTS = ("artifacts", "data", "archive")
"""Folders of files that never change, by hash."""
FACTS = "backup.json"
WRITTEN = (".yaml", ".yml", ".toml", ".py", ".sh", ".R", ".sql", ".ipynb", ".md", ".txt")
"""What a user writes; copied up to `LARGEST` bytes a file."""
LARGEST = 10 << 20


def backup(workspace: Workspace, to: Path | None = None) -> Backup:
    """Copy the store as it is now, with every acknowledged record.

    Parameters
    ----------
    workspace
        Whose store.
    to
        A folder, best on another disk: it gets the store, all contents that it lacks, and the declarations and
        scripts, and is a workspace itself. None begins a new generation in `.mlcycle/backup`.

    Raises
    ------
    UsageError
        If `to` lies in the workspace, or holds something else than a backup.
    Busy
        If another process holds the store.
    CouldNot
        If there is no room; an older backup in the same place is as before.
    """
    if to is None:
        with exclusive(workspace, WAIT_S), honest(workspace.database):
            close(_folded(workspace))
            made = begin(workspace, "backup")
        return Backup(made.number, made.folder, int(made.facts["bytes"]), 0, made.created_at)
    target = _target(workspace, to)
    _begin(workspace, target)
    part = target.home / f"store-pid{os.getpid()}.part"
    with honest(part):
        try:
            with exclusive(workspace, WAIT_S):
                close(_folded(workspace))
                size, now = copy_file(workspace.database, part), clock.wall()
            # A row is written after the file it names, so what the copied rows name is there already.
            copied = [_copied(workspace, target), *_contents(workspace, target)]
            generation = current(workspace)
            facts = {
                "format": 1,
                "created_at": now.isoformat(),
                "of": str(workspace.root),
                "bytes": size,
                "sha256": sha256_file(part),
            }
            _write(target.home / FACTS, json.dumps(facts, indent=1))
            _write(target.home / MADE, "*\n")
            part.replace(target.database)
        finally:
            part.unlink(missing_ok=True)
    return Backup(
        generation.number if generation else 0,
        target.root,
        size + sum(bytes_ for _, bytes_ in copied),
        sum(files for files, _ in copied),
        now,
    )


def copy_contents(source: Path, target: Path, *, heal: bool = False) -> tuple[int, int]:
    """Copy the contents of a folder that the other lacks, each whole or not at all; returns how many, and their bytes.

    Parameters
    ----------
    source
        A folder of files named by their hash. One that does not hold what its name says is left out.
    target
        Where they go.
    heal
        Whether files that are there are read, and replaced if they do not hold what their name says.
    """
    files = size = 0
    for path in _regular(source):
        place, sha256 = target / path.relative_to(source), path.stem
        if place.exists() and (sha256_file(place) == sha256 if heal else _as_long(place, path)):
            continue
        if sha256_file(path) != sha256:
            continue  # doctor says so, where it is and where it then is not
        size += _copy(path, place)
        files += 1
    return files, size


def _as_long(place: Path, path: Path) -> bool:
    return place.stat().st_size == path.stat().st_size


def _folded(workspace: Workspace) -> DuckDBPyConnection:
    from mlcycle.store.fold import fold
    from mlcycle.store.migrate import open_for_writing

    connection = open_for_writing(workspace)
    try:
        while fold(connection, workspace).left:
            pass
        connection.execute("CHECKPOINT")
    except BaseException:
        close(connection)
        raise
    return connection


def _target(workspace: Workspace, to: Path) -> Workspace:
    try:
        root = to.expanduser().resolve()
        there = any(root.iterdir()) if root.exists() else False
    except OSError as error:
        raise UsageError(f"{to} cannot be a backup: {error.strerror}", hint="name a new folder") from error
    if root.is_relative_to(workspace.root.resolve()):
        raise UsageError(
            f"{root} lies in the workspace itself", hint="name a folder elsewhere, best on another disk"
        )
    other = Workspace(root)
    of = _of(other)
    if there and of is None:
        raise UsageError(f"{root} holds something else than a backup", hint="name an empty or a new folder")
    if of is not None and of != str(workspace.root):
        raise UsageError(f"{root} is a backup of {of}", hint="name another folder for this workspace")
    return other


def _of(target: Workspace) -> str | None:
    """Return whose backup a folder is; None if it is none, or does not say so."""
    try:
        return str(json.loads((target.home / FACTS).read_text(encoding="utf-8"))["of"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _begin(workspace: Workspace, target: Workspace) -> None:
    """Make the folder and say whose backup it will be, so that one that was cut short can go on."""
    try:
        target.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        target.home.mkdir(mode=0o700, exist_ok=True)
        if _of(target) is None:
            _write(
                target.home / FACTS, json.dumps({"format": 1, "of": str(workspace.root), "unfinished": True})
            )
    except OSError as error:
        raise CouldNot(
            f"{target.root} cannot be written: {error.strerror}", hint="name a folder that you may write to"
        ) from error


def _contents(workspace: Workspace, target: Workspace) -> Iterator[tuple[int, int]]:
    for folder in CONTENTS:
        yield copy_contents(workspace.home / folder, target.home / folder)


def _copied(workspace: Workspace, target: Workspace) -> tuple[int, int]:
    """Copy what the user wrote."""
    files = size = 0
    for path in _regular(workspace.root):
        inside = path.relative_to(workspace.root)
        hidden = any(piece.startswith(".") for piece in inside.parts)
        if hidden or path.suffix not in WRITTEN or path.stat().st_size > LARGEST:
            continue
        size += _copy(path, target.root / inside)
        files += 1
    return files, size


def _regular(folder: Path) -> Iterator[Path]:
    """Yield the plain files of a folder; no links, and no virtual environments."""
    for where, folders, names in os.walk(folder):
        here = Path(where)
        folders[:] = [
            name
            for name in folders
            if name != "__pycache__" and not (here / name / "pyvenv.cfg").exists() and name != ".mlcycle"
        ]
        for name in sorted(names):
            path = here / name
            if path.is_file() and not path.is_symlink():
                yield path


def _copy(path: Path, place: Path) -> int:
    place.parent.mkdir(parents=True, exist_ok=True)
    part = place.with_name(f"{place.name}-pid{os.getpid()}.part")
    try:
        size = copy_file(path, part)
        shutil.copymode(path, part)
        part.replace(place)
    finally:
        part.unlink(missing_ok=True)
    return size


def _write(path: Path, text: str) -> None:
    part = path.with_name(f"{path.name}-pid{os.getpid()}.part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)
