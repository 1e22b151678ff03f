"""Keeping a script's own model: as ONNX that scores alike, as skops of known types, as a pickle with a reason."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

import mlcycle
from mlcycle import models
from mlcycle.errors import DataError, NotFoundError, UsageError
from mlcycle.experiments import evaluate, read_artifact
from mlcycle.experiments.package import Package, read_package
from mlcycle.serving.package import open_package
from mlcycle.serving.runtime import load
from mlcycle.store import Store
from mlcycle.workspace import Workspace

RANDOM = np.random.default_rng(7)
X = RANDOM.normal(size=(300, 3))
Y = (X[:, 0] + RANDOM.normal(size=300) / 2 > 0).astype(int)
NAMES = ["age", "visits", "paid"]


class Touches:
    """Writes a file when a pickle of it is loaded."""

    n_features_in_ = 3

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    """Return an empty workspace that is found from here, and leave no run active."""
    (tmp_path / "mlcycle.yaml").write_text("name: test\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLCYCLE_WORKSPACE", raising=False)
    yield Workspace(tmp_path)
    while mlcycle.active_run():
        mlcycle.end_run("failed")


def kept(workspace: Workspace, sha256: str) -> Package:
    """Return a package by its hash."""
    return read_package(read_artifact(workspace, sha256))


def files(workspace: Workspace) -> list[str]:
    """Return the paths of all artifacts."""
    found = Store(workspace).read("SELECT path FROM artifacts WHERE path NOT LIKE 'script/%' ORDER BY path")
    return [row["path"] for row in found]


@pytest.mark.parametrize("kind", ["boosted", "forest", "linear", "scaled"])
def test_an_estimator_becomes_onnx_that_scores_alike(workspace: Workspace, kind: str) -> None:
    estimator = {
        "boosted": HistGradientBoostingClassifier(max_iter=10),
        "forest": RandomForestClassifier(10, random_state=0),
        "linear": LogisticRegression(),
        "scaled": make_pipeline(StandardScaler(), LogisticRegression()),
    }[kind].fit(X, Y)
    with mlcycle.start_run():
        sha256 = mlcycle.log_model(estimator, "own", example=X, features=NAMES)
    package = kept(workspace, sha256)
    assert package.description["runtime"] == "onnx"
    assert package.description["parity"] < 1e-5
    rows = X.astype(np.float32)
    scores = evaluate(package, dict(zip(NAMES, rows.T, strict=True))).values
    assert np.abs(scores - estimator.predict_proba(rows)[:, 1]).max() < 1e-5


def test_several_classes_and_values_are_told_apart(workspace: Workspace) -> None:
    three = np.array(["low", "mid", "high"])[np.digitize(X[:, 0], [-0.5, 0.5])]
    with mlcycle.start_run():
        classes = kept(
            workspace, mlcycle.log_model(LogisticRegression().fit(X, three), example=X)
        ).description
        values = kept(workspace, mlcycle.log_model(Ridge().fit(X, X[:, 0]), "ridge", example=X)).description
    assert (classes["task"], classes["classes"]) == ("multiclass", ["high", "low", "mid"])
    assert (values["task"], values["classes"]) == ("regression", None)
    assert files(workspace) == ["model.zip", "models/model.zip", "models/ridge.zip"]


def test_what_was_logged_can_be_registered_and_served(workspace: Workspace) -> None:
    with mlcycle.start_run("mine") as run:
        mlcycle.log_model(LogisticRegression().fit(X, Y), "own", example=X, features=NAMES, key=["id"])
    version = models.register(workspace, run.run_id)
    assert (version.subject, version.format, version.task) == ("own:1", "onnx", "binary")
    package = open_package(workspace.artifact(version.sha256), sha256=version.sha256)
    assert [feature.name for feature in package.signature.features] == NAMES
    assert package.signature.key == ("id",)
    load(package).warm_up()
    assert models.register(workspace, "mine") == version


def test_a_logged_model_has_no_validation_rows_so_the_gate_says_how_to_name_rows(
    workspace: Workspace,
) -> None:
    with mlcycle.start_run("flowers"):
        mlcycle.log_model(LogisticRegression().fit(X, Y), "flowers", example=X)
    models.register(workspace, "flowers")
    with pytest.raises(UsageError, match="no validation rows") as refused:
        models.gate(workspace, "flowers")
    assert refused.value.hint == "mlcycle models gate NAME --on MOMENT"


def test_names_and_categories_come_from_the_example_or_are_given(workspace: Workspace) -> None:
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame(X, schema=NAMES)
    with mlcycle.start_run():
        named = kept(workspace, mlcycle.log_model(LogisticRegression().fit(X, Y), example=frame)).description
        plan = np.array(["a", "b"])[Y]
        matrix = np.column_stack([X[:, 0], plan == "a", plan == "b"])
        features = {"age": None, "plan": ["a", "b"]}
        sha256 = mlcycle.log_model(
            LogisticRegression().fit(matrix, Y), example={"age": X[:, 0], "plan": plan}, features=features
        )
    assert [feature["name"] for feature in named["features"]] == NAMES
    assert kept(workspace, sha256).description["features"] == [
        {"name": "age", "type": "number"},
        {"name": "plan", "type": "category", "categories": ["a", "b"]},
    ]


def test_how_a_missing_number_is_told_follows_the_estimator(workspace: Workspace) -> None:
    holes = X.copy()
    holes[::5, 1] = np.nan
    with mlcycle.start_run():
        trees = mlcycle.log_model(HistGradientBoostingClassifier(max_iter=5).fit(holes, Y), example=holes)
        line = mlcycle.log_model(LogisticRegression().fit(X, Y), example=X)
    assert kept(workspace, trees).description["missing"] == "nan"
    assert kept(workspace, line).description["missing"] == "zero"


def test_without_example_rows_it_is_skops_and_says_why(workspace: Workspace) -> None:
    with mlcycle.start_run() as run:
        sha256 = mlcycle.log_model(LogisticRegression().fit(X, Y))
        with pytest.raises(UsageError, match="neither") as refused:
            mlcycle.log_model(RandomForestClassifier(3).fit(X, Y))
    assert "example=" in refused.value.hint
    assert kept(workspace, sha256).description["runtime"] == "skops"
    assert mlcycle.get_run(run.run_id).tags["mlcycle.model_note"] == "no example rows to compare ONNX on"


def test_the_model_that_was_given_is_not_changed(workspace: Workspace) -> None:
    estimator = HistGradientBoostingClassifier(max_iter=5).fit(X, Y)
    before = pickle.dumps(estimator)
    with mlcycle.start_run():
        mlcycle.log_model(estimator, example=X)
    assert pickle.dumps(estimator) == before


def test_a_scaler_before_trees_is_warned_of(workspace: Workspace) -> None:
    estimator = make_pipeline(StandardScaler(), RandomForestClassifier(5, random_state=0)).fit(X, Y)
    with mlcycle.start_run() as run:
        mlcycle.log_model(estimator, example=X)
    assert "a scaler stands before" in mlcycle.get_run(run.run_id).tags["mlcycle.model_note"]


def test_a_pickle_takes_a_reason_is_never_loaded_and_cannot_be_registered(workspace: Workspace) -> None:
    touched = workspace.root / "touched"
    own = make_pipeline(FunctionTransformer(np.abs), LogisticRegression()).fit(X, Y)
    with mlcycle.start_run("own") as run:
        with pytest.raises(UsageError, match="neither as ONNX nor as skops"):
            mlcycle.log_model(own, example=X)
        with pytest.raises(UsageError, match="needs a reason"):
            mlcycle.log_model(own, example=X, allow_pickle=" ")
        mlcycle.log_model(own, example=X, allow_pickle="numpy inside")
        mlcycle.log_model(Touches(touched), "bad", allow_pickle="to see")
        with pytest.raises(UsageError, match="cannot even be pickled"):
            mlcycle.log_model(
                make_pipeline(FunctionTransformer(lambda x: x), LogisticRegression()).fit(X, Y),
                example=X,
                allow_pickle="a lambda",
            )
    assert files(workspace) == ["models/bad.pkl", "models/model.pkl"]
    assert mlcycle.get_run("own").tags["mlcycle.pickle"] == "to see"
    with pytest.raises(NotFoundError, match=r"a pickle, models/bad\.pkl, models/model\.pkl") as refused:
        models.register(workspace, run.run_id)
    assert "log_model without allow_pickle" in refused.value.hint
    assert not touched.exists()


@pytest.mark.parametrize(
    ("model", "how", "why"),
    [
        (LogisticRegression(), {"example": X}, "no fitted"),
        ("a model", {}, "no fitted"),
        (DummyClassifier().fit(X, Y), {"example": X[:, :2]}, "the model takes 3 columns"),
        (DummyClassifier().fit(X, Y), {"features": ["one"]}, "its features make 1"),
        (DummyClassifier().fit(X, Y), {"example": [["a", "b", "c"]]}, "no matrix of numbers"),
        (DummyClassifier().fit(X, Y), {"example": X[:0]}, "no row"),
        (DummyClassifier().fit(X, Y), {"name": "a/b", "example": X}, "cannot name"),
    ],
)
def test_what_cannot_be_kept_is_refused_and_leaves_nothing(
    workspace: Workspace, model: object, how: dict[str, Any], why: str
) -> None:
    with mlcycle.start_run(), pytest.raises(UsageError, match=why):
        mlcycle.log_model(model, **how)
    assert files(workspace) == []


def onnx_bytes(estimator: Any) -> bytes:
    """Return an estimator as ONNX, as another program would have made it."""
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import FloatTensorType

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the converter's own
        made = convert_sklearn(
            estimator,
            initial_types=[("input", FloatTensorType([None, 3]))],
            options={id(estimator): {"zipmap": False}},
            target_opset=17,
        )
    content: bytes = made.SerializeToString()
    return content


def test_onnx_of_another_program_is_kept_as_it_is(workspace: Workspace) -> None:
    estimator = LogisticRegression().fit(X, Y)
    content = onnx_bytes(estimator)
    path = workspace.root / "model.onnx"
    path.write_bytes(content)
    with mlcycle.start_run() as run:
        with pytest.raises(UsageError, match="does not tell its task"):
            mlcycle.log_model(path, features=NAMES)
        sha256 = mlcycle.log_model(path, "other", features=NAMES, task="binary", example=X)
    assert kept(workspace, sha256).model == content
    version = models.register(workspace, run.run_id)
    load(open_package(workspace.artifact(version.sha256))).warm_up()


def test_onnx_that_reaches_outside_is_refused(workspace: Workspace) -> None:
    import onnx

    loaded = onnx.load_model_from_string(onnx_bytes(LogisticRegression().fit(X, Y)))
    own = onnx.ModelProto()
    own.CopyFrom(loaded)
    own.graph.node[0].domain = "my.operators"
    tensor = loaded.graph.initializer.add(name="far", data_type=1, dims=[1])
    tensor.data_location = 1
    tensor.external_data.add(key="location", value="../x")
    with mlcycle.start_run():
        for content, why in (
            (loaded.SerializeToString(), "reads other files"),
            (own.SerializeToString(), "operators of my.operators"),
            (b"", "no ONNX model"),
            (b"\xff\xff", "no ONNX model"),
        ):
            with pytest.raises(DataError, match=why):
                mlcycle.log_model(content, features=NAMES, task="binary")
    assert files(workspace) == []
