"""Lay out the sample product as a workspace: declarations, a year of data, and two monthly drops aside."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from mlcycle.errors import Busy, UsageError, WorkspaceError
from mlcycle.journal import FileLock, Turnstile
from mlcycle.workspace import Workspace
from mlcycle_sample.generate import DEFAULT_SEED, DROPS, HISTORY, write_story
from mlcycle_sample.simulate import Progress

__all__ = ["MANIFEST", "MARKER", "claim", "is_ours", "playing", "write_declarations", "write_workspace"]

MARKER = ".mlcycle-demo"
"""A folder with this file in it was made here and may be emptied."""

MANIFEST = "data/manifest.json"
"""What was put into the files, defects counted; relative to the workspace."""

LOCKS = ("gate.lock", "store.lock")
"""Files of the store that are never deleted: whoever waits at one would wait at a file that nobody else sees."""

STORE_WAIT_S = 30.0

_MARKER_TEXT = "Made by `mlcycle demo`, which may empty this folder. Delete this file to keep what is here.\n"
_IGNORED = """\
# Made by the tool or by the generator; everything a person wrote is kept.
.mlcycle/
data/
drops/
inbox/
"""


def write_workspace(
    folder: Path, seed: int = DEFAULT_SEED, progress: Progress | None = None
) -> dict[str, Any]:
    """Make the sample's workspace in a folder.

    The history lies in `data/history/`, where `data.yaml` looks for it. The two monthly drops wait in
    `drops/2026-01/` and `drops/2026-02/`: the story copies them to `inbox/` when their time has come.

    Parameters
    ----------
    folder
        Made if missing, emptied if it carries the marker.
    seed
        0 to 2**64 - 1: the same story with other numbers.
    progress
        Called with the share that is done and a few words.

    Returns
    -------
    dict
        The manifest of `generate`.

    Raises
    ------
    UsageError
        If the folder holds somebody's files, or is a file.
    """
    claim(folder)
    write_declarations(folder)
    (folder / "inbox").mkdir()
    (folder / ".gitignore").write_text(_IGNORED, encoding="utf-8")
    places = {HISTORY: folder / "data" / HISTORY, **{drop: folder / drop for drop in DROPS}}
    return write_story(places, folder / MANIFEST, seed, progress)


def is_ours(folder: Path) -> bool:
    """Whether the folder carries the marker of a sample workspace."""
    return (folder / MARKER).is_file()


@contextlib.contextmanager
def playing(folder: Path) -> Iterator[None]:
    """Have a folder to oneself as long as a story plays in it: the marker is locked.

    Raises
    ------
    UsageError
        If another story plays there now, the folder holds somebody's files, or is a file.
    """
    _mark(folder)
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(FileLock(folder / MARKER, shared=False, timeout_s=0))
        except Busy as error:
            raise UsageError(
                f"another demo is playing in {folder} right now",
                hint="wait until it ends, or mlcycle demo --dir ANOTHER_FOLDER",
            ) from error
        yield


def claim(folder: Path) -> None:
    """Make the folder, or empty it if it is ours; the marker is there before anything else is.

    What its store knows as running is stopped first.

    Raises
    ------
    UsageError
        If the folder holds somebody's files, or is a file.
    Busy
        If another process holds its store.
    """
    _mark(folder)
    workspace = Workspace(folder.resolve())
    kept = {folder / MARKER}
    if workspace.home.is_dir() and not workspace.home.is_symlink():
        _stop(workspace)
        with Turnstile(workspace.home, shared=False, timeout_s=STORE_WAIT_S):
            _empty(workspace.home, {workspace.home / name for name in LOCKS})
        kept.add(folder / workspace.home.name)
    _empty(folder, kept)


def _mark(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file, not a folder", hint="mlcycle demo --dir ANOTHER_FOLDER")
    if folder.is_dir() and not is_ours(folder) and any(folder.iterdir()):
        raise UsageError(
            f"{folder} has files in it that the demo did not make, so it is left alone",
            hint="mlcycle demo --dir ANOTHER_FOLDER",
        )
    folder.mkdir(parents=True, exist_ok=True)
    if not is_ours(folder):
        (folder / MARKER).write_text(_MARKER_TEXT, encoding="utf-8")


def _stop(workspace: Workspace) -> None:
    if not workspace.database.exists():
        return
    from mlcycle import deploy

    # A damaged store, or one of a newer program, tells of no server; it is emptied all the same.
    with contextlib.suppress(WorkspaceError):
        deploy.stop_all(workspace)


def _empty(folder: Path, kept: set[Path]) -> None:
    for entry in folder.iterdir():
        if entry in kept:
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def write_declarations(folder: Path) -> list[Path]:
    """Copy the sample's YAML files into a folder; return what was written."""
    return _copy(files("mlcycle_sample") / "declarations", folder)


def _copy(source: Traversable, target: Path) -> list[Path]:
    # importlib.resources has no copytree: the package may lie in a zip, where there are no paths.
    target.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    for entry in sorted(source.iterdir(), key=lambda entry: entry.name):
        if entry.is_dir():
            written += _copy(entry, target / entry.name)
        elif entry.name.endswith(".yaml"):
            path = target / entry.name
            path.write_text(entry.read_text(encoding="utf-8"), encoding="utf-8")
            written.append(path)
    return written
