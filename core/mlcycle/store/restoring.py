"""Putting a store back: made again from its own generations and logs, or from a backup or an export elsewhere."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from mlcycle.errors import CouldNot, UsageError
from mlcycle.hashing import sha256_file
from mlcycle.store.backups import CONTENTS, FACTS, copy_contents
from mlcycle.store.connection import close, connect, exclusive
from mlcycle.store.generations import begin, copy_file
from mlcycle.store.migrate import lay_folders, migrations, set_aside
from mlcycle.store.model import Finding, Restored
from mlcycle.store.rebuild import Rebuilt, base, rebuild
from mlcycle.store.store import Store
from mlcycle.store.strangers import refuse

if TYPE_CHECKING:
    from mlcycle.workspace import Workspace

__all__ = ["restore"]

WAIT_S = 30.0
EXPORT = "export.json"


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
    made, needed = Rebuilt(), None
    lay_folders(workspace)
    with exclusive(workspace, WAIT_S):
        path = workspace.tmp / f"restored-pid{os.getpid()}.duckdb"
        try:
            _unlink(path)
            if source is None:
                start = base(workspace)
                needed = start.number
                begun = start.folder.relative_to(workspace.root).as_posix()
                made = rebuild(workspace, start, path)
            else:
                begun = str(source)
                _from_backup(workspace, source, path)
            aside = _swap(workspace, path)
        finally:
            _unlink(path)
        with contextlib.suppress(OSError):  # for want of room; the next change will try again
            begin(workspace, "restored", needed=needed)
    missing = [*made.missing, *_not_there(workspace)]
    done = Restored(begun, made.changes, made.records, tuple(missing), aside)
    _note(workspace, done)
    return done


def _note(workspace: Workspace, done: Restored) -> None:
    with Store(workspace).transaction("restore") as change:
        what = [finding.what for finding in done.missing]
        change.audit(done.source, before=done.set_aside or None, after=what)


def _from_backup(workspace: Workspace, source: Path, path: Path) -> None:
    store = source / ".mlcycle" / "store.duckdb"
    try:
        facts = json.loads((source / ".mlcycle" / FACTS).read_text(encoding="utf-8"))
        known = facts["sha256"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"{source} is no backup: it has no .mlcycle/{FACTS}",
            hint="mlcycle store restore SOURCE, with a folder made by store backup or store export",
        ) from error
    copy_file(store, path)
    if sha256_file(path) != known:
        raise CouldNot(
            f"{store} is not the file that was backed up: its content is {sha256_file(path)[:8]}, not {known[:8]}",
            hint="restore from another backup; this workspace is as before",
        )
    # Also where this workspace was made here: the backup may not have been.
    connection = connect(path, read_only=True)
    try:
        refuse(connection, path, migrations())
    finally:
        close(connection)
    for folder in CONTENTS:
        copy_contents(source / ".mlcycle" / folder, workspace.home / folder)


def _swap(workspace: Workspace, path: Path) -> str:
    """Put the new file in the old one's place, at once; returns where the old one is."""
    database = workspace.database
    aside = ""
    log = database.with_name(f"{database.name}.wal")
    if log.exists():  # it belongs to the old file, and nothing acknowledged is in it alone
        aside = set_aside(workspace, log).relative_to(workspace.root).as_posix()
    if database.exists():
        aside = set_aside(workspace, database, stays=True).relative_to(workspace.root).as_posix()
    path.replace(database)
    return aside


def _not_there(workspace: Workspace) -> list[Finding]:
    from mlcycle.store.doctor import examine

    return [finding for finding in examine(workspace).findings if finding.level == "damaged"]


def _unlink(path: Path) -> None:
    for one in (path, path.with_name(f"{path.name}.wal")):
        one.unlink(missing_ok=True)
