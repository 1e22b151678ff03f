"""Retention: old predictions move to the archive, older ones go; their histograms and judged windows stay."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta

from mlcycle import clock
from mlcycle.errors import Busy, UsageError
from mlcycle.monitor import histogram
from mlcycle.monitor.model import Retained
from mlcycle.store import Store, archive
from mlcycle.workspace import Workspace

__all__ = ["retain"]

ACTION = "monitor retain"
ATTEMPTS = 5

Hook = Callable[[str], None]


def retain(
    workspace: Workspace,
    *,
    older_than: timedelta | None = None,
    drop_archive: timedelta | None = None,
    hook: Hook = lambda _stage: None,
) -> Retained:
    """Move predictions of whole UTC days out of the store into files, and delete archived days that are older still.

    Whatever reads predictions reads archived ones as well. Of deleted ones the counts by the minute, the histograms
    by day and the windows judged so far stay. Days are those of serving (`ts`), by the real clock.

    Parameters
    ----------
    older_than
        Days that ended longer ago than this are moved; `retention.predictions` of `monitor.yaml` unless given,
        and none if that is `forever`.
    drop_archive
        Archived days that ended longer ago than this are deleted; `retention.archive` unless given.
    hook
        Called with the name of each stage passed; for tests that die there.

    Raises
    ------
    UsageError
        If a time is negative.
    CouldNot
        If a file cannot be written; the day's predictions are then where they were.
    Busy
        If predictions of a day that old kept coming.
    """
    from mlcycle.declare import load  # the live panel imports this package, and reads no declaration

    declared, now, store = load(workspace).monitor.retention, clock.wall(), Store(workspace)
    keep, keep_archive = _limit(older_than, declared.predictions), _limit(drop_archive, declared.archive)
    moved, rows, size = 0, 0, 0
    archive.sweep(store)
    for day in archive.days(store, now - keep) if keep is not None else ():
        piece = _move(store, day, now, hook)
        if piece is not None:
            moved, rows, size = moved + 1, rows + piece.rows, size + piece.bytes
    dropped = _drop(store, now - keep_archive, now, hook) if keep_archive is not None else 0
    return Retained(moved, rows, size, dropped)


def _limit(given: timedelta | None, declared: str) -> timedelta | None:
    if given is not None and given < timedelta():
        raise UsageError(
            "predictions cannot be kept for less than no time", hint="mlcycle store compact --help"
        )
    if given is not None or declared == "forever":
        return given
    return timedelta(days=int(declared.removesuffix("d")))


def _move(store: Store, day: date, now: datetime, hook: Hook) -> archive.Piece | None:
    for _ in range(ATTEMPTS):
        piece = None
        try:
            piece = archive.write(store, day)
            hook("written")
            if piece is None:
                return None
            added = histogram.added_by(store, piece)
            hook("counted")
            with store.transaction(ACTION) as change:
                archive.take(change, piece, now)
                hook("taken")
                histogram.insert(change, added)
                change.audit(f"predictions of {day}", after={"archived": piece.rows, "file": piece.sha256})
                hook("before commit")
        except archive.Changed:
            # Predictions of that day came meanwhile: what was written is not what the table holds.
            if piece is not None:
                archive.discard(store, piece.sha256)
            continue
        hook("moved")
        return piece
    raise Busy(f"predictions of {day} keep coming", hint="try again when nothing serves the past")


def _drop(store: Store, before: datetime, now: datetime, hook: Hook) -> int:
    rows = archive.droppable(store, before)
    if rows:
        with store.transaction(ACTION) as change:
            archive.drop(change, [row["sha256"] for row in rows], now)
            for row in rows:
                change.audit(
                    f"predictions of {row['day']}", after={"dropped": row["rows"], "file": row["sha256"]}
                )
        hook("dropped")
        archive.sweep(store)
    return len({row["day"] for row in rows})
