"""A window held against the requirements that bind monitoring."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from mlcycle.design import Requirement
from mlcycle.experiments import metrics
from mlcycle.monitor.model import Line, Verdict
from mlcycle.monitor.scored import Scored

__all__ = ["COVERAGE", "Facts", "group_of", "lines", "quantiles"]

COVERAGE = 0.9
"""Share of a window's predictions that must have a label before labels judge it: the first labels to
arrive are seldom like the others."""
LATENCY = re.compile(r"latency_p(\d{1,2})")
COUNTED = ("contact_cost", "freshness", "predictions")
"""Metrics that mean the same for few rows as for many."""


@dataclass(frozen=True)
class Facts:
    """What is known of a window when its requirements are judged."""

    end: datetime
    """The newest moment a prediction is about."""
    predictions: int
    labelled: int
    scored: Callable[[str | None], Scored]
    """Scores and labels with the group named, read only when a requirement asks."""
    latency: Mapping[int, float | None]
    """Percentile to milliseconds."""
    timed: int
    """Predictions whose latency is known."""
    ages: Mapping[tuple[str, datetime], tuple[float, int]]
    """Source and moment to days since the newest event, and events known."""


def group_of(requirement: Requirement) -> str | None:
    """Return the feature a requirement compares groups by."""
    by = requirement.params.get("by")
    return None if by is None else str(by)


def quantiles(requirements: Sequence[Requirement]) -> list[int]:
    """Return the latency percentiles to compute: the usual three and those the requirements name."""
    named = (LATENCY.fullmatch(requirement.metric) for requirement in requirements)
    return sorted({50, 95, 99, *(int(match[1]) for match in named if match)})


def lines(requirements: Sequence[Requirement], facts: Facts, *, too_few: int) -> list[Line]:
    """Return one line a requirement: its number, limit and verdict in this window."""
    return [_line(requirement, facts, too_few) for requirement in requirements]


def _line(requirement: Requirement, facts: Facts, too_few: int) -> Line:
    value, n = _measure(requirement, facts)
    verdict: Verdict = "alert"
    if value is None:
        verdict = "not measured"
    elif n < too_few and requirement.metric not in COUNTED:
        verdict = "too few"
    elif requirement.holds(value):
        verdict = "ok"
    return Line(
        requirement.metric,
        requirement.requirement_id,
        n,
        value,
        requirement.value,
        verdict,
        requirement.requirement_id,
        requirement.version,
    )


def _measure(requirement: Requirement, facts: Facts) -> tuple[float | None, int]:
    latency = LATENCY.fullmatch(requirement.metric)
    if latency:
        return facts.latency.get(int(latency[1])), facts.timed
    if requirement.metric == "predictions":
        return float(facts.predictions), facts.predictions
    if requirement.metric == "freshness":
        return facts.ages.get((str(requirement.params.get("source")), facts.end), (None, 0))
    if requirement.metric == "contact_cost":
        return _score(requirement, facts.scored(None).unjudged())
    if facts.labelled < COVERAGE * facts.predictions:
        return None, facts.labelled
    return _score(requirement, facts.scored(group_of(requirement)).labelled())


def _score(requirement: Requirement, rows: Scored) -> tuple[float | None, int]:
    measured = metrics.score(
        requirement.metric, rows.y, rows.s, params=requirement.params, groups=rows.groups, times=rows.times
    )
    return measured.value, measured.n
