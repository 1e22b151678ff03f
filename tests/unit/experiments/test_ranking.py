"""Which run is best, and how a metric went: answered by the store, equal to a loop over the runs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlcycle import experiments
from mlcycle.errors import NotFoundError
from mlcycle.experiments import records
from mlcycle.ids import new_id
from mlcycle.store import Store
from mlcycle.workspace import Workspace

START = datetime(2030, 1, 1)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    (tmp_path / "mlcycle.yaml").write_text("name: test\n")
    workspace = Workspace(tmp_path)
    Store.create(workspace)
    return workspace


def add(
    workspace: Workspace,
    *,
    status: str | None = "finished",
    at: int = 0,
    experiment: str = "default",
    metrics: dict[str, Sequence[tuple[int, float]]] | None = None,
    tags: dict[str, str] | None = None,
    package: bool = False,
) -> str:
    """Write a run that began `at` seconds after the first, with points of metrics; returns its id."""
    store, run_id = Store(workspace), new_id()
    began = START + timedelta(seconds=at)
    lines: list[dict[str, Any]] = [
        {
            "kind": "start",
            "run_id": run_id,
            "name": f"run {at}",
            "experiment": experiment,
            "parent_run_id": None,
            "started_at": began,
            "command": "train",
            "script_sha256": None,
            "git_commit": None,
            "git_dirty": None,
            "environment": {},
        }
    ]
    lines += [
        {"kind": "tag", "run_id": run_id, "key": key, "value": value, "ts": began}
        for key, value in (tags or {}).items()
    ]
    if package:
        kept = {"path": "model.zip", "sha256": "0" * 64, "bytes": 1}
        lines.append({"kind": "artifact", "run_id": run_id, "ts": began, **kept})
    if status:
        lines.append({"kind": "end", "run_id": run_id, "status": status, "ended_at": began})
    assert store.append("run", lines)
    for key, points in (metrics or {}).items():
        told = [
            {
                "run_id": run_id,
                "key": key,
                "step": step,
                "ts": began + timedelta(microseconds=i),
                "value": _json(v),
            }
            for i, (step, v) in enumerate(points)
        ]
        assert store.append("metric", told)
    return run_id


def _json(value: float) -> float | str:
    return value if math.isfinite(value) else {"nan": "NaN", "inf": "Infinity"}.get(str(value), "-Infinity")


def test_the_best_run_is_finished_has_a_finite_value_and_is_the_oldest_of_equals(
    workspace: Workspace,
) -> None:
    add(workspace, at=0, status="failed", metrics={"auc": [(0, 0.99)]})
    add(workspace, at=1, metrics={"auc": [(0, math.nan)]})
    add(workspace, at=2, metrics={"auc": [(0, math.inf)]})
    oldest = add(workspace, at=3, metrics={"auc": [(0, 0.1), (1, 0.8)], "rmse": [(0, 3.0)]})
    add(workspace, at=4, metrics={"auc": [(0, 0.8)], "rmse": [(0, 2.0)]})
    other = add(workspace, at=5, experiment="b", metrics={"auc": [(0, 0.2)]})

    found = experiments.best(workspace, "auc")
    assert found.run_id == oldest and found.metrics["auc"] == 0.8
    assert experiments.best(workspace, "rmse").name == "run 4"
    assert experiments.best(workspace, "auc", experiment="b").run_id == other
    with pytest.raises(NotFoundError, match="no finished run has the metric 'f1'") as caught:
        experiments.best(workspace, "f1")
    assert caught.value.hint == "known: auc, rmse"


def test_the_winner_is_what_the_newest_sweep_chose_else_the_best_that_kept_a_model(
    workspace: Workspace,
) -> None:
    (workspace.root / "training.yaml").write_text(
        "model: m\ntask: binary\nsplit: {newest: 1}\nmodels: {flat: {kind: constant}}\n"
    )
    with pytest.raises(NotFoundError, match="kept a model package"):
        experiments.winner(workspace)
    add(workspace, at=0, metrics={"auc": [(0, 0.9)]})
    add(workspace, at=1, metrics={"auc": [(0, 0.8)]}, package=True)
    newest = add(workspace, at=2, metrics={"auc": [(0, 0.8)]}, package=True)
    assert experiments.winner(workspace).run_id == newest
    chosen = add(workspace, at=3, metrics={"auc": [(0, 0.5)]}, package=True)
    add(workspace, at=4, tags={"best_run": chosen})
    add(workspace, at=5, status="failed", tags={"best_run": newest})
    assert experiments.winner(workspace).run_id == chosen


RUNS = st.lists(
    st.tuples(
        st.sampled_from(["finished", "failed", "killed"]),
        st.lists(
            st.tuples(st.integers(0, 3), st.sampled_from([0.1, 0.5, math.nan, math.inf, -1.0])), max_size=4
        ),
    ),
    max_size=6,
)


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(RUNS, st.booleans(), st.integers(0, 10**9))
def test_ranking_equals_a_loop_over_the_runs(
    workspace: Workspace, runs: list[Any], lower: bool, place: int
) -> None:
    experiment = f"e{place}-{new_id()}"
    for at, (status, told) in enumerate(runs):
        add(workspace, at=at, status=status, experiment=experiment, metrics={"auc": told})
    known = [
        run
        for run in reversed(experiments.list_runs(workspace, experiment=experiment))
        if run.status == "finished" and math.isfinite(run.metrics.get("auc", math.nan))
    ]
    sign = 1 if lower else -1
    best = min(known, key=lambda run: sign * run.metrics["auc"], default=None)

    found = records.best_run(workspace, "auc", lower=lower, experiment=experiment)

    assert found == (best.run_id if best else None)


def test_a_curve_has_the_last_finite_value_of_each_step(workspace: Workspace) -> None:
    first = add(workspace, at=0, metrics={"loss": [(0, 3.0), (2, 1.0), (1, 2.0), (2, 1.5), (3, math.nan)]})
    second = add(workspace, at=1, metrics={"other": [(0, 1.0)]})

    drawn = experiments.curves(workspace, [second, first], "loss")

    assert [curve.run_id for curve in drawn] == [second, first]
    assert (drawn[0].steps, drawn[0].points, drawn[0].thinned) == ((), 0, False)
    assert (drawn[1].steps, drawn[1].values) == ((0, 1, 2), (3.0, 2.0, 1.5))
    assert (drawn[1].name, drawn[1].points, drawn[1].thinned) == ("run 0", 3, False)
    with pytest.raises(NotFoundError):
        experiments.curves(workspace, ["nobody"], "loss")


def test_a_long_curve_is_thinned_without_losing_a_peak_and_says_so(workspace: Workspace) -> None:
    values = [math.sin(i / 300) for i in range(5000)]
    values[1234], values[4321] = 7.0, -7.0
    run = add(workspace, metrics={"loss": list(enumerate(values))})

    (curve,) = experiments.curves(workspace, [run], "loss")

    assert curve.thinned and curve.points == 5000 and 250 < len(curve.steps) <= 500
    assert list(curve.steps) == sorted(set(curve.steps))
    assert all(values[step] == value for step, value in zip(curve.steps, curve.values, strict=True))
    assert {1234, 4321, 0, 4999} <= set(curve.steps)
    (whole,) = experiments.curves(workspace, [run], "loss", most=5000)
    assert whole.values == tuple(values) and not whole.thinned


def test_steps_far_apart_do_not_overflow(workspace: Workspace) -> None:
    points = [(-(2**62), 1.0), (2**62, 2.0), *((i, float(i)) for i in range(600))]
    run = add(workspace, metrics={"loss": points})

    (curve,) = experiments.curves(workspace, [run], "loss")

    assert (curve.steps[0], curve.steps[-1], curve.points) == (-(2**62), 2**62, 602)


def test_all_curves_of_a_run_are_what_each_of_them_is_alone(workspace: Workspace) -> None:
    loss = [(step, 1 / (step + 1)) for step in range(1200)]
    score = [(step, float(step % 7)) for step in range(1200)]
    run = add(workspace, metrics={"loss": loss, "score": score, "odd": [(0, math.inf)]})
    found = experiments.show(workspace, run)

    drawn = experiments.run_curves(workspace, found, ["loss", "score", "odd", "nothing"])

    assert drawn == {key: experiments.curves(workspace, [run], key)[0] for key in ("loss", "score")}
    assert experiments.run_curves(workspace, found, []) == {}
