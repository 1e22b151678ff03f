"""The log of changes: what each transaction did, so that a lost store can be made again from an older copy.

One file a generation, framed like the journal: a header with the change's number, its steps, and the number
once more. It is written before the commit, so of a change that failed there may be a record: the next change
has the same number and takes its place.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlcycle import clock
from mlcycle.disk import sync
from mlcycle.errors import CouldNot
from mlcycle.journal.frame import frame, parse

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

__all__ = [
    "Change",
    "Draft",
    "Index",
    "Kept",
    "forget",
    "index",
    "last_number",
    "line",
    "newest",
    "note_kept",
    "set_line",
    "set_number",
    "steps",
    "write",
]

TIME, DAY, BYTES, FLOAT = "time", "date", "bytes", "float"
LARGEST_STEP = 1 << 20
"""Bytes of rows in one line, about."""
LAST_LINES = 1 << 16


@dataclass(frozen=True)
class Change:
    """A change as it stands in the log."""

    number: int
    action: str
    made_at: str
    at: Mapping[str, int]
    """How far each segment of the journal was folded when the change began."""
    start: int
    end: int
    """Where its lines are in the file, in bytes."""


@dataclass(frozen=True)
class Kept:
    """A segment that left the journal, between two changes."""

    segment: str
    bytes: int
    crc32: str
    """Of the whole file; empty if it was deleted, for want of disk space."""


@dataclass
class Index:
    """What a log holds, in the order in which it happened."""

    events: list[Change | Kept] = field(default_factory=list)
    bad: list[bytes] = field(default_factory=list)
    """Lines whose checksum does not hold."""
    torn: bytes = b""
    """What a killed process left behind the last whole line."""

    def changes(self) -> list[Change]:
        """Return the changes that were made."""
        return [event for event in self.events if isinstance(event, Change)]

    def kept(self) -> dict[str, Kept]:
        """Return the segments by name."""
        return {event.segment: event for event in self.events if isinstance(event, Kept)}


class Draft:
    """The steps of a change that is being made."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []

    def do(self, sql: str, params: object) -> None:
        """Note one statement with its values."""
        self.lines.append(_json({"do": sql, "with": _packed(params)}))

    def add(self, table: str, rows: Sequence[bytes]) -> None:
        """Note rows put into a table; each is JSON."""
        piece: list[bytes] = []
        size = 0
        for row in rows:
            piece.append(row.rstrip(b"\n"))
            size += len(row)
            if size >= LARGEST_STEP:
                self._rows(table, piece)
                piece, size = [], 0
        if piece:
            self._rows(table, piece)

    def _rows(self, table: str, rows: Sequence[bytes]) -> None:
        self.lines.append(b'{"add":%s,"rows":[%s]}' % (json.dumps(table).encode(), b",".join(rows)))


def write(path: Path, number: int, action: str, at: Mapping[str, int], draft: Draft) -> None:
    """Add a change to the log and wait until the disk has it. The caller holds the store exclusively.

    Raises
    ------
    CouldNot
        If it cannot be written; the log is as before.
    """
    head = {"change": number, "action": action, "made_at": clock.wall().isoformat(), "at": dict(at)}
    _append(path, [_json(head), *draft.lines, _json({"done": number})])


def forget(path: Path, number: int) -> None:
    """Note that the change of that number was not made after all."""
    _append(path, [_json({"undone": number})])


def note_kept(path: Path, segment: str, size: int, crc32: str) -> None:
    """Note that a folded segment is about to leave the journal; `crc32` is empty if it is not kept."""
    _append(path, [_json({"kept": segment, "bytes": size, "crc32": crc32})])


def index(path: Path) -> Index:
    """Read a log through; of several changes with one number the last was made."""
    found = Index()
    if not path.exists():
        return found
    made: dict[int, Change] = {}
    place, head, start = 0, None, 0
    with path.open("rb") as file:
        for line in file:
            begin, place = place, place + len(line)
            if not line.endswith(b"\n"):
                found.torn = line
                break
            payloads = parse(line).records
            if not payloads:
                found.bad.append(line.rstrip(b"\n"))
                head = None
                continue
            if payloads[0].startswith((b'{"do":', b'{"add":')):
                continue
            fact = json.loads(payloads[0])
            if "change" in fact:
                head, start = fact, begin
            elif "done" in fact and head is not None and head["change"] == fact["done"]:
                change = Change(int(fact["done"]), head["action"], head["made_at"], head["at"], start, place)
                made[change.number] = change
                found.events.append(change)
                head = None
            elif "undone" in fact:
                made.pop(int(fact["undone"]), None)
            elif "kept" in fact:
                found.events.append(Kept(fact["kept"], int(fact["bytes"]), fact["crc32"]))
    found.events = [
        event for event in found.events if not isinstance(event, Change) or made.get(event.number) is event
    ]
    return found


def steps(path: Path, change: Change) -> Iterator[dict[str, Any]]:
    """Yield the steps of a change: `{"do", "with"}` or `{"add", "rows"}`."""
    with path.open("rb") as file:
        file.seek(change.start)
        while file.tell() < change.end:
            fact = json.loads(parse(file.readline()).records[0])
            if "do" in fact:
                yield {"do": fact["do"], "with": _unpacked(fact["with"])}
            elif "add" in fact:
                yield fact


def last_number(connection: DuckDBPyConnection) -> int:
    """Return the number of the last change that the store has."""
    row = connection.execute("SELECT value FROM meta WHERE key = 'change'").fetchone()
    return int(row[0]) if row else 0


def newest(path: Path) -> int:
    """Return the number of the last change near the end of the log; 0 if there is none."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - LAST_LINES))
            payloads = parse(file.read()).records
    except FileNotFoundError:
        return 0
    made: set[int] = set()
    for one in payloads:
        if one.startswith(b'{"done":'):
            made.add(int(json.loads(one)["done"]))
        elif one.startswith(b'{"undone":'):
            made.discard(int(json.loads(one)["undone"]))
    return max(made, default=0)


def line(connection: DuckDBPyConnection) -> str:
    """Return the id of the store's line: another one after it was put back from elsewhere; empty in old stores."""
    row = connection.execute("SELECT value FROM meta WHERE key = 'line'").fetchone()
    return str(row[0]) if row else ""


def set_line(connection: DuckDBPyConnection, line_id: str) -> None:
    """Note the id of the line; changes of one line never continue those of another."""
    connection.execute("INSERT OR REPLACE INTO meta (key, value) VALUES ('line', ?)", [line_id])


def set_number(connection: DuckDBPyConnection, number: int) -> None:
    """Note the number of the change that is being made."""
    connection.execute("INSERT OR REPLACE INTO meta (key, value) VALUES ('change', ?)", [str(number)])


def _append(path: Path, payloads: Sequence[bytes]) -> None:
    fresh = not path.exists()
    handle = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o600)
    try:
        if fresh:
            sync(path.parent)
        size = _whole(handle)
        os.lseek(handle, size, os.SEEK_SET)
        try:
            for payload in payloads:
                data = frame(payload)
                while data:
                    data = data[os.write(handle, data) :]
            os.fsync(handle)
        except OSError:
            os.ftruncate(handle, size)
            raise
    except OSError as error:
        raise CouldNot(
            f"the change could not be written: {error.strerror or error}",
            hint="look for free disk space, then try again",
        ) from error
    finally:
        os.close(handle)


def _whole(handle: int) -> int:
    """Cut off a line that a killed process did not finish; return where the next one begins."""
    size = os.fstat(handle).st_size
    back = size
    while back > 0:
        first = max(0, back - (1 << 16))
        os.lseek(handle, first, os.SEEK_SET)
        piece = os.read(handle, back - first)
        newline = piece.rfind(b"\n")
        if newline >= 0:
            back = first + newline + 1
            break
        back = first
    if back < size:
        os.ftruncate(handle, back)
    return back


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace")


def _packed(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _packed(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_packed(item) for item in value]
    if isinstance(value, datetime):
        return {"$": TIME, "v": value.isoformat()}
    if isinstance(value, date):
        return {"$": DAY, "v": value.isoformat()}
    if isinstance(value, bytes):
        return {"$": BYTES, "v": value.hex()}
    if isinstance(value, float) and not math.isfinite(value):
        return {"$": FLOAT, "v": str(value)}
    return value


def _unpacked(value: Any) -> Any:
    if isinstance(value, list):
        return [_unpacked(item) for item in value]
    if not isinstance(value, dict):
        return value
    kinds = {TIME: datetime.fromisoformat, DAY: date.fromisoformat, BYTES: bytes.fromhex, FLOAT: float}
    if value.keys() == {"$", "v"} and value["$"] in kinds:
        return kinds[value["$"]](value["v"])
    return {key: _unpacked(item) for key, item in value.items()}
