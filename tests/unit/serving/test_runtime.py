from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.unit.serving.packages import description, expected, graph, write

from mlcycle.errors import DataError
from mlcycle.serving.package import open_package
from mlcycle.serving.runtime import ModelFailure, Scorer, load

ROWS = np.array([[0.1, 0, 1, 2], [3.0, 1, 0, -1]], dtype=np.float32)
THREE = np.array([[0.5, 0, 0], [1, 0, 0], [0, 2, 0], [0, 0, 0.25]], dtype=np.float32)


def scorer(tmp_path: Path, document: dict[str, Any], model: bytes) -> Scorer:
    return load(open_package(write(tmp_path / "m.zip", document, model)))


def test_a_binary_score_is_the_probability_of_the_second_class(tmp_path: Path) -> None:
    scores = scorer(tmp_path, description(), graph())(ROWS)
    assert scores.scores == pytest.approx([expected(0.1, "pro", 2), expected(3.0, "basic", -1)], abs=1e-6)
    assert scores.labels is None


def test_a_regression_score_is_the_value(tmp_path: Path) -> None:
    scores = scorer(tmp_path, description("regression"), graph("regression"))(ROWS)
    assert scores.scores == pytest.approx([0.05 - 1 + 0.5, 1.5 + 1 - 0.25], abs=1e-6)


def test_a_multiclass_score_is_the_likeliest_class_with_its_label(tmp_path: Path) -> None:
    scores = scorer(tmp_path, description("multiclass"), graph("multiclass", THREE))(ROWS)
    assert scores.labels == ["middle", "low"]
    assert scores.scores == pytest.approx([0.7324, 0.8726], abs=1e-3)


def test_a_score_that_is_no_number_is_none(tmp_path: Path) -> None:
    scores = scorer(tmp_path, description(), graph())(np.array([[np.nan, 0, 1, 2]], dtype=np.float32))
    assert scores.scores == [None]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"features": [{"name": "a", "type": "number"}]}, "takes 4 columns, its signature makes 1"),
        ({"output": {"name": "p2", "column": 1}}, "no output 'p2'"),
    ],
)
def test_a_model_that_does_not_fit_its_signature_is_refused(
    tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(DataError, match=said):
        scorer(tmp_path, description(**changes), graph())


def test_a_damaged_model_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be loaded"):
        scorer(tmp_path, description(), graph()[:-40])


def test_warming_up_finds_a_column_that_the_model_does_not_have(tmp_path: Path) -> None:
    document = description(output={"name": "probabilities", "column": 7})
    with pytest.raises(DataError, match="cannot score a row of its own signature"):
        scorer(tmp_path, document, graph()).warm_up()


def test_warming_up_finds_a_model_that_answers_no_numbers(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not two scores"):
        scorer(tmp_path, description(), graph(weights=np.full((4, 1), np.nan, dtype=np.float32))).warm_up()


def test_another_number_of_classes_than_named_is_a_failure_of_the_model(tmp_path: Path) -> None:
    with pytest.raises(ModelFailure, match="1 probabilities for 3 classes"):
        scorer(tmp_path, description("multiclass"), graph("multiclass"))(ROWS)


def test_the_runtimes_of_one_fitted_tree_model_agree(tmp_path: Path) -> None:
    import skops.io
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import FloatTensorType
    from sklearn.ensemble import HistGradientBoostingClassifier

    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 4)).astype(np.float32)
    model = HistGradientBoostingClassifier(max_iter=5).fit(x, (x[:, 0] > x[:, 1]).astype(int))
    kinds = [("input", FloatTensorType([None, 4]))]
    proto = to_onnx(model, initial_types=kinds, options={id(model): {"zipmap": False}}, target_opset=17)
    dumped = io.BytesIO()
    skops.io.dump(model, dumped)
    one = scorer(tmp_path, description(), proto.SerializeToString())
    other = scorer(tmp_path, description(runtime="skops", file="model.skops"), dumped.getvalue())
    other.warm_up()
    assert one(x).scores == pytest.approx(other(x).scores, abs=1e-5)
    assert other(x).scores == pytest.approx(model.predict_proba(x)[:, 1].tolist())


class Stranger:
    """A type that is not scikit-learn's."""

    def predict_proba(self, x: np.ndarray) -> np.ndarray:
        return x


def test_a_skops_file_with_a_foreign_type_is_refused_by_its_name(tmp_path: Path) -> None:
    import skops.io

    dumped = io.BytesIO()
    skops.io.dump(Stranger(), dumped)
    with pytest.raises(DataError, match="Stranger"):
        scorer(tmp_path, description(runtime="skops", file="model.skops"), dumped.getvalue())


def test_what_is_no_skops_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="skops model cannot be read"):
        scorer(tmp_path, description(runtime="skops", file="model.skops"), b"\x80\x04pickle")
