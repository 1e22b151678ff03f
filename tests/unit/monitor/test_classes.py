"""Several classes: the journal keeps one number a prediction, so a window is scored again from its features."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.unit.monitor import product

from mlcycle import clock, data, experiments, features, models, monitor, quality
from mlcycle.store import Store
from mlcycle.workspace import Workspace

DATA = """
sources:
  parts:
    path: data/parts.csv
    format: csv
    key: part
    columns: {part: integer, heat: number, site: text, fault: text}
"""
FEATURES = """
spine: {table: parts, key: part, target: fault}
views:
  own: {table: parts, timeless: true, features: {hot: heat, place: site}}
"""
TRAINING = """
model: faults
task: multiclass
split: {fraction: 0.3}
models:
  trees: {kind: boosted_trees, params: {max_iter: 15, min_samples_leaf: 5}}
"""
DESIGN = """
requirements:
  - {id: right, role: business, metric: accuracy, comparison: ">=", value: 0.8, phases: [gate, monitor]}
  - {id: each, role: compliance, metric: macro_f1, comparison: ">=", value: 0.8, phases: [monitor]}
"""


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    clock.set_now(product.FEBRUARY)
    made = product.make(tmp_path / "w", data=DATA, features=FEATURES, training=TRAINING, design=DESIGN)
    rows = [
        f"{i},{i * 37 % 90},{'ab'[i % 2]},{('low', 'middle', 'high')[i * 37 % 90 // 30]}" for i in range(240)
    ]
    (made.root / "data").mkdir()
    (made.root / "data" / "parts.csv").write_text("\n".join(["part,heat,site,fault", *rows]) + "\n")
    data.ingest(made)
    quality.check(made)
    features.build(made)
    yield made
    clock.set_now(None)


def test_classes_are_judged_from_the_logged_features(workspace: Workspace) -> None:
    (result,) = experiments.train(workspace)
    version = models.register(workspace, result.run_id)
    assert models.promote(workspace, version).approved
    rows = features.rows_at(workspace)
    scores = experiments.evaluate(models.read_version(workspace, version), rows.features).shown.tolist()
    records = [
        {**product.record("faults", entity, score, product.JANUARY), "features": one["features"]}
        for entity, score, one in zip(rows.entities, scores, rows.instances(), strict=True)
    ]
    Store(workspace).append("prediction", records)
    assert (monitor.labels(workspace).new, monitor.labels(workspace).unreadable) == (240, 0)
    (window,) = monitor.run(workspace).windows
    values = {line.requirement_id: line.value for line in window.lines if line.requirement_id}
    assert values["right"] == pytest.approx(1.0, abs=0.05)
    assert values["each"] == pytest.approx(1.0, abs=0.05)
    assert window.drifted() == ()
