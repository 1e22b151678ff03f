"""Making the store again from the copy of a generation, the log of changes since, and the journal.

Changes and folds are repeated in the order in which they happened; what the logs mention and nobody has any
more is said, piece by piece.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mlcycle.errors import CouldNot, NotFoundError
from mlcycle.ids import new_id
from mlcycle.journal.reader import Tail, segments
from mlcycle.store import changes
from mlcycle.store.changes import Change, Draft, Kept, last_number, set_number
from mlcycle.store.connection import close, connect
from mlcycle.store.fold import STEP, take
from mlcycle.store.generations import Generation, copy_file, generations, is_as_kept
from mlcycle.store.migrate import Outdated, bring_up, check, make
from mlcycle.store.model import Finding
from mlcycle.store.tail import offsets, tails
from mlcycle.store.transaction import Transaction

if TYPE_CHECKING:
    from pathlib import Path

    from duckdb import DuckDBPyConnection

    from mlcycle.workspace import Workspace

__all__ = ["Rebuilt", "bases", "rebuild"]

CHANGING = ("INSERT", "UPDATE", "DELETE", "MERGE_INTO")
"""The kinds of statement that a change consists of; a log that came from elsewhere may say what it likes."""


@dataclass
class Rebuilt:
    """What was done again, and what could not be."""

    changes: int = 0
    records: int = 0
    missing: list[Finding] = field(default_factory=list)


def bases(workspace: Workspace) -> list[Generation]:
    """Return the generations whose copy is what was copied, the newest first.

    Raises
    ------
    CouldNot
        If there is none.
    """
    there = generations(workspace)
    whole = [generation for generation in reversed(there) if generation.is_whole()]
    if not whole:
        what = "every copy in it is damaged" if there else "there is none"
        raise CouldNot(
            f"the store cannot be made again from {workspace.home / 'backup'}: {what}",
            hint="mlcycle store restore SOURCE, with a folder made by store backup or store export",
        )
    return whole


def rebuild(workspace: Workspace, start: Generation, path: Path) -> Rebuilt:
    """Make a store at `path` from a generation and all that came after it. The caller holds the store exclusively."""
    after = [one for one in generations(workspace) if one.number >= start.number]
    done = Rebuilt()
    if start.from_nothing:
        make(path, line_id=start.line or new_id())
    else:
        copy_file(start.copy, path)
    _bring_up(path)
    connection = connect(path, read_only=False, alone=True)
    try:
        _lock_in(connection, workspace)
        again = _Again(connection, workspace, after, done)
        for generation, next_one in zip(after, [*after[1:], None], strict=False):
            again.repeat(generation)
            if next_one is not None:
                again.reach(next_one.change, generation)
        again.rest()
        connection.execute("CHECKPOINT")
    finally:
        close(connection)
    return done


def _bring_up(path: Path) -> None:
    connection = connect(path, read_only=False)
    try:
        check(connection, path)
    except Outdated as old:
        bring_up(connection, old.version)
    finally:
        close(connection)


def _lock_in(connection: DuckDBPyConnection, workspace: Workspace) -> None:
    """Let the repeated statements reach this store and the scratch files of its bulk inserts, nothing else."""
    where = str(workspace.tmp).replace("'", "''")
    connection.execute(f"SET allowed_directories = ['{where}']")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


class _Again:
    """Repeats what happened."""

    def __init__(
        self, connection: DuckDBPyConnection, workspace: Workspace, after: list[Generation], done: Rebuilt
    ) -> None:
        self.connection, self.workspace, self.done = connection, workspace, done
        kept = [segment for one in after for segment in segments(one.journal)]
        self.kept = {segment.name: segment for segment in kept}
        live = {segment.name: segment for segment in segments(workspace.journal)}
        self.there = sorted({**live, **self.kept}.values(), key=lambda segment: segment.name)
        self.short: dict[str, int] = {}

    def repeat(self, generation: Generation) -> None:
        """Repeat one generation's log."""
        found = changes.index(generation.changes)
        where = generation.changes.relative_to(self.workspace.root).as_posix()
        for line in found.bad:
            self.miss(
                f"a line of the log of changes is damaged: {line[:8].decode('ascii', 'replace')}", where
            )
        for event in found.events:
            if isinstance(event, Kept):
                self.fold({event.segment: event.bytes})
                self.want({event.segment: event.bytes})
                segment = self.kept.get(event.segment)
                if segment is not None and event.crc32 and not is_as_kept(segment.path, event):
                    path = segment.path.relative_to(self.workspace.root).as_posix()
                    self.miss(f"records are missing: segment {event.segment} is damaged", path)
            elif event.number > last_number(self.connection):
                self.fold(event.at)
                self.want(event.at)
                self.change(generation, event)

    def reach(self, number: int, generation: Generation) -> None:
        """Say which changes are missing up to the one that the next generation's copy had."""
        for gone in range(last_number(self.connection) + 1, number + 1):
            where = generation.changes.relative_to(self.workspace.root).as_posix()
            self.miss(f"change {gone} is missing", where)
            set_number(self.connection, gone)

    def change(self, generation: Generation, change: Change) -> None:
        """Make one change again."""
        import duckdb

        last = last_number(self.connection)
        for number in range(last + 1, change.number):
            where = generation.changes.relative_to(self.workspace.root).as_posix()
            self.miss(f"change {number} is missing, made before {change.made_at}", where)
        self.connection.execute("BEGIN")
        try:
            for step in changes.steps(generation.changes, change):
                self.step(step, change)
        except (CouldNot, NotFoundError, duckdb.Error) as error:
            # What it was built on is missing, or it is no change at all: the ones after it may still be had.
            self.connection.execute("ROLLBACK")
            self.connection.execute("BEGIN")
            why = str(error).splitlines()[0]
            where = generation.changes.relative_to(self.workspace.root).as_posix()
            self.miss(f"change {change.number} ({change.action}) cannot be made again: {why}", where)
        else:
            self.done.changes += 1
        set_number(self.connection, change.number)
        self.connection.execute("COMMIT")

    def step(self, step: Mapping[str, Any], change: Change) -> None:
        """Do one step of a change."""
        if "do" in step:
            text = str(step["do"])
            kinds = [one.type.name for one in self.connection.extract_statements(text)]
            if len(kinds) != 1 or kinds[0] not in CHANGING:
                raise CouldNot(f"the log of changes has something else than a change: {text[:60]}")
            self.connection.execute(text, step["with"]).fetchall()
        else:
            again = Transaction(self.connection, self.workspace, change.action, Draft())
            again.insert(str(step["add"]), step["rows"])

    def fold(self, until: Mapping[str, int]) -> None:
        """Take records up to these offsets."""
        for found in self.pieces(until):
            records, _ = take(self.connection, self.workspace, found)
            self.done.records += records

    def pieces(self, until: Mapping[str, int]) -> Iterator[list[Tail]]:
        """Yield tails up to the offsets, a step at a time."""
        while True:
            done = offsets(self.connection)
            found, left = tails(self.there, done, STEP, until)
            for tail in found:
                if tail.torn and tail.whole and tail.segment.name in self.kept:
                    # It was set aside when the segment was folded.
                    tail.parsed.bad.append(tail.torn)
                    tail.parsed.used += len(tail.torn)
                    tail.torn = b""
            found = [tail for tail in found if tail.end > tail.start]
            if found:
                yield found
            if not found or not left:
                return

    def want(self, at: Mapping[str, int]) -> None:
        """Note what the log says was folded and is not there."""
        done = offsets(self.connection)
        for name, offset in at.items():
            if done.get(name, 0) < offset:
                self.short[name] = offset

    def rest(self) -> None:
        """Take what was kept and is mentioned nowhere, and say what was short."""
        self.fold({name: segment.size for name, segment in self.kept.items()})
        done = offsets(self.connection)
        for name, offset in sorted(self.short.items()):
            if done.get(name, 0) < offset:
                what = f"records are missing: bytes {done.get(name, 0)} to {offset} of segment {name}"
                self.miss(what, "journal")

    def miss(self, what: str, where: str) -> None:
        """Note something that nobody has any more."""
        self.done.missing.append(Finding("damaged", what, where))
