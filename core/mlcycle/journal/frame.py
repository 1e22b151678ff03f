"""One line of the journal: 8 hex digits of CRC-32, a space, one JSON object, a newline.

A payload that begins with `{"_segment":` is a control record (start, refused, end) of the segment itself
and never reaches a table.
"""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

__all__ = ["CONTROL", "LONGEST", "RESERVED", "Parsed", "control", "encode", "frame", "parse"]

CONTROL = b'{"_segment":'
RESERVED = frozenset({"_segment", "_n", "_s"})
"""Keys that no record may have: the journal's own, and those the fold adds."""
LONGEST = 1 << 20
"""Bytes of the longest line that is written."""
MOST = 1 << 53
"""Beyond it no number of a control record is one that was written."""


@dataclass
class Parsed:
    """What the whole lines of a piece of a segment hold."""

    records: list[bytes] = field(default_factory=list)
    """Payloads, JSON text, in the order written."""
    controls: list[dict[str, Any]] = field(default_factory=list)
    """Control records, decoded."""
    bad: list[bytes] = field(default_factory=list)
    """Lines whose checksum does not hold, or control records that are none, without their newline."""
    used: int = 0
    """Bytes up to and with the last newline; what follows is a line not yet whole."""


def encode(record: Mapping[str, object]) -> bytes:
    """Return a record as one line of JSON.

    Numbers that JSON lacks become the texts "NaN", "Infinity" and "-Infinity"; times become ISO 8601 in UTC
    without a zone; UUIDs and paths become text; what cannot be text in UTF-8 becomes "?".

    Raises
    ------
    TypeError
        If a value is of a type that JSON cannot hold.
    ValueError
        If a key is one of the journal's own.
    """
    if not RESERVED.isdisjoint(record):
        raise ValueError(f"no record may have the key {min(RESERVED & record.keys())}")
    return _text(record).encode("utf-8", "replace")


def frame(payload: bytes) -> bytes:
    """Return the line of a payload."""
    return b"%08x %s\n" % (zlib.crc32(payload), payload)


def control(what: str, **facts: object) -> bytes:
    """Return the line of a control record."""
    return frame(_text({"_segment": what, **facts}).encode())


def parse(chunk: bytes) -> Parsed:
    """Take the whole lines of a piece of a segment apart; the piece begins at the start of a line."""
    parsed = Parsed(used=chunk.rfind(b"\n") + 1)
    for line in chunk[: parsed.used].split(b"\n")[:-1]:
        payload = line[9:]
        if not _whole(line, payload):
            parsed.bad.append(line)
        elif payload.startswith(CONTROL):
            fact = _control(payload)
            if fact is None:
                parsed.bad.append(line)
            else:
                parsed.controls.append(fact)
        else:
            parsed.records.append(payload)
    return parsed


def _control(payload: bytes) -> dict[str, Any] | None:
    try:
        fact: dict[str, Any] = json.loads(payload)
    except (ValueError, RecursionError):
        return None
    numbers = [fact[key] for key in ("format", "n") if key in fact]
    good = all(isinstance(number, int) and 0 <= number < MOST for number in numbers)
    return fact if good and isinstance(fact["_segment"], str) else None


def _text(record: Mapping[str, object]) -> str:
    try:
        return _encode(record)
    except ValueError:
        return _encode(_finite(record))


def _whole(line: bytes, payload: bytes) -> bool:
    # Compared as text: as numbers a flipped bit that makes an `A` of an `a` would not be seen.
    return line[:9] == b"%08x " % zlib.crc32(payload)


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return (value if value.tzinfo is None else value.astimezone(UTC).replace(tzinfo=None)).isoformat()
    if isinstance(value, date):
        return value.isoformat()
    item = getattr(value, "item", None)
    if callable(item) and getattr(value, "ndim", None) == 0:
        return item()
    if type(value).__name__ == "UUID" or hasattr(value, "__fspath__"):
        return str(value)
    raise TypeError(f"{type(value).__name__} cannot be written to the journal")


def _finite(value: object) -> object:
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if isinstance(value, str | int | None):
        return value
    if isinstance(value, float):
        if math.isfinite(value):
            return value
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return _finite(_plain(value))


def _encoding() -> Callable[[object], str]:
    plain = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False, default=_plain)
    # json.dumps makes an encoder for every record, and JSONEncoder.encode half of one: 3.1 us a metric, against 1.8 us.
    quick = getattr(json.encoder, "c_make_encoder", None)
    if quick is None:  # pragma: no cover
        return plain.encode
    chunks = quick(None, _plain, json.encoder.encode_basestring, None, ":", ",", False, False, False)
    return lambda value: "".join(chunks(value, 0))


_encode = _encoding()
