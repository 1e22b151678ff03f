from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest
from tests.unit.quality.conftest import Shop

from mlcycle import clock, data, quality
from mlcycle.engines.local import fingerprint, session
from mlcycle.errors import DeclarationError, NotFoundError
from mlcycle.store import Store


def test_rows_are_set_aside_once_with_every_reason_and_the_rest_is_mended(shop: Shop) -> None:
    shop.source(columns={"id": "integer", "amount": "number", "kind": "text"})
    shop.checks(
        consistency=[
            {"name": "twice", "unique": "id", "then": "set_aside"},
            {"name": "kinds", "in_set": {"kind": ["a", "b"]}, "then": {"column": "kind", "to": None}},
        ],
        accuracy=[
            {"name": "negative", "between": {"amount": [0, None]}, "then": "set_aside"},
            {
                "name": "cents",
                "between": {"amount": [None, 100]},
                "then": {"column": "amount", "to": "amount / 100"},
            },
        ],
    )
    rows = "1,5,a\n2,-1,a\n2,-1,a\n3,900,zz\n4,50,zz\n5,,b\n6,-2,zz\n"
    (report,) = shop.deliver("id,amount,kind\n" + rows)
    assert (report.verdict, report.rows, report.set_aside, report.mended) == ("warn", 7, 3, 2)
    told = {result.name: (result.considered, result.bad_rows, result.surplus) for result in report.results}
    assert told == {
        "twice": (7, 2, 1),
        "kinds": (7, 3, None),
        "negative": (6, 3, None),
        "cents": (6, 1, None),
    }
    assert [tuple(row.values()) for row in shop.clean()] == [
        (1, 5.0, "a", 1),
        (3, 9.0, None, 1),
        (4, 50.0, None, 1),
        (5, None, "b", 1),
    ]
    rows_aside = quality.quarantine(shop.workspace, "things")
    assert [(row.row_number, row.row_key, row.reason) for row in rows_aside] == [
        (2, "2", "negative"),
        (3, "2", "twice; negative"),
        (7, "6", "negative"),
    ]
    ids = {result.name: result.check_id for result in report.results}
    assert [row.check_id for row in rows_aside] == [ids["negative"], ids["twice"], ids["negative"]]
    assert rows_aside[0].content == {"id": 2, "amount": -1.0, "kind": "a"}
    (batch,) = Store(shop.workspace).read(
        "SELECT state, rows, set_aside, mended, dataset_version FROM batches"
    )
    version = data.current(shop.workspace, "things").dataset_version
    assert batch == {"state": "admitted", "rows": 7, "set_aside": 3, "mended": 2, "dataset_version": version}
    assert quality.check(shop.workspace) == []


def test_two_checks_that_mend_one_column_the_first_wins_and_a_row_changed_twice_counts_once(
    shop: Shop,
) -> None:
    shop.source()
    shop.checks(
        accuracy=[
            {"between": {"amount": [None, 100]}, "then": {"column": "amount", "to": "amount / 10"}},
            {"between": {"amount": [None, 50]}, "then": {"column": "amount", "to": "id"}},
            {"holds": "id > 0", "then": {"column": "id", "to": "amount"}},
            {"not_null": "amount", "then": {"column": "amount", "to": None}},
        ]
    )
    (report,) = shop.deliver("id,amount\n1,500\n2,60\n0,70\n3,\n")
    assert [(row["id"], row["amount"]) for row in shop.clean()] == [(1, 50.0), (2, 2.0), (3, None), (70, 0.0)]
    assert report.mended == 3


KINDS: list[tuple[dict[str, Any], int, int, str]] = [
    ({"not_null": "amount"}, 5, 2, "fail"),
    ({"not_null": "amount", "mostly": 0.6}, 5, 2, "pass"),
    ({"not_null": "amount", "mostly": 0.61}, 5, 2, "fail"),
    ({"not_null": "amount", "mostly": 0.9, "severity": "warning"}, 5, 2, "warn"),
    ({"not_null": "amount", "mostly": 0.91, "severity": "info"}, 5, 2, "warn"),
    ({"not_null": "amount", "where": "id > 2"}, 1, 1, "fail"),
    ({"unique": "id"}, 4, 2, "fail"),
    ({"unique": ["id", "amount"]}, 5, 0, "pass"),
    ({"in_set": {"amount": [1, 2, 2.5]}}, 3, 0, "pass"),
    ({"between": {"amount": [1, 2]}}, 3, 1, "fail"),
    ({"between": {"id": [1.5, None]}}, 4, 2, "fail"),
    ({"matches": {"id": "^[12]$"}}, 4, 1, "fail"),
    ({"exists_in": {"id": "things.id"}}, 4, 0, "pass"),
    ({"holds": "amount >= id"}, 3, 0, "pass"),
    ({"holds": "amount > id -- strictly", "where": "TRUE -- all"}, 3, 2, "fail"),
    ({"rows": [5, 5]}, 1, 0, "pass"),
    ({"rows": [6, None]}, 1, 1, "fail"),
    ({"rows": [None, 1], "where": "id = 2"}, 1, 0, "pass"),
    ({"readable": True}, 5, 0, "pass"),
]


def test_each_kind_considers_the_rows_that_have_a_value(shop: Shop) -> None:
    shop.source()
    shop.checks(accuracy=[rule for rule, *_ in KINDS])
    (report,) = shop.deliver("id,amount\n1,1\n2,2\n1,nan\n,2.5\n3,\n")
    for (rule, *expected), result in zip(KINDS, report.results, strict=True):
        assert [result.considered, result.bad_rows, result.verdict] == expected, rule


def test_moments_are_judged_as_of_the_batch(shop: Shop) -> None:
    shop.source(columns={"id": "integer", "day": "date", "seen": "timestamp"})
    shop.checks(
        timeliness=[
            {"not_after": {"day": "as_of"}, "severity": "warning"},
            {"not_after": {"day": "seen"}, "severity": "warning"},
            {"holds": "seen > as_of - INTERVAL 100 DAY", "severity": "warning"},
            {"name": "fresh", "fresh": {"seen": "36h"}, "severity": "warning"},
            {"name": "stale", "fresh": {"seen": "24h"}, "severity": "warning"},
        ]
    )
    (report,) = shop.deliver("id,day,seen\n1,2026-01-01,2025-12-30T20:00:00\n2,2031-01-01,\n3,,2025-01-01\n")
    counts = [(result.considered, result.bad_rows) for result in report.results]
    assert counts == [(2, 1), (1, 1), (2, 1), (1, 0), (1, 1)]
    assert (
        report.results[3].observed == "newest 2025-12-30 20:00:00, 1 day, 4:00:00 before 2026-01-01 00:00:00"
    )


def test_a_freshness_requirement_that_binds_the_data_phase_is_a_check_without_being_written_twice(
    shop: Shop,
) -> None:
    shop.source(columns={"id": "integer", "seen": "timestamp"}, time="seen")
    limit = {"metric": "freshness", "params": {"source": "things"}, "comparison": "<=", "value": 2}
    bound = {"id": "fresh_things", "role": "subject expert", "phases": ["data"], **limit}
    shop.write("design.yaml", json.dumps({"requirements": [bound]}))
    (young,) = shop.deliver("id,seen\n1,2025-12-30T12:00:00\n", file="in/a/things.csv")
    (old,) = shop.deliver("id,seen\n2,2025-12-29\n", file="in/b/things.csv")
    assert [(result.name, result.dimension, result.verdict) for result in young.results] == [
        ("fresh_things", "timeliness", "pass")
    ]
    assert (old.verdict, [result.name for result in old.failed]) == ("fail", ["fresh_things"])


def test_a_batch_that_fails_a_critical_check_is_refused_whole_and_leaves_the_version_as_it_was(
    shop: Shop,
) -> None:
    shop.source()
    shop.checks(
        completeness=[{"not_null": "amount"}],
        accuracy=[{"between": {"amount": [0, None]}, "then": "set_aside"}],
    )
    (good,) = shop.deliver("id,amount\n1,1\n")
    (bad,) = shop.deliver("id,amount\n2,\n3,-1\n")
    assert (good.verdict, bad.verdict, bad.dataset_version) == ("pass", "fail", None)
    assert [result.name for result in bad.failed] == ["things.amount not null"]
    assert bad.failed[0].examples == ({"row_number": 1, "id": 2, "amount": None},)
    assert data.current(shop.workspace, "things").dataset_version == good.dataset_version
    assert quality.quarantine(shop.workspace) == []
    states = Store(shop.workspace).read("SELECT state, set_aside FROM batches ORDER BY state")
    assert [tuple(row.values()) for row in states] == [("admitted", 0), ("refused", 0)]
    assert quality.check(shop.workspace) == []
    shop.checks(completeness=[{"not_null": "amount", "mostly": 0.5}])
    (again,) = quality.check(shop.workspace, again=True)
    assert (again.verdict, again.batch_id) == ("pass", bad.batch_id)
    assert [row["batch_number"] for row in shop.clean()] == [1, 2, 2]


def test_lines_that_cannot_be_read_go_to_quarantine_and_without_a_check_the_batch_warns(shop: Shop) -> None:
    shop.source()
    (report,) = shop.deliver("id,amount\n1,1\n2,many\n3\n")
    assert (report.verdict, report.set_aside, report.score) == ("warn", 2, None)
    first, second = quality.quarantine(shop.workspace)
    assert (first.row_number, first.row_key, first.check_id) == (2, None, "unreadable")
    assert first.reason == "malformed: amount: many is not a number"
    assert first.content == {"line": 3, "raw": "2,many"}
    assert second.reason == "malformed: 2 fields where 2 are expected" or second.content == {
        "line": 4,
        "raw": "3",
    }
    shop.checks(consistency=[{"readable": True, "then": "set_aside"}])
    (report,) = shop.deliver("id,amount\n4,1\n5,many\n")
    (result,) = report.results
    assert (result.verdict, result.considered, result.bad_rows, report.set_aside) == ("warn", 2, 1, 1)
    assert result.examples == (
        {"line": 3, "raw": "5,many", "reason": "malformed: amount: many is not a number"},
    )
    assert quality.quarantine(shop.workspace)[-1].check_id == result.check_id
    shop.checks(consistency=[{"readable": True}])
    (report,) = shop.deliver("id,amount\n6,1\n7,many\n")
    assert report.verdict == "fail"


def test_events_that_were_delivered_before_are_surplus_and_timeless_rows_are_newer_states(shop: Shop) -> None:
    for name, time in (("events", "at"), ("states", None)):
        shop.source(name, columns={"id": "integer", "at": "date"}, **({"time": time} if time else {}))
        shop.checks(name, consistency=[{"unique": "id", "then": "set_aside"}])
        shop.deliver("id,at\n1,2025-01-01\n2,2025-01-01\n", name)
        shop.deliver("id,at\n2,2025-01-02\n3,2025-01-02\n3,2025-01-03\n", name)
    assert [(row["id"], row["batch_number"]) for row in shop.clean("events")] == [(1, 1), (2, 1), (3, 2)]
    assert [(row["id"], row["batch_number"]) for row in shop.clean("states")] == [
        (1, 1),
        (2, 1),
        (2, 2),
        (3, 2),
    ]
    rows = Store(shop.workspace).read("SELECT bad_rows, surplus FROM check_results ORDER BY ts, bad_rows")
    assert sorted(tuple(row.values()) for row in rows) == [(0, 0), (0, 0), (2, 1), (3, 2)]


def test_parents_are_checked_before_the_tables_that_look_into_them(shop: Shop) -> None:
    shop.source("things")
    shop.source("orders", columns={"id": "integer", "thing": "text"})
    shop.checks("orders", consistency=[{"exists_in": {"thing": "things.id"}, "then": "set_aside"}])
    (waits,) = shop.deliver("id,thing\n1,7\n2,8\n3,\n", "orders")
    assert (waits.verdict, waits.results[0].verdict) == ("error", "error")
    assert waits.results[0].observed == "things has no checked version yet"
    assert [batch.source for batch in data.unchecked(shop.workspace)] == ["orders"]
    data.ingest(shop.workspace, shop.write("in/things.csv", "id,amount\n7,1\n"))
    things, orders = quality.check(shop.workspace, "orders")
    assert (things.dataset, orders.dataset) == ("things", "orders")
    assert (orders.results[0].considered, orders.results[0].bad_rows, orders.set_aside) == (2, 1, 1)
    assert [row["id"] for row in shop.clean("orders")] == [1, 3]
    with pytest.raises(NotFoundError, match=r"no source is called `order`; did you mean `orders`\?"):
        quality.check(shop.workspace, "order")


def test_tables_that_wait_for_each_other_are_refused_by_name(shop: Shop) -> None:
    for name, other in (("things", "others"), ("others", "things")):
        shop.source(name)
        shop.checks(name, consistency=[{"exists_in": {"id": f"{other}.id"}}])
    with pytest.raises(DeclarationError, match=r"wait for each other: .*things"):
        shop.deliver("id,amount\n1,1\n")


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"holds": "amuont > 0"}, r"check things holds amuont > 0: no column `amuont`; did you mean `amount`\?"),
    ({"not_null": "id", "where": "amount >"}, "syntax error"),
    (
        {"holds": "TRUE); DROP TABLE x; SELECT (TRUE"},
        "it is more than one expression|syntax error|Only SELECT",
    ),
    ({"holds": "amount::VARCHAR::DATE > as_of"}, "Conversion Error"),
    ({"holds": "amount < (SELECT count(*) FROM read_csv('/etc/passwd'))"}, "[Pp]ermission|disabled"),
    ({"holds": "sum(amount) > 1"}, "aggregate"),
    ({"matches": {"id": "(?=x)"}}, "invalid perl operator"),
    ({"in_set": {"id": ["x"]}}, "Could not convert"),
    ({"not_null": "id", "then": {"column": "amount", "to": "amount + nothing"}}, "no column `nothing`"),
    ({"between": {"id": [2, None]}, "then": {"column": "id", "to": "'x'"}}, "Could not convert"),
]


def test_wrong_sql_in_a_check_is_named_and_nothing_changes(shop: Shop) -> None:
    shop.source()
    data.ingest(shop.workspace, shop.write("things.csv", "id,amount\n1,1\n"))
    for rule, said in WRONG:
        shop.checks(accuracy=[rule])
        with pytest.raises(DeclarationError, match=said) as caught:
            quality.check(shop.workspace)
        assert str(caught.value).startswith("checks/things.yaml:1:")
    assert [batch.state for batch in data.unchecked(shop.workspace)] == ["arrived"]
    assert Store(shop.workspace).read("SELECT * FROM quality_run") == []


def test_a_text_column_is_not_compared_with_numbers(shop: Shop) -> None:
    shop.source(columns={"id": "integer", "amount": "text"})
    shop.checks(accuracy=[{"between": {"amount": [0, 10]}}])
    with pytest.raises(DeclarationError, match="`amount` is text, 0 is a number"):
        shop.deliver("id,amount\n1,9\n")


def test_a_check_keeps_its_history_under_a_new_name_and_severity(shop: Shop) -> None:
    shop.source()
    shop.checks(accuracy=[{"name": "old", "between": {"amount": [0, 10]}, "severity": "warning"}])
    (first,) = shop.deliver("id,amount\n1,1\n")
    shop.checks(
        accuracy=[{"rows": [0, None]}, {"name": "new", "between": {"amount": [0, 10]}, "severity": "info"}]
    )
    (second,) = shop.deliver("id,amount\n2,11\n")
    check_id = first.results[0].check_id
    assert second.results[1].check_id == check_id
    history = quality.history(shop.workspace, check_id)
    assert [(point.verdict, point.bad_rows) for point in history] == [("pass", 0), ("warn", 1)]
    (row,) = Store(shop.workspace).read("SELECT name, severity FROM checks WHERE check_id = ?", [check_id])
    assert row == {"name": "new", "severity": "info"}
    shop.checks(accuracy=[{"not_null": "id"}, {"not_null": "id", "severity": "info"}])
    with pytest.raises(DeclarationError, match="asks the same as"):
        shop.deliver("id,amount\n3,1\n")


def test_scores_are_stored_by_dimension_and_an_unmeasured_one_is_null(shop: Shop) -> None:
    shop.source()
    shop.checks(
        completeness=[{"not_null": "amount", "severity": "warning"}, {"not_null": "id"}],
        timeliness=[{"holds": "FALSE", "severity": "info"}],
    )
    (report,) = shop.deliver("id,amount\n1,\n2,1\n")
    assert report.dimensions == {
        "consistency": None,
        "completeness": 87.5,
        "timeliness": None,
        "accuracy": None,
    }
    (row,) = Store(shop.workspace).read("SELECT * FROM quality_runs")
    assert (row["score"], row["completeness"], row["accuracy"], row["verdict"]) == (87.5, 87.5, None, "warn")
    results = Store(shop.workspace).read("SELECT examples FROM check_results WHERE bad_rows = 1")
    assert json.loads(results[0]["examples"]) == [{"row_number": 1, "id": 1, "amount": None}]


def test_versions_grow_by_parts_travel_in_time_and_add_their_fingerprints(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.source()
    shop.deliver("id,amount\n1,1\n2,2\n")
    monkeypatch.setenv(clock.VARIABLE, "2026-02-01")
    shop.deliver("id,amount\n3,3\n")
    first, second = data.list_versions(shop.workspace, "things")
    assert (second.number, second.rows, second.parent) == (2, 3, first.dataset_version)
    assert second.parts[:1] == first.parts
    assert second.columns == {"id": "integer", "amount": "number"}
    assert data.current(shop.workspace, "things", datetime(2026, 1, 31)) == first
    with pytest.raises(NotFoundError, match="things has no checked version at 2025"):
        data.current(shop.workspace, "things", datetime(2025, 1, 1))
    with session(shop.workspace) as engine:
        assert data.tables(shop.workspace, engine, as_of=datetime(2026, 1, 31)) == {
            "things": first.dataset_version
        }
        assert engine.one("SELECT count(*) AS n FROM things")["n"] == 2
        assert data.tables(shop.workspace, engine) == {"things": second.dataset_version}
        assert fingerprint(engine, "(SELECT * EXCLUDE batch_number FROM things)") == second.fingerprint
        assert data.tables(shop.workspace, engine, as_of=datetime(2025, 1, 1)) == {}


def test_a_column_that_joins_later_is_missing_in_the_rows_before(shop: Shop) -> None:
    shop.source(on_schema_change="add")
    shop.deliver("id,amount\n1,1\n")
    shop.deliver("id,amount,colour\n2,2,red\n")
    assert [(row["id"], row["colour"]) for row in shop.clean()] == [(1, None), (2, "red")]
    version = data.current(shop.workspace, "things")
    assert version.columns == {"id": "integer", "amount": "number", "colour": "text"}
    with session(shop.workspace) as engine:
        data.tables(shop.workspace, engine)
        assert fingerprint(engine, "(SELECT * EXCLUDE batch_number FROM things)") == version.fingerprint


def test_rows_without_a_key_are_numbered_through_all_batches(shop: Shop) -> None:
    shop.source(key="row_number", columns={"amount": "number"})
    shop.checks(
        consistency=[{"unique": "row_number"}], accuracy=[{"holds": "amount > 0", "then": "set_aside"}]
    )
    shop.deliver("amount\n5\n-1\n7\n")
    shop.deliver("amount\n8\n")
    assert [(row["row_number"], row["amount"]) for row in shop.clean()] == [(1, 5.0), (3, 7.0), (4, 8.0)]
    (row,) = quality.quarantine(shop.workspace)
    assert (row.row_number, row.row_key) == (2, "2")


def test_profile_summarises_the_clean_columns(shop: Shop) -> None:
    shop.source()
    shop.deliver("id,amount\n1,1\n2,\n3,3\n")
    ids, amounts = data.profile(shop.workspace, "things")
    assert (ids.column, ids.type, ids.rows, ids.missing, ids.least, ids.greatest) == (
        "id",
        "integer",
        3,
        0,
        "1",
        "3",
    )
    assert (amounts.missing, amounts.mean) == (1, 2.0)
