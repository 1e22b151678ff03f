"""The workspaces opened last, as a list: what the start screen and `w` show, and what they do with it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from mlcycle_app.gateway import Gateway, MlcycleError, WorkspaceError, free
from mlcycle_app.tui.ages import age
from mlcycle_app.tui.cells import Cell
from mlcycle_app.tui.columns import Column
from mlcycle_app.tui.folder import shown

if TYPE_CHECKING:
    from mlcycle.recent import Recent

__all__ = [
    "COLUMNS",
    "GONE",
    "MARKER",
    "OPEN",
    "forget",
    "here",
    "lines",
    "recent",
    "remember",
    "short",
    "short_of",
    "workspace_at",
]

COLUMNS = (
    Column("name", 24),
    Column("folder", 400, stretch=True),
    Column("opened", 8, right=True),
)
GONE = "gone"
MARKER = "mlcycle.yaml"
"""The file that makes a folder a workspace."""
OPEN = "open a workspace: enter on one marked ✓"


def recent() -> Sequence[Recent]:
    """Return the workspaces opened last, the latest first; looks at the disk, so away from the loop."""
    found: Sequence[Recent] = free("recent.recent")
    return found


def remember(gateway: Gateway) -> None:
    """Note that a workspace was opened now; where that cannot be written, nothing happens."""
    free("recent.remember", gateway.workspace)


def forget(root: Path) -> None:
    """Take a workspace off the list."""
    free("recent.forget", root)


def lines(found: Sequence[Recent], now: datetime, *, current: Path | None = None) -> list[list[Cell]]:
    """Return a line a workspace: name, folder, age; those that are gone are dim and say so.

    Parameters
    ----------
    current
        The one that is open now, which is marked.
    """
    return [_line(one, now, current) for one in found]


def _line(one: Recent, now: datetime, current: Path | None) -> list[Cell]:
    name, folder = shown(one.root.name or str(one.root)), short(one.root.parent)
    if not one.exists:
        return [Cell(name, "dim"), Cell(folder, "dim"), Cell(GONE, "dim")]
    if one.root == current:
        return [Cell(name, "bold"), Cell(folder, "dim"), Cell("open", "cyan")]
    return [Cell(name, "bold"), Cell(folder, "dim"), Cell(age(one.opened, now), "dim")]


def short(path: Path) -> str:
    """Return a folder as it is read, the home as `~`."""
    home = os.path.expanduser("~")  # noqa: PTH111 - without a home it stays, and Path.home() would raise
    text = str(path)
    if text == home or text.startswith(home.rstrip(os.sep) + os.sep):
        text = f"~{text[len(home) :]}"
    return shown(text)


def here() -> Path:
    """Return the folder the program was started in; the root if that is gone."""
    try:
        return Path.cwd()
    except OSError:
        return Path(os.sep)


def short_of(error: MlcycleError, path: Path) -> MlcycleError:
    """Return an error about a path with its last part named alone: it was just chosen, and room is short."""
    error.message = error.message.replace(str(path), shown(path.name or str(path)))
    return error


def workspace_at(folder: Path) -> Gateway:
    """Return a workspace by its folder; only looks.

    Raises
    ------
    WorkspaceError
        If there is none, or the folder may not be read.
    """
    try:
        return Gateway.open(folder)
    except OSError as error:
        raise WorkspaceError(
            f"{folder} cannot be read: {error.strerror or error}", hint="choose another folder"
        ) from error
