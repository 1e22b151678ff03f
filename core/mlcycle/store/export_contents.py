"""What an export holds besides tables: contents by their hash, and the texts that a person wrote."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlcycle.hashing import sha256_bytes, sha256_file
from mlcycle.store.export_format import CONTENTS, DECLARATIONS, MANIFEST, File, Missing
from mlcycle.workspace import HOME

if TYPE_CHECKING:
    from mlcycle.workspace import Workspace

__all__ = ["FOLDERS", "contents", "declarations"]

FOLDERS = ("data", "archive", "artifacts")
"""Folders of `.mlcycle` whose files are named by their hash."""
_NAMED = re.compile(r"([0-9a-f]{64})(?:\.parquet)?")
_TEXTS = {".yaml", ".yml", ".py", ".sql", ".md", ".ipynb", ".r", ".sh", ".txt", ".toml"}
_LARGEST_TEXT = 1 << 20
_INBOX = "inbox"
"""What is dropped there is data, and in the store once it was taken in."""


def contents(
    workspace: Workspace, target: Path, named: Iterable[dict[str, Any]]
) -> tuple[tuple[File, ...], tuple[Missing, ...]]:
    """Put all contents whose bytes are what their name says into the export, as copies of their own.

    Parameters
    ----------
    workspace
        Whose contents.
    target
        The export's folder.
    named
        Rows with `sha256` and `what`: contents that the tables name.

    Returns
    -------
    tuple
        The files, and what rows name that is not among them.
    """
    found: dict[str, File] = {}
    damaged: dict[str, str] = {}
    for folder in FOLDERS:
        for path in sorted((workspace.home / folder).rglob("*")):
            match = _NAMED.fullmatch(path.name)
            if match is None or path.is_symlink() or not path.is_file():
                continue
            relative = f"{CONTENTS}/{path.relative_to(workspace.home).as_posix()}"
            place = target / relative
            copied = _copy(path, place)
            if copied is not None and copied != match[1]:
                damaged[match[1]] = relative
                place.unlink()
            elif copied is not None:
                found[relative] = File(relative, place.stat().st_size, match[1])
    there = {file.sha256 for file in found.values()}
    said = {row["sha256"]: str(row["what"]) for row in named if row["sha256"] not in there}
    said |= {
        sha256: f"does not hold what was written: {said.get(sha256, where)}"
        for sha256, where in damaged.items()
    }
    return tuple(found.values()), tuple(Missing(sha256, what) for sha256, what in sorted(said.items()))


def declarations(root: Path, target: Path) -> tuple[File, ...]:
    """Copy the texts of a workspace into the export: small, valid UTF-8, in no hidden folder.

    Hidden files are left out because `.env` and its like hold secrets, links because they may lead anywhere.
    """
    found = []
    for path in _texts(root):
        content = path.read_bytes()
        try:
            content.decode()
        except UnicodeDecodeError:
            continue
        relative = f"{DECLARATIONS}/{path.relative_to(root).as_posix()}"
        place = target / relative
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
        found.append(File(relative, len(content), sha256_bytes(content)))
    return tuple(found)


def _texts(root: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(root):
        here = Path(place)
        if here != root and {MANIFEST, "pyvenv.cfg"} & set(names):
            folders.clear()  # an older export, or a virtual environment
            continue
        folders[:] = sorted(name for name in folders if _wanted(here / name))
        for name in sorted(names):
            path = here / name
            if name.startswith(".") or path.suffix.lower() not in _TEXTS or "\\" in name:
                continue
            if not path.is_symlink() and path.is_file() and path.stat().st_size <= _LARGEST_TEXT:
                yield path


def _wanted(folder: Path) -> bool:
    name = folder.name
    if (
        name.startswith((".", "__"))
        or name in (_INBOX, "node_modules")
        or "\\" in name
        or folder.is_symlink()
    ):
        return False
    return not (folder / HOME).exists()  # another workspace


def _copy(path: Path, target: Path) -> str | None:
    """Copy a file and return the hash of what the copy holds; None if there is nothing to be read any more."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        shutil.copyfile(path, target)
    except FileNotFoundError:  # an archive that was dropped meanwhile
        return None
    return sha256_file(target)
