"""The queries that the documentation shows: each runs as it stands there, and answers."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path

import pytest
from tests.tui.factory import full

from mlcycle.ids import new_id
from mlcycle.store import Store

PAGE = Path(__file__).parents[3] / "docs" / "howto" / "ask-the-store-sql.md"
QUERIES = re.findall(r"^```sql\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
SHOWN = re.findall(r'^mlcycle sql (?:--json )?"(.*?)"', PAGE.read_text(encoding="utf-8"), re.MULTILINE)
NOON = datetime(2026, 3, 9, 12)


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Return the store of a product that has been round the cycle."""
    store = Store(full(tmp_path_factory.mktemp("docs") / "parcels"))
    run, served = new_id(), new_id()
    start = {"kind": "start", "run_id": run, "name": "docs", "experiment": "late-parcels", "started_at": NOON}
    params = [{"kind": "param", "run_id": run, "key": "depth", "value": value, "ts": NOON} for value in "67"]
    store.append("run", [start, *params])
    store.append(
        "metric",
        [
            {"run_id": run, "key": key, "step": step, "ts": NOON, "value": 1 / (step + 1)}
            for key in ("loss", "auc")
            for step in range(3)
        ],
    )
    served_by = {"deployment": "local", "model": "late", "version": 2, "status": 200, "latency_ms": 1.5}
    one = {"prediction_id": served, "ts": NOON, "entity": "7", "score": 0.7, "features": {"age": 41}}
    store.append("prediction", [one | served_by])
    with store.transaction("label") as change:
        change.insert(
            "label", [{"prediction_id": served, "entity": "7", "as_of": NOON, "value": 1.0, "known_at": NOON}]
        )
        change.audit("docs", after={"labels": 1})
    return store


def test_the_page_shows_ten_questions() -> None:
    assert len(QUERIES) == 10


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.split("FROM", 1)[0][:40])
def test_every_question_of_the_page_has_an_answer(product: Store, query: str) -> None:
    names, rows = product.sql(query)
    assert rows != []
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("query", SHOWN)
def test_every_query_in_a_shell_line_runs(product: Store, query: str) -> None:
    assert product.sql(query)[1] != []


def test_the_copy_of_a_backup_is_read_by_plain_duckdb_as_the_page_says(
    product: Store, tmp_path: Path
) -> None:
    import duckdb

    from mlcycle.store import backup

    backup(product.workspace, tmp_path / "copy")
    with duckdb.connect(str(tmp_path / "copy" / ".mlcycle" / "store.duckdb"), read_only=True) as store:
        assert store.sql("FROM runs") is not None
        assert len(store.execute("FROM runs").fetchall()) == len(product.read("FROM runs"))
