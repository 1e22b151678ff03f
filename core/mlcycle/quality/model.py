"""What the quality room hands out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from mlcycle.declare.model import Severity

__all__ = [
    "DIMENSIONS",
    "CheckResult",
    "ColumnSpread",
    "Dimension",
    "Explained",
    "FailingRow",
    "HistoryPoint",
    "QualityReport",
    "QuarantineRow",
    "Suggestion",
    "Verdict",
]

Dimension = Literal["consistency", "completeness", "timeliness", "accuracy"]
Verdict = Literal["pass", "warn", "fail", "error", "not measured"]

DIMENSIONS: tuple[Dimension, ...] = ("consistency", "completeness", "timeliness", "accuracy")


@dataclass(frozen=True)
class CheckResult:
    """One rule's answer about one batch."""

    check_id: str
    name: str
    dimension: Dimension
    kind: str
    severity: Severity
    verdict: Verdict
    considered: int
    """Rows that the rule looked at."""
    bad_rows: int
    """Rows that break it; for `unique` every row of a repeated value."""
    surplus: int | None
    """`unique` only: the rows after the first."""
    observed: str | None
    """What a rule about the whole batch saw, or why it could not be measured."""
    examples: tuple[dict[str, Any], ...]
    """Up to 20 rows that break it."""


@dataclass(frozen=True)
class QualityReport:
    """All rules' answers about one batch."""

    quality_run_id: str
    dataset: str
    batch_id: str
    dataset_version: str | None
    """The version that the batch made; None if it was refused or could not be judged."""
    rows: int
    """Rows as found in the file."""
    set_aside: int
    mended: int
    verdict: Verdict
    """`error`: could not be judged yet, the batch still waits."""
    score: float | None
    """0 to 100, mean of the measured dimensions; None if none is."""
    dimensions: dict[Dimension, float | None]
    """None: no check measures it."""
    results: tuple[CheckResult, ...]
    ts: datetime

    @property
    def failed(self) -> tuple[CheckResult, ...]:
        """The checks for which the batch was refused or could not be judged."""
        return tuple(result for result in self.results if result.verdict in ("fail", "error"))


@dataclass(frozen=True)
class QuarantineRow:
    """A row set aside, with the reason."""

    dataset: str
    batch_id: str
    row_number: int
    row_key: str | None
    reason: str
    check_id: str
    content: dict[str, Any]
    """The row as read; for a line that could not be read, `line` and `raw`."""
    released_at: datetime | None


@dataclass(frozen=True)
class HistoryPoint:
    """One answer of a check, for its trend."""

    check_id: str
    batch_id: str
    dataset_version: str | None
    verdict: Verdict
    considered: int
    bad_rows: int
    surplus: int | None
    observed: str | None
    ts: datetime


@dataclass(frozen=True)
class FailingRow:
    """A row that breaks a check."""

    row_number: int
    """In its file, from 1."""
    key: str | None
    set_aside: bool
    values: Mapping[str, Any]
    """The row as read, as JSON has it; for a line that could not be read `line`, `raw` and `reason`."""


@dataclass(frozen=True)
class Explained:
    """A check: what it asks, what it said, and the rows that broke it."""

    check_id: str
    name: str
    dataset: str
    dimension: Dimension
    kind: str
    severity: Severity
    columns: tuple[str, ...]
    """Columns it is about; empty if it is about the row or the batch as a whole."""
    mostly: float
    """Share of the rows it must be true of."""
    asks: str
    """The rule in words."""
    then: str
    """What happens to what breaks it."""
    declared: str | None
    """`file:line`; None if it is not declared any more."""
    result: HistoryPoint | None
    """The result whose rows are shown: of the batch asked for, else the newest; None if it never ran."""
    file: str | None
    """Where the batch of that result came from."""
    history: tuple[HistoryPoint, ...]
    """Every result, oldest first."""
    failing: int
    """Rows of that batch that break it, in all."""
    rows: tuple[FailingRow, ...]
    """At most 1,000 of them, in the order of the file."""
    note: str = ""
    """Why there are fewer rows than that, or none."""


@dataclass(frozen=True)
class Suggestion:
    """A check that the data seen so far would pass, and why one may want it."""

    name: str
    """To accept it by."""
    dataset: str
    dimension: Dimension
    kind: str
    columns: tuple[str, ...]
    check: Mapping[str, str]
    """Keys and values as they would stand in the file."""
    evidence: str
    """What was seen, in how many rows, over which time."""
    file: str
    """Where it would be written."""

    @property
    def written(self) -> str:
        """The check in one line of YAML."""
        return f"{{{', '.join(f'{key}: {value}' for key, value in self.check.items())}}}"


@dataclass(frozen=True)
class ColumnSpread:
    """How the values of one column of a batch are spread, beside the batch of the same source before it."""

    column: str
    type: str
    rows: int
    """Readable rows of the batch."""
    missing: int
    missing_before: int | None
    rows_before: int | None
    """None: there was no batch before, or it had no such column."""
    distinct: int
    """Approximate."""
    least: str | None
    greatest: str | None
    labels: tuple[str, ...]
    """Left ends of the bins, or values; empty where nothing is counted."""
    counts: tuple[int, ...]
    before: tuple[int, ...] | None
