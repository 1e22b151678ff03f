"""Telling a workspace whose store is gone from one that never had a store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from mlcycle.errors import WorkspaceError
from mlcycle.journal.reader import BAD
from mlcycle.store.generations import FACTS

if TYPE_CHECKING:
    from mlcycle.workspace import Workspace

__all__ = ["MADE", "loss"]

MADE = ".gitignore"
"""Written beside a new store: says later that there was one."""


def loss(workspace: Workspace) -> WorkspaceError | None:
    """Return the error that says the store is gone; None if it is there, or if there never was one.

    A run that is logged before the first command leaves a journal and artifacts without a store, so these
    two speak of a lost store only where one was made.
    """
    path = workspace.database
    if path.exists():
        return None
    home = workspace.home
    folders = [workspace.data, home / "backup", home / "recovery", workspace.journal / BAD]
    if (home / MADE).exists():
        folders += [workspace.artifacts, workspace.journal]
    holding = [folder.relative_to(workspace.root).as_posix() for folder in folders if any(_files(folder))]
    if not holding:
        return None
    return WorkspaceError(
        f"{path} is missing, though {', '.join(holding)} hold files",
        hint="mlcycle store restore makes it again from the log, as far as that reaches",
    )


def _files(folder: Path) -> Iterator[Path]:
    # What a generation says of itself is there in a workspace that holds nothing yet, too.
    return (path for path in folder.rglob("*") if path.is_file() and path.name != FACTS)
