"""What the quality room hands out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from mlcycle.declare.model import Severity

__all__ = [
    "DIMENSIONS",
    "CheckResult",
    "Dimension",
    "HistoryPoint",
    "QualityReport",
    "QuarantineRow",
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
