"""Text files line by line, exactly: line numbers, byte-order marks, and lines that are not UTF-8."""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mlcycle.data.readers.found import Delivery
from mlcycle.errors import DataError

__all__ = ["Record", "Records", "legible", "lines", "refuse_utf16"]


def refuse_utf16(delivery: Delivery) -> None:
    """Refuse a file that begins with a UTF-16 or UTF-32 byte-order mark.

    Raises
    ------
    DataError
        If it does.
    """
    with delivery.path.open("rb") as file:
        if file.read(2) in (b"\xff\xfe", b"\xfe\xff"):
            raise DataError(f"{delivery.shown} is UTF-16 text", hint="save it as UTF-8")


def lines(path: Path) -> Iterator[str]:
    """Yield the lines of a file with their ends; bytes that are not UTF-8 come as lone surrogates."""
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        yield from file


def legible(text: str) -> str | None:
    r"""Return text with its odd bytes written as `\xNN`, or None if it has none."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode(errors="surrogateescape").decode(errors="backslashreplace")
    return None


@dataclass(frozen=True)
class Record:
    """One row of a delimited file."""

    line: int
    """Line it begins on, from 1."""
    raw: str
    fields: list[str] | None
    """None if it cannot be parsed."""
    reason: str = ""


class Records:
    """The rows of a delimited file, header included, one line lost at a time where quotes do not match.

    A row may run over lines inside quotes. Where the quotes of a row make no sense (or such a row has the wrong
    number of fields) its first line alone is given up, so that one stray quote does not swallow its neighbours.
    Blank lines are no rows.
    """

    def __init__(self, path: Path, delimiter: str, width: int | None = None) -> None:
        self._delimiter = delimiter
        self._width = width
        """Fields a row must have; the first row's number unless said."""
        self._source = enumerate(lines(path), start=1)
        self._waiting: deque[tuple[int, str]] = deque()

    def __iter__(self) -> Iterator[Record]:
        while (first := self._next()) is not None:
            number, text = first
            if not text.strip("\r\n"):
                continue
            if '"' in text:
                record = self._quoted(number, text)
            else:
                record = self._record(number, [text], text.rstrip("\r\n").split(self._delimiter))
            if self._width is None and record.fields is not None:
                self._width = len(record.fields)
            yield record

    def _next(self) -> tuple[int, str] | None:
        return self._waiting.popleft() if self._waiting else next(self._source, None)

    def _quoted(self, number: int, text: str) -> Record:
        taken = [(number, text)]

        def feed() -> Iterator[str]:
            yield text
            while (more := self._next()) is not None:
                taken.append(more)
                yield more[1]

        reason = "a quote that does not end"
        try:
            fields = next(csv.reader(feed(), delimiter=self._delimiter, strict=True))
        except csv.Error:
            pass
        else:
            record = self._record(number, [line for _, line in taken], fields)
            if record.fields is not None or len(taken) == 1:
                return record
            reason = record.reason
        self._waiting.extendleft(reversed(taken[1:]))
        return Record(number, _shown(text), None, reason)

    def _record(self, number: int, taken: list[str], fields: list[str]) -> Record:
        raw = "".join(taken)
        odd = legible(raw)
        if odd is not None:
            return Record(number, odd.rstrip("\r\n"), None, "not UTF-8 text")
        if self._width is not None and len(fields) == self._width + 1 and not fields[-1]:
            fields = fields[:-1]  # a delimiter at the end of the line, as DuckDB takes it
        if self._width is not None and len(fields) != self._width:
            return Record(
                number, raw.rstrip("\r\n"), None, f"{len(fields)} fields where {self._width} are expected"
            )
        return Record(number, raw.rstrip("\r\n"), fields)


def _shown(text: str) -> str:
    return (legible(text) or text).rstrip("\r\n")
