"""Quality: declared rules judge every batch; what cannot be mended is set aside, with the reason.

batch --check--> verdict, score a dimension --admit--> dataset version    (or: refused, and why)
"""

from __future__ import annotations

from mlcycle.quality.accept import accept
from mlcycle.quality.check import check
from mlcycle.quality.columns import columns
from mlcycle.quality.explain import explain
from mlcycle.quality.history import history
from mlcycle.quality.model import (
    CheckResult,
    ColumnSpread,
    Explained,
    FailingRow,
    HistoryPoint,
    QualityReport,
    QuarantineRow,
    Suggestion,
    Verdict,
)
from mlcycle.quality.quarantine import quarantine
from mlcycle.quality.suggest import suggest

__all__ = [
    "CheckResult",
    "ColumnSpread",
    "Explained",
    "FailingRow",
    "HistoryPoint",
    "QualityReport",
    "QuarantineRow",
    "Suggestion",
    "Verdict",
    "accept",
    "check",
    "columns",
    "explain",
    "history",
    "quarantine",
    "suggest",
]
