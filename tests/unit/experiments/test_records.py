"""Reading runs back from the store, many at once."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from mlcycle.errors import NotFoundError, UsageError
from mlcycle.experiments import records
from mlcycle.ids import new_id
from mlcycle.store import Store
from mlcycle.workspace import Workspace

START = datetime(2026, 1, 1)


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, list[str]]:
    """Return a workspace with forty finished runs of two experiments, and their ids, the oldest first."""
    folder: Path = tmp_path_factory.mktemp("runs")
    (folder / "mlcycle.yaml").write_text("name: test\n")
    workspace = Workspace(folder)
    store, ids = Store.create(workspace), [new_id() for _ in range(40)]
    facts: list[dict[str, object]] = []
    for number, run_id in enumerate(ids):
        at = START + timedelta(minutes=number)
        facts += [
            {"kind": "start", "run_id": run_id, "name": f"run {number}", "experiment": f"e{number % 2}"}
            | {"started_at": at},
            {"kind": "param", "run_id": run_id, "key": "depth", "value": str(number), "ts": at},
            {"kind": "param", "run_id": run_id, "key": "alpha", "value": "1", "ts": at},
            {"kind": "tag", "run_id": run_id, "key": "owner", "value": "me", "ts": at},
        ]
        if number != 3:
            facts.append({"kind": "end", "run_id": run_id, "status": "finished", "ended_at": at})
    facts.append({"kind": "tag", "run_id": ids[5], "key": "mlcycle.name", "value": "renamed", "ts": START})
    store.append("run", facts)
    points = [
        {"run_id": run_id, "key": key, "step": step, "ts": START, "value": float(number + step)}
        for number, run_id in enumerate(ids)
        for key in ("loss", "auc")
        for step in range(3)
        if number != 7
    ]
    store.append("metric", points)
    store.fold()
    return workspace, ids


def test_a_list_of_runs_has_the_newest_first_with_their_last_values(
    known: tuple[Workspace, list[str]],
) -> None:
    workspace, ids = known
    found = records.runs(workspace, limit=10)
    assert [row.run_id for row in found] == ids[:-11:-1]
    assert found[0].params == {"alpha": "1", "depth": "39"}
    assert list(found[0].params) == ["alpha", "depth"]
    assert found[0].metrics == {"auc": 41.0, "loss": 41.0}
    assert found[0].tags == {"owner": "me"}


def test_a_list_of_one_experiment_has_no_others(known: tuple[Workspace, list[str]]) -> None:
    workspace, ids = known
    found = records.runs(workspace, experiment="e1")
    assert [row.run_id for row in found] == ids[::-2]
    assert all(row.params["depth"] == str(ids.index(row.run_id)) for row in found)


def test_chosen_runs_are_found_wherever_they_lie(known: tuple[Workspace, list[str]]) -> None:
    workspace, ids = known
    found = records.runs(workspace, ids=[ids[30], ids[2], ids[7]])
    assert [row.run_id for row in found] == [ids[30], ids[7], ids[2]]
    assert [row.metrics for row in found] == [{"auc": 32.0, "loss": 32.0}, {}, {"auc": 4.0, "loss": 4.0}]
    assert records.runs(workspace, ids=[]) == []
    assert records.runs(workspace, ids=[new_id()]) == []


def test_a_run_goes_by_the_name_it_was_given_last(known: tuple[Workspace, list[str]]) -> None:
    workspace, ids = known
    assert records.run(workspace, "renamed").run_id == ids[5]
    assert records.run(workspace, ids[5][-8:]).name == "renamed"
    with pytest.raises(NotFoundError):
        records.run(workspace, "run 5")


def test_digits_that_fit_several_runs_choose_none(known: tuple[Workspace, list[str]]) -> None:
    workspace, ids = known
    assert records.run(workspace, ids[9].upper()).name == "run 9"
    with pytest.raises(NotFoundError):
        records.run(workspace, ids[9][-3:])
    store, shared = Store(workspace), ids[9][-6:]
    other = new_id()[:-6] + shared
    start = {"kind": "start", "run_id": other, "name": "twin", "experiment": "twins", "started_at": START}
    store.append("run", [start])
    with pytest.raises(UsageError, match="fits 2 runs"):
        records.run(workspace, shared)


def test_the_names_of_params_with_a_value_missing_keep_it(known: tuple[Workspace, list[str]]) -> None:
    workspace, ids = known
    Store(workspace).append(
        "run", [{"kind": "param", "run_id": ids[0], "key": "none", "value": None, "ts": START}]
    )
    assert records.runs(workspace, ids=[ids[0]])[0].params["none"] is None
