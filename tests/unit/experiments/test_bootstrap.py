"""The paired bootstrap."""

from __future__ import annotations

import numpy as np
import pytest

from mlcycle.experiments.bootstrap import _auc, _draws, paired
from mlcycle.experiments.metrics import score

SOURCE = np.random.default_rng(3)
Y = SOURCE.integers(0, 2, 400)
WEAK = Y + SOURCE.normal(size=400) * 3
STRONG = Y + SOURCE.normal(size=400) * 0.5


def test_a_clearly_better_model_is_called_better() -> None:
    found = paired("auc", Y, STRONG, WEAK)
    assert found is not None
    assert found.verdict == "better"
    assert 0 < found.low < found.difference < found.high
    assert found.p_better == 1.0


def test_the_same_scores_are_not_distinguishable() -> None:
    found = paired("auc", Y, WEAK, WEAK)
    assert found is not None
    assert found.verdict == "not distinguishable"
    assert (found.difference, found.p_better) == (0.0, 0.0)


def test_equal_calls_give_equal_intervals() -> None:
    assert paired("auc", Y, STRONG, WEAK, seed=4) == paired("auc", Y, STRONG, WEAK, seed=4)


def test_less_is_better_where_the_metric_says_so() -> None:
    y = Y.astype(float)
    found = paired("rmse", y, y + 0.1, y + SOURCE.normal(size=400), resamples=50)
    assert found is not None
    assert found.verdict == "better"
    assert found.difference < 0
    assert found.p_better == 1.0


def test_weighted_auc_equals_the_auc_of_the_drawn_rows() -> None:
    tied = np.round(WEAK, 0)
    for drawn in _draws(len(Y), None, 5, 0):
        for weights, area in zip(drawn, _auc(Y, tied, drawn), strict=True):
            rows = np.repeat(np.arange(len(Y)), weights)
            assert area == pytest.approx(score("auc", Y[rows], tied[rows]).value)


def test_rows_of_one_entity_are_drawn_together() -> None:
    entities = np.repeat(np.arange(40), 10)
    for drawn in _draws(400, entities, 20, 0):
        assert (drawn.reshape(-1, 40, 10) == drawn.reshape(-1, 40, 10)[:, :, :1]).all()
        assert (drawn.sum(axis=1) == 400).all()


def test_rows_of_one_class_cannot_be_compared() -> None:
    assert paired("auc", np.ones(10), STRONG[:10], WEAK[:10]) is None
