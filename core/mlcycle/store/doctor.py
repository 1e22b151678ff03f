"""Doctor: looks at everything the workspace holds, says what is wrong, and mends what can be mended.

Each look is a function that yields findings and changes nothing; mending folds, then ends what was left
running, then sweeps. What needs a person (a missing part, a damaged file) is only said.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlcycle import clock
from mlcycle.errors import Busy, MlcycleError
from mlcycle.hashing import sha256_bytes, sha256_file
from mlcycle.journal.reader import BAD, Segment, is_finished, read_tail, segments
from mlcycle.store import orphans
from mlcycle.store.model import Finding, Report
from mlcycle.store.store import Ask, Store

if TYPE_CHECKING:
    from mlcycle.workspace import Workspace

__all__ = ["examine", "mend"]

STALE_AFTER_S = 3600.0
"""Age at which a file in `tmp/` can be nobody's work in hand."""
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
    findings = list(_files(workspace))
    store = Store(workspace)
    try:
        if workspace.database.exists():
            findings += _rows(store)
    except Busy:
        raise
    except MlcycleError as error:
        digits = sha256_file(workspace.database)[:8]
        findings.append(
            Finding("damaged", f"{error.message} ({digits})", _where(workspace, workspace.database))
        )
    findings.sort(key=lambda finding: ORDER[finding.level])
    return Report(tuple(findings))


def mend(workspace: Workspace) -> Report:
    """Put right what can be, then look again.

    Returns
    -------
    Report
        What remains, and in `mended` what was put right.
    """
    before = [finding for finding in examine(workspace).findings if finding.level == "mend"]
    if before:
        store = Store(workspace)
        with store.looking() as ask:
            running, deserted = _running(workspace, ask), _deserted(ask)
        now = clock.wall()
        ends = [
            {"kind": "end", "run_id": row["run_id"], "status": "killed", "ended_at": now} for row in running
        ]
        store.append("run", ends)
        with store.transaction("mend") as change:  # opening replays or removes a log, and folds
            for row in deserted:
                change.execute(
                    "UPDATE deployment SET state = 'stopped', why = 'its process is gone', pid = NULL, "
                    "since = ?, rev = rev + 1 WHERE deployment = ?",
                    [clock.now(), row["deployment"]],
                )
                change.audit(row["deployment"], before=row, after={"state": "stopped"})
        for path in _stale(workspace):
            path.unlink(missing_ok=True)
    after = examine(workspace)
    left = {(finding.what, finding.where) for finding in after.findings}
    mended = [finding for finding in before if (finding.what, finding.where) not in left]
    return Report(after.findings, tuple(mended))


def _files(workspace: Workspace) -> Iterator[Finding]:
    log = workspace.database.with_name(workspace.database.name + ".wal")
    if log.exists():
        what = f"a killed process left a log behind, to be replayed: {sha256_file(log)[:8]}"
        yield Finding("mend", what, _where(workspace, log))
    for path in _stale(workspace):
        what = f"a file that nobody finished writing: {sha256_file(path)[:8]}"
        yield Finding("mend", what, _where(workspace, path))
    for folder, what in ((workspace.journal / BAD, "bad lines"), (workspace.home / "recovery", "a log")):
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            digits = sha256_file(path)[:8]
            yield Finding("note", f"{what} {digits} set aside", _where(workspace, path))


def _rows(store: Store) -> Iterator[Finding]:
    with store.looking() as ask:
        contents = ask(orphans.CONTENTS)
        found = [*_journal(store.workspace, ask), *_blocks(ask)]
        for row in _running(store.workspace, ask):
            what = f"run {row['name']} is marked running, but its process is gone"
            found.append(Finding("mend", what, row["run_id"]))
        for row in _deserted(ask):
            what = (
                f"deployment {row['deployment']} is marked {row['state']}, but process {row['pid']} is gone"
            )
            found.append(Finding("mend", what, row["deployment"]))
        for query in orphans.QUERIES:
            found += [Finding("damaged", query.what.format(**row), row["name"]) for row in ask(query.sql)]
    yield from found
    # Reading every file again takes its time: nobody should have to wait for the store meanwhile.
    yield from _contents(store.workspace, contents)


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
        path = next((place for place in places if place.exists()), None)
        if path is None:
            yield Finding("damaged", f"file {digits} is missing: {row['what']}", row["name"])
        elif sha256_file(path) != sha256:
            what = f"file {digits} does not hold what was written: {row['what']}"
            yield Finding("damaged", what, _where(workspace, path))


def _running(workspace: Workspace, ask: Ask) -> list[dict[str, Any]]:
    open_runs = ask(
        """SELECT s.run_id, any_value(coalesce(s.name, s.run_id::VARCHAR)) AS name, list(s.segment) AS segments
        FROM live_run_start AS s WHERE s.segment IS NOT NULL
            AND s.run_id NOT IN (SELECT run_id FROM live_run_end) GROUP BY s.run_id"""
    )
    if not open_runs:
        return []
    alive = {one.writer for one in segments(workspace.journal) if not is_finished(one)}
    return [row for row in open_runs if not alive & {_writer(name) for name in row["segments"]}]


def _deserted(ask: Ask) -> list[dict[str, Any]]:
    import psutil

    rows = ask(
        "SELECT deployment, state, pid FROM deployment WHERE state IN ('starting', 'running') AND pid IS NOT NULL"
    )
    return [row for row in rows if not psutil.pid_exists(row["pid"])]


def _stale(workspace: Workspace) -> Iterable[Path]:
    oldest = time.time() - STALE_AFTER_S
    found = []
    for path in workspace.tmp.rglob("*") if workspace.tmp.is_dir() else ():
        with contextlib.suppress(FileNotFoundError):
            if path.is_file() and path.stat().st_mtime < oldest:
                found.append(path)
    return sorted(found)


def _writer(name: str) -> str:
    return Segment("run", name, Path(name), 0).writer


def _where(workspace: Workspace, path: Path) -> str:
    return path.relative_to(workspace.root).as_posix()
