"""Which files belong to which source."""

from __future__ import annotations

import glob
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from mlcycle.declare import Declarations, secrets
from mlcycle.declare.names import suggestion
from mlcycle.errors import DataError, NotFoundError, UsageError
from mlcycle.workspace import Workspace

__all__ = ["Place", "find"]

WILD = "*?["


@dataclass(frozen=True)
class Place:
    """A file that belongs to a source."""

    source: str
    path: Path
    shown: str | None = None
    """What to call it wherever it is written or said, if a part of its path is a secret from the environment."""


def find(
    workspace: Workspace, declarations: Declarations, path: Path | None, source: str | None
) -> list[Place]:
    """Return the files in the order of the declared sources, then of the file names.

    Parameters
    ----------
    path
        None for every source's declared path, a folder for each source whose file name is in it, or one file.
    source
        Only this source; a file of any name then belongs to it.

    Raises
    ------
    NotFoundError
        If there is no such source.
    UsageError
        If a file could belong to several sources.
    DeclarationError
        If a declared path names an environment variable that is not set.
    DataError
        If a file is missing, or nothing in the folder belongs to a source.
    """
    sources = declarations.data.sources
    if source is not None and source not in sources:
        raise NotFoundError(
            f"no source is called `{source}`{suggestion(source, sources, what='declared sources')}",
            hint="mlcycle data list",
        )
    wanted = [name for name in sources if source in (None, name)]
    if path is None:
        return [place for name in wanted for place in _declared(workspace, declarations, name)]
    given = _existing(workspace, path)
    if given.is_dir():
        return _in_folder(given, declarations, wanted)
    if source is not None:
        return [Place(source, given)]
    return _one_file(given, declarations, wanted)


def _declared(workspace: Workspace, declarations: Declarations, name: str) -> list[Place]:
    declared = declarations.data.sources[name].path
    one = _below(workspace, _resolved(declarations, name))
    if one.is_file():
        return [Place(name, one, declared if secrets.names(declared) else None)]
    # A variable's value is a path and no pattern.
    pattern = _below(workspace, _resolved(declarations, name, glob.escape))
    # pathlib refuses a pattern that is absolute, and a source's may be.
    found = sorted(file for file in map(Path, glob.glob(str(pattern), recursive=True)) if file.is_file())  # noqa: PTH207
    if not found:
        raise DataError(
            f"{declared if secrets.names(declared) else pattern} does not exist: the file of source {name}",
            hint=f"put it there, or change sources.{name}.path in data.yaml",
        )
    return [Place(name, file, _shown(workspace, file, declared)) for file in found]


def _below(workspace: Workspace, path: str) -> Path:
    return workspace.root / Path(path).expanduser()


def _resolved(
    declarations: Declarations, name: str, turn: Callable[[str], str] = str, *, last: bool = False
) -> str:
    """Return a source's path, or the last piece of what is declared, with the variables' values in it."""
    declared = declarations.data.sources[name].path
    try:
        return secrets.resolve(Path(declared).name if last else declared, turn)
    except UsageError as error:
        raise declarations.error(
            "data.yaml", ("sources", name, "path"), error.message, hint=error.hint
        ) from error


def _shown(workspace: Workspace, file: Path, declared: str) -> str | None:
    """Return a file's path with the part that came from variables as it is declared."""
    if not secrets.names(declared):
        return None
    head = declared[: declared.rindex("}") + 1]
    begins = str(_below(workspace, secrets.resolve(head)))
    if str(file).startswith(begins) and not any(sign in head for sign in WILD):
        return head + str(file)[len(begins) :]
    inside = file.relative_to(workspace.root) if file.is_relative_to(workspace.root) else file
    return secrets.hide(str(inside), declared)


def _existing(workspace: Workspace, path: Path) -> Path:
    given = path.expanduser()
    for place in (given, workspace.root / given):
        if place.exists():
            return place.resolve()
    raise DataError(
        f"{given} does not exist", hint="mlcycle data ingest FILE, or a folder with the sources' files"
    )


def _in_folder(folder: Path, declarations: Declarations, wanted: Iterable[str]) -> list[Place]:
    files = sorted(file for file in folder.iterdir() if file.is_file())
    found = [Place(name, file) for name in wanted for file in files if _matches(file, declarations, name)]
    if not found:
        expected = ", ".join(Path(declarations.data.sources[name].path).name for name in wanted)
        raise DataError(
            f"{folder} holds no file of a source; expected names: {expected or 'none, no source is declared'}",
            hint="mlcycle data ingest FILE --source NAME",
        )
    for file in {place.path for place in found}:
        _refuse_ambiguous(file, declarations, [place.source for place in found if place.path == file])
    return found


def _one_file(file: Path, declarations: Declarations, wanted: Iterable[str]) -> list[Place]:
    found = [name for name in wanted if _matches(file, declarations, name)]
    if not found:
        expected = ", ".join(f"{Path(declarations.data.sources[name].path).name} ({name})" for name in wanted)
        raise UsageError(
            f"{file.name} is the name of no source's file; expected: {expected or 'none, no source is declared'}",
            hint=f"mlcycle data ingest {file} --source NAME",
        )
    _refuse_ambiguous(file, declarations, found)
    return [Place(name, file) for name in found]


def _refuse_ambiguous(file: Path, declarations: Declarations, names: list[str]) -> None:
    # Several sources may be tables of one SQLite file; any other file is one table.
    formats = {declarations.data.sources[name].format for name in names}
    if len(names) > 1 and formats != {"sqlite"}:
        raise UsageError(
            f"{file.name} could belong to {' or '.join(names)}",
            hint=f"mlcycle data ingest {file} --source NAME",
        )


def _matches(file: Path, declarations: Declarations, name: str) -> bool:
    return fnmatch(file.name, Path(_resolved(declarations, name, glob.escape, last=True)).name)
