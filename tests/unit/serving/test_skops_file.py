from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.unit.serving.packages import description, write

from mlcycle.errors import DataError
from mlcycle.experiments.export import run_model
from mlcycle.experiments.fit import Kind, Task, fit
from mlcycle.serving.package import open_package
from mlcycle.serving.runtime import load
from mlcycle.serving.skops_file import load_model, strange

RNG = np.random.default_rng(0)
ROWS = RNG.normal(size=(120, 4)).astype(np.float32)
TARGETS: dict[Task, Any] = {
    "binary": (ROWS[:, 0] > 0).astype(float),
    "multiclass": np.digitize(ROWS[:, 0], [-0.5, 0.5]).astype(float),
    "regression": np.abs(ROWS[:, 0]).astype(float) + 0.1,
}
REGRESSION_LOSSES = ("absolute_error", "gamma", "poisson", "quantile")


def dumped(model: Any) -> bytes:
    import skops.io

    content: bytes = skops.io.dumps(model)
    return content


def hostile(path: Path) -> bytes:
    """Return a pipeline of scikit-learn and numpy alone that, as it scores, writes a file."""
    from numpy.testing._private.utils import runstring
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer

    code = f"open({str(path)!r}, 'w').close()"
    model = make_pipeline(
        FunctionTransformer(np.full_like, kw_args={"fill_value": code, "dtype": object}),
        FunctionTransformer(np.vectorize(runstring), kw_args={"dict": {}}),
    )
    return dumped(model)


def rewritten(content: bytes, old: str, new: str) -> bytes:
    """Return a skops file with a text of its schema replaced."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as archive, zipfile.ZipFile(out, "w") as changed:
        for name in archive.namelist():
            held = archive.read(name)
            changed.writestr(
                name, held.replace(old.encode(), new.encode()) if name == "schema.json" else held
            )
    return out.getvalue()


@pytest.mark.parametrize("task", TARGETS)
@pytest.mark.parametrize("kind", ["boosted_trees", "linear", "constant"])
def test_every_model_that_is_trained_here_holds_allowed_types_only(kind: Kind, task: Task) -> None:
    params: list[dict[str, Any]] = (
        [{"max_iter": 3}, {"max_iter": 3, "early_stopping": True}] if kind == "boosted_trees" else [{}]
    )
    if kind == "boosted_trees" and task == "regression":
        params += [{"max_iter": 3, "loss": loss, "quantile": 0.5} for loss in REGRESSION_LOSSES]
    for given in params:
        fitted = fit(kind, task, ROWS, TARGETS[task], params=given, weight=np.ones(len(ROWS)))
        content = dumped(fitted.estimator)
        assert strange(content) == []
        assert run_model("skops", content, "", task, ROWS) == pytest.approx(fitted.scores(ROWS))


def test_a_file_of_numpy_and_scikit_learn_that_runs_code_is_refused_before_anything_runs(
    tmp_path: Path,
) -> None:
    proof = tmp_path / "ran"
    content = hostile(proof)
    package = open_package(
        write(tmp_path / "m.zip", description("regression", runtime="skops", file="model.skops"), content)
    )
    with pytest.raises(DataError, match="runstring"):
        load(package)
    with pytest.raises(DataError, match=r"numpy\.full_like"):
        run_model("skops", content, "variable", "regression", ROWS)
    assert not proof.exists()


@pytest.mark.parametrize("callable_", [np.add, np.full_like, np.random.default_rng(0).normal])
def test_no_ufunc_function_or_method_is_allowed(callable_: Any) -> None:
    from sklearn.preprocessing import FunctionTransformer

    content = dumped(FunctionTransformer(callable_))
    with pytest.raises(DataError, match="no model of ours holds"):
        load_model(content)


def test_an_allowed_type_in_another_kind_of_node_is_refused() -> None:
    content = dumped(fit("linear", "binary", ROWS, TARGETS["binary"]).estimator)
    for loader in ("ConstructorFromReduceNode", "FunctionNode", "TypeNode"):
        with pytest.raises(DataError, match="no model of ours holds"):
            load_model(rewritten(content, '"ObjectNode"', json.dumps(loader)))


def test_an_older_protocol_whose_nodes_other_code_builds_is_refused() -> None:
    content = dumped(fit("constant", "binary", ROWS, TARGETS["binary"]).estimator)
    with pytest.raises(DataError, match="protocol is 0"):
        load_model(rewritten(content, '"protocol": 2', '"protocol": 0'))
