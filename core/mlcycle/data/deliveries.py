"""Which files belong to which source."""

from __future__ import annotations

import glob
from collections.abc import Mapping
from fnmatch import fnmatch
from pathlib import Path

from mlcycle.declare.model import Source
from mlcycle.declare.names import suggestion
from mlcycle.errors import DataError, NotFoundError, UsageError
from mlcycle.workspace import Workspace

__all__ = ["find"]


def find(
    workspace: Workspace, sources: Mapping[str, Source], path: Path | None, source: str | None
) -> list[tuple[str, Path]]:
    """Return (source, file) pairs in the order of the declaration, then of the file names.

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
    DataError
        If a file is missing, or nothing in the folder belongs to a source.
    """
    if source is not None and source not in sources:
        raise NotFoundError(
            f"no source is called `{source}`{suggestion(source, sources, what='declared sources')}",
            hint="mlcycle data list",
        )
    wanted = {name: one for name, one in sources.items() if source in (None, name)}
    if path is None:
        return [(name, file) for name, one in wanted.items() for file in _declared(workspace, name, one)]
    place = _existing(workspace, path)
    if place.is_dir():
        return _in_folder(place, wanted)
    if source is not None:
        return [(source, place)]
    return _one_file(place, wanted)


def _declared(workspace: Workspace, name: str, source: Source) -> list[Path]:
    pattern = workspace.root / Path(source.path).expanduser()
    if pattern.is_file():
        return [pattern]
    # pathlib refuses a pattern that is absolute, and a source's may be.
    found = sorted(file for file in map(Path, glob.glob(str(pattern), recursive=True)) if file.is_file())  # noqa: PTH207
    if not found:
        raise DataError(
            f"{pattern} does not exist: the file of source {name}",
            hint=f"put it there, or change sources.{name}.path in data.yaml",
        )
    return found


def _existing(workspace: Workspace, path: Path) -> Path:
    given = path.expanduser()
    for place in (given, workspace.root / given):
        if place.exists():
            return place.resolve()
    raise DataError(
        f"{given} does not exist", hint="mlcycle data ingest FILE, or a folder with the sources' files"
    )


def _in_folder(folder: Path, sources: Mapping[str, Source]) -> list[tuple[str, Path]]:
    files = sorted(file for file in folder.iterdir() if file.is_file())
    found = [(name, file) for name, source in sources.items() for file in files if _matches(file, source)]
    if not found:
        expected = ", ".join(Path(source.path).name for source in sources.values())
        raise DataError(
            f"{folder} holds no file of a source; expected names: {expected or 'none, no source is declared'}",
            hint="mlcycle data ingest FILE --source NAME",
        )
    for file in {file for _, file in found}:
        _refuse_ambiguous(file, {name: sources[name] for name, other in found if other == file})
    return found


def _one_file(file: Path, sources: Mapping[str, Source]) -> list[tuple[str, Path]]:
    found = {name: source for name, source in sources.items() if _matches(file, source)}
    if not found:
        expected = ", ".join(f"{Path(source.path).name} ({name})" for name, source in sources.items())
        raise UsageError(
            f"{file.name} is the name of no source's file; expected: {expected or 'none, no source is declared'}",
            hint=f"mlcycle data ingest {file} --source NAME",
        )
    _refuse_ambiguous(file, found)
    return [(name, file) for name in found]


def _refuse_ambiguous(file: Path, sources: Mapping[str, Source]) -> None:
    # Several sources may be tables of one SQLite file; any other file is one table.
    if len(sources) > 1 and any(source.format != "sqlite" for source in sources.values()):
        raise UsageError(
            f"{file.name} could belong to {' or '.join(sources)}",
            hint=f"mlcycle data ingest {file} --source NAME",
        )


def _matches(file: Path, source: Source) -> bool:
    return fnmatch(file.name, Path(source.path).name)
