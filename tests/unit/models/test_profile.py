"""Profiles: bins from the reference alone."""

from __future__ import annotations

import itertools
import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mlcycle.models.profile import profile

NUMBERS = st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=200)


@given(NUMBERS)
def test_every_row_is_in_one_bin_or_missing(values: list[float]) -> None:
    found = profile("x", np.array([*values, math.nan, math.inf]))
    assert (found.rows, found.missing) == (len(values) + 2, 2)
    assert sum(found.counts) == len(values)
    assert len(found.counts) == len(found.edges) + 1


@given(st.lists(st.floats(-1e6, 1e6, width=32), min_size=21, max_size=300, unique=True))
def test_edges_are_the_tenths_of_the_reference_closed_on_the_right(values: list[float]) -> None:
    found = profile("x", np.array(values))
    ordered = sorted(values)
    edges = sorted({ordered[math.ceil(len(values) * k / 10) - 1] for k in range(1, 10)})
    assert found.kind == "quantiles"
    assert list(found.edges) == edges
    bounds = [-math.inf, *edges, math.inf]
    inside = [sum(low < value <= high for value in values) for low, high in itertools.pairwise(bounds)]
    assert list(found.counts) == inside


def test_up_to_twenty_distinct_numbers_get_a_bin_each_and_one_for_others() -> None:
    found = profile("price", np.array([9.0, 19.0, 9.0, 29.0]))
    assert (found.kind, found.edges, found.counts) == ("values", (9.0, 19.0, 29.0), (2, 1, 1, 0))


def test_numbers_are_profiled_as_float32() -> None:
    found = profile("x", np.array([0.1] * 3))
    assert found.edges == (float(np.float32(0.1)),)


def test_text_gets_a_bin_a_value_whatever_their_number() -> None:
    values = np.array([f"v{number:03d}" for number in range(50)] + [None], dtype=object)
    found = profile("hall", values, text=True)
    assert (found.kind, len(found.edges), found.missing) == ("values", 50, 1)
    assert found.counts == (*([1] * 50), 0)


def test_a_column_without_a_value_has_one_empty_bin() -> None:
    assert profile("x", np.array([math.nan])).counts == (0,)
    assert profile("x", np.array([None], dtype=object), text=True).counts == (0,)
