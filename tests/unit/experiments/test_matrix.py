"""From columns to the matrix."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlcycle.errors import DataError, UsageError
from mlcycle.experiments.matrix import (
    MOST_CATEGORIES,
    Layout,
    encode_target,
    learn_classes,
    learn_layout,
)


def masked(values: list[Any], dtype: Any = object) -> np.ma.MaskedArray[Any, Any]:
    """Return an array whose None are masked."""
    gone = [value is None for value in values]
    return np.ma.array(
        [0 if one and dtype is not object else v for v, one in zip(values, gone, strict=True)],
        mask=gone,
        dtype=dtype,
    )


COLUMNS: dict[str, Any] = {
    "size": masked([1, None, 3], int),
    "on": np.array([True, False, True]),
    "hall": masked(["b", None, "a"]),
}


def test_numbers_take_a_column_and_categories_one_a_value_in_sorted_order() -> None:
    layout = learn_layout(COLUMNS, ["size", "hall", "on"], "nan")
    assert [feature.categories for feature in layout.features] == [(), ("a", "b"), ()]
    assert layout.width == 4
    np.testing.assert_array_equal(
        layout.matrix(COLUMNS), np.array([[1, 0, 1, 1], [np.nan, 0, 0, 0], [3, 1, 0, 1]], dtype=np.float32)
    )


def test_missing_numbers_are_zero_for_models_that_cannot_take_nan() -> None:
    layout = learn_layout(COLUMNS, ["size"], "zero")
    assert layout.matrix(COLUMNS).ravel().tolist() == [1.0, 0.0, 3.0]


def test_a_category_never_seen_is_all_zeros_and_counted() -> None:
    layout = learn_layout(COLUMNS, ["hall"], "nan")
    later = {"hall": masked(["c", "a", None, "c"])}
    assert layout.matrix(later).tolist() == [[0, 0], [1, 0], [0, 0], [0, 0]]
    assert layout.unseen(later) == {"hall": 2}


def test_values_that_float32_cannot_hold_are_missing() -> None:
    layout = learn_layout({"x": np.array([1.0])}, ["x"], "nan")
    assert np.isnan(layout.matrix({"x": np.array([1e300, np.inf])})).all()


def test_the_description_makes_the_same_layout_again() -> None:
    layout = learn_layout(COLUMNS, ["hall", "size"], "zero")
    assert Layout.described(layout.describe(), "zero") == layout


def test_beyond_the_limit_the_most_frequent_categories_are_kept() -> None:
    values = [f"v{number:04d}" for number in range(MOST_CATEGORIES + 5)] * 2 + ["rare"]
    [feature] = learn_layout({"c": np.array(values, dtype=object)}, ["c"], "nan").features
    assert len(feature.categories) == MOST_CATEGORIES
    assert "rare" not in feature.categories


def test_a_time_is_no_feature_and_a_missing_column_is_named() -> None:
    with pytest.raises(UsageError, match="'at' is a time"):
        learn_layout({"at": np.array(["2030-01-01"], dtype="datetime64[us]")}, ["at"], "nan")
    layout = learn_layout(COLUMNS, ["size"], "nan")
    with pytest.raises(DataError, match="'size'"):
        layout.matrix({"other": np.array([1])})


def test_classes_are_text_numbers_by_value_and_false_before_true() -> None:
    assert learn_classes(np.array([10, 9, 10])) == ("9", "10")
    assert learn_classes(np.array([1.0, 0.0])) == ("0", "1")
    assert learn_classes(np.array([True, False])) == ("false", "true")
    assert learn_classes(masked(["yes", None, "no"])) == ("no", "yes")


@given(st.lists(st.sampled_from(["a", "b", "c"]), min_size=1))
def test_encoding_a_target_finds_the_place_of_its_class(values: list[str]) -> None:
    target = np.array(values, dtype=object)
    classes = learn_classes(target)
    assert [classes[int(place)] for place in encode_target(target, classes)] == values


def test_a_class_the_model_does_not_know_has_no_place() -> None:
    assert np.isnan(encode_target(np.array(["z", "a"], dtype=object), ("a", "b"))).tolist() == [True, False]
    assert encode_target(masked([1, None], int), None).tolist()[0] == 1.0
