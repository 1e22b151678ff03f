"""Whether the store could be made again: every copy, log and kept segment is read and compared with what it was."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING

from mlcycle.journal.reader import segments
from mlcycle.store import changes
from mlcycle.store.generations import FACTS, Generation, generations, is_as_kept
from mlcycle.store.model import Finding

if TYPE_CHECKING:
    from mlcycle.workspace import Workspace

__all__ = ["behind", "drop_older", "look"]


def look(workspace: Workspace) -> Iterator[Finding]:
    """Yield what of the generations is damaged or missing. A new copy puts all of it right, so all can be mended."""
    there = generations(workspace)
    is_backup = (workspace.home / FACTS).is_file()
    if not there and workspace.database.exists() and not is_backup:
        yield Finding(
            "mend", "there is no copy of the store and no log to make it again from", ".mlcycle/backup"
        )
    for generation, following in zip(there, [*there[1:], None], strict=False):
        found = list(_generation(workspace, generation, following))
        if generation.folder.exists():  # else a newer one has taken its place meanwhile
            yield from found


def _generation(
    workspace: Workspace, generation: Generation, following: Generation | None
) -> Iterator[Finding]:
    where = generation.folder.relative_to(workspace.root).as_posix()
    if not generation.is_whole():
        sha256 = str(generation.facts.get("sha256", ""))[:8]
        yield Finding("mend", f"the copy {sha256} of the store is damaged", f"{where}/store.duckdb")
    log = changes.index(generation.changes)
    for line in log.bad:
        digits = line[:8].decode("ascii", "replace")
        yield Finding("mend", f"a line of the log of changes is damaged: {digits}", f"{where}/changes.jnl")
    if following is not None:
        last = max([generation.change, *(change.number for change in log.changes())])
        if last < following.change:
            what = f"changes {last + 1} to {following.change} are missing from the log"
            yield Finding("mend", what, f"{where}/changes.jnl")
    yield from _segments(workspace, generation, log)


def _segments(workspace: Workspace, generation: Generation, log: changes.Index) -> Iterator[Finding]:
    there = {segment.name: segment.path for segment in segments(generation.journal)}
    live = {segment.name for segment in segments(workspace.journal)}
    where = generation.folder.relative_to(workspace.root).as_posix()
    for name, kept in log.kept().items():
        if not kept.crc32:
            what = f"segment {name} could not be kept for want of disk space"
        elif name in there:
            if is_as_kept(there[name], kept):
                continue
            what = f"the kept segment {name} is damaged: it was {kept.crc32}"
        elif name in live or name in {segment.name for segment in segments(generation.journal)}:
            continue  # on its way from one to the other
        else:
            what = f"the kept segment {name} is missing"
        yield Finding("mend", f"{what}; a store made again would lack its records", f"{where}/journal")


def behind(workspace: Workspace, number: int) -> Iterator[Finding]:
    """Yield a finding if the log ends before the last change that the store has."""
    there = generations(workspace)
    if not there:
        return
    newest = there[-1]
    last = max([newest.change, *(change.number for change in changes.index(newest.changes).changes())])
    if last < number:
        where = newest.changes.relative_to(workspace.root).as_posix()
        yield Finding("mend", f"changes {last + 1} to {number} are missing from the log", where)


def drop_older(workspace: Workspace, newest: Generation) -> None:
    """Delete the generations before one whose copy is whole, with what is damaged in them."""
    for generation in generations(workspace):
        if generation.number < newest.number:
            shutil.rmtree(generation.folder, ignore_errors=True)
