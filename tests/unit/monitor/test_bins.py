"""Counting in bins by the engine, against plain Python."""

from __future__ import annotations

import json
import math
import struct
from bisect import bisect_left
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlcycle.engines import local
from mlcycle.monitor import bins
from mlcycle.monitor.model import Profile

NUMBERS = st.lists(st.none() | st.floats(-1e6, 1e6) | st.integers(-20, 20), min_size=1, max_size=40)


def float32(value: float) -> float:
    """Return the value as the model is given it."""
    rounded: float = struct.unpack("f", struct.pack("f", value))[0]
    return rounded


def counted(profile: Profile, values: Sequence[object]) -> list[int]:
    """Count values as a window does: logged as VARIANT, binned by the engine."""
    logged = [json.dumps({"v": value}) for value in values]
    with local.session() as session:
        row = session.one(
            f"SELECT {bins.count_sql(profile, bins.feature_sql('v'))} AS found "
            "FROM (SELECT features::JSON::VARIANT AS features FROM (SELECT unnest($logged) AS features))",
            {"logged": logged},
        )
    return bins.counts(profile, row["found"])


def quantiles(*edges: float) -> Profile:
    """Return a profile with right-closed bins."""
    return Profile("v", "quantiles", edges, (0,) * (len(edges) + 1), 0, 0)


def values(*edges: str | float | bool) -> Profile:
    """Return a profile with one bin a value."""
    return Profile("v", "values", edges, (0,) * len(edges), 0, 0)


@settings(max_examples=15, deadline=None)
@given(NUMBERS, st.lists(st.floats(-1e6, 1e6).map(float32), min_size=1, max_size=9, unique=True))
def test_quantile_bins_are_closed_on_the_right(numbers: list[float | None], edges: list[float]) -> None:
    edges.sort()
    expected = [0] * (len(edges) + 1)
    for number in numbers:
        if number is not None:
            expected[bisect_left(edges, float32(number))] += 1
    assert counted(quantiles(*edges), numbers) == expected


def test_a_value_on_an_edge_lies_in_the_bin_that_ends_there() -> None:
    assert counted(quantiles(1.0, 2.0), [1, 1.5, 2, 2.5]) == [1, 2, 1]


def test_numbers_are_compared_as_float32() -> None:
    assert counted(values(float32(12.15), 3.0), [12.15, 3, 13.95]) == [1, 1, 1]


def test_one_bin_without_edges_holds_everything() -> None:
    assert counted(quantiles(), [1, 2, None]) == [2]


def test_unseen_text_is_counted_as_other() -> None:
    assert counted(values("a", "b"), ["a", "c", "d", None, "a"]) == [2, 0, 2]


def test_an_empty_text_is_a_value_and_not_other() -> None:
    assert counted(values("", "a"), ["", "b", "a"]) == [1, 1, 1]


def test_truth_values_logged_as_such_are_found() -> None:
    assert counted(values(True, False), [True, False, True]) == [2, 1, 0]
    assert counted(values(0.0, 1.0), [True, False, True]) == [1, 2, 0]


def test_numbers_that_cannot_be_read_or_are_not_finite_do_not_count() -> None:
    assert counted(quantiles(1.0), ["x", 0.5, math.pi, "inf", "nan"]) == [1, 1]


@pytest.mark.parametrize("profile", [values("a"), values(1.0), quantiles(1.0)])
def test_a_window_without_the_feature_has_empty_bins(profile: Profile) -> None:
    assert counted(profile, [None, None]) == [0, 0]


def test_a_reference_without_the_bin_of_all_others_gets_an_empty_one() -> None:
    assert bins.reference(Profile("v", "values", ("a", "b"), (3, 4), 7, 0)) == [3, 4, 0]
    assert bins.reference(Profile("v", "quantiles", (1.0,), (3, 4), 7, 0)) == [3, 4]
