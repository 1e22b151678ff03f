"""The distance, against plain brute force over raw values and against published quantiles."""

from __future__ import annotations

import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlcycle.monitor import drift

COUNTS = st.lists(st.tuples(st.integers(0, 500), st.integers(0, 500)), min_size=1, max_size=30)


def plain_psi(reference: list[str], current: list[str]) -> float:
    """Return PSI straight from its definition, over two lists of values."""
    before, after = Counter(reference), Counter(current)
    values = set(before) | set(after)
    total = 0.0
    for value in values:
        p = (before[value] + 0.5) / (len(reference) + 0.5 * len(values))
        q = (after[value] + 0.5) / (len(current) + 0.5 * len(values))
        total += (q - p) * math.log(q / p)
    return total


@given(st.lists(st.sampled_from("abcdef"), min_size=1), st.lists(st.sampled_from("abcdefgh"), min_size=1))
def test_psi_equals_its_definition_over_raw_values(reference: list[str], current: list[str]) -> None:
    bins = sorted(set(reference) | {"z"})
    counted = [Counter(values) for values in (reference, current)]
    before = [counted[0][value] for value in bins] + [0] * 8
    other = [counted[1][value] if value not in bins else 0 for value in "abcdefgh"]
    after = [counted[1][value] for value in bins] + other
    assert drift.psi(before, after) == pytest.approx(plain_psi(reference, current), abs=1e-12)


@given(COUNTS)
def test_psi_is_never_negative_and_the_same_for_reordered_bins(pairs: list[tuple[int, int]]) -> None:
    reference, current = [r for r, _ in pairs], [c for _, c in pairs]
    value = drift.psi(reference, current)
    assert value >= 0
    assert drift.psi(reference[::-1], current[::-1]) == pytest.approx(value, abs=1e-12)


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=20))
def test_equal_histograms_have_no_distance(counts: list[int]) -> None:
    assert drift.psi(counts, counts) == 0


@given(st.lists(st.integers(50, 1000), min_size=2, max_size=10), st.integers(2, 5))
def test_equal_shapes_of_different_size_are_close_to_no_distance(counts: list[int], times: int) -> None:
    assert drift.psi(counts, [count * times for count in counts]) < 0.005


@given(COUNTS)
def test_bins_empty_on_both_sides_change_nothing(pairs: list[tuple[int, int]]) -> None:
    reference, current = [r for r, _ in pairs], [c for _, c in pairs]
    assert drift.psi([*reference, 0, 0], [*current, 0, 0]) == drift.psi(reference, current)


@pytest.mark.parametrize(
    ("dof", "probability", "quantile"),
    [
        (1, 0.95, 3.841458820694124),
        (2, 0.95, 5.991464547107979),
        (9, 0.95, 16.918977604620448),
        (10, 0.5, 9.34181776559197),
        (100, 0.95, 124.34211340400407),
        (999, 0.95, 1073.6426506574246),
    ],
)
def test_chi_squared_quantiles_are_the_published_ones(dof: int, probability: float, quantile: float) -> None:
    assert drift.chi2_quantile(dof, probability) == pytest.approx(quantile, rel=1e-9)


def test_one_bin_has_no_freedom_and_so_no_chance_distance() -> None:
    assert drift.null95(1, 100, 100) == 0


def test_a_large_move_on_enough_rows_is_an_alert() -> None:
    assert drift.judge([100, 100], [20, 180]).verdict == "alert"


def test_a_middling_move_is_on_watch() -> None:
    found = drift.judge([1000, 1000], [660, 1340])
    assert found.verdict == "watch"
    assert 0.1 < (found.value or 0) < 0.2


def test_a_move_that_chance_explains_is_ok() -> None:
    found = drift.judge([20, 20, 20, 20, 20], [4, 9, 7, 3, 9])
    assert (found.value or 0) > 0.1
    assert (found.value or 0) < (found.chance or 0)
    assert found.verdict == "ok"


def test_fewer_than_thirty_rows_on_either_side_are_too_few_and_never_ok() -> None:
    assert drift.judge([500, 500], [15, 14]).verdict == "too few"
    assert drift.judge([15, 14], [500, 500]).verdict == "too few"
    assert drift.judge([29], [29]).verdict == "too few"


def test_no_row_at_all_has_no_number() -> None:
    found = drift.judge([10, 10], [0, 0])
    assert (found.value, found.verdict) == (None, "too few")


def test_own_limits_are_kept() -> None:
    assert drift.judge([100, 100], [20, 180], watch=1.0, alert=2.0).verdict == "ok"


def test_a_changed_share_of_missing_values_is_on_watch() -> None:
    found = drift.missing_test(10, 1000, 100, 1000)
    assert found.verdict == "watch"
    assert found.share == pytest.approx(0.1)


def test_the_same_share_of_missing_values_is_ok() -> None:
    assert drift.missing_test(10, 1000, 5, 500).verdict == "ok"
    assert drift.missing_test(0, 1000, 0, 500).verdict == "ok"
    assert drift.missing_test(1000, 1000, 500, 500).verdict == "ok"


def test_a_sure_but_tiny_change_of_missing_values_is_ok() -> None:
    found = drift.missing_test(900, 100_000, 100, 100_000)
    assert (found.verdict, found.p_value < 1e-9) == ("ok", True)


def test_a_column_with_no_value_left_is_an_alert() -> None:
    assert drift.missing_test(10, 1000, 500, 500).verdict == "alert"


def test_missing_values_of_few_rows_are_too_few() -> None:
    assert drift.missing_test(10, 1000, 20, 20).verdict == "too few"
    assert drift.missing_test(0, 0, 20, 20).verdict == "too few"
