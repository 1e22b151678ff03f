"""Why a feature has its value: the rows that gave it give the same value again, and what is hidden is counted."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.features.conftest import ASKED, ORDERS, SHOPS, SPINE, Product

from mlcycle import features, progress
from mlcycle.declare.model import seconds_of
from mlcycle.errors import NotFoundError
from mlcycle.features import Explained
from mlcycle_app.cli.root import run

WINDOWS: dict[str, dict[str, Any]] = {
    "n": {"count": "*", "over": "30d"},
    "paid": {"count": "amount", "where": "state = 'paid'"},
    "total": {"sum": "amount", "over": "60d", "until": "5d"},
    "mean": {"avg": "amount"},
    "low": {"min": "amount", "until": "2d"},
    "high": {"max": "amount", "over": "40d", "fill": -1},
    "last": {"latest": "amount"},
    "last_state": {"latest": "state", "over": "50d", "where": "amount > 1"},
    "days": {"days_since": "at", "over": "90d", "fill": 99},
}
VIEWS: dict[str, Any] = {
    "buying": {"table": "orders", "key": "shop", "windows": WINDOWS},
    "newest": {"table": "orders", "key": "shop", "features": {"newest_amount": "amount"}},
    "place": {"table": "shops", "key": "shop", "features": {"city": "city", "size": "size"}},
}
Make = Callable[..., Product]


def by_name(product: Product, key: str, as_of: datetime, **options: Any) -> dict[str, Explained]:
    found = features.explain(product.workspace, key, as_of, **options)
    assert found.entity == key
    return {one.feature: one for one in found.features}


def test_the_rows_that_gave_a_value_are_named_and_what_the_moment_hides_is_counted(shops: Make) -> None:
    product = shops(VIEWS)
    found = by_name(product, "a", datetime(2030, 3, 1))

    total = found["total"]
    assert (total.value, total.rows, total.given) == (10.5, 1, 1)
    (row,) = total.given_by
    assert (row.dataset, row.key, row.row, row.value) == ("orders", "1", 1, 10.5)
    assert row.part == product.parts["orders"][0].sha256
    assert row.event_time == row.known_at == datetime(2030, 1, 10)
    future, unknown = total.left_out
    assert (future.why, future.rows, future.nearest) == ("in the future", 0, None)
    assert (unknown.why, unknown.rows) == ("not yet known", 1)
    assert unknown.nearest is not None and unknown.nearest.key == "2"
    assert unknown.nearest.known_at == datetime(2030, 3, 5)
    assert found["last"].value == 2.0 and found["last"].given_by[0].key == "3"
    assert found["city"].value == "Lyon" and found["city"].given_by[0].key == "a"
    assert total.how == "sum amount, over 60d, until 5d before"


def test_rows_that_lie_ahead_are_named_by_the_first_of_them(shops: Make) -> None:
    found = by_name(shops(VIEWS), "a", datetime(2030, 1, 1))["mean"]

    assert (found.value, found.rows, found.given_by) == (None, 0, ())
    assert found.left_out[0].rows == 3
    assert found.left_out[0].nearest is not None and found.left_out[0].nearest.key == "1"


def test_a_value_that_is_filled_in_says_so(shops: Make) -> None:
    found = by_name(shops(VIEWS), "b", datetime(2030, 3, 1))

    assert found["high"].value == -1 and found["high"].note == "no row gave a value: -1 is filled in"
    assert found["days"].value == 99 and found["mean"].note == ""


def test_the_delivered_file_is_named_where_the_store_knows_it(shops: Make) -> None:
    product = shops(VIEWS)
    product.admit(shops=[{"shop": "a", "city": "Metz", "size": 4, "opened": "2029-01-01"}])
    city = by_name(product, "a", datetime(2030, 3, 1))["city"]

    assert city.value == "Metz" and city.rows == 2 and city.given == 1
    assert city.given_by[0].part == product.parts["shops"][1].sha256
    assert city.given_by[0].batch is None  # these rows were put there without a file


def test_features_of_the_spine_s_own_row_name_that_row(shops: Make) -> None:
    sources = {"orders": ORDERS, "shops": SHOPS, "asked": ASKED}
    own = {"asked": {"table": "asked", "key": "shop", "features": {"month": 'month("on")'}}}
    product = shops({**own, "buying": VIEWS["buying"]}, sources=sources)
    found = features.explain(product.workspace, "a", datetime(2030, 4, 1))

    assert found.as_of == datetime(2030, 3, 1) and found.asked == datetime(2030, 4, 1)
    month = found.features[0]
    assert month.value == 3 and month.given_by[0].key == "a, 2030-03-01"
    assert month.given_by[0].row == 3
    assert month.left_out[0].rows == 1
    assert month.left_out[0].nearest is not None
    assert month.left_out[0].nearest.event_time == datetime(2030, 5, 1)


def test_a_view_in_sql_says_that_it_is_not_traced(shops: Make) -> None:
    sql = "SELECT row_id, count(*) AS n FROM spine s JOIN orders o ON o.shop = s.shop AND o.at <= cutoff GROUP BY 1"
    found = by_name(shops({"counted": {"sql": sql}}), "a", datetime(2030, 3, 1))["n"]

    assert found.value == 3 and found.rows is None and "not traced" in found.note


def test_a_stranger_is_told_like_by_get(shops: Make) -> None:
    with pytest.raises(NotFoundError, match="no table knows the entity zz"):
        features.explain(shops(VIEWS).workspace, "zz")


DAYS = st.one_of(st.none(), st.integers(0, 120))
ROWS = st.lists(
    st.tuples(
        st.sampled_from(["a", "b"]),
        DAYS,
        DAYS,
        st.one_of(st.none(), st.integers(-3, 3)),
        st.sampled_from(["paid", "open", None]),
    ),
    max_size=12,
)
START = datetime(2030, 1, 1)
HOLDS: dict[str, Callable[[Any], bool]] = {
    "state = 'paid'": lambda row: row["state"] == "paid",
    "amount > 1": lambda row: row["amount"] is not None and row["amount"] > 1,
}


def again(one: Explained, window: dict[str, Any], as_of: datetime) -> Any:
    """Compute a window's value from the rows that are said to have given it."""
    values = [row.value for row in one.given_by]
    if "count" in window:
        return len(values)
    if "days_since" in window:
        return (as_of.date() - values[0].date()).days if values else window.get("fill")
    if "sum" in window:
        return math.fsum(values) if values else None
    if "avg" in window:
        return math.fsum(values) / len(values) if values else None
    assert "latest" not in window or len(values) <= 1
    assert len(set(values)) <= 1
    return values[0] if values and values[0] is not None else window.get("fill")


def hidden(rows: Sequence[dict[str, Any]], window: dict[str, Any], as_of: datetime) -> tuple[int, int]:
    """Count what lies ahead, and what would be in the window if it were known; row by row."""
    ahead = unknown = 0
    for row in rows:
        when, known = row["at"], row["seen"] or row["at"]
        if row["shop"] != "a" or when is None or ("where" in window and not HOLDS[window["where"]](row)):
            continue
        late = "until" in window and when > as_of - timedelta(seconds=seconds_of(window["until"]))
        early = "over" in window and when <= as_of - timedelta(seconds=seconds_of(window["over"]))
        ahead += when > as_of
        unknown += when <= as_of < known and not late and not early
    return ahead, unknown


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(rows=ROWS, day=st.integers(0, 120))
def test_the_rows_give_the_value_again_and_the_value_is_the_one_that_is_got(
    product: Product, rows: list[Any], day: int
) -> None:
    def moment(days: int | None) -> datetime | None:
        return None if days is None else START + timedelta(days=days)

    orders = [
        {
            "order_id": i,
            "shop": shop,
            "at": moment(at),
            "seen": moment(seen),
            "amount": amount,
            "state": state,
        }
        for i, (shop, at, seen, amount, state) in enumerate(rows)
    ]
    product.declare(VIEWS, spine=SPINE)
    if not product.versions:
        product.admit(shops=[{"shop": "a", "city": "Lyon", "size": 1}], asked=[])
    product.parts["orders"] = []
    product.admit(orders=orders)
    as_of = START + timedelta(days=day)

    found = by_name(product, "a", as_of, most=1000)
    got = features.get(product.workspace, "a", as_of)["features"]

    assert {name: one.value for name, one in found.items()} == got
    for name, window in WINDOWS.items():
        one = found[name]
        assert again(one, window, as_of) == pytest.approx(got[name]), name
        assert tuple(left.rows for left in one.left_out) == hidden(orders, window, as_of), name
        for row in one.given_by:
            assert row.event_time is not None and row.event_time <= as_of
            assert row.known_at is not None and row.known_at <= as_of
            assert row.row is not None and orders[row.row - 1]["order_id"] == int(row.key or "")
    newest = found["newest_amount"]
    assert (newest.given_by == ()) == (newest.rows == 0)
    if newest.given_by:
        assert orders[int(newest.given_by[0].key or "")]["amount"] == newest.value


def test_the_command_says_it_in_a_line_a_feature_and_in_full_as_json(
    shops: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    root = str(shops(VIEWS).workspace.root)

    assert run(["-w", root, "features", "explain", "a", "--as-of", "2030-03-01"]) == 0
    said = capsys.readouterr()
    assert "a as of 2030-03-01" in said.err
    [line] = [line for line in said.out.splitlines() if line.startswith("total ")]
    assert "orders 1 (2030-01-10 00:00)" in line and "1 not yet known" in line

    assert run(["-w", root, "features", "explain", "a", "--as-of", "2030-03-01", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    total = next(one for one in found["features"] if one["feature"] == "total")
    assert total["given_by"][0]["row"] == 1 and total["left_out"][1]["nearest"]["key"] == "2"


def test_building_tells_how_far_it_has_come(shops: Make) -> None:
    told: list[tuple[str, int, int | None]] = []
    with progress.listen(lambda *news: told.append(news)):
        features.build(shops(VIEWS).workspace)
    assert told == [("build training set", step, 4) for step in range(5)]
