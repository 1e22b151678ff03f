"""The compiler against the edge cases of the feature store's contract and against a loop in plain Python."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlcycle.declare.model import Data, Features, seconds_of
from mlcycle.engines import local
from mlcycle.engines.local import Session, literal
from mlcycle.errors import DeclarationError
from mlcycle.features.compile import catalog_of, compile_features, declared_errors, spine_sql

DAY = datetime(2024, 3, 10)
NO_SOURCES = Data(sources={})
Row = Sequence[Any]
Tables = dict[str, tuple[str, Sequence[Row]]]


def at(text: str) -> datetime:
    hour, _, rest = text.partition(":")
    minute, _, second = rest.partition(":")
    return (
        DAY
        + timedelta(hours=int(hour), minutes=int(minute), seconds=0)
        + timedelta(microseconds=round(float(second or 0) * 1e6))
    )


@contextmanager
def filled(**tables: tuple[str, Sequence[Row]]) -> Iterator[Session]:
    """Open a session with tables: their columns with types, and their rows."""
    with local.session() as session:
        for name, (columns, rows) in tables.items():
            session.execute(f"CREATE TABLE {name} ({columns})")
            if rows:
                values = ", ".join("(" + ", ".join(literal(value) for value in row) + ")" for row in rows)
                session.execute(f"INSERT INTO {name} VALUES {values}")
        yield session


def declared(view: dict[str, Any], **spine: Any) -> Features:
    given_spine = {"table": "spine_rows", "key": "k", "time": "t", "target": "y", **spine}
    return msgspec.convert({"spine": given_spine, "views": {"v": view}}, Features)


def compute(session: Session, features: Features, look_ahead: str | None = None) -> list[dict[str, Any]]:
    tables = [row["table_name"] for row in session.rows("SELECT table_name FROM duckdb_tables()")]
    catalog = catalog_of(session, tables)
    spine = spine_sql(features.spine, catalog["spine_rows"], as_of=DAY, look_ahead=look_ahead)
    with declared_errors():
        return session.rows(compile_features(session, features, NO_SOURCES, catalog, spine).sql)


def values(
    events: Sequence[Row],
    spine: Sequence[Row],
    windows: dict[str, Any],
    *,
    known: str | None = "c",
    **options: Any,
) -> list[tuple[Any, ...]]:
    """Return the features of spine rows (k, t) over events (k, t, c, x), row by row as given."""
    rows = [(key, time, number) for number, (key, time) in enumerate(spine)]
    view = {"table": "e", "key": "k", "time": "t", "windows": windows} | ({"known": known} if known else {})
    with filled(
        spine_rows=("k INTEGER, t TIMESTAMP, y INTEGER", rows),
        e=("k BIGINT, t TIMESTAMP, c TIMESTAMP, x DOUBLE", events),
    ) as session:
        found = sorted(compute(session, declared(view), **options), key=lambda row: row["target"])
    return [tuple(row[name] for name in windows) for row in found]


LATEST = {"x": {"latest": "x"}}


@pytest.mark.parametrize(
    ("events", "spine", "expected"),
    [
        pytest.param([(1, "10:0", None, 5)], ["10:0"], [5], id="P01 at the moment itself"),
        pytest.param([(1, "10:0:0.000001", None, 5)], ["10:0"], [None], id="P02 a microsecond late"),
        pytest.param(
            [(1, "11:0", None, 3), (1, "9:0", None, 1), (1, "10:0", None, 2)],
            ["10:30", "9:30", "8:30"], [2, 1, None], id="P03 any order",
        ),
        pytest.param([], ["10:0"], [None], id="P05 no event"),
        pytest.param([(1, "10:0", "10:5", 4), (1, "10:0", "10:1", 6)], ["11:0"], [4], id="D01 later correction"),
        pytest.param([(1, "10:0", "11:0", 1), (1, "10:0", None, 2)], ["12:0"], [1], id="D02 known later wins"),
        pytest.param([(1, "10:0", None, 4), (1, "10:0", None, 8), (1, "10:0", None, 6)], ["11:0"], [8], id="D07 ties"),
        pytest.param(
            [(1, "9:0", "9:1", 1), (1, "10:0", "12:0", 2)],
            ["11:0", "12:0", "11:59:59.999999"], [1, 2, 1], id="L02 known by",
        ),
        pytest.param(
            [(1, "10:0", "10:1", 10), (1, "9:0", "12:0", 9)], ["13:0"], [10], id="L04 older event arriving late",
        ),
        pytest.param([(1, "10:0", None, 5)], ["11:0"], [5], id="L05 unknown known time"),
        pytest.param([(1, "10:0", "9:0", 5)], ["9:30", "10:0"], [None, 5], id="L06 known before it happened"),
        pytest.param([(1, None, None, 9), (1, "9:0", None, 5)], ["10:0"], [5], id="N01 no event time"),
        pytest.param([(1, "9:0", None, 5), (1, "10:0", None, None)], ["11:0"], [None], id="N05 winner is NULL"),
        pytest.param([(2, "9:0", None, 5), (None, "9:0", None, 6)], ["11:0"], [None], id="N04 another key"),
    ],
)  # fmt: skip
def test_latest_keeps_the_contract(events: list[Row], spine: list[str], expected: list[float | None]) -> None:
    rows = [tuple(at(value) if isinstance(value, str) else value for value in row) for row in events]

    assert values(rows, [(1, at(time)) for time in spine], LATEST) == [(value,) for value in expected]


def test_a_window_is_open_on_the_left_and_closed_on_the_right() -> None:
    events = [
        (1, at(time), None, x)
        for time, x in (("10:0", 1), ("10:0:0.000001", 2), ("11:0", 4), ("11:0:0.000001", 8))
    ]
    windows: dict[str, Any] = {
        "n": {"count": "*"},
        "s": {"sum": "x"},
        "a": {"avg": "x"},
        "lo": {"min": "x"},
        "hi": {"max": "x"},
    }

    found = values(
        events, [(1, at("11:0"))], {name: {**window, "over": "1h"} for name, window in windows.items()}
    )

    assert found == [(2, 6, 3, 2, 4)]


def test_without_a_row_a_count_is_zero_and_the_rest_missing_or_filled() -> None:
    windows = {
        "n": {"count": "*"},
        "m": {"count": "x"},
        "s": {"sum": "x"},
        "f": {"sum": "x", "fill": 7},
        "a": {"avg": "x"},
    }
    events = [(2, at("9:0"), None, None), (2, at("9:0"), None, 3)]

    found = values(events, [(1, at("11:0")), (2, at("11:0")), (None, at("11:0")), (2, None)], windows)

    assert found == [(0, 0, None, 7, None), (2, 1, 3, 3, 3), (0, 0, None, 7, None), (0, 0, None, 7, None)]


def test_days_are_twenty_four_hours_and_days_since_counts_midnights() -> None:
    windows = {"n": {"count": "*", "over": "1d"}, "d": {"days_since": "t", "over": "30d", "fill": 99}}

    found = values(
        [(1, datetime(2024, 3, 30, 23), None, 1)],
        [(1, datetime(2024, 3, 31, 22, 59)), (1, datetime(2024, 3, 31, 23)), (1, datetime(2024, 5, 31))],
        windows,
    )

    assert found == [(1, 1), (0, 1), (0, 99)]


def test_two_spine_rows_of_one_key_and_time_are_both_kept_with_their_own_label() -> None:
    spine = [("a", 1, at("10:0"), 0), ("a", 1, at("10:0"), 1), ("a", 2, at("10:0"), 0)]
    events = [("a", 1, at("9:0"), 5.0), ("a", 2, at("9:0"), 7.0), ("a", None, at("9:0"), 9.0)]
    view = {"table": "e", "key": ["k", "m"], "time": "t", "windows": LATEST}
    with filled(
        spine_rows=("k VARCHAR, m INTEGER, t TIMESTAMP, y INTEGER", spine),
        e=("k VARCHAR, m INTEGER, t TIMESTAMP, x DOUBLE", events),
    ) as session:
        found = compute(session, declared(view, key=["k", "m"]))

    assert [(row["row_id"], row["m"], row["target"], row["x"]) for row in found] == [
        (1, 1, 0, 5),
        (2, 1, 1, 5),
        (3, 2, 0, 7),
    ]


def test_a_view_may_be_keyed_by_some_of_the_spine_s_columns_or_by_none() -> None:
    tables: Tables = {
        "spine_rows": (
            "k VARCHAR, m INTEGER, t TIMESTAMP, y INTEGER",
            [("a", 1, at("10:0"), 0), ("b", 1, at("10:0"), 0)],
        ),
        "e": ("k VARCHAR, t TIMESTAMP, x DOUBLE", [("a", at("9:0"), 5.0), ("b", at("9:30"), 7.0)]),
    }
    with filled(**tables) as session:
        some = compute(
            session, declared({"table": "e", "key": "k", "time": "t", "windows": LATEST}, key=["k", "m"])
        )
        none = compute(
            session, declared({"table": "e", "key": [], "time": "t", "windows": LATEST}, key=["k", "m"])
        )

    assert [row["x"] for row in some] == [5, 7]
    assert [row["x"] for row in none] == [7, 7]


def test_text_keys_meet_exactly_and_never_a_number() -> None:
    keys = ["a", "A", "a ", "é"]
    view = {"table": "e", "key": "k", "time": "t", "windows": LATEST}
    with filled(
        spine_rows=("k VARCHAR, t TIMESTAMP, y INTEGER", [(key, at("10:0"), 0) for key in keys]),
        e=("k VARCHAR, t TIMESTAMP, x DOUBLE", [(key, at("9:0"), float(i)) for i, key in enumerate(keys)]),
        numbered=("k BIGINT, t TIMESTAMP, x DOUBLE", []),
    ) as session:
        assert {row["k"]: row["x"] for row in compute(session, declared(view))} == {
            key: i for i, key in enumerate(keys)
        }
        with pytest.raises(DeclarationError, match="key k of numbered is BIGINT, the spine's is VARCHAR"):
            compute(session, declared({**view, "table": "numbered"}))


def test_columns_may_be_called_like_keywords_and_moments() -> None:
    view: dict[str, Any] = {
        "table": "e", "key": "select", "time": "as_of",
        "windows": {"row number": {"latest": "order"}, "pos_y": {"sum": "a b"}},
    }  # fmt: skip
    view |= {
        "features": {"newest": "order", "age": "date_diff('hour', TIMESTAMP '2024-03-10 00:00:00', as_of)"}
    }
    with filled(
        spine_rows=('"select" INTEGER, "as_of" TIMESTAMP, y INTEGER', [(1, at("10:0"), 0)]),
        e=('"select" INTEGER, "as_of" TIMESTAMP, "order" DOUBLE, "a b" DOUBLE', [(1, at("9:0"), 5.0, 2.0)]),
    ) as session:
        row = compute(session, declared(view, key="select", time="as_of"))[0]

    assert (row["row number"], row["pos_y"], row["newest"], row["age"]) == (5, 2, 5, 10)


def test_years_far_apart_do_not_overflow_and_infinite_times_are_never_reached() -> None:
    events = [(1, datetime(1901, 1, 1), None, 1), (1, datetime(9998, 1, 1), None, 2)]
    assert values(events, [(1, datetime(1902, 1, 1)), (1, datetime(9999, 1, 1))], LATEST) == [(1,), (2,)]
    view = {"table": "e", "key": "k", "time": "t", "known": "c", "windows": {"n": {"count": "*"}}}
    with filled(
        spine_rows=("k INTEGER, t TIMESTAMP, y INTEGER", [(1, at("10:0"), 0)]),
        e=(
            "k INTEGER, t TIMESTAMP, c TIMESTAMP",
            [(1, "infinity", None), (1, at("9:0"), "infinity"), (1, at("9:0"), None)],
        ),
    ) as session:
        assert compute(session, declared(view))[0]["n"] == 1


def test_a_timeless_view_takes_the_newest_batch_s_row_and_may_use_the_moment() -> None:
    view = {
        "table": "c",
        "key": "k",
        "features": {
            "size": "size",
            "kind": "kind",
            "age": "date_diff('day', born, as_of)",
            "known": "coalesce(size, -1)",
        },
    }
    with filled(
        spine_rows=(
            "k INTEGER, t TIMESTAMP, y INTEGER",
            [(1, at("10:0"), 0), (2, at("10:0"), 0), (3, at("10:0"), 0)],
        ),
        c=(
            "k INTEGER, size INTEGER, kind VARCHAR, born DATE, batch_number BIGINT",
            [
                (1, 5, "x", DAY - timedelta(days=2), 2),
                (1, 9, "y", DAY, 1),
                (2, None, None, None, 1),
                (None, 4, "z", DAY, 3),
            ],
        ),
    ) as session:
        found = compute(session, declared(view))

    assert [(row["size"], row["kind"], row["age"], row["known"]) for row in found] == [
        (5, "x", 2, 5),
        (None, None, None, -1),
        (None, None, None, -1),
    ]


def test_a_view_over_the_spine_s_own_row_needs_no_key_to_be_unique() -> None:
    view = {
        "table": "spine_rows",
        "key": "k",
        "timeless": True,
        "features": {"twice": "2 * size", "kind": "kind"},
    }
    spine = [(1, at("10:0"), 0, 3, "x"), (1, at("10:0"), 1, 4, "y"), (1, at("11:0"), 0, None, None)]
    with filled(
        spine_rows=("k INTEGER, t TIMESTAMP, y INTEGER, size INTEGER, kind VARCHAR", spine)
    ) as session:
        timed = compute(session, declared(view))
        timeless = compute(session, declared(view, time=None))

    assert [(row["twice"], row["kind"]) for row in timed] == [(6, "x"), (8, "y"), (None, None)]
    assert sorted(row["target"] for row in timeless) == [0, 0, 1]
    assert {row["as_of"] for row in timeless} == {DAY}


def test_an_sql_view_keeps_every_spine_row_and_fills() -> None:
    sql = "SELECT row_id, count(*) AS n, max(x) AS top FROM spine s JOIN e ON e.k = s.k AND t <= cutoff GROUP BY 1;"
    tables: Tables = {
        "spine_rows": ("k INTEGER, t TIMESTAMP, y INTEGER", [(1, at("10:0"), 0), (2, at("10:0"), 0)]),
        "e": ("k INTEGER, t TIMESTAMP, x DOUBLE", [(1, at("9:0"), 5.0), (1, at("10:30"), 6.0)]),
    }
    with filled(**tables) as session:
        honest = compute(session, declared({"sql": sql, "fills": {"n": 0}}))
        ahead = compute(session, declared({"sql": sql, "fills": {"n": 0}}), look_ahead="1h")

    assert [(row["n"], row["top"]) for row in honest] == [(1, 5), (0, None)]
    assert [(row["n"], row["top"]) for row in ahead] == [(2, 6), (0, None)]


@pytest.mark.parametrize(
    ("view", "message"),
    [
        (
            {"sql": "SELECT s.row_id, e.x FROM spine s JOIN e USING (k)"},
            "view v: its sql returns more than one row",
        ),
        ({"sql": "SELECT s.k, 1 AS one FROM spine s"}, "view v: its sql returns no row_id"),
        ({"sql": "SELECT row_id, xx AS one FROM spine JOIN e USING (k)"}, "view v: there is no column xx"),
        ({"sql": "SELECT row_id, FROM WHERE"}, "view v: Parser Error"),
        (
            {"sql": "SELECT row_id, 1 AS one FROM spine", "fills": {"two": 0}},
            "fills two, which its sql does not return",
        ),
        (
            {"sql": "SELECT row_id, 1 AS target FROM spine"},
            "feature target is also a column of every training set",
        ),
        (
            {"sql": "SELECT row_id, 1 AS score FROM spine"},
            "feature score is also what profiles and alerts call the model's own score",
        ),
        (
            {"sql": 'SELECT row_id, 1 AS "a\\b" FROM spine'},
            "the model server takes no quotes or backslashes in the name",
        ),
        (
            {"table": "e", "key": "k", "time": "t", "windows": {"n": {"sum": "nosuch(x)"}}},
            "view v, feature n: Catalog Error",
        ),
        (
            {"table": "e", "key": "k", "time": "t", "windows": {"n": {"count": "*", "sum": "x"}}},
            "count and sum given",
        ),
        (
            {"table": "e", "key": "k", "time": "when", "windows": {"n": {"count": "*"}}},
            "time when is no column of e",
        ),
        ({"table": "e", "key": "k", "windows": {"n": {"count": "*"}}}, "windows need an event time"),
    ],
)
def test_what_cannot_be_computed_is_said_by_view_and_feature(view: dict[str, Any], message: str) -> None:
    with (
        filled(
            spine_rows=("k INTEGER, t TIMESTAMP, y INTEGER", [(1, at("10:0"), 0)]),
            e=("k INTEGER, t TIMESTAMP, x DOUBLE", [(1, at("9:0"), 5.0), (1, at("9:0"), 6.0)]),
        ) as session,
        pytest.raises(DeclarationError, match=message.replace("(", r"\(")),
    ):
        compute(session, declared(view))


def test_a_sum_of_doubles_is_the_same_in_any_order_of_the_rows() -> None:
    numbers = [math.sin(i) * 10 ** (i % 5) for i in range(4000)]
    windows = {"s": {"sum": "x"}, "a": {"avg": "x"}}
    found = set()
    for step in (1, 7, 1999):
        events = (
            [(1, at("9:0"), None, numbers[i * step % 4000]) for i in range(4000)]
            if math.gcd(step, 4000) == 1
            else []
        )
        found |= set(values(events, [(1, at("10:0"))], windows))

    assert len(found) == 1
    assert found.pop()[0] == pytest.approx(math.fsum(numbers), rel=1e-15)


MINUTES = st.one_of(st.none(), st.integers(0, 12))
EVENTS = st.lists(
    st.tuples(st.sampled_from([1, 2, None]), MINUTES, MINUTES, st.one_of(st.none(), st.integers(-3, 3))),
    max_size=14,
)
SPINE = st.lists(st.tuples(st.sampled_from([1, 2, 3, None]), MINUTES), min_size=1, max_size=6)
WINDOWS: dict[str, dict[str, Any]] = {
    "n": {"count": "*", "over": "3m"},
    "lag": {"sum": "x", "over": "6m", "until": "2m"},
    "good": {"count": "x", "where": "x > 0"},
    "mean": {"avg": "x", "over": "5m"},
    "low": {"min": "x", "until": "1m"},
    "high": {"max": "x", "over": "3m", "fill": -9},
    "last": {"latest": "x"},
    "recent": {"latest": "x", "over": "3m", "where": "x < 2"},
    "days": {"days_since": "t", "over": "5m"},
}


def by_hand(
    events: Sequence[Row], key: Any, time: datetime | None, window: dict[str, Any], ahead: timedelta
) -> Any:
    """Compute one window for one spine row, event by event."""

    def seen(event: Row) -> bool:
        of, when, known, x = event
        if key is None or of != key or when is None or time is None:
            return False
        if when > time + ahead or (known or when) > time + ahead:
            return False
        if "over" in window and when <= time - timedelta(seconds=seconds_of(window["over"])):
            return False
        if "until" in window and when > time - timedelta(seconds=seconds_of(window["until"])):
            return False
        conditions = {None: True, "x > 0": x is not None and x > 0, "x < 2": x is not None and x < 2}
        return conditions[window.get("where")]

    found = [event for event in events if seen(event)]
    numbers = [x for *_, x in found if x is not None]
    if "count" in window:
        return len(found if window["count"] == "*" else numbers)
    if "latest" in window:
        rank = [(when, known or when, x is not None, x or 0, x) for _, when, known, x in found]
        return max(rank)[-1] if rank else None
    if "days_since" in window:
        return (time.date() - max(when for _, when, *_ in found).date()).days if found and time else None
    if not numbers:
        return window.get("fill")
    function = next(name for name in ("sum", "avg", "min", "max") if name in window)
    if function == "avg":
        return sum(numbers) / len(numbers)
    return {"sum": sum, "min": min, "max": max}[function](numbers)  # type: ignore[operator]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(EVENTS, SPINE, st.sampled_from([None, "2m"]))
def test_every_window_equals_a_loop_over_the_events(
    events: list[Row], spine: list[Row], ahead: str | None
) -> None:
    def moment(minutes: int | None) -> datetime | None:
        return None if minutes is None else DAY - timedelta(minutes=6) + timedelta(minutes=minutes)

    rows = [(key, moment(when), moment(known), x) for key, when, known, x in events]
    asked = [(key, moment(when)) for key, when in spine]
    shift = timedelta(seconds=seconds_of(ahead)) if ahead else timedelta()

    found = values(rows, asked, WINDOWS, look_ahead=ahead)

    expected = [
        tuple(by_hand(rows, key, time, window, shift) for window in WINDOWS.values()) for key, time in asked
    ]
    assert found == [pytest.approx(row) for row in expected]
