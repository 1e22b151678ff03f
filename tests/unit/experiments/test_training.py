"""Training, sweeps and comparison, on a small product of machines that fail."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.unit.experiments import product

from mlcycle import clock, experiments
from mlcycle.errors import NotFoundError, UsageError
from mlcycle.experiments.package import read_package
from mlcycle.experiments.rows import training_rows
from mlcycle.experiments.training import open_job, prepare
from mlcycle.serving.package import open_package
from mlcycle.store import Store
from mlcycle.workspace import Workspace


@pytest.fixture(autouse=True)
def now() -> Iterator[None]:
    """Let every test stand at the same simulated time."""
    clock.set_now(product.NOW)
    yield
    clock.set_now(None)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, dict[str, Any]]:
    """Return a workspace with every declared model trained and a sweep; tests only look."""
    clock.set_now(product.NOW)
    workspace = product.make(tmp_path_factory.mktemp("machines") / "w")
    built = product.build(workspace)
    results = {result.model: result for result in experiments.train(workspace)}
    return workspace, {**results, "set": built, "sweep": experiments.sweep(workspace)}


def inputs(workspace: Workspace, run_id: str) -> dict[str, str]:
    """Return what a run read."""
    sql = "SELECT kind, reference FROM run_inputs WHERE run_id::VARCHAR = ?"
    return {row["kind"]: row["reference"] for row in Store(workspace).read(sql, [run_id])}


def test_every_model_is_a_run_with_params_metrics_and_what_it_read(
    trained: tuple[Workspace, dict[str, Any]],
) -> None:
    workspace, found = trained
    assert [found[name].rows for name in ("flat", "linear", "trees")] == [360, 360, 360]
    assert found["flat"].metrics["auc"] == 0.5
    assert found["rule"].metrics["auc"] < found["linear"].metrics["auc"]
    run = experiments.show(workspace, found["trees"].run_id)
    assert (run.status, run.experiment) == ("finished", "machines")
    assert run.params["max_iter"] == "20"
    assert run.metrics["auc"] == pytest.approx(found["trees"].metrics["auc"])
    read = inputs(workspace, run.run_id)
    assert read["training_set"] == found["set"].training_set_id
    assert "checks" in read["dataset_version"]


def test_a_rule_is_sql_over_the_features_and_is_judged_on_validation_rows(
    trained: tuple[Workspace, dict[str, Any]],
) -> None:
    workspace, found = trained
    rows = training_rows(workspace)[1].of_split("validation")
    load = np.ma.filled(rows.columns["load"].astype(float), -np.inf)
    load[np.isinf(load)] = -99
    assert found["rule"].metrics["auc"] == pytest.approx(experiments.score("auc", rows.target, load).value)
    assert (found["rule"].package, found["rule"].judged) == (None, 120)


def test_a_package_scores_as_the_run_was_measured_and_a_server_can_open_it(
    trained: tuple[Workspace, dict[str, Any]], tmp_path: Path
) -> None:
    workspace, found = trained
    rows = training_rows(workspace)[1].of_split("validation")
    for name in ("linear", "trees"):
        run, package = experiments.run_package(workspace, found[name].run_id)
        scores = experiments.evaluate(package, rows.columns)
        measured = experiments.score("auc", scores.encode(rows.target), scores.values)
        assert measured.value == pytest.approx(run.metrics["auc"], abs=1e-6)
        (tmp_path / name).write_bytes(package)
        signature = open_package(tmp_path / name).signature
        assert (signature.model, signature.key, signature.classes) == ("failures", ("machine",), ("0", "1"))
        assert signature.missing == ("zero" if name == "linear" else "nan")


def test_a_sweep_is_a_parent_with_a_child_a_point_and_a_packaged_winner(
    trained: tuple[Workspace, dict[str, Any]],
) -> None:
    workspace, found = trained
    swept = found["sweep"]
    assert len(swept.trials) == 4
    assert [trial.value for trial in swept.trials] == sorted(
        (trial.value for trial in swept.trials), reverse=True
    )
    assert swept.best.metrics["auc"] == pytest.approx(swept.trials[0].value)
    assert swept.best.params["max_leaf_nodes"] == swept.trials[0].params["max_leaf_nodes"]
    children = [run for run in experiments.list_runs(workspace) if run.parent_run_id == swept.run_id]
    assert len(children) == 5
    assert swept.best.package is not None
    assert experiments.model_params(workspace, swept.best.run_id) == ("trees", swept.best.params)


def test_trials_side_by_side_give_what_trials_in_a_row_give(
    trained: tuple[Workspace, dict[str, Any]],
) -> None:
    workspace, found = trained
    beside = experiments.sweep(workspace, grid={"max_leaf_nodes": [2, 4], "max_iter": [2, 20]}, workers=2)
    assert [trial.value for trial in beside.trials] == [trial.value for trial in found["sweep"].trials]


def test_runs_are_compared_and_the_best_is_found(trained: tuple[Workspace, dict[str, Any]]) -> None:
    workspace, found = trained
    compared = experiments.compare(workspace, [found["linear"].run_id, found["trees"].run_id])
    rows = {(row.kind, row.key): row for row in compared.rows}
    assert rows["param", "kind"].values == ("linear", "boosted_trees")
    assert rows["param", "kind"].differs
    assert not rows["input", "training_set"].differs
    assert rows["param", "max_iter"].values == (None, "20")
    best = experiments.best(workspace, "brier")
    assert best.metrics["brier"] == min(
        run.metrics["brier"] for run in experiments.list_runs(workspace) if "brier" in run.metrics
    )
    assert experiments.best(workspace).metrics["auc"] >= found["trees"].metrics["auc"]
    with pytest.raises(NotFoundError, match="rmse"):
        experiments.best(workspace, "rmse")
    with pytest.raises(UsageError):
        experiments.compare(workspace, ["linear"])


def test_training_twice_gives_the_same_model(trained: tuple[Workspace, dict[str, Any]]) -> None:
    workspace, found = trained
    [again] = experiments.train(workspace, models=["trees"])
    assert again.metrics == found["trees"].metrics
    first, second = (
        read_package(experiments.run_package(workspace, run.run_id)[1]) for run in (again, found["trees"])
    )
    assert first.model == second.model


def test_a_challenger_learns_from_all_rows_with_the_newest_weighted(
    trained: tuple[Workspace, dict[str, Any]],
) -> None:
    workspace, _ = trained
    [whole] = experiments.train(
        workspace, models=["trees"], whole=True, weight_newest=True, params={"max_iter": 5}
    )
    assert (whole.rows, whole.judged, whole.metrics) == (480, 0, {})
    assert whole.params["max_iter"] == 5
    description = read_package(experiments.run_package(workspace, whole.run_id)[1]).description
    assert description["fit_rows"] == "all"
    job = open_job(workspace, None, whole=True, weight_newest=True)
    rows = training_rows(workspace)[1]
    weight = prepare(job, rows, "boosted_trees").weight
    assert weight is not None
    assert sorted(set(weight.tolist())) == [1.0, 4.0]
    assert int((weight == 4.0).sum()) == 120


def test_a_training_set_that_looks_ahead_is_never_taken_unasked(tmp_path: Path) -> None:
    workspace = product.make(tmp_path / "w")
    honest = product.build(workspace)
    leaky = product.build(workspace, name="leaky", look_ahead="30d")
    [plain] = experiments.train(workspace, models=["linear"])
    [asked] = experiments.train(workspace, models=["linear"], training_set_id=leaky.training_set_id)
    assert plain.training_set_id == honest.training_set_id
    assert asked.training_set_id == leaky.training_set_id
    assert experiments.show(workspace, asked.run_id).tags["look_ahead"] == "30d"


@pytest.mark.parametrize(("task", "metric"), [("multiclass", "accuracy"), ("regression", "r2")])
def test_other_tasks_go_the_same_way(tmp_path: Path, task: str, metric: str) -> None:
    workspace = product.make(
        tmp_path / "w",
        task=task,
        training={"sweep": {"model": "trees", "grid": {"max_iter": [5, 20]}, "choose": metric}},
        design=[],
    )
    product.build(workspace)
    results = {
        result.model: result for result in experiments.train(workspace, models=["flat", "linear", "trees"])
    }
    assert results["linear"].metrics[metric] > results["flat"].metrics[metric]
    assert results["trees"].runtime == "onnx"
    rows = training_rows(workspace)[1].of_split("validation")
    scores = experiments.evaluate(
        experiments.run_package(workspace, results["trees"].run_id)[1], rows.columns
    )
    found = experiments.score(metric, scores.encode(rows.target), scores.values)
    assert found.value == pytest.approx(results["trees"].metrics[metric], abs=1e-4)
    assert scores.shown.shape == (len(rows),)


def test_a_trial_that_cannot_be_fitted_is_named_and_leaves_no_process(tmp_path: Path) -> None:
    workspace = product.make(tmp_path / "w")
    product.build(workspace)
    with pytest.raises(UsageError, match="max_itr"):
        experiments.sweep(workspace, grid={"max_itr": [1, 2]}, workers=0)
    assert [run.status for run in experiments.list_runs(workspace)] == ["failed"]


def test_what_cannot_be_trained_says_why(tmp_path: Path) -> None:
    workspace = product.make(tmp_path / "w")
    with pytest.raises(NotFoundError, match="no training set yet"):
        experiments.train(workspace)
    product.build(workspace)
    with pytest.raises(NotFoundError, match="'forest'"):
        experiments.train(workspace, models=["forest"])
    with pytest.raises(UsageError, match="one model only"):
        experiments.train(workspace, params={"max_iter": 3})
    with pytest.raises(NotFoundError, match="no run 'nothing'"):
        experiments.show(workspace, "nothing")
    with pytest.raises(UsageError, match="value for each param"):
        experiments.sweep(workspace, grid={})
    with pytest.raises(NotFoundError, match="kept no model package"):
        experiments.run_package(workspace, experiments.train(workspace, models=["flat"])[0].run_id)
