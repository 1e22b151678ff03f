"""A check explained: its words, its newest result, and every row that broke it."""

from __future__ import annotations

import pytest
from tests.unit.quality.conftest import Shop

from mlcycle import quality
from mlcycle.errors import NotFoundError


def test_rows_set_aside_and_rows_left_are_both_shown_with_their_values(shop: Shop) -> None:
    shop.source()
    shop.checks(
        accuracy=[
            {"name": "negative", "between": {"amount": [0, None]}, "then": "set_aside"},
            {"name": "large", "between": {"amount": [None, 100]}, "severity": "warning"},
        ]
    )
    shop.deliver("id,amount\n1,5\n2,-1\n3,900\n4,-3\n")
    found = quality.explain(shop.workspace, "negative")
    assert found.asks == "`amount` is at least 0"
    assert found.then == "rows that break it are set aside"
    assert (found.dimension, found.severity, found.columns) == ("accuracy", "critical", ("amount",))
    assert found.declared == "checks/things.yaml:1"
    assert found.file == "in/things.csv"
    assert found.result is not None
    assert (found.result.verdict, found.result.considered, found.failing) == ("warn", 4, 2)
    assert [(row.row_number, row.key, row.set_aside, row.values) for row in found.rows] == [
        (2, "2", True, {"id": 2, "amount": -1.0}),
        (4, "4", True, {"id": 4, "amount": -3.0}),
    ]
    large = quality.explain(shop.workspace, "large")
    assert large.then.startswith("rows that break it stay")
    assert [(row.row_number, row.set_aside, row.values["amount"]) for row in large.rows] == [
        (3, False, 900.0)
    ]


def test_a_refused_batch_is_asked_again_beside_the_rows_of_its_time(shop: Shop) -> None:
    shop.source(time="at", columns={"id": "integer", "at": "date"})
    shop.checks(consistency=[{"name": "once", "unique": "id"}])
    shop.deliver("id,at\n1,2025-01-01\n2,2025-01-01\n", file="in/a.csv")
    (report,) = shop.deliver("id,at\n2,2025-02-01\n3,2025-02-01\n", file="in/b.csv")
    assert report.verdict == "fail"
    found = quality.explain(shop.workspace, "once")
    assert [(row.row_number, row.key, row.set_aside) for row in found.rows] == [(1, "2", False)]
    assert found.failing == 1 and found.then == "a batch that breaks it is refused"
    first = quality.explain(shop.workspace, "once", batch=str(found.history[0].batch_id))
    assert first.rows == () and first.failing == 0


def test_rows_are_found_though_the_rule_is_gone_from_the_file_or_has_another_name(shop: Shop) -> None:
    shop.source(columns={"id": "integer", "amount": "number", "kind": "text"})
    shop.checks(consistency=[{"name": "kinds", "in_set": {"kind": ["a", "b"]}, "severity": "warning"}])
    (report,) = shop.deliver("id,amount,kind\n1,1,a\n2,1,z\n")
    shop.checks()
    found = quality.explain(shop.workspace, "kinds")
    assert found.declared is None
    assert [row.values["kind"] for row in found.rows] == ["z"]
    assert quality.explain(shop.workspace, report.results[0].check_id[:6]) == found
    with pytest.raises(NotFoundError, match="did you mean `kinds`"):
        quality.explain(shop.workspace, "kindz")


def test_at_most_a_thousand_rows_are_shown_and_how_many_there_are(shop: Shop) -> None:
    shop.source()
    shop.checks(accuracy=[{"name": "low", "between": {"amount": [None, 0]}, "severity": "info"}])
    shop.deliver("id,amount\n" + "".join(f"{number},1\n" for number in range(1200)))
    found = quality.explain(shop.workspace, "low")
    assert (len(found.rows), found.failing, found.note) == (1000, 1200, "the first 1,000 of 1,200")


def test_lines_that_cannot_be_read_and_rules_about_the_batch(shop: Shop) -> None:
    shop.source()
    shop.checks(
        consistency=[{"name": "lines", "readable": True, "then": "set_aside"}],
        completeness=[{"name": "size", "rows": [5, None], "severity": "warning"}],
    )
    shop.deliver("id,amount\n1,1\n2,x\n")
    lines = quality.explain(shop.workspace, "lines")
    assert [(row.row_number, row.values["raw"]) for row in lines.rows] == [(2, "2,x")]
    size = quality.explain(shop.workspace, "size")
    assert size.asks == "The number of rows in the batch is at least 5"
    assert size.rows == () and "the batch as a whole" in size.note
    assert size.result is not None and size.result.observed == "2 rows"


def test_the_rows_kept_in_the_store_are_shown_when_the_batch_itself_is_gone(shop: Shop) -> None:
    shop.source()
    shop.checks(accuracy=[{"name": "negative", "between": {"amount": [0, None]}, "severity": "warning"}])
    shop.deliver("id,amount\n1,5\n2,-1\n")
    for part in shop.workspace.data.glob("*.parquet"):
        part.unlink()
    found = quality.explain(shop.workspace, "negative")
    assert [(row.row_number, row.values["amount"]) for row in found.rows] == [(2, -1.0)]
    assert "is gone" in found.note


def test_rows_without_a_key_of_their_own_are_named_by_their_number(shop: Shop) -> None:
    shop.source(key="row_number", columns={"amount": "number"})
    shop.checks(accuracy=[{"name": "negative", "between": {"amount": [0, None]}, "severity": "warning"}])
    shop.deliver("amount\n1\n2\n", file="in/a.csv")
    shop.deliver("amount\n3\n-4\n", file="in/b.csv")
    found = quality.explain(shop.workspace, "negative")
    assert [(row.row_number, row.key) for row in found.rows] == [(2, "4")]


def test_a_check_that_looks_into_another_table_is_asked_beside_the_rows_of_its_time(shop: Shop) -> None:
    shop.source("owners", columns={"id": "integer"})
    shop.source()
    shop.checks(consistency=[{"name": "owned", "exists_in": {"id": "owners.id"}, "then": "set_aside"}])
    shop.deliver("id\n1\n", name="owners")
    shop.deliver("id,amount\n1,1\n2,2\n")
    found = quality.explain(shop.workspace, "owned")
    assert found.asks == "`id` stands in `id` of owners"
    assert [(row.row_number, row.set_aside) for row in found.rows] == [(2, True)]


def test_a_check_that_has_not_run_says_so(shop: Shop) -> None:
    shop.source()
    shop.checks(completeness=[{"name": "given", "not_null": "amount", "mostly": 0.9, "where": "id > 1"}])
    found = quality.explain(shop.workspace, "given")
    assert found.result is None and "mlcycle quality check" in found.note
    assert (
        found.asks == "`amount` is never missing, of the rows where id > 1; true of at least 90 % of the rows"
    )


def test_the_columns_of_a_batch_stand_beside_those_of_the_batch_before(shop: Shop) -> None:
    shop.source(columns={"id": "integer", "amount": "number", "kind": "text", "day": "date"})
    shop.deliver("id,amount,kind,day\n1,0,a,2026-01-01\n2,8,a,2026-01-01\n3,,b,\n", file="in/a.csv")
    (report,) = shop.deliver("id,amount,kind,day\n4,8,c,2026-01-02\n5,8,c,2026-01-02\n", file="in/b.csv")
    found = {one.column: one for one in quality.columns(shop.workspace, report.batch_id[-8:])}
    assert list(found) == ["id", "amount", "kind", "day"]
    amount = found["amount"]
    assert (amount.rows, amount.missing, amount.rows_before, amount.missing_before) == (2, 0, 3, 1)
    assert amount.labels == ("0", "1", "2", "3", "4", "5", "6", "7")
    assert (amount.counts, amount.before) == ((0, 0, 0, 0, 0, 0, 0, 2), (1, 0, 0, 0, 0, 0, 0, 1))
    assert (found["kind"].labels, found["kind"].counts, found["kind"].before) == (
        ("a", "c", "b"),
        (0, 2, 0),
        (2, 0, 1),
    )
    assert found["day"].labels == () and found["day"].before is None
    assert (found["day"].least, found["day"].greatest) == ("2026-01-02", "2026-01-02")
    with pytest.raises(NotFoundError, match="no batch"):
        quality.columns(shop.workspace, "zzzz")
