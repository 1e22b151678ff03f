"""Fitting, and the way out of Python behind the parity gate."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mlcycle.errors import DataError, UsageError
from mlcycle.experiments.export import LIMIT, export, run_model, threshold_rows
from mlcycle.experiments.fit import Task, fit

SOURCE = np.random.default_rng(5)
X = SOURCE.normal(size=(1200, 4)).astype(np.float32)
X[:, 3] = np.round(X[:, 3] * 3)
SIGNAL = X[:, 0] + X[:, 3] / 3
TARGETS: dict[Task, np.ndarray[Any, Any]] = {
    "binary": (SIGNAL > 0).astype(float),
    "multiclass": np.digitize(SIGNAL, [-0.7, 0.7]).astype(float),
    "regression": SIGNAL.astype(float) * 1000,
}
QUICK = {"max_iter": 15, "max_leaf_nodes": 8}


@pytest.mark.parametrize("task", list(TARGETS))
@pytest.mark.parametrize("kind", ["linear", "boosted_trees"])
def test_every_kind_and_task_leaves_as_onnx_with_equal_scores(kind: Any, task: Task) -> None:
    rows = X.copy()
    if kind == "boosted_trees":
        rows[::7, 1] = np.nan
    fitted = fit(kind, task, rows, TARGETS[task], params=QUICK if kind == "boosted_trees" else None)
    found = export(fitted, rows[:300])
    assert (found.runtime, found.why) == ("onnx", "")
    assert found.parity <= LIMIT
    again = run_model(found.runtime, found.content, found.output["name"], task, rows[:50])
    np.testing.assert_allclose(again, fitted.scores(rows[:50]), rtol=1e-5, atol=1e-5)


def test_thresholds_lie_on_float32_so_that_rows_at_them_take_the_same_branch() -> None:
    fitted = fit("boosted_trees", "regression", X, TARGETS["regression"], params=QUICK)
    probes = threshold_rows(fitted, X)
    assert len(probes) >= 3 * 15
    for iteration in fitted.estimator._predictors:
        for tree in iteration:
            at = tree.nodes["num_threshold"]
            np.testing.assert_array_equal(at, at.astype(np.float32).astype(np.float64))
    assert export(fitted, X[:100]).parity <= LIMIT


def test_what_the_parity_gate_refuses_leaves_as_skops_and_says_why() -> None:
    fitted = fit("boosted_trees", "binary", X, TARGETS["binary"], params=QUICK)
    found = export(fitted, X[:100], limit=-1.0)
    assert found.runtime == "skops"
    assert found.file == "model.skops"
    assert "ONNX differs" in found.why
    assert found.parity == 0.0


def test_what_onnx_cannot_express_leaves_as_skops() -> None:
    fitted = fit("constant", "binary", X, TARGETS["binary"])
    found = export(fitted, X[:100])
    assert found.runtime == "skops"
    assert "ONNX cannot express" in found.why


def test_a_broken_model_file_is_refused_and_not_run() -> None:
    with pytest.raises(DataError):
        run_model("onnx", b"no model", "probabilities", "binary", X[:1])


def test_weights_change_what_is_learnt() -> None:
    turned = np.where(np.arange(len(X)) < 600, TARGETS["binary"], 1 - TARGETS["binary"])
    weight = np.where(np.arange(len(X)) < 600, 1.0, 20.0)
    fitted = fit("linear", "binary", X, turned, weight=weight)
    assert float(((fitted.scores(X[600:]) > 0.5) == (turned[600:] == 1)).mean()) > 0.9


def test_an_unknown_param_and_a_single_class_are_usage_errors() -> None:
    with pytest.raises(UsageError, match="max_itr"):
        fit("boosted_trees", "binary", X, TARGETS["binary"], params={"max_itr": 3})
    with pytest.raises(UsageError, match="one class only"):
        fit("linear", "binary", X, np.ones(len(X)))
    with pytest.raises(UsageError, match="3 classes"):
        fit("linear", "binary", X, TARGETS["multiclass"])
