"""The metrics, held against scikit-learn and against the definitions the requirements rest on."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from mlcycle.declare.metrics import METRICS
from mlcycle.experiments.metrics import lower_is_better, score, standard

ROWS = st.lists(
    st.tuples(st.integers(0, 1), st.integers(0, 12).map(lambda value: value / 12)), min_size=2, max_size=60
).filter(lambda rows: 0 < sum(y for y, _ in rows) < len(rows))
Rows = list[tuple[int, float]]


def columns(rows: Rows) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return labels and scores as arrays."""
    return np.array([y for y, _ in rows]), np.array([s for _, s in rows])


@given(ROWS)
@settings(deadline=None, max_examples=60)
def test_ranking_metrics_equal_those_of_scikit_learn_with_ties(rows: Rows) -> None:
    y, s = columns(rows)
    assert score("auc", y, s).value == pytest.approx(reference.roc_auc_score(y, s))
    assert score("average_precision", y, s).value == pytest.approx(reference.average_precision_score(y, s))
    assert score("brier", y, s).value == pytest.approx(reference.brier_score_loss(y, s))
    assert score("accuracy", y, s).value == pytest.approx(reference.accuracy_score(y, s >= 0.5))


@given(ROWS)
@settings(deadline=None, max_examples=30)
def test_log_loss_equals_that_of_scikit_learn(rows: Rows) -> None:
    y, s = columns(rows)
    inside = np.clip(s, 0.01, 0.99)
    assert score("log_loss", y, inside).value == pytest.approx(reference.log_loss(y, inside))


@given(ROWS)
@settings(deadline=None, max_examples=30)
def test_auc_of_turned_scores_is_what_is_missing_to_one(rows: Rows) -> None:
    y, s = columns(rows)
    straight, turned = score("auc", y, s).value, score("auc", y, -s).value
    assert straight is not None
    assert turned == pytest.approx(1 - straight)


@given(ROWS, st.integers(1, 100))
@settings(deadline=None, max_examples=60)
def test_recall_at_counts_the_positives_of_the_top_share_ties_in_row_order(rows: Rows, percent: int) -> None:
    y, s = columns(rows)
    order = sorted(range(len(y)), key=lambda row: -s[row])
    top = order[: int(len(y) * percent / 100)]
    assert score(f"recall_at_{percent}", y, s).value == pytest.approx(sum(y[row] for row in top) / y.sum())


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=40))
@settings(deadline=None, max_examples=40)
def test_class_metrics_equal_those_of_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    y, said = np.array([a for a, _ in pairs]), np.array([b for _, b in pairs])
    p = np.full((len(y), 3), 0.1)
    p[np.arange(len(y)), said] = 0.8
    assert score("accuracy", y, p).value == pytest.approx(reference.accuracy_score(y, said))
    assert score("macro_f1", y, p).value == pytest.approx(
        reference.f1_score(y, said, average="macro", zero_division=0)
    )
    assert score("log_loss", y, p).value == pytest.approx(reference.log_loss(y, p, labels=[0, 1, 2]))


@given(st.lists(st.tuples(st.floats(-50, 50), st.floats(-50, 50)), min_size=2, max_size=40))
@settings(deadline=None, max_examples=40)
def test_regression_metrics_equal_those_of_scikit_learn(pairs: list[tuple[float, float]]) -> None:
    y, s = np.array([a for a, _ in pairs]), np.array([b for _, b in pairs])
    assert score("mae", y, s).value == pytest.approx(reference.mean_absolute_error(y, s))
    assert score("rmse", y, s).value == pytest.approx(math.sqrt(reference.mean_squared_error(y, s)), abs=1e-9)
    if np.ptp(y) > 1e-6:
        assert score("r2", y, s).value == pytest.approx(reference.r2_score(y, s), rel=1e-6, abs=1e-6)


def test_recall_gap_takes_one_cut_for_all_groups() -> None:
    s = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.0])
    y = np.array([1, 1, 0, 0, 1, 1, 0, 0, 0, 0])
    groups = np.array(["a", "a", "a", "a", "b", "a", "b", "b", "b", "c"])
    found = score("recall_gap", y, s, params={"by": "group", "top": 20}, groups=groups)
    # The cut is the 80 % quantile 0.72: group a reaches 2 of 3, b none of 1, and c has nobody to reach.
    assert found.value == pytest.approx(2 / 3)


def test_contact_cost_is_that_of_the_dearest_moment() -> None:
    times = np.array(["2030-01-01"] * 14 + ["2030-02-01"] * 9, dtype="datetime64[us]")
    y, s = np.zeros(23), np.zeros(23)
    assert score("contact_cost", y, s, params={"top": 20, "cost": 3}, times=times).value == 3 * 2
    assert score("contact_cost", y, s, params={"top": 20, "cost": 3}).value == 3 * 4


def test_value_is_what_the_kept_are_worth_less_the_contacts() -> None:
    y, s = np.array([1, 0, 0, 0, 1]), np.array([0.9, 0.8, 0.1, 0.1, 0.1])
    found = score("value_at_40", y, s, params={"cost": 3, "keep": 90, "save": 0.35})
    assert found.value == pytest.approx(1 * 0.35 * 90 - 2 * 3)


@pytest.mark.parametrize(
    ("name", "y", "s", "why"),
    [
        ("auc", [1, 1], [0.1, 0.2], "only one class"),
        ("auc", [0, 1], [0.1, math.nan], "not finite"),
        ("auc", [], [], "no rows"),
        ("brier", [0, 1], [-3.0, 0.2], "no probabilities"),
        ("recall_gap", [0, 1], [0.1, 0.2], "no column"),
        ("value_at_20", [0, 1], [0.1, 0.2], "parameter 'cost'"),
        ("recal_at_20", [0, 1], [0.1, 0.2], "recall_at_20"),
        ("r2", [2, 2], [1.0, 2.0], "constant"),
    ],
)
def test_what_cannot_be_measured_has_no_value_and_says_why(
    name: str, y: list[int], s: list[float], why: str
) -> None:
    found = score(name, np.array(y), np.array(s, dtype=float))
    assert found.value is None
    assert why in found.why


def test_a_metric_of_another_task_has_no_value() -> None:
    assert score("rmse", np.array([0, 1]), np.array([0.2, 0.4]), task="binary").value is None


def test_every_declared_metric_on_labels_is_measured_here() -> None:
    y, s = np.array([0, 1, 0, 1, 1]), np.array([0.2, 0.7, 0.4, 0.3, 0.9])
    params = {"top": 40, "cost": 1, "keep": 2, "save": 0.5, "by": "g"}
    for kind in METRICS:
        if kind.basis == "labels":
            name = kind.name.replace("_N", "_40")
            assert score(name, y, s, params=params, groups=y).value is not None, name
            assert lower_is_better(name) is not kind.higher_is_better
    assert {metric for task in ("binary", "multiclass", "regression") for metric in standard(task)}
