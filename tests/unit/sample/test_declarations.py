"""The sample's declarations on the sample's data, with a seed nobody has tuned anything to."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from mlcycle import clock, data, features, quality
from mlcycle.store import Store
from mlcycle.workspace import Workspace
from mlcycle_sample.workspace import write_workspace

_SEED = 11
_SNAPSHOT = datetime(2026, 1, 1)


class _Checked(NamedTuple):
    workspace: Workspace
    manifest: dict[str, Any]


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[_Checked]:
    folder = tmp_path_factory.mktemp("sample")
    manifest = write_workspace(folder, _SEED)
    workspace = Workspace.find(folder)
    clock.set_now(_SNAPSHOT)
    try:
        Store.create(workspace)
        data.ingest(workspace)
        quality.check(workspace)
        yield _Checked(workspace, manifest)
    finally:
        clock.set_now(None)


def test_every_injected_defect_is_found_and_nothing_else(checked: _Checked) -> None:
    found = Store(checked.workspace).read(
        "SELECT name, coalesce(surplus, bad_rows) AS n FROM checks JOIN check_results USING (check_id)"
        " WHERE bad_rows > 0"
    )
    assert {row["name"]: row["n"] for row in found} == checked.manifest["history"]["defects"]


def test_rows_found_and_rows_set_aside_equal_the_manifest(checked: _Checked) -> None:
    history = checked.manifest["history"]
    for batch in Store(checked.workspace).read("SELECT * FROM batches"):
        source = batch["source"]
        assert batch["state"] == "admitted"
        assert (batch["rows"], batch["set_aside"]) == (history[source], history["quarantined"].get(source, 0))


def test_the_training_set_holds_the_labels_known_by_then(checked: _Checked) -> None:
    with (checked.workspace.root / "data/history/cancellations.csv").open(newline="") as file:
        labels = list(csv.DictReader(file))
    known = [row for row in labels if row["known_at"] <= "2026-01-01"]
    newest = sorted({row["snapshot_date"] for row in known})[-2:]
    validation = sum(row["snapshot_date"] in newest for row in known)
    built = features.build(checked.workspace)
    assert (built.rows, built.validation_rows) == (len(known), validation)
    assert built.train_rows == len(known) - validation


def test_a_window_counts_what_had_happened_and_arrived_by_the_snapshot(checked: _Checked) -> None:
    sessions = {}
    for line in (checked.workspace.root / "data/history/sessions.jsonl").read_text().splitlines():
        if line.endswith("}"):
            row = json.loads(line)
            if row["seconds"] > 0:
                sessions[row["session_id"]] = row
    begin = (_SNAPSHOT - timedelta(days=30)).isoformat()
    end = _SNAPSHOT.isoformat()
    seen = [
        row["customer_id"]
        for row in sessions.values()
        if begin < row["ts"] <= end and row["arrived_at"] <= end
    ]
    rows = features.rows_at(checked.workspace, _SNAPSHOT)
    counts = dict(
        zip((int(entity) for entity in rows.entities), rows.features["sessions_30d"].tolist(), strict=True)
    )
    assert len(counts) > 1000
    assert counts == {customer: seen.count(customer) for customer in counts}


def test_the_workspace_is_left_without_files_half_written(checked: _Checked) -> None:
    assert list(Path(checked.workspace.tmp).glob("*")) == []
