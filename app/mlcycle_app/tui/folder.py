"""What lies in a folder, for the picker: read in one go away from the loop, and drawn a line at a time."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import overload

from mlcycle_app.tui.ages import age
from mlcycle_app.tui.cells import Cell, harmless
from mlcycle_app.tui.columns import Column
from mlcycle_app.tui.glyphs import glyph, style_of

__all__ = ["COLUMNS", "UP", "Entry", "Folder", "Lines", "folder_of", "read_folder", "shown"]

LOOKED_AT = 20_000
"""Entries up to which each is asked for its size and age; beyond, that would take seconds."""
UP = ".."
LINES = dict.fromkeys(map(ord, "\n\r\t\v\f\x85\u2028\u2029"), "\N{REPLACEMENT CHARACTER}")
UNITS = ("B", "kB", "MB", "GB", "TB")


@dataclass(frozen=True)
class Entry:
    """One name in a folder."""

    name: str
    is_folder: bool
    size: int | None = None
    changed: float | None = None
    """UTC epoch seconds."""
    is_meant: bool = False
    """Whether it is a folder with the file in it that is looked for."""

    @property
    def is_hidden(self) -> bool:
        """Whether it is shown only when asked for."""
        return self.name.startswith(".") and self.name != UP


@dataclass(frozen=True)
class Folder:
    """A folder that was read, or why it could not be."""

    path: Path
    entries: tuple[Entry, ...] = ()
    """Folders first, then by name."""
    wrong: str = ""

    def matching(self, begin: str, *, hidden: bool, files: bool) -> list[Entry]:
        """Return the entries whose name begins with some letters, large or small, or else holds them."""
        wanted = begin.casefold()
        seen = [
            entry
            for entry in self.entries
            if (files or entry.is_folder) and (hidden or begin.startswith(".") or not entry.is_hidden)
        ]
        if not wanted:
            return seen
        first = [entry for entry in seen if entry.name.casefold().startswith(wanted)]
        return first or [entry for entry in seen if wanted in entry.name.casefold()]


def read_folder(path: Path, marker: str = "") -> Folder:
    """Read a folder; one that may not be read, or is none, says so instead of raising.

    Parameters
    ----------
    path
        The folder.
    marker
        The file that makes a folder the kind that is looked for.
    """
    above = (Entry(UP, is_folder=True),) if path.parent != path else ()
    try:
        with os.scandir(path) as found:
            raw = list(found)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        return Folder(path, above, wrong=f"{shown(path.name) or path} cannot be read: {why}")
    entries = [_entry(one, marker, look=len(raw) <= LOOKED_AT) for one in raw]
    entries.sort(key=lambda entry: (not entry.is_folder, entry.name.casefold(), entry.name))
    return Folder(path, (*above, *entries))


def folder_of(text: str, begin: Path) -> tuple[Path, str]:
    """Return the folder that a typed path is in, and the letters of a name behind its last slash."""
    before, slash, name = text.rpartition(os.sep)
    if text in ("~", UP):
        before, slash, name = text, os.sep, ""
    typed = before + slash if slash else ""
    return Path(os.path.normpath(begin / Path(os.path.expanduser(typed)))), name  # noqa: PTH111 - without a home it stays


def shown(name: str) -> str:
    """Return a name that a terminal only draws, whatever bytes and signs are in it."""
    return harmless(os.fsencode(name).decode("utf-8", "replace").translate(LINES))


COLUMNS = (
    Column("name", 400, stretch=True),
    Column("size", 8, right=True),
    Column("age", 8, right=True),
)


class Lines(Sequence[Sequence[Cell]]):
    """The lines of a list, made when they are drawn: a folder may hold a hundred thousand names."""

    def __init__(self, entries: Sequence[Entry], now: datetime) -> None:
        self._entries = entries
        self._now = now

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Sequence[Cell]]:
        return map(self._line, self._entries)

    @overload
    def __getitem__(self, place: int) -> Sequence[Cell]: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Sequence[Cell]]: ...
    def __getitem__(self, place: int | slice) -> Sequence[Cell] | Sequence[Sequence[Cell]]:
        if isinstance(place, slice):
            return [self._line(entry) for entry in self._entries[place]]
        return self._line(self._entries[place])

    def _line(self, entry: Entry) -> Sequence[Cell]:
        style = "bold" if entry.is_folder else "dim" if entry.is_hidden else ""
        style = f"bold {style_of('ok')}" if entry.is_meant else style
        sign = f"  {glyph('ok')}" if entry.is_meant else ""
        name = Cell(shown(entry.name) + ("/" if entry.is_folder else "") + sign, style)
        size = "" if entry.size is None or entry.is_folder else _size(entry.size)
        changed = None
        if entry.changed is not None:
            changed = datetime.fromtimestamp(entry.changed, UTC).replace(tzinfo=None)
        return [name, Cell(size), Cell(age(changed, self._now), "dim")]


def _entry(found: os.DirEntry[str], marker: str, *, look: bool) -> Entry:
    try:
        is_folder = found.is_dir()
        if not look:
            return Entry(found.name, is_folder)
        facts = found.stat()
        meant = is_folder and bool(marker) and os.access(Path(found.path, marker), os.F_OK)
    except OSError:  # a link to nowhere, or gone since
        return Entry(found.name, is_folder=False)
    return Entry(found.name, is_folder, facts.st_size, facts.st_mtime, meant)


def _size(size: float) -> str:
    place = 0
    while size >= 1000 and place < len(UNITS) - 1:
        size, place = size / 1000, place + 1
    return f"{size:.3g} {UNITS[place]}"
