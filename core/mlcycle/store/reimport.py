"""Re-import: the store of a workspace built anew from an export, and put in the place of the one that is there.

Nothing of the workspace is touched before every file of the export was found to be what its manifest says.
The new store is built under another name and swapped in by one rename; the old one stays in `recovery/`.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mlcycle.errors import CouldNot, WorkspaceError
from mlcycle.hashing import sha256_file
from mlcycle.store.export_format import CONTENTS, DECLARATIONS, Column, File, Manifest, Table, load
from mlcycle.store.model import Finding, Restored
from mlcycle.workspace import MARKER, Workspace, safe_join

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

__all__ = ["Reimported", "reimport"]

Hook = Callable[[str], None]

WAIT_S = 30.0
PLAIN = (".yaml", ".yml", ".md", ".txt")
"""Texts that nothing runs."""
HINT = "export once more, or restore from a backup: mlcycle store restore"


@dataclass(frozen=True)
class Reimported(Restored):
    """What was taken from an export."""

    rows: int
    """Rows of all tables together."""
    contents: int
    """Contents that were not there yet."""
    declarations: int
    """Declarations and other texts that were not there yet."""
    left_out: tuple[str, ...]
    """Texts of the export that differ from those there, and code for a workspace that is not new."""


def reimport(workspace: Workspace, source: Path, *, hook: Hook = lambda _stage: None) -> Reimported:
    """Put an export's tables in the place of the workspace's store, and its contents beside those there.

    What the journal holds that the export has not folded yet folds into the new store with the next fold;
    what it has folded does not fold again.

    Parameters
    ----------
    workspace
        Where to; its folder must be there, its store need not, and may be damaged.
    source
        A folder made by `export`.
    hook
        Called with the name of each stage passed; for tests that die there.

    Raises
    ------
    CouldNot
        If the export is damaged; the workspace is as it was then.
    WorkspaceError
        If the export is newer than this program.
    Busy
        If the store was not to be had for 30 s.
    """
    from mlcycle.store.connection import exclusive, honest
    from mlcycle.store.generations import begin_line
    from mlcycle.store.migrate import lay_folders
    from mlcycle.store.swap import put_in_place

    source = source.expanduser().absolute()
    manifest = load(source)
    _verify(manifest, source)
    workspace.home.mkdir(mode=0o700, exist_ok=True)
    lay_folders(workspace)
    scratch = Workspace(workspace.tmp / f"import-pid{os.getpid()}")
    shutil.rmtree(scratch.root, ignore_errors=True)
    try:
        with honest(workspace.database):
            _build(scratch, manifest, source)
            contents = sum(_put_content(workspace, file, source) for file in manifest.contents)
            hook("built")
            with exclusive(workspace, WAIT_S):
                before = put_in_place(workspace, scratch.database, hook)
                hook("swapped")
                # The log of changes goes on from another state now.
                begin_line(workspace, "imported")
    finally:
        shutil.rmtree(scratch.root, ignore_errors=True)
    written, left_out = _put_declarations(workspace, manifest, source)
    return Reimported(
        source=str(source),
        changes=0,
        records=0,
        missing=_missing(workspace, manifest),
        set_aside=before,
        rows=sum(table.rows for table in manifest.tables),
        contents=contents,
        declarations=written,
        left_out=left_out,
    )


def _missing(workspace: Workspace, manifest: Manifest) -> tuple[Finding, ...]:
    return tuple(
        Finding("damaged", one.what, one.sha256[:8])
        for one in manifest.missing
        if not workspace.part(one.sha256).exists() and not workspace.artifact(one.sha256).exists()
    )


def _verify(manifest: Manifest, source: Path) -> None:
    from mlcycle.store.migrate import application, migrations

    if manifest.schema > migrations()[-1].version:
        raise WorkspaceError(
            f"{source} was exported by mlcycle {manifest.mlcycle}; this is {application()}",
            hint=f'pip install "mlcycle>={manifest.mlcycle}"',
        )
    for file in (*manifest.tables, *manifest.contents, *manifest.declarations):
        path = source / file.path
        if not path.is_file():
            raise CouldNot(f"{path} is missing", hint=HINT)
        if (digits := sha256_file(path)) != file.sha256:
            raise CouldNot(f"{path} is damaged: its hash is {digits[:8]}, not {file.sha256[:8]}", hint=HINT)


def _build(scratch: Workspace, manifest: Manifest, source: Path) -> None:
    """Make a store with the export's own schema, fill it, and let the later migrations run over its rows."""
    from mlcycle.store.connection import close, connect, exclusive
    from mlcycle.store.migrate import bring_up, migrations

    scratch.home.mkdir(parents=True)
    with exclusive(scratch, WAIT_S):
        connection = connect(scratch.database, read_only=False)
        try:
            connection.execute("BEGIN")
            for migration in migrations():
                if migration.version <= manifest.schema:
                    for statement in connection.extract_statements(migration.text):
                        connection.execute(statement)
            for table in manifest.tables:
                _fill(connection, table, source)
            # Says which views the file has, and it has none yet.
            connection.execute("DELETE FROM meta WHERE key = 'views_sha256'")
            connection.execute("COMMIT")
            bring_up(connection, manifest.schema)
        finally:
            close(connection)


def _fill(connection: DuckDBPyConnection, table: Table, source: Path) -> None:
    import duckdb

    kinds = (
        "SELECT column_name, data_type FROM duckdb_columns() WHERE database_name = 'store' AND table_name = ?"
    )
    there = dict(connection.execute(kinds, [table.name]).fetchall())
    if strange := [column.name for column in table.columns if column.name not in there]:
        raise CouldNot(
            f"the export has {table.name}.{strange[0]}, which this mlcycle does not know", hint=HINT
        )
    columns = [Column(column.name, there[column.name], column.stored) for column in table.columns]
    names = ", ".join(column.quoted for column in columns)
    values = ", ".join(column.read for column in columns)
    where = str(source / table.path).replace("'", "''")
    try:
        connection.execute(f'DELETE FROM "{table.name}"')
        ((count,),) = connection.execute(
            f"INSERT INTO \"{table.name}\" ({names}) SELECT {values} FROM read_parquet('{where}')"
        ).fetchall()
    except duckdb.IOException:
        raise  # the disk's, not the export's
    except duckdb.Error as error:
        raise CouldNot(
            f"{source / table.path} cannot be read: {str(error).splitlines()[0]}", hint=HINT
        ) from error
    if count != table.rows:
        raise CouldNot(f"{source / table.path} holds {count} rows, not {table.rows}", hint=HINT)


def _put_content(workspace: Workspace, file: File, source: Path) -> bool:
    """Copy one content to its place; False if it is there and whole."""
    target = safe_join(workspace.home, file.path.removeprefix(f"{CONTENTS}/"))
    if target.is_file() and sha256_file(target) == file.sha256:
        return False
    from mlcycle.store.generations import copy_file

    target.parent.mkdir(parents=True, exist_ok=True)
    part = workspace.tmp / f"import-pid{os.getpid()}-{file.sha256}"
    copy_file(source / file.path, part)
    part.replace(target)
    return True


def _put_declarations(workspace: Workspace, manifest: Manifest, source: Path) -> tuple[int, tuple[str, ...]]:
    """Put back the texts that are not there; code only into a new folder, since an older one may be trusted."""
    new = not (workspace.root / MARKER).exists()
    written, kept = 0, []
    for file in manifest.declarations:
        name = file.path.removeprefix(f"{DECLARATIONS}/")
        target = safe_join(workspace.root, name)
        there = target.exists()
        if not there and (new or target.suffix.lower() in PLAIN):
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / file.path, target)
            written += 1
        elif not (target.is_file() and sha256_file(target) == file.sha256):
            kept.append(name)
    return written, tuple(kept)
