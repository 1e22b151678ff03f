"""What the data room hands out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from mlcycle.declare.model import ColumnType

__all__ = [
    "BATCH_NUMBER",
    "LINE_COLUMNS",
    "ROW",
    "SQL_TYPES",
    "Batch",
    "BatchState",
    "ColumnProfile",
    "DatasetVersion",
    "SourceSummary",
]

ROW = "__row"
"""Column of raw parts: the row's number in its file, from 1, malformed rows counted."""
BATCH_NUMBER = "batch_number"
"""Column of clean parts: the order of the batch among its source's, from 1."""
LINE_COLUMNS = {ROW: "BIGINT", "line": "BIGINT", "raw": "VARCHAR", "reason": "VARCHAR"}
"""Columns of malformed parts; `line` is NULL where a format has no lines."""
SQL_TYPES: dict[ColumnType, str] = {
    "integer": "BIGINT",
    "number": "DOUBLE",
    "text": "VARCHAR",
    "boolean": "BOOLEAN",
    "date": "DATE",
    "timestamp": "TIMESTAMP",
}

BatchState = Literal["arrived", "admitted", "refused"]


@dataclass(frozen=True)
class Batch:
    """One delivery of a source."""

    batch_id: str
    source: str
    path: str
    """The file, below the workspace if it lies there, else absolute."""
    sha256: str
    bytes: int
    rows: int
    """Rows as found in the file, malformed ones included."""
    malformed: int
    raw_part: str
    malformed_part: str | None
    set_aside: int
    mended: int
    dataset_version: str | None
    state: BatchState
    as_of: datetime
    arrived_at: datetime
    trained: bool = False

    @classmethod
    def from_row(cls, row: dict[str, Any]) -> Batch:
        """Make one from a row of the `batch` table."""
        return cls(**{name: row[name] for name in cls.__dataclass_fields__})


@dataclass(frozen=True)
class DatasetVersion:
    """The immutable state of a table after a batch: a manifest of parts."""

    dataset_version: str
    """16 hex digits, from the dataset's name and its parts' hashes."""
    dataset: str
    number: int
    rows: int
    fingerprint: str
    """Additive over rows; of the declared columns, so the split into batches does not matter."""
    columns: dict[str, ColumnType]
    parent: str | None
    created_at: datetime
    parts: tuple[Path, ...]


@dataclass(frozen=True)
class SourceSummary:
    """A declared source and what has arrived of it."""

    source: str
    format: str
    path: str
    batches: int
    unchecked: int
    """Batches that no check has judged yet."""
    rows: int
    """Rows found in all files."""
    set_aside: int
    clean_rows: int
    dataset_version: str | None
    arrived_at: datetime | None
    """When the newest batch arrived."""


@dataclass(frozen=True)
class ColumnProfile:
    """One column of a dataset version, summarised."""

    column: str
    type: str
    rows: int
    missing: int
    distinct: int
    """Approximate, as DuckDB's SUMMARIZE counts."""
    least: str | None
    greatest: str | None
    mean: float | None
    std: float | None
    q25: str | None
    q50: str | None
    q75: str | None
