"""Pages of tables: filtered, sorted and cut in DuckDB; together they are every row, each once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.tui import factory

from mlcycle.store import Store
from mlcycle_app.gateway import Gateway, NotFoundError
from mlcycle_app.pages import Arrangement, Page, selecting
from mlcycle_app.tables import SCREENS, TABLES

Row = Mapping[str, Any]
AT = datetime(2026, 3, 1)
NUMBERS = {None: "", 0.5: "0.5", 3.0: "3.0", 1450.0: "1450.0"}
"""Values, and as DuckDB writes them."""


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Gateway:
    """A workspace that has been round the cycle."""
    return Gateway(factory.full(tmp_path_factory.mktemp("pages") / "parcels"))


@pytest.fixture(scope="module")
def alerts(tmp_path_factory: pytest.TempPathFactory) -> Callable[[list[dict[str, Any]]], Gateway]:
    """Make a store hold just these alerts."""
    workspace = factory.empty(tmp_path_factory.mktemp("alerts") / "parcels")

    def held(rows: list[dict[str, Any]]) -> Gateway:
        with Store(workspace).transaction("fill") as tx:
            tx.execute("DELETE FROM alert")
            tx.insert("alert", rows)
        return Gateway(workspace)

    return held


def _pages(gateway: Gateway, name: str, count: int, arranged: Arrangement) -> list[Page]:
    pages, start = [], 0
    while True:
        page = gateway.page(
            name,
            start=start,
            count=count,
            sort=arranged.sort,
            descending=arranged.descending,
            words=arranged.words,
        )
        pages.append(page)
        start += count
        if start >= page.total:
            return pages


texts = st.text(alphabet="abAB %_'\"\\,.1$?;-é\n", max_size=6)
alert_rows = st.lists(
    st.tuples(texts, texts, st.sampled_from(list(NUMBERS)), st.sampled_from(["open", "closed"])), max_size=25
).map(
    lambda drawn: [
        {
            "alert_id": str(UUID(int=place)),
            "deployment": "local",
            "metric": metric,
            "subject": subject,
            "kind": "drift",
            "window_start": AT,
            "window_end": AT,
            "severity": "warning",
            "value": value,
            "limit": 0.25,
            "state": state,
            "opened_at": AT,
        }
        for place, (subject, metric, value, state) in enumerate(drawn)
    ]
)
arrangements = st.builds(
    Arrangement,
    st.none() | st.sampled_from(["state", "subject", "value", "metric", "id"]),
    st.booleans(),
    texts,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=alert_rows, arranged=arrangements, count=st.integers(1, 9))
def test_paging_through_gives_exactly_the_sorted_filtered_rows_each_once(
    alerts: Callable[[list[dict[str, Any]]], Gateway],
    rows: list[dict[str, Any]],
    arranged: Arrangement,
    count: int,
) -> None:
    gateway = alerts(rows)
    pages = _pages(gateway, "alerts", count, arranged)
    wanted = _arranged(rows, arranged)
    assert [row["id"] for page in pages for row in page.rows] == [row["alert_id"][-8:] for row in wanted]
    assert [key for page in pages for key in page.keys] == [row["alert_id"] for row in wanted]
    assert {page.total for page in pages} == {len(wanted)}
    for place, row in enumerate(wanted):
        assert gateway.place("alerts", row["alert_id"], arranged, by_key=True) == (place, row["alert_id"])


def _arranged(rows: list[dict[str, Any]], arranged: Arrangement) -> list[dict[str, Any]]:
    """Say again in Python what a page holds."""

    def cells(row: Row) -> list[str]:
        shown = [str(row[name]) for name in ("state", "subject", "kind", "severity", "metric", "deployment")]
        return [*shown, NUMBERS[row["value"]], "0.25", "2026-03-01 00:00:00", row["alert_id"][-8:]]

    def holds(row: Row) -> bool:
        words, bare = arranged.words.lower(), arranged.words.replace(",", "")
        if any(words in cell.lower() for cell in cells(row)):
            return True
        numbers = (NUMBERS[row["value"]], "0.25") if row["value"] is not None else ("0.25",)
        return bare != arranged.words and bool(bare.strip()) and any(bare in number for number in numbers)

    own = sorted(filter(holds, rows), key=lambda row: (row["state"], row["subject"], row["alert_id"]))
    if arranged.sort is None:
        return own[::-1] if arranged.descending else own
    column = {"id": "alert_id"}.get(arranged.sort, arranged.sort)
    given = sorted(
        (row for row in own if row[column] is not None),
        key=lambda row: row[column],
        reverse=arranged.descending,
    )
    return given + [row for row in own if row[column] is None]


@pytest.mark.parametrize("words", ["%", "_", "'", '"', "\\", "'; DROP TABLE alert; --", "$1", "?", "{}", "é"])
def test_a_filter_is_text_and_nothing_else(
    alerts: Callable[[list[dict[str, Any]]], Gateway], words: str
) -> None:
    row = {
        "deployment": "local", "metric": "psi", "kind": "drift", "window_start": AT, "window_end": AT,
        "severity": "info", "state": "open", "opened_at": AT,
    }  # fmt: skip
    gateway = alerts(
        [
            row | {"alert_id": str(UUID(int=1)), "subject": f"with {words} in it"},
            row | {"alert_id": str(UUID(int=2)), "subject": "without"},
        ]
    )
    page = gateway.page("alerts", words=words)
    assert [found["subject"] for found in page.rows] == [f"with {words} in it"]
    assert page.total == 1
    names, rows = gateway.sql(gateway.page_sql("alerts", Arrangement("subject", True, words)))
    assert [dict(zip(names, found, strict=True))["subject"] for found in rows] == [f"with {words} in it"]


@pytest.mark.parametrize("name", TABLES)
def test_every_table_can_be_sorted_by_every_column_and_filtered(full: Gateway, name: str) -> None:
    table = TABLES[name]
    everything = full.page(name, count=10_000)
    assert len(set(everything.keys)) == len(everything.keys) == everything.total
    assert all(tuple(row) == table.columns for row in everything.rows)
    for column in table.columns:
        for way in (True, False):
            page = full.page(name, sort=column, descending=way)
            assert sorted(page.keys) == sorted(everything.keys)
    backwards = full.page(name, descending=True)
    assert list(backwards.keys) == list(everything.keys)[::-1]
    assert full.page(name, words="no row holds this").total == 0


@pytest.mark.parametrize("name", [name for name, table in TABLES.items() if table.id])
def test_a_row_is_found_by_what_commands_call_it(full: Gateway, name: str) -> None:
    page = full.page(name)
    for row in page.rows:
        found = full.place(name, str(row[TABLES[name].id]), Arrangement())
        if row[TABLES[name].id] is not None:
            assert found is not None
            assert page.rows[found[0]][TABLES[name].id] == row[TABLES[name].id]
    assert full.place(name, "nothing is called so", Arrangement()) is None


@pytest.mark.parametrize("column", TABLES["runs"].early)
@pytest.mark.parametrize("way", [True, False])
def test_sorting_early_gives_what_sorting_late_gives(full: Gateway, column: str, way: bool) -> None:
    page = full.page("runs", sort=column, descending=way)
    whole = full.rows(selecting(TABLES["runs"], Arrangement(column, way), keys=False))
    assert list(page.rows) == whole and len(whole) > 2


def test_runs_sort_by_the_number_of_their_first_metric_not_by_its_text(full: Gateway) -> None:
    shown = [row["metrics"] for row in full.page("runs", sort="metrics", descending=True).rows]
    assert shown == ["auc 0.8475", "auc 0.71", None]


def test_a_table_is_cut_only_where_that_is_asked_for(full: Gateway) -> None:
    assert len(full.table("windows", most=3)) == 3
    assert full.table("windows", most=None) == list(full.page("windows").rows)


def test_what_does_not_exist_is_named_with_what_does(full: Gateway) -> None:
    with pytest.raises(NotFoundError, match="no column 'colour'"):
        full.page("runs", sort="colour")
    with pytest.raises(NotFoundError, match="no table 'rooms'"):
        full.page("rooms")


def test_every_screen_lists_tables_that_exist() -> None:
    listed = {name for names in SCREENS.values() for name in names}
    # A list by a chosen metric is made when somebody asks for it.
    assert listed == {name for name in TABLES if not name.startswith("runs by ")}
