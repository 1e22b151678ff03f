"""Doctor: looks at everything the workspace holds, says what is wrong, and mends what can be mended.

Each look is a function that yields findings and changes nothing; mending opens the store, ends what was left
running, folds, then sweeps. What needs a person (a missing part, a damaged file) is only said.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlcycle import clock
from mlcycle.errors import Busy, CouldNot, MlcycleError, WorkspaceError
from mlcycle.hashing import sha256_bytes, sha256_file
from mlcycle.journal.reader import BAD, elsewhere, end, is_finished, read_tail, segments
from mlcycle.store import archive, orphans, place, recoverable, strangers
from mlcycle.store.backups import backup
from mlcycle.store.generations import generations
from mlcycle.store.killed import deserted, end_them, over
from mlcycle.store.leftovers import HALF_AFTER_S, abandoned, older, unnamed
from mlcycle.store.lost import loss
from mlcycle.store.model import Finding, Report
from mlcycle.store.store import Ask, Store

if TYPE_CHECKING:
    from mlcycle.workspace import Workspace

__all__ = ["examine", "mend"]

WAIT_S = 10.0
SERVER = "mlcycle.serving"
"""What the command line of a model server names."""
HEADLESS = """
    SELECT run_id::VARCHAR AS run_id, sum(n)::BIGINT AS points FROM live_metric_last
    WHERE (SELECT sum(bad) FROM segment) > 0 AND run_id NOT IN (SELECT run_id FROM live_run_start)
    GROUP BY run_id ORDER BY run_id LIMIT 20
"""
RESTORED = """
    SELECT ts, object, array_to_string(after::VARCHAR[], '; ') AS missing FROM audit_log
    WHERE action = 'restore' AND json_array_length(after) > 0 ORDER BY ts
"""
ORDER = {"damaged": 0, "mend": 1, "note": 2}


def examine(workspace: Workspace) -> Report:
    """Look at the whole workspace and change nothing.

    Returns
    -------
    Report
        Findings, the worst first; files are named by the first 8 digits of their content's hash.

    Raises
    ------
    Busy
        If another process holds the store for long.
    """
    findings, closed = list(_files(workspace)), list(_closed(workspace))
    findings += closed
    lost = loss(workspace)
    if lost is not None:
        findings.append(
            Finding("damaged", f"{lost.message}; {lost.hint}", _where(workspace, workspace.database))
        )
    elif workspace.database.exists() and not closed:
        findings += _store(workspace)
    findings += recoverable.look(workspace)
    findings += [Finding("note", what, ".") for what in place.notes(workspace)]
    findings.sort(key=lambda finding: ORDER[finding.level])
    return Report(tuple(findings))


def mend(workspace: Workspace) -> Report:
    """Put right what can be, then look again.

    Segments of another machine that have been silent for ten minutes are ended, and contents that no row
    has named for an hour are deleted.

    Returns
    -------
    Report
        What remains, and in `mended` what was put right.
    """
    before = list(examine(workspace).findings)
    if not before or loss(workspace) is not None or not _can_be_opened(workspace):
        return Report(tuple(before))
    # What could not be looked at before the log or the schema was put right.
    before += [finding for finding in examine(workspace).findings if finding not in before]
    _put_right(workspace)
    _copy_anew(workspace, before)
    after = examine(workspace)
    left = {(finding.what, finding.where) for finding in after.findings}
    mended = [finding for finding in before if (finding.what, finding.where) not in left]
    return Report(after.findings, tuple(mended))


def _can_be_opened(workspace: Workspace) -> bool:
    if any(_closed(workspace)):
        return False
    from mlcycle.store.connection import DamagedWal

    try:
        if workspace.database.exists():
            with suppress(DamagedWal):  # the log is set aside first
                strangers.evict(workspace, WAIT_S)
        Store.create(workspace)
    except Busy:
        raise
    except WorkspaceError:  # examine has said it
        return False
    return True


def _put_right(workspace: Workspace) -> None:
    store = Store(workspace)
    for segment in segments(workspace.journal):
        if elsewhere(segment) and older(segment.path, HALF_AFTER_S):
            end(segment)
    finished = over(workspace)
    with store.looking() as ask:
        killed, unserved = deserted(workspace, ask, finished), _unserved(workspace, ask)
    end_them(workspace, killed)
    with store.transaction("mend") as change:  # folds
        for row in unserved:
            change.execute(
                "UPDATE deployment SET state = 'stopped', why = 'its process is gone', pid = NULL, "
                "since = ?, rev = rev + 1 WHERE deployment = ?",
                [clock.now(), row["deployment"]],
            )
            change.audit(row["deployment"], before=row, after={"state": "stopped"})
        _sweep(workspace)


def _copy_anew(workspace: Workspace, found: list[Finding]) -> None:
    """Where a copy or a log is damaged and the store is not: make a new copy, and drop what is damaged."""
    damaged = {(finding.what, finding.where) for finding in found if "backup/" in finding.where}
    damaged |= {(finding.what, finding.where) for finding in recoverable.look(workspace)}
    if damaged and not any(finding.level == "damaged" for finding in found):
        backup(workspace)
        recoverable.drop_older(workspace, generations(workspace)[-1])


def _sweep(workspace: Workspace) -> None:
    """Delete half written files that nobody uses.

    Contents that no row names are only noted, never deleted: after an older store was put back they may be the
    newer data themselves.
    """
    for path in abandoned(workspace):
        path.unlink(missing_ok=True)


def _files(workspace: Workspace) -> Iterator[Finding]:
    if workspace.database.exists():
        yield from _log(workspace)
    for path in abandoned(workspace):
        if digits := _digits(path):
            yield Finding("mend", f"a file that nobody finished writing: {digits}", _where(workspace, path))
    for folder, what in (
        (workspace.journal / BAD, "bad lines"),
        (workspace.home / "recovery", "a former file"),
    ):
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            if digits := _digits(path):
                yield Finding("note", f"{what} {digits} set aside", _where(workspace, path))


def _log(workspace: Workspace) -> list[Finding]:
    from mlcycle.store.connection import shared

    log = workspace.database.with_name(workspace.database.name + ".wal")
    # Beside a transaction there is a log too: one that is there while nobody can change anything was left.
    with shared(workspace, WAIT_S):
        # An empty one is what a full disk left: there is nothing in it.
        digits = _digits(log) if log.exists() and log.stat().st_size else ""
    what = f"a killed process left a log behind, to be replayed: {digits}"
    return [Finding("mend", what, _where(workspace, log))] if digits else []


def _closed(workspace: Workspace) -> Iterator[Finding]:
    """Say what of the journal this user cannot read; nothing else can be said of the rows then."""
    try:
        there = segments(workspace.journal)
    except CouldNot as error:
        yield Finding("damaged", error.message, _where(workspace, workspace.journal))
        return
    for segment in there:
        try:
            read_tail(segment, 0, 1)
        except CouldNot as error:
            yield Finding("damaged", error.message, _where(workspace, segment.path))


def _store(workspace: Workspace) -> list[Finding]:
    from mlcycle.store.connection import DamagedWal
    from mlcycle.store.migrate import Outdated

    found: list[Finding] = []
    try:
        found.extend(_rows(Store(workspace)))
    except Busy:
        raise
    except MlcycleError as error:
        where = _where(workspace, workspace.database)
        if isinstance(error.__cause__, DamagedWal):
            what = "the log cannot be replayed; nothing acknowledged is in it alone, and it will be set aside"
            found.append(Finding("mend", what, f"{where}.wal"))
        elif isinstance(error.__cause__, Outdated):
            what = (
                "the store was made by an older mlcycle; it will be copied to backup/ and brought up to date"
            )
            found.append(Finding("mend", what, where))
        else:
            digits = _digits(workspace.database) or "no file"
            advice = f"; {error.hint}" if error.hint else ""
            found.append(Finding("damaged", f"{error.message} ({digits}){advice}", where))
    return found


def _rows(store: Store) -> Iterator[Finding]:
    workspace = store.workspace
    finished = over(workspace)
    with store.looking() as ask:
        contents = ask(orphans.CONTENTS)
        found = [*_journal(workspace, ask), *_blocks(ask)]
        for row in deserted(workspace, ask, finished):
            what = f"run {row['name']} is marked running, but its process is gone"
            found.append(Finding("mend", what, row["run_id"]))
        for row in _unserved(workspace, ask):
            what = (
                f"deployment {row['deployment']} is marked {row['state']}, but process {row['pid']} is gone"
            )
            found.append(Finding("mend", what, row["deployment"]))
        archived = list(archive.check(workspace, ask))
        for row in ask(HEADLESS):
            what = f"{row['points']} metric points of a run whose start is not there, perhaps in a bad line"
            found.append(Finding("note", what, row["run_id"]))
        for row in ask(RESTORED):
            what = f"restored on {row['ts']:%Y-%m-%d %H:%M} without: {row['missing']}"
            found.append(Finding("note", what, row["object"]))
        for query in orphans.QUERIES:
            found += [Finding("damaged", query.what.format(**row), row["name"]) for row in ask(query.sql)]
        if not any(finding.level == "damaged" for finding in found):
            for row in ask("SELECT value FROM meta WHERE key = 'change'"):
                found += recoverable.behind(workspace, int(row["value"]))
            for path in unnamed(workspace, [row["sha256"] for row in contents], ask):
                what = f"no row names file {path.name[:8]}, which is kept"
                found.append(Finding("note", what, _where(workspace, path)))
    yield from [*found, *archived]
    # Reading every file again takes its time: nobody should have to wait for the store meanwhile.
    yield from _contents(workspace, contents)


def _journal(workspace: Workspace, ask: Ask) -> Iterator[Finding]:
    noted = ask("SELECT segment, folded_to, bad, refused FROM segment")
    done = {row["segment"]: row["folded_to"] for row in noted}
    if refused := sum(row["refused"] for row in noted):
        yield Finding("note", f"writers were refused {refused} records, for want of disk space", "journal")
    for segment in segments(workspace.journal):
        tail = read_tail(segment, done.get(segment.name, 0))
        where = _where(workspace, segment.path)
        if tail is None:
            yield Finding("note", "a segment written by a newer mlcycle, not read", where)
            continue
        if machine := elsewhere(segment):
            what = f"its writer is on {machine}, so it may live; --mend ends it after 10 silent minutes"
            yield Finding("note", what, where)
        if tail.torn and is_finished(segment):
            digits = sha256_bytes(tail.torn)[:8]
            yield Finding("mend", f"a line torn by a killed writer: {digits}", where)
        for line in tail.parsed.bad:
            yield Finding("mend", f"a bad line: {sha256_bytes(line)[:8]}", where)


def _blocks(ask: Ask) -> Iterator[Finding]:
    # Checksums are looked at when a block is read, so every column of every row has to be.
    for row in ask("SELECT table_name AS name FROM duckdb_tables() WHERE database_name = 'store'"):
        try:
            ask(f'SELECT bit_xor(hash(t)) AS h FROM store.main."{row["name"]}" AS t')
        except MlcycleError as error:
            yield Finding("damaged", error.message, f"table {row['name']}")


def _contents(workspace: Workspace, contents: list[dict[str, Any]]) -> Iterator[Finding]:
    for row in contents:
        sha256, digits = row["sha256"], row["sha256"][:8]
        places = (workspace.part(sha256), workspace.artifact(sha256))
        path = next((place for place in places if os.path.lexists(place)), None)
        if path is None:
            yield Finding("damaged", f"file {digits} is missing: {row['what']}", row["name"])
        elif not _is_plain(path):
            what = f"file {digits} is a link or no file, so it was not read: {row['what']}"
            yield Finding("damaged", what, _where(workspace, path))
        elif sha256_file(path, own=True) != sha256:
            what = f"file {digits} does not hold what was written: {row['what']}"
            yield Finding("damaged", what, _where(workspace, path))


def _unserved(workspace: Workspace, ask: Ask) -> list[dict[str, Any]]:
    rows = ask(
        "SELECT deployment, state, pid FROM deployment WHERE state IN ('starting', 'running') AND pid IS NOT NULL"
    )
    return [row for row in rows if not _serves(workspace, row["deployment"], row["pid"])]


def _serves(workspace: Workspace, deployment: str, pid: int) -> bool:
    """Whether a process is that deployment's server; its id may have been given to another since."""
    import psutil

    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        words = process.cmdline()
    except psutil.AccessDenied:
        return True  # somebody else's: that it is gone cannot be said
    except psutil.Error:
        return False
    pairs = list(pairwise(words))
    return (
        SERVER in words
        and ("--deployment", deployment) in pairs
        and ("--journal", str(workspace.journal)) in pairs
    )


def _digits(path: Path) -> str:
    """Return the first digits of a file's hash; empty if it has gone meanwhile."""
    try:
        return sha256_file(path, own=True)[:8]
    except OSError:  # gone meanwhile, or nothing that this program wrote
        return ""


def _is_plain(path: Path) -> bool:
    return stat.S_ISREG(path.lstat().st_mode)


def _where(workspace: Workspace, path: Path) -> str:
    return path.relative_to(workspace.root).as_posix()
