from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import numpy as np
import pytest

from mlcycle import clock, features
from mlcycle.errors import DeclarationError, NotFoundError, UsageError
from mlcycle.store import Store

ORDERS = {
    "table": "orders",
    "key": "shop",
    "windows": {
        "orders_30d": {"count": "*", "over": "30d"},
        "paid": {"sum": "amount", "where": "state = 'paid'", "fill": 0},
        "last_amount": {"latest": "amount"},
        "days_since": {"days_since": "at", "over": "60d", "fill": 60},
    },
}
PROFILE = {
    "table": "shops",
    "key": "shop",
    "features": {"city": "city", "age": "date_diff('day', opened, as_of)"},
}
VIEWS = {"profile": PROFILE, "orders": ORDERS}

Shops = Callable[..., Any]


def test_build_takes_the_rows_whose_target_was_known_and_validates_on_the_newest_time(shops: Shops) -> None:
    made = features.build(shops(VIEWS).workspace)

    assert (made.rows, made.train_rows, made.validation_rows) == (4, 2, 2)
    assert [(f.name, f.type, f.view) for f in made.features[:2]] == [
        ("city", "category", "profile"),
        ("age", "number", "profile"),
    ]
    assert (made.keys, made.target, made.as_of) == (("shop",), "closed", datetime(2030, 6, 1))
    assert set(made.dataset_versions) == {"orders", "shops", "asked"}


def test_build_as_of_an_earlier_moment_leaves_out_what_was_not_known_then(shops: Shops) -> None:
    product = shops(VIEWS, split={"fraction": 0.5})

    made = features.build(product.workspace, as_of=datetime(2030, 3, 15))

    assert made.rows == 2
    assert features.load(product.workspace).as_of == [datetime(2030, 2, 1)] * 2


def test_features_are_what_was_known_at_each_row_s_own_moment(shops: Shops) -> None:
    product = shops(VIEWS)
    features.build(product.workspace)

    rows = features.load(product.workspace)

    assert rows.entities == ["a", "b", "a", "b"]
    assert rows.features["orders_30d"].tolist() == [1, 0, 1, 0]  # order 2 is seen only on the 5th of March
    assert rows.features["paid"].tolist() == [10.5, 0, 12.5, 0]
    assert rows.features["days_since"].tolist() == [22, 60, 4, 60]
    np.testing.assert_array_equal(rows.features["last_amount"], [10.5, np.nan, 2.0, np.nan])
    assert rows.features["city"].tolist() == ["Lyon", "Bern", "Lyon", "Bern"]
    assert rows.target is not None
    assert rows.target.tolist() == [0, 1, 0, 0]
    assert rows.split is not None
    assert rows.split.tolist() == ["train", "train", "validation", "validation"]
    assert len(features.load(product.workspace, split="train")) == 2


def test_a_set_that_looks_ahead_sees_the_future_and_is_never_the_one_that_is_found(shops: Shops) -> None:
    product = shops(VIEWS)
    honest = features.build(product.workspace)
    leaky = features.build(product.workspace, name="leaky", look_ahead="30d")

    assert features.load(product.workspace, "leaky").features["orders_30d"].tolist() == [
        2,
        0,
        2,
        1,
    ]  # order 2 is seen 32 days after
    assert leaky.look_ahead == "30d"
    assert features.find(product.workspace).training_set_id == honest.training_set_id
    assert features.find(product.workspace, leaky.training_set_id[-8:]).name == "leaky"
    with pytest.raises(UsageError, match="no duration"):
        features.build(product.workspace, look_ahead="a month")


def test_the_same_rows_in_another_order_and_split_have_the_same_fingerprint(shops: Shops) -> None:
    product = shops(VIEWS)
    first = features.build(product.workspace)
    again = features.build(product.workspace)

    assert again.fingerprint == first.fingerprint
    assert again.path == first.path
    assert again.training_set_id != first.training_set_id
    assert [one.training_set_id for one in features.list_training_sets(product.workspace)] == [
        again.training_set_id,
        first.training_set_id,
    ]


def test_late_rows_do_not_change_a_set_that_is_built_again_as_of_the_same_moment(shops: Shops) -> None:
    product = shops(VIEWS)
    before = features.build(product.workspace)
    clock.set_now(datetime(2030, 6, 20))
    late = {
        "order_id": 9,
        "shop": "a",
        "at": "2030-01-20",
        "seen": "2030-03-20",
        "amount": 1.0,
        "state": "paid",
    }
    product.admit(orders=[late])

    again = features.build(product.workspace, as_of=before.as_of)
    newer = features.build(product.workspace)

    assert again.fingerprint == before.fingerprint
    assert again.dataset_versions == before.dataset_versions
    assert newer.dataset_versions != before.dataset_versions
    assert newer.fingerprint == before.fingerprint, "no spine row that has its label could know order 9"


def test_a_changed_definition_is_a_new_version_of_its_view_only(shops: Shops) -> None:
    product = shops(VIEWS)
    assert [view.version for view in features.list_views(product.workspace)] == [None, None]
    first = features.build(product.workspace)
    changed = {**ORDERS, "windows": {**ORDERS["windows"], "orders_30d": {"count": "*", "over": "31d"}}}  # type: ignore[dict-item]
    product.declare({"profile": PROFILE, "orders": changed})

    listed = {view.name: (view.version, view.changed) for view in features.list_views(product.workspace)}
    second = features.build(product.workspace)

    assert listed == {"profile": (1, False), "orders": (1, True)}
    assert (first.views, second.views) == ({"profile": 1, "orders": 1}, {"profile": 1, "orders": 2})


def test_build_writes_an_audit_row(shops: Shops) -> None:
    product = shops(VIEWS)
    made = features.build(product.workspace)

    audit = Store(product.workspace).read("SELECT action, object FROM audit WHERE action = 'features build'")

    assert audit == [{"action": "features build", "object": f"training set {made.training_set_id}"}]


def test_the_share_by_hash_keeps_an_entity_on_one_side(shops: Shops) -> None:
    product = shops(VIEWS, split={"fraction": 0.5})
    product.admit(
        asked=[
            {"shop": f"s{i}", "on": f"2030-0{month}-01", "closed": 0, "told": "2030-05-01"}
            for i in range(100)
            for month in (2, 3)
        ]
    )
    made = features.build(product.workspace)
    rows = features.load(product.workspace)

    assert rows.split is not None
    sides: dict[str, set[str]] = {}
    for entity, side in zip(rows.entities, rows.split.tolist(), strict=True):
        sides.setdefault(entity, set()).add(side)
    assert all(len(found) == 1 for found in sides.values())
    assert 60 < made.validation_rows < 144


def test_a_split_that_leaves_a_side_empty_is_refused(shops: Shops) -> None:
    with pytest.raises(UsageError, match="none into train"):
        features.build(shops(VIEWS, split={"newest": 2}).workspace)


def test_without_a_known_target_there_is_no_training_set(shops: Shops) -> None:
    with pytest.raises(UsageError, match="no target was known on 2030-01-01"):
        features.build(shops(VIEWS).workspace, as_of=datetime(2030, 1, 1))


def test_a_batch_that_waits_for_its_check_stops_the_build(shops: Shops) -> None:
    product = shops(VIEWS)
    with Store(product.workspace).transaction("test") as transaction:
        transaction.insert("batch", [{
            "batch_id": "019a0000-0000-7000-8000-000000000000", "source": "orders", "path": "x", "sha256": "0",
            "bytes": 1, "rows": 1, "malformed": 0, "raw_part": "0", "set_aside": 0, "mended": 0, "state": "arrived",
            "as_of": clock.now(), "arrived_at": clock.now(), "trained": False,
        }])  # fmt: skip

    with pytest.raises(UsageError, match="not checked yet: orders") as caught:
        features.build(product.workspace)
    assert caught.value.hint == "mlcycle quality check"


def test_a_table_without_clean_rows_is_named(product: Any) -> None:
    product.declare(VIEWS)

    with pytest.raises(UsageError, match="no clean row of asked"):
        features.build(product.workspace)
    with pytest.raises(NotFoundError, match="no training set yet"):
        features.find(product.workspace)


def test_an_unknown_column_names_view_feature_and_the_nearest_column(shops: Shops) -> None:
    view = {**PROFILE, "features": {"city": "city", "big": "sizes > 2"}}

    with pytest.raises(
        DeclarationError, match="view profile, feature big: there is no column sizes"
    ) as caught:
        features.build(shops({"profile": view}).workspace)
    assert "size" in caught.value.hint


def test_an_unknown_column_in_a_condition_is_named(shops: Shops) -> None:
    view = {**ORDERS, "windows": {"paid": {"count": "*", "where": "stat = 'paid'"}}}

    with pytest.raises(DeclarationError, match="view orders, feature paid: there is no column stat"):
        features.build(shops({"orders": view}).workspace)


def test_a_date_is_no_feature(shops: Shops) -> None:
    view = {**PROFILE, "features": {"opened": "opened"}}

    with pytest.raises(DeclarationError, match="feature opened: a DATE is neither a number nor a text"):
        features.build(shops({"profile": view}).workspace)


def test_rows_at_a_moment_are_those_that_wait_for_an_answer(shops: Shops) -> None:
    rows = features.rows_at(shops(VIEWS).workspace, datetime(2030, 5, 1))

    assert rows.target is None
    assert next(rows.instances()) == {
        "entity": "a",
        "as_of": "2030-05-01T00:00:00",
        "features": {
            "city": "Lyon", "age": 485.0, "orders_30d": 0.0, "paid": 12.5, "last_amount": 2.0, "days_since": 60.0,
        },
    }  # fmt: skip
    assert [row["entity"] for row in rows.instances()] == ["a", "b"]


def test_rows_at_no_moment_are_those_of_the_newest_spine_time_up_to_now(shops: Shops) -> None:
    product = shops(VIEWS)
    clock.set_now(datetime(2030, 4, 1))

    assert features.rows_at(product.workspace).as_of == [datetime(2030, 3, 1)] * 2


def test_rows_at_a_moment_the_spine_does_not_have_names_the_newest(shops: Shops) -> None:
    with pytest.raises(NotFoundError, match="no row of 2030-05-02") as caught:
        features.rows_at(shops(VIEWS).workspace, datetime(2030, 5, 2))
    assert "2030-05-01" in caught.value.hint


def test_labelled_rows_are_those_of_a_span_known_by_a_moment(shops: Shops) -> None:
    workspace = shops(VIEWS).workspace

    march = features.labelled(
        workspace, datetime(2030, 3, 1), datetime(2030, 5, 1), known_by=datetime(2030, 6, 1)
    )
    everything = features.labelled(workspace, None, None, known_by=datetime(2030, 7, 1))
    nothing = features.labelled(workspace, None, None, known_by=datetime(2030, 1, 1))

    assert (march.as_of, len(everything), len(nothing)) == ([datetime(2030, 3, 1)] * 2, 5, 0)
    assert everything.target is not None
    assert everything.target.tolist() == [0, 1, 0, 0, 1]
    assert everything.known_at is not None
    assert everything.known_at[-1] == datetime(2030, 7, 1)


def test_get_shows_one_entity_at_any_moment(shops: Shops) -> None:
    workspace = shops(VIEWS).workspace

    found = features.get(workspace, "a", datetime(2030, 3, 6))

    assert found["entity"] == "a"
    assert found["features"]["orders_30d"] == 2
    assert found["features"]["last_amount"] == 2.0
    with pytest.raises(NotFoundError, match="no table knows the entity z"):
        features.get(workspace, "z")


def test_the_spread_of_a_set_shows_the_rows_that_validate_beside_those_that_train(
    shops: Callable[..., Any],
) -> None:
    product = shops(
        {"place": {"table": "shops", "key": "shop", "features": {"city": "city", "size": "size"}}}
    )
    assert features.example(product.workspace) is None
    made = features.build(product.workspace)

    city, size = features.spread(product.workspace)

    assert (city.rows, city.rows_before) == (made.validation_rows, made.train_rows)
    assert sum(city.counts) == made.validation_rows and sum(city.before or ()) == made.train_rows
    assert size.missing == 1 and features.spread(product.workspace, view="nobody") == []
    assert features.example(product.workspace) == ("a", datetime(2030, 3, 1))
