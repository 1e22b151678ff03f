from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mlcycle import features

Shops = Callable[..., Any]

HONEST = {
    "profile": {"table": "shops", "key": "shop", "features": {"city": "city"}},
    "orders": {
        "table": "orders",
        "key": "shop",
        "windows": {"paid": {"sum": "amount", "over": "90d"}, "last": {"latest": "amount"}},
        "features": {"age": "date_diff('day', \"at\", as_of)"},
    },
    "past": {"table": "asked", "key": "shop", "windows": {"closed_before": {"max": "closed"}}},
    "sql": {
        "sql": "SELECT s.row_id, count(*) AS n FROM spine s JOIN orders o USING (shop) "
        'WHERE o."at" <= s.cutoff AND coalesce(o.seen, o."at") <= s.cutoff GROUP BY 1',
        "fills": {"n": 0},
    },
}


def rules(found: list[features.Finding]) -> list[tuple[str, str, str]]:
    return [(one.view, one.feature, one.rule) for one in found]


def test_lint_finds_nothing_in_honest_views(shops: Shops) -> None:
    workspace = shops(HONEST).workspace

    assert features.lint(workspace) == []
    listed = {view.name: (view.kind, view.features) for view in features.list_views(workspace)}
    assert listed["sql"] == ("sql", ("n",))
    assert listed["orders"] == ("windows", ("age", "paid", "last"))


def test_past_labels_count_only_from_when_they_were_known(shops: Shops) -> None:
    product = shops({"past": HONEST["past"]})
    features.build(product.workspace)

    rows = features.load(product.workspace)

    assert [None if value != value else value for value in rows.features["closed_before"].tolist()] == [
        None,
        None,
        0,
        1,
    ]


def test_a_view_that_ignores_the_cutoff_is_caught_by_reading_and_by_proof(shops: Shops) -> None:
    sql = "SELECT s.row_id, count(*) AS n FROM spine s JOIN orders o USING (shop) GROUP BY 1"

    found = features.lint(shops({"sql": {"sql": sql}}).workspace)

    assert rules(found) == [("sql", "", "cutoff"), ("sql", "n", "leak")]
    assert "2 of 2 values as of 2030-02-01" in found[1].message


def test_a_view_that_forgets_when_rows_became_known_is_caught_by_proof(shops: Shops) -> None:
    sql = 'SELECT s.row_id, count(*) AS n FROM spine s JOIN orders o USING (shop) WHERE o."at" <= s.cutoff GROUP BY 1'

    found = features.lint(shops({"sql": {"sql": sql, "fills": {"n": 0}}}).workspace)

    assert rules(found) == [("sql", "n", "leak")]
    assert "1 of 2 values as of 2030-03-01" in found[0].message


def test_a_timeless_view_over_events_is_caught_by_proof(shops: Shops) -> None:
    view = {"table": "orders", "key": "shop", "timeless": True, "features": {"amount": "amount"}}

    assert rules(features.lint(shops({"profile": view}).workspace)) == [("profile", "amount", "leak")]


@pytest.mark.parametrize(
    ("text", "caught"),
    [
        ("closed * 2", True),
        ("coalesce(CLOSED, 0)", True),
        ("'closed' || shop", False),
        ("1 -- closed", False),
    ],
)
def test_a_feature_made_from_its_own_row_s_target_is_caught(shops: Shops, text: str, caught: bool) -> None:
    view = {"table": "asked", "key": "shop", "timeless": True, "features": {"f": text}}

    found = features.lint(shops({"row": view}).workspace)

    assert rules(found) == ([("row", "f", "target")] if caught else [])


def test_a_feature_called_like_the_target_is_caught(shops: Shops) -> None:
    view = {"table": "shops", "key": "shop", "features": {"Closed": "size"}}

    assert rules(features.lint(shops({"profile": view}).workspace)) == [("profile", "Closed", "target")]


def test_a_set_that_looks_ahead_is_reported(shops: Shops) -> None:
    workspace = shops({"profile": HONEST["profile"]}).workspace
    features.build(workspace, name="leaky", look_ahead="30d")

    found = features.lint(workspace)

    assert rules(found) == [("", "", "look ahead")]
    assert "training set leaky" in found[0].message


def test_views_are_listed_before_anything_arrived(product: Any) -> None:
    assert features.list_views(product.workspace) == []
    product.declare(HONEST)

    assert [(view.name, view.version) for view in features.list_views(product.workspace)] == [
        ("profile", None), ("orders", None), ("past", None), ("sql", None),
    ]  # fmt: skip
