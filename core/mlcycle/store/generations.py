"""Generations of the store: a copy of the file, and beside it all that came since, in `.mlcycle/backup/NNNN/`.

A generation holds `store.duckdb` as it was when the generation began (none if the store was new), `changes.jnl`
with the transactions since, and `journal/` with the segments folded and finished since. Two are kept: the copy
of the newer one is the end of the older one, so a damaged copy costs nothing.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlcycle import clock
from mlcycle.errors import CouldNot, MlcycleError
from mlcycle.hashing import sha256_file
from mlcycle.journal.reader import Segment, is_from_here
from mlcycle.store.changes import Kept, note_kept
from mlcycle.store.verify import verify

if TYPE_CHECKING:
    from mlcycle.workspace import Workspace

__all__ = [
    "FACTS",
    "KEPT",
    "Generation",
    "begin",
    "begin_line",
    "copy_file",
    "current",
    "generations",
    "is_as_kept",
    "is_large",
    "keep",
    "size",
]

NAME = re.compile(r"\d{4,}")
KEPT = 2
"""Generations that are kept."""
LEAST_LOG = 64 << 20
"""Bytes of log that begin a new generation, or as many as the store itself has."""
MOST_SEGMENTS = 1000
LEAST_FREE = 0.1
"""The share of the disk below which folded segments are not kept, unless `ENOUGH` is free all the same."""
ENOUGH = 1 << 30
COPY = "store.duckdb"
FACTS = "backup.json"
CHANGES = "changes.jnl"


@dataclass(frozen=True)
class Generation:
    """A copy of the store and what came after it."""

    number: int
    folder: Path
    facts: Mapping[str, Any]

    @property
    def copy(self) -> Path:
        """The store's file as it was when the generation began."""
        return self.folder / COPY

    @property
    def changes(self) -> Path:
        """The log of changes since."""
        return self.folder / CHANGES

    @property
    def journal(self) -> Path:
        """The folder of the segments folded since, by stream."""
        return self.folder / "journal"

    @property
    def created_at(self) -> datetime:
        """When it began; where its facts are lost, when its folder was last written."""
        if not self.facts:
            return datetime.fromtimestamp(self.folder.stat().st_mtime, UTC).replace(tzinfo=None)
        return datetime.fromisoformat(self.facts["created_at"])

    @property
    def line(self) -> str:
        """Id of the line that its copy belongs to."""
        return str(self.facts.get("line", ""))

    @property
    def change(self) -> int:
        """Number of the last change that its copy has."""
        return int(self.facts.get("change", 0))

    @property
    def from_nothing(self) -> bool:
        """Whether it began with an empty store."""
        return bool(self.facts.get("empty"))

    def is_whole(self) -> bool:
        """Whether the copy is the one that was made, byte for byte; reads it."""
        if self.from_nothing:
            return True
        try:
            return sha256_file(self.copy) == self.facts.get("sha256")
        except OSError:
            return False


def generations(workspace: Workspace) -> list[Generation]:
    """Return the generations there are, the oldest first; of one whose facts cannot be read the log still counts."""
    home = _home(workspace)
    names = sorted((name for name in _names(home) if NAME.fullmatch(name)), key=int)
    return [Generation(int(name), home / name, _facts(home / name)) for name in names]


def current(workspace: Workspace) -> Generation | None:
    """Return the generation that the log goes to."""
    names = [name for name in _names(_home(workspace)) if NAME.fullmatch(name)]
    if not names:
        return None
    folder = _home(workspace) / max(names, key=int)
    known = _current.get(str(workspace.home))
    if known is None or known.folder != folder:
        known = _current[str(workspace.home)] = Generation(int(folder.name), folder, _facts(folder))
    return known


def _facts(folder: Path) -> Mapping[str, Any]:
    try:
        facts = json.loads((folder / FACTS).read_text(encoding="utf-8"))
        datetime.fromisoformat(facts["created_at"])
    except (OSError, ValueError, TypeError, KeyError):
        return {}
    return dict(facts)


def begin(
    workspace: Workspace, why: str, *, empty: str | None = None, needed: int | None = None
) -> Generation:
    """Begin a generation with a copy of the store, and delete those that are not needed any more.

    The caller holds the store exclusively, and has closed it: a copy taken while DuckDB has the file open in
    this process would drop DuckDB's lock on it.

    Parameters
    ----------
    workspace
        Whose store.
    why
        Noted beside the copy.
    empty
        The line of a store that is new, so that no copy is needed.
    needed
        The newest generation whose copy is known to be whole: it is kept, and all after it.

    Raises
    ------
    OSError
        If the copy cannot be written; nothing of it is left.
    WorkspaceError
        If the store is damaged: a copy of it would only take the place of a better one.
    """
    home = _home(workspace)
    home.mkdir(exist_ok=True)
    old = [int(name) for name in _names(home) if NAME.fullmatch(name)]
    number = max(old, default=-1) + 1
    part = workspace.tmp / f"pid{os.getpid()}-generation-{number:04d}"
    shutil.rmtree(part, ignore_errors=True)
    try:
        part.mkdir(parents=True)
        facts: dict[str, Any] = {
            "format": 1,
            "generation": number,
            "created_at": clock.wall().isoformat(),
            "why": why,
            "empty": empty is not None,
            "line": empty or "",
        }
        if empty is None:
            facts["bytes"] = copy_file(workspace.database, part / COPY)
            facts["change"], facts["line"] = verify(part / COPY)
            facts["sha256"] = sha256_file(part / COPY)
        with (part / FACTS).open("w", encoding="utf-8") as file:
            json.dump(facts, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        part.rename(home / f"{number:04d}")
    except (OSError, MlcycleError):
        shutil.rmtree(part, ignore_errors=True)
        raise
    for other in old:
        if other <= number - KEPT and (needed is None or other < needed):
            shutil.rmtree(home / f"{other:04d}", ignore_errors=True)
    fresh = Generation(number, home / f"{number:04d}", facts)
    _current[str(workspace.home)] = fresh
    return fresh


def begin_line(workspace: Workspace, why: str) -> None:
    """Begin with a store that is no continuation of the log: two copies, so that nobody goes back behind it."""
    begin(workspace, why)
    begin(workspace, why)


def copy_file(source: Path, target: Path) -> int:
    """Copy a file and wait until the disk has it; returns its bytes."""
    shutil.copyfile(source, target)
    with target.open("rb+") as file:
        os.fsync(file.fileno())
        return os.fstat(file.fileno()).st_size


def keep(workspace: Workspace, segment: Segment) -> None:
    """Take a folded, finished segment out of the journal into the generation; without room for it, delete it."""
    generation = current(workspace)
    if generation is None:
        segment.path.unlink(missing_ok=True)
        return
    usage = shutil.disk_usage(segment.path.parent)
    room = usage.free >= min(LEAST_FREE * usage.total, ENOUGH)
    try:
        # Said first: a segment that is gone without a word could not be missed.
        size, crc32 = _sum(segment.path)
        note_kept(generation.changes, segment.name, size, crc32 if room else "")
        if room:
            _move(segment, generation.journal / segment.stream)
            return
    except (OSError, CouldNot):
        return  # the disk is full: it stays, and a later fold tries again
    segment.path.unlink(missing_ok=True)


def _move(segment: Segment, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    if is_from_here(segment):
        segment.path.rename(folder / segment.name)
        return
    # Its writer may live after all, in another container, and would go on writing to a file that was only renamed.
    part = folder / f"{segment.name}.part"
    copy_file(segment.path, part)
    part.rename(folder / segment.name)
    segment.path.unlink()


def _sum(path: Path) -> tuple[int, str]:
    size = crc32 = 0
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            size, crc32 = size + len(piece), zlib.crc32(piece, crc32)
    return size, f"{crc32:08x}"


def is_as_kept(path: Path, kept: Kept) -> bool:
    """Whether a kept segment holds what it held when it left the journal; reads it."""
    try:
        return _sum(path) == (kept.bytes, kept.crc32)
    except OSError:
        return False


def size(generation: Generation) -> tuple[int, int]:
    """Return the bytes of a generation's log, and how many segments are in it."""
    total = count = 0
    with contextlib.suppress(OSError):
        total = generation.changes.stat().st_size
    for stream in _names(generation.journal):
        for entry in os.scandir(generation.journal / stream):
            count += 1
            total += entry.stat().st_size
    return total, count


def is_large(workspace: Workspace) -> bool:
    """Whether the log has grown so long that a copy of the store is the shorter way."""
    generation = current(workspace)
    if generation is None:
        return False
    total, count = size(generation)
    return count > MOST_SEGMENTS or total > max(LEAST_LOG, workspace.database.stat().st_size)


_current: dict[str, Generation] = {}


def _home(workspace: Workspace) -> Path:
    return workspace.home / "backup"


def _names(folder: Path) -> list[str]:
    try:
        return [path.name for path in folder.iterdir()]
    except OSError:
        return []
