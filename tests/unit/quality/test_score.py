from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlcycle.quality.model import CheckResult
from mlcycle.quality.score import (
    batch_verdict,
    check_score,
    dimension_scores,
    overall,
    tolerated,
    verdict_of,
)

RESULT = CheckResult("id", "name", "accuracy", "between", "critical", "pass", 100, 0, None, None, ())


def test_the_border_of_mostly_is_good_and_is_exact() -> None:
    assert tolerated(20_000, 60, 0.997)
    assert not tolerated(20_000, 61, 0.997)
    assert tolerated(0, 0, 1.0)


@given(st.integers(1, 10**6), st.integers(0, 1000))
def test_as_many_bad_rows_as_the_decimal_allows_are_tolerated(rows: int, thousandths: int) -> None:
    allowed = rows * (1000 - thousandths) // 1000
    mostly = thousandths / 1000
    assert tolerated(rows, allowed, mostly)
    assert allowed == rows or not tolerated(rows, allowed + 1, mostly)


@pytest.mark.parametrize(
    ("good", "handled", "severity", "verdict"),
    [
        (True, False, "critical", "pass"),
        (False, True, "critical", "warn"),
        (False, False, "critical", "fail"),
        (False, False, "warning", "warn"),
        (False, False, "info", "warn"),
    ],
)
def test_a_verdict_fails_only_where_nothing_happens_to_the_rows_of_a_critical_check(
    good: bool, handled: bool, severity: str, verdict: str
) -> None:
    assert verdict_of(good=good, handled=handled, severity=severity) == verdict  # type: ignore[arg-type]


def test_a_check_scores_its_share_of_good_rows() -> None:
    assert check_score(200, 50) == 75.0
    assert check_score(0, 0) == 100.0


def test_a_dimension_is_the_mean_of_its_checks_weighted_by_severity_not_by_rows() -> None:
    half = replace(RESULT, bad_rows=50)
    few = replace(RESULT, considered=1, severity="warning")
    told = replace(RESULT, considered=10, bad_rows=10, severity="info")
    assert dimension_scores([half, few, told])["accuracy"] == (3 * 50 + 1 * 100) / 4


def test_a_dimension_without_a_measured_check_is_not_measured() -> None:
    scores = dimension_scores([replace(RESULT, severity="info"), replace(RESULT, verdict="not measured")])
    assert set(scores.values()) == {None}
    assert overall(scores) is None
    assert overall({"accuracy": 50.0, "timeliness": 100.0, "completeness": None, "consistency": None}) == 75.0


def test_a_batch_has_the_worst_verdict_of_its_checks() -> None:
    assert batch_verdict(["pass", "warn", "not measured"]) == "warn"
    assert batch_verdict(["warn", "fail"]) == "fail"
    assert batch_verdict(["not measured"]) == "pass"
    assert batch_verdict([]) == "pass"
