"""Scores and verdicts: plain arithmetic over counts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean

from mlcycle.declare.model import Severity
from mlcycle.quality.model import DIMENSIONS, CheckResult, Dimension, Verdict

__all__ = [
    "WEIGHTS",
    "batch_verdict",
    "check_score",
    "dimension_scores",
    "overall",
    "tolerated",
    "verdict_of",
]

WEIGHTS: dict[Severity, int] = {"critical": 3, "warning": 1, "info": 0}
ORDER: tuple[Verdict, ...] = ("not measured", "pass", "warn", "fail", "error")


def tolerated(considered: int, bad: int, mostly: float) -> bool:
    """Tell whether the good share reaches `mostly`, the border included; no row at all is good.

    The comparison is exact: `mostly` counts as the decimal that was written (0.997 of 20,000 allows 60).
    """
    from fractions import Fraction

    return considered == 0 or considered - bad >= Fraction(repr(mostly)) * considered


def verdict_of(*, good: bool, handled: bool, severity: Severity) -> Verdict:
    """Return pass; else warn if the bad rows are mended or set aside, or the check is not critical; else fail."""
    if good:
        return "pass"
    return "warn" if handled or severity != "critical" else "fail"


def check_score(considered: int, bad: int) -> float:
    """Return the share of good rows in per cent; 100 if there was nothing to look at."""
    return 100.0 * (considered - bad) / considered if considered else 100.0


def dimension_scores(results: Sequence[CheckResult]) -> dict[Dimension, float | None]:
    """Return the mean score of each dimension's checks, weighted by severity (critical 3, warning 1, info 0).

    Rows are no weight: a rule about few rows counts as much as one about many. A dimension whose checks are all
    `info`, or could not be measured, or that has none, is None.
    """
    scores: dict[Dimension, float | None] = {}
    for dimension in DIMENSIONS:
        own = [
            one
            for one in results
            if one.dimension == dimension and one.verdict not in ("error", "not measured")
        ]
        weight = sum(WEIGHTS[one.severity] for one in own)
        total = sum(WEIGHTS[one.severity] * check_score(one.considered, one.bad_rows) for one in own)
        scores[dimension] = total / weight if weight else None
    return scores


def overall(scores: Mapping[Dimension, float | None]) -> float | None:
    """Return the mean of the measured dimensions, None if there is none."""
    measured = [score for score in scores.values() if score is not None]
    return fmean(measured) if measured else None


def batch_verdict(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the worst verdict; a batch that nothing was measured of passes."""
    worst: Verdict = max(verdicts, key=ORDER.index, default="pass")
    return "pass" if worst == "not measured" else worst
