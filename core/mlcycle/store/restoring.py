"""Putting a store back: made again from its own generations and logs, or from a backup or an export elsewhere."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from mlcycle.errors import CouldNot, UsageError, WorkspaceError
from mlcycle.ids import new_id
from mlcycle.store.backups import CONTENTS, FACTS, copy_contents
from mlcycle.store.changes import set_line
from mlcycle.store.connection import close, connect, exclusive, honest, writable
from mlcycle.store.generations import Generation, begin, begin_line, copy_file
from mlcycle.store.migrate import Outdated, check, lay_folders, newer
from mlcycle.store.model import Finding, Restored
from mlcycle.store.rebuild import Rebuilt, bases, rebuild
from mlcycle.store.store import Store
from mlcycle.store.swap import put_in_place
from mlcycle.store.verify import verify

if TYPE_CHECKING:
    from mlcycle.workspace import Workspace

__all__ = ["restore"]

WAIT_S = 30.0
EXPORT = "export.json"
ELSEWHERE = "mlcycle store restore SOURCE, with a folder made by store backup or store export"


def restore(workspace: Workspace, source: Path | None = None) -> Restored:
    """Put the store back; the file that was there is moved to `recovery/`.

    Parameters
    ----------
    workspace
        Whose store.
    source
        A folder made by `store backup` or `store export`; None makes the store again from the newest whole
        copy in `.mlcycle/backup`, the log of changes since, and the journal.

    Returns
    -------
    Restored
        With what could not be had back: changes and records that the logs mention, and files that rows name.

    Raises
    ------
    CouldNot
        If there is nothing whole to begin with; the store is as before.
    UsageError
        If `source` is no backup and no export.
    Busy
        If another process holds the store.
    """
    if source is not None and (source / EXPORT).is_file():
        from mlcycle.store.reimport import reimport

        imported = reimport(workspace, source)
        _note(workspace, imported)
        return imported
    if not writable(workspace):
        raise WorkspaceError(
            f"{workspace.home} cannot be written", hint="make it writable, or copy the workspace first"
        )
    made, needed = Rebuilt(), None
    with exclusive(workspace, WAIT_S), honest(workspace.database):
        lay_folders(workspace)
        _refuse_newer(workspace)
        path = workspace.tmp / f"restored-pid{os.getpid()}.duckdb"
        try:
            if source is None:
                start, made = _again(workspace, path)
                begun, needed = start.folder.relative_to(workspace.root).as_posix(), start.number
            else:
                begun = str(source)
                _from_backup(workspace, source, path)
            aside = put_in_place(workspace, path)
        finally:
            _unlink(path)
        with suppress(OSError):  # for want of room; the next change will try again
            if source is None:
                begin(workspace, "restored", needed=needed)
            else:
                begin_line(workspace, "restored")
    missing = [*made.missing, *_not_there(workspace)]
    done = Restored(begun, made.changes, made.records, tuple(missing), aside)
    _note(workspace, done)
    return done


def _refuse_newer(workspace: Workspace) -> None:
    """Leave a store alone that is whole, and only newer than this program."""
    import duckdb

    if not workspace.database.exists():
        return
    try:
        connection = connect(workspace.database, read_only=True, alone=True)
    except (WorkspaceError, CouldNot):
        return
    try:
        error = newer(connection)
    except duckdb.Error:
        return
    finally:
        close(connection)
    if error is not None:
        raise error


def _again(workspace: Workspace, path: Path) -> tuple[Generation, Rebuilt]:
    """Make the store again from the newest generation that gives a sound one."""
    import duckdb

    why = ""
    for start in bases(workspace):
        _unlink(path)
        try:
            made = rebuild(workspace, start, path)
            verify(path)
        except (WorkspaceError, duckdb.Error) as error:
            why = why or f"from {start.folder}: {str(error).splitlines()[0]}"
        else:
            return start, made
    raise CouldNot(f"the store cannot be made again {why}", hint=ELSEWHERE)


def _from_backup(workspace: Workspace, source: Path, path: Path) -> None:
    store = source / ".mlcycle" / "store.duckdb"
    facts = source / ".mlcycle" / FACTS
    if facts.is_file() and not store.is_file():
        raise CouldNot(f"the backup {source} was never finished", hint=f"mlcycle store backup {source}")
    if not facts.is_file():
        raise UsageError(f"{source} is no backup: it has no .mlcycle/{FACTS}", hint=ELSEWHERE)
    _unlink(path)
    copy_file(store, path)
    # Looked at as a stranger's, also where this workspace was made here; one that was used since is welcome, too.
    connection = connect(path, read_only=True, alone=True)
    try:
        check(connection, path)
    except Outdated:
        pass
    finally:
        close(connection)
    verify(path)
    connection = connect(path, read_only=False, alone=True)
    try:
        set_line(connection, new_id())
    finally:
        close(connection)
    for folder in CONTENTS:
        copy_contents(source / ".mlcycle" / folder, workspace.home / folder, heal=True)


def _note(workspace: Workspace, done: Restored) -> None:
    with Store(workspace).transaction("restore") as change:
        what = [finding.what for finding in done.missing]
        change.audit(done.source, before=done.set_aside or None, after=what)


def _not_there(workspace: Workspace) -> list[Finding]:
    from mlcycle.store.doctor import examine

    return [finding for finding in examine(workspace).findings if finding.level == "damaged"]


def _unlink(path: Path) -> None:
    for one in (path, path.with_name(f"{path.name}.wal")):
        one.unlink(missing_ok=True)
