"""Quality: declared rules judge every batch; what cannot be mended is set aside, with the reason.

batch --check--> verdict, score a dimension --admit--> dataset version    (or: refused, and why)
"""

from __future__ import annotations

from mlcycle.quality.check import check
from mlcycle.quality.history import history
from mlcycle.quality.model import CheckResult, HistoryPoint, QualityReport, QuarantineRow, Verdict
from mlcycle.quality.quarantine import quarantine

__all__ = [
    "CheckResult",
    "HistoryPoint",
    "QualityReport",
    "QuarantineRow",
    "Verdict",
    "check",
    "history",
    "quarantine",
]
