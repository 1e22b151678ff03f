"""What a reader found in a file, and the errors all readers share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mlcycle.declare.model import ColumnType, Source
from mlcycle.errors import DataError
from mlcycle.ids import new_id

__all__ = ["Delivery", "Found", "Locate", "Malformed", "empty", "unreadable"]


@dataclass(frozen=True)
class Delivery:
    """One file of one source, about to be read."""

    path: Path
    """Where to read it."""
    shown: Path
    """What errors call it; differs where a copy is read."""
    name: str
    """The source's name."""
    source: Source
    table: str
    """Table of the session that the rows go to."""
    tmp: Path
    """Folder for copies that a reader needs on the way."""

    @contextmanager
    def scratch(self, suffix: str) -> Iterator[Path]:
        """Give a path for a copy; whatever lies there is removed at the end."""
        self.tmp.mkdir(parents=True, exist_ok=True)
        path = self.tmp / f"{new_id()}{suffix}"
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)


@dataclass(frozen=True)
class Malformed:
    """A row of the file that does not become a row of the table."""

    row: int
    line: int | None
    raw: str
    reason: str


Locate = Callable[[Sequence[int]], dict[int, tuple[int | None, str]]]
"""Row numbers to their line in the file (None where a format has none) and their text."""


@dataclass(frozen=True)
class Found:
    """Rows as found, in a table of the session."""

    table: str
    """Has `__row` and each column, cast to nothing yet."""
    columns: dict[str, ColumnType]
    rows: int
    """Rows in the file, those that could not be parsed included."""
    unparsed: list[Malformed]
    locate: Locate


def empty(delivery: Delivery, what: str) -> DataError:
    """Return the error for a file without a row."""
    return DataError(
        f"{delivery.shown} {what}; an empty delivery is refused",
        hint="ask for the file again, or take it away",
    )


def unreadable(delivery: Delivery, what: str, why: object) -> DataError:
    """Return the error for a file that is not what its source declares."""
    detail = str(why).strip().splitlines()
    return DataError(
        f"{delivery.shown} cannot be read as {what}: {detail[0] if detail else 'unknown reason'}",
        hint="deliver the file again, whole, or correct `format` in data.yaml",
    )
