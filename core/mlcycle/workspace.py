"""The folder of one ML product: where things lie, and how it is found. Opens nothing."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from mlcycle.errors import UsageError, WorkspaceError

__all__ = ["MARKER", "VARIABLE", "Workspace", "safe_join"]

MARKER = "mlcycle.yaml"
VARIABLE = "MLCYCLE_WORKSPACE"
HOME = ".mlcycle"
DATABASE = "store.duckdb"
_SHA256 = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True)
class Workspace:
    """Paths of one workspace."""

    root: Path
    """The absolute folder that holds `mlcycle.yaml`."""

    @classmethod
    def find(cls, given: str | os.PathLike[str] | None = None) -> Workspace:
        """Return the workspace given, else the one `MLCYCLE_WORKSPACE` names, else the nearest parent's.

        Raises
        ------
        WorkspaceError
            If there is none; the message names the folder that was looked at.
        """
        named = given or os.environ.get(VARIABLE)
        if named:
            root = _expanded(Path(named)).resolve()
            if not _is_workspace(root):
                what = "is not a workspace" if os.path.isdir(root) else "does not exist"  # noqa: PTH112 - and never raises
                raise WorkspaceError(f"{root} {what}: no {MARKER} in it", hint=f"mlcycle init {named}")
            return cls(root)
        try:
            start = Path.cwd()
        except OSError as error:
            raise WorkspaceError("the current folder is gone", hint="cd to one that is there") from error
        for folder in (start, *start.parents):
            if _is_workspace(folder):
                return cls(folder)
        raise WorkspaceError(
            f"{start} is not in a workspace: no {MARKER} here or above",
            hint="mlcycle demo, or mlcycle init DIR --from FILE --target COLUMN",
        )

    @staticmethod
    def is_named() -> bool:
        """Tell whether `MLCYCLE_WORKSPACE` names one."""
        return bool(os.environ.get(VARIABLE))

    @property
    def home(self) -> Path:
        """Everything the tool writes."""
        return self.root / HOME

    @property
    def database(self) -> Path:
        """The metadata store. Touch it only through DuckDB: a plain open and close drops its lock."""
        return self.home / DATABASE

    @property
    def journal(self) -> Path:
        """The journal's streams, one folder each."""
        return self.home / "journal"

    @property
    def data(self) -> Path:
        """Parquet parts by content hash."""
        return self.home / "data"

    @property
    def artifacts(self) -> Path:
        """Artifacts by content hash, in folders of the hash's first two digits."""
        return self.home / "artifacts"

    @property
    def online(self) -> Path:
        """Snapshots that servers read."""
        return self.home / "online"

    @property
    def tmp(self) -> Path:
        """Files being written; a rename takes them to their place."""
        return self.home / "tmp"

    @property
    def inbox(self) -> Path:
        """New data dropped here is noticed by the watchdog."""
        return self.root / "inbox"

    def part(self, sha256: str) -> Path:
        """Return where the Parquet part of that hash lies."""
        return self.data / f"{_hash(sha256)}.parquet"

    def artifact(self, sha256: str) -> Path:
        """Return where the artifact of that hash lies."""
        return self.artifacts / _hash(sha256)[:2] / sha256

    def inside(self, relative: str) -> Path:
        """Return a path of the workspace from a relative name that must not lead out of it."""
        return safe_join(self.root, relative)


def _is_workspace(folder: Path) -> bool:
    try:
        return (folder / MARKER).is_file()
    except OSError:  # a folder that may not be looked into is none that can be worked in
        return False


def _expanded(path: Path) -> Path:
    try:
        return path.expanduser()
    except RuntimeError:  # a user without a home
        return path


def _hash(text: str) -> str:
    # Rows and journals may come from another hand: a name such as ../../x must not become a path.
    if not _SHA256.fullmatch(text):
        raise WorkspaceError(f"{text!r} is no content hash", hint="mlcycle doctor")
    return text


def safe_join(folder: Path, relative: str) -> Path:
    """Join a relative name from outside to a folder, refusing whatever would leave it.

    Raises
    ------
    UsageError
        If the name is absolute, has `..`, a backslash or a NUL, or a link leads out.
    """
    pieces = relative.split("/")
    if not relative or relative.startswith("/") or ".." in pieces or "\\" in relative or "\0" in relative:
        raise UsageError(f"{relative!r} is not a relative path inside {folder}")
    path = folder / relative
    if not path.resolve().is_relative_to(folder.resolve()):
        raise UsageError(f"{relative!r} leads out of {folder} through a link")
    return path
