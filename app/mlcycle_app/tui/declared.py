"""Whether the declarations of a workspace can be read: YAML alone, nothing that it names is run."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from mlcycle_app.commands import PHASES
from mlcycle_app.gateway import MlcycleError
from mlcycle_app.tui.keys import written_key

if TYPE_CHECKING:
    from mlcycle_app.gateway import Gateway

__all__ = ["FILES", "Declared", "how_to_mend"]

FOLDERS = ("", "checks")
KINDS = (".yaml", ".yml")
FILES = (
    "mlcycle.yaml",
    "design.yaml",
    "data.yaml",
    "features.yaml",
    "training.yaml",
    "deploy.yaml",
    "monitor.yaml",
    "monitor.yaml",
)
"""The file that says what a screen is about, by the screen's number."""


class Declared:
    """The declarations of one workspace, read again only when a file of theirs is another."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._included: tuple[str, ...] = ()
        """Files beside the usual ones that were read last."""
        self._read: object = None
        self.wrong: MlcycleError | None = None
        """What is wrong with them, as of the last `read`."""

    @property
    def is_due(self) -> bool:
        """Whether a file has changed since they were read."""
        return self._read is None or self._read != self.stamp()

    def stamp(self) -> tuple[object, ...]:
        """Return something that differs once a file was written; costs some file sizes."""
        root = self._gateway.workspace.root
        return tuple(sorted({*_sizes(root), *(_size(root / name) for name in self._included)}))

    def read(self) -> MlcycleError | None:
        """Read them if that is due, and return what is wrong; a hundredth of a second, to be spent in a thread."""
        if self.is_due:
            stamp: object = self.stamp()
            try:
                found = self._gateway.do("declare.load")
            except MlcycleError as error:
                self.wrong = error
            else:
                self.wrong, included = None, tuple(found.documents)
                if included != self._included:
                    self._included, stamp = included, None
            self._read = stamp
        return self.wrong


def how_to_mend(error: MlcycleError, number: int) -> str:
    """Return the keys that open the file that an error names and that check it, as pressed from a screen."""
    file = Path(getattr(error, "file", None) or "").as_posix()
    edits = f"{_from(number, FILES.index(file))}{written_key('edit')} edits, " if file in FILES else ""
    return f"{edits}{_from(number, 1)}{written_key('design.check')} checks"


def _from(here: int, there: int) -> str:
    return "" if here == there else f"{written_key(f'go.{PHASES[there].lower()}')} "


def _sizes(root: Path) -> Iterator[tuple[str, int, int]]:
    for folder in FOLDERS:
        try:
            with os.scandir(root / folder) as entries:
                names = [entry.name for entry in entries if entry.name.endswith(KINDS)]
        except OSError:
            continue
        yield from (_size(root / folder / name) for name in names)


def _size(path: Path) -> tuple[str, int, int]:
    try:
        found = path.stat()
    except OSError:
        return str(path), -1, 0  # gone
    return str(path), found.st_size, found.st_mtime_ns
