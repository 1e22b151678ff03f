"""The sample's known defects, found exactly; with another seed than the demo's, so that no number can be fixed."""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime
from pathlib import Path

import pytest

from mlcycle import clock, data, quality
from mlcycle.store import Store
from mlcycle.workspace import Workspace
from mlcycle_sample.generate import generate

DECLARATIONS = Path(__file__).parents[3] / "sample_data" / "mlcycle_sample" / "declarations"


@pytest.mark.slow
def test_every_defect_of_a_generated_history_is_found_and_handled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(clock.VARIABLE, datetime(2026, 1, 1).isoformat())
    for file in DECLARATIONS.rglob("*.yaml"):
        place = tmp_path / file.relative_to(DECLARATIONS)
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(file.read_bytes())
    manifest = generate(tmp_path / "data", seed=7)["history"]
    workspace = Workspace(tmp_path)
    store = Store.create(workspace)
    batches = {batch.source: batch for batch in data.ingest(workspace)}
    assert {source: batch.rows for source, batch in batches.items()} == {
        source: manifest[source] for source in batches
    }
    reports = {report.dataset: report for report in quality.check(workspace)}
    results = {result.name: result for report in reports.values() for result in report.results}
    found = {name: results[name].bad_rows for name in manifest["defects"]}
    found |= {name: one.surplus for name in found if (one := results[name]).surplus is not None}
    assert found == manifest["defects"]
    aside = Counter(row.dataset for row in quality.quarantine(workspace))
    assert (
        dict(aside)
        == manifest["quarantined"]
        == {name: reports[name].set_aside for name in manifest["quarantined"]}
    )
    assert all(report.verdict in ("pass", "warn") for report in reports.values())
    assert {row["state"] for row in store.read("SELECT state FROM batches")} == {"admitted"}
    assert json.loads(store.read("SELECT columns FROM dataset_version LIMIT 1")[0]["columns"])
