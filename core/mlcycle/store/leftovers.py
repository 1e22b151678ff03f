"""Files that nobody will use any more: half written ones in `tmp/`, and contents that no row names."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlcycle.workspace import Workspace

__all__ = ["HALF_AFTER_S", "abandoned", "older", "unnamed"]

HALF_AFTER_S = 600.0
"""Age at which a half written file whose writer cannot be told is nobody's work in hand."""
REUSED_AFTER_S = 3600.0
"""Age at which a file whose writer's process id is in use is nobody's all the same: the id is another's by now."""
OWNER = re.compile(r"(?:^|[-/])pid(\d+)(?=[-./]|$)")
CONTENT = re.compile(r"([0-9a-f]{64})(?:\.parquet)?")
FED = ("metric", "prediction", "prediction_histogram", "resource_sample", "rollup_1m", "label")
"""Tables that name no content and may be large."""


def abandoned(workspace: Workspace) -> list[Path]:
    """Return the files of `tmp/` whose writer is gone: by the process id in the name, else by age."""
    import psutil

    found = []
    for path in _files(workspace.tmp):
        owner = OWNER.search(path.relative_to(workspace.tmp).as_posix())
        if owner is None:
            gone = older(path, HALF_AFTER_S)
        else:
            gone = not psutil.pid_exists(int(owner[1])) or older(path, REUSED_AFTER_S)
        if gone:
            found.append(path)
    opened = _opened() if found else set()
    return sorted(path for path in found if str(path.resolve()) not in opened)


def unnamed(
    workspace: Workspace, named: Iterable[str], ask: Callable[[str], list[dict[str, Any]]]
) -> list[Path]:
    """Return the parts and artifacts that no row names.

    Parameters
    ----------
    workspace
        Whose files.
    named
        Hashes known to be named.
    ask
        Runs a query; asked for every other mention of a hash only if a file is left over.
    """
    there: dict[str, list[Path]] = {}
    for folder in (workspace.data, workspace.artifacts):
        for path in _files(folder):
            if match := CONTENT.fullmatch(path.name):
                there.setdefault(match[1], []).append(path)
    left = there.keys() - set(named)
    if left:
        left -= set(_mentioned(ask))
    return sorted(path for sha256 in left for path in there[sha256])


def older(path: Path, seconds: float) -> bool:
    """Whether a file was last written longer ago than that; one that is gone was not."""
    try:
        return path.stat().st_mtime < time.time() - seconds
    except FileNotFoundError:
        return False


def _mentioned(ask: Callable[[str], list[dict[str, Any]]]) -> Iterator[str]:
    tables = ask("SELECT table_name AS name FROM duckdb_tables() WHERE database_name = 'store'")
    for table in tables:
        if table["name"] not in FED:
            texts = "regexp_extract_all(to_json(t)::VARCHAR, '[0-9a-f]{64}')"
            for row in ask(f'SELECT DISTINCT unnest({texts}) AS sha256 FROM "{table["name"]}" AS t'):
                yield row["sha256"]


def _opened() -> set[str]:
    import psutil

    found: set[str] = set()
    for process in psutil.process_iter():
        try:
            found.update(file.path for file in process.open_files())
        except psutil.Error:
            continue
    return found


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file())
