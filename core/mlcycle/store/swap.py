"""Putting another file in the store's place: killed at any point, the old one is there or the new one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from mlcycle import clock
from mlcycle.disk import sync
from mlcycle.store.generations import copy_file
from mlcycle.store.lost import MADE

if TYPE_CHECKING:
    from mlcycle.workspace import Workspace

__all__ = ["put_in_place", "set_aside"]

Hook = Callable[[str], None]


def put_in_place(workspace: Workspace, new: Path, hook: Hook = lambda _stage: None) -> str:
    """Put a store in the place of the one that is there; the caller holds it exclusively, and nobody has it open.

    Parameters
    ----------
    workspace
        Whose store.
    new
        The file, on the same file system.
    hook
        Called with the name of each stage passed; for tests that die there.

    Returns
    -------
    str
        Where the old one is kept, in the workspace; empty if there was none.
    """
    from mlcycle.store.fold import remember

    sync(new)
    old, kept = workspace.database, ""
    log = old.with_name(f"{old.name}.wal")
    if log.exists():
        # Belongs to the old store, would stop the new one from opening, and holds nothing acknowledged alone.
        kept = set_aside(workspace, log).relative_to(workspace.root).as_posix()
    if old.exists():
        aside = set_aside(workspace, old, stays=old.is_file())
        kept = aside.relative_to(workspace.root).as_posix()
    hook("kept")
    new.replace(old)
    sync(workspace.home)
    if not (workspace.home / MADE).exists():
        (workspace.home / MADE).write_text("*\n")
    remember(workspace, {})
    return kept


def set_aside(workspace: Workspace, path: Path, *, stays: bool = False) -> Path:
    """Keep a file that cannot be used in `recovery/`, under a name of its own; returns where it is.

    Parameters
    ----------
    workspace
        Whose file.
    path
        The file.
    stays
        Whether it stays where it is, too, until another takes its place.
    """
    kept = _free(workspace.home / "recovery", f"{clock.wall():%Y%m%dT%H%M%S}-{path.name}")
    if not stays:
        path.replace(kept)
        return kept
    try:
        kept.hardlink_to(path)
    except OSError:  # a file system without hard links
        copy_file(path, kept)
    return kept


def _free(folder: Path, name: str) -> Path:
    folder.mkdir(exist_ok=True)
    path, number = folder / name, 1
    while path.exists():
        number += 1
        path = folder / f"{number}-{name}"
    return path
