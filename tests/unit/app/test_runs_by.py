"""Runs with a metric as a column: whatever the metric is called, the column holds its values and no other's."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from tests.tui import factory

from mlcycle import experiments
from mlcycle_app.gateway import Gateway
from mlcycle_app.pages import Arrangement
from mlcycle_app.tables import TABLES, runs_by

SAME = ("loss", "Loss", "LOSS", "straße", "STRASSE")
"""Metrics that differ by case alone, as some count it."""
TAKEN = (
    "rank", "Rank", "run_id", "RUN_ID", "Status", "status", "others", "chosen", "run", "id", "ID", "git", "seconds",
    "started", "experiment", "key", "value", "name", "total", "started_at", "ended_at", "metrics", "metric", "other",
    "two", "listed", "told", "runs", "select", "from", "a b", "val/loss", "p:q", "0", "-1",
    "c", "m", "n", "r", "t", "w", "verdict", "gate", "metric status", "Infinity", "NULL",
)  # fmt: skip
"""Metrics called as columns, aliases and words of the query are."""
METRICS = SAME + TAKEN
RUNS = 3


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Gateway:
    """Three runs with params of these names; the first has no metric, and of the others the second is the better."""
    workspace = factory.empty(tmp_path_factory.mktemp("names") / "p")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLCYCLE_RUN_ID", raising=False)
        for number in range(RUNS):
            with experiments.start_run(f"run {number}", workspace=workspace) as run:
                run.log_params(dict.fromkeys(METRICS, f"param {number}"))
                if number:
                    run.log_metrics({name: wanted(name, number) for name in METRICS})
    return Gateway(workspace)


def wanted(metric: str, number: int) -> float:
    """Return the value that a run has of a metric: no other has the same."""
    return METRICS.index(metric) + number / 8


@pytest.mark.parametrize("metric", METRICS)
def test_the_column_of_a_metric_holds_its_own_values_in_every_order(gateway: Gateway, metric: str) -> None:
    name = runs_by(metric, lower=False)
    table = TABLES[name]
    column = table.columns[2]
    assert column in (metric, f"metric {metric}")
    best = [("run 2", wanted(metric, 2)), ("run 1", wanted(metric, 1)), ("run 0", None)]
    with gateway.one_state():
        for arranged, expected in (
            (Arrangement(), best),
            (Arrangement(column), [best[1], best[0], best[2]]),
            (Arrangement("started", True), best),
            (Arrangement(words="run 1"), [best[1]]),
        ):
            page = gateway.page(
                name, sort=arranged.sort, descending=arranged.descending, words=arranged.words
            )
            assert [(row["run"], row[column]) for row in page.rows] == expected, arranged
            assert tuple(page.rows[0]) == table.columns and page.total == len(expected)
            assert {row["status"] for row in page.rows} == {"finished"}
        part = gateway.page(name, start=1, count=1, sort=column)  # cut within the query, not behind it
        assert [(row["run"], row[column]) for row in part.rows] == [best[0]]
        where = gateway.place(name, page.rows[0]["id"], Arrangement())
        assert where is not None and where[0] == 1


@pytest.mark.parametrize("metric", ["rank", "Status", "m", "select"])
def test_its_query_can_be_pasted_after_mlcycle_sql(gateway: Gateway, metric: str) -> None:
    name = runs_by(metric, lower=False)
    names, rows = gateway.sql(gateway.page_sql(name, Arrangement(words="run")))
    assert tuple(names) == TABLES[name].columns
    assert [(row[1], row[2]) for row in rows[:2]] == [
        ("run 2", wanted(metric, 2)),
        ("run 1", wanted(metric, 1)),
    ]


def test_no_two_metrics_share_a_list_or_its_pane(gateway: Gateway) -> None:
    names = [runs_by(metric, lower=True) for metric in METRICS]
    assert len(set(names)) == len(METRICS)
    assert len({name.replace(" ", "-") for name in names}) == len(METRICS)


def test_the_other_metrics_stand_beside_it_and_it_is_not_among_them(gateway: Gateway) -> None:
    for metric in ("Loss", "others"):
        rows = gateway.page(runs_by(metric, lower=True)).rows
        assert rows[0]["run"] == "run 1"
        assert f"{metric} " not in f"  {rows[0]['others']}" and rows[0]["others"]


def test_the_command_of_the_list_can_be_typed(gateway: Gateway) -> None:
    table = TABLES[runs_by("a b", lower=True)]
    assert shlex.split(table.command) == ["runs", "best", "a b"]


@pytest.mark.parametrize("odd", ["", " key ", "a /* page */ b", 'it\'s "so"', "x; DROP TABLE run_start"])
def test_a_name_that_no_run_can_have_by_our_own_hand_is_text_all_the_same(gateway: Gateway, odd: str) -> None:
    name = runs_by(odd, lower=True)
    for sort in (None, "started", TABLES[name].columns[2]):
        rows = gateway.page(name, sort=sort).rows
        assert len(rows) == RUNS and {row[TABLES[name].columns[2]] for row in rows} == {None}


def test_an_export_has_the_column_too(gateway: Gateway, tmp_path: Path) -> None:
    from mlcycle_app.exporting import export

    path = export(gateway, runs_by("Status", lower=False), Arrangement(), "csv", tmp_path)
    head, first, *_ = path.read_text().splitlines()
    assert head.startswith("status,run,metric Status,others,")
    assert first.startswith(f"finished,run 2,{wanted('Status', 2)},")
