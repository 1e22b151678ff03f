from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from mlcycle import features
from mlcycle.engines import local
from mlcycle.errors import DataError, NotFoundError
from mlcycle.features.model import entity_of, values_of

LOOKED_UP = {
    "profile": {"table": "shops", "key": "shop", "features": {"city": "city"}},
    "orders": {"table": "orders", "key": "shop", "windows": {"paid": {"sum": "amount", "fill": 0}}},
}
HOUSES = {
    "path": "houses.csv",
    "format": "csv",
    "key": "house",
    "columns": {"house": "text", "rooms": "integer", "area": "number", "kind": "text", "price": "number"},
}
ROWS = [
    {"house": f"00{i}", "rooms": i, "area": 20.0 * i, "kind": "flat" if i % 2 else None, "price": 1000.0 * i}
    for i in range(1, 9)
]


@pytest.fixture
def houses(product: Any) -> Any:
    """Return a product of one table: a number to predict, no time, every feature from the row itself."""
    product.declare(
        {
            "row": {
                "table": "houses",
                "timeless": True,
                "features": {"per_room": "area / rooms", "kind": "kind", "rooms": "rooms"},
            }
        },
        spine={"table": "houses", "key": "house", "target": "price"},
        sources={"houses": HOUSES},
        split={"fraction": 0.4},
    )
    product.admit(houses=ROWS)
    return product


def test_a_table_without_time_becomes_a_training_set_of_its_own_rows(houses: Any) -> None:
    made = features.build(houses.workspace)
    rows = features.load(houses.workspace)

    assert (made.rows, made.target) == (8, "price")
    assert made.train_rows + made.validation_rows == 8
    assert set(rows.features["per_room"].tolist()) == {20.0}
    assert sorted(map(str, rows.features["kind"].tolist())) == ["None"] * 4 + ["flat"] * 4
    assert rows.target is not None
    assert sorted(rows.target.tolist()) == [1000.0 * i for i in range(1, 9)]
    assert len(features.rows_at(houses.workspace)) == 8
    assert len(features.labelled(houses.workspace, None, None, known_by=datetime(2030, 6, 1))) == 8


def test_a_file_of_the_table_s_columns_is_computed_in_its_own_order(houses: Any, tmp_path: Path) -> None:
    path = tmp_path / "new.csv"
    path.write_text("house,area,rooms,kind\n013,60,3,flat\n007,50,2,\n")

    rows = features.from_file(houses.workspace, path)

    assert rows.entities == ["013", "007"]
    assert rows.features["per_room"].tolist() == [20, 25]
    assert rows.features["kind"].tolist() == ["flat", None]


def test_a_file_without_a_key_is_numbered(houses: Any, tmp_path: Path) -> None:
    path = tmp_path / "new.jsonl"
    path.write_text(
        "".join(json.dumps({"area": area, "rooms": 2, "kind": "flat"}) + "\n" for area in (60, 50))
    )

    assert features.from_file(houses.workspace, path).entities == ["1", "2"]


def test_a_file_of_features_is_taken_as_it_is(shops: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "new.parquet"
    with local.session(reads=[tmp_path]) as session:
        session.execute(f"COPY (SELECT 'q' AS shop, 3 AS paid, 'Rome' AS city) TO {local.literal(str(path))}")

    found = next(features.from_file(shops(LOOKED_UP).workspace, path, as_of=datetime(2030, 3, 1)).instances())

    assert found == {"entity": "q", "as_of": "2030-03-01T00:00:00", "features": {"city": "Rome", "paid": 3.0}}


def test_a_file_of_keys_is_looked_up_at_its_own_times(shops: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "keys.csv"
    path.write_text("shop,on\nb,2030-04-01\na,2030-02-01\na,2030-04-01\n")

    rows = features.from_file(shops(LOOKED_UP).workspace, path)

    assert rows.as_of == [datetime(2030, 4, 1), datetime(2030, 2, 1), datetime(2030, 4, 1)]
    assert rows.features["paid"].tolist() == [8, 10.5, 16.5]
    assert rows.features["city"].tolist() == ["Bern", "Lyon", "Lyon"]


def test_a_file_that_lacks_columns_is_refused_by_their_names(houses: Any, tmp_path: Path) -> None:
    path = tmp_path / "new.csv"
    path.write_text("house,area\n013,60\n")

    with pytest.raises(
        DataError, match="neither the columns rooms, kind nor the features per_room, kind, rooms"
    ):
        features.from_file(houses.workspace, path)


def test_a_value_of_the_wrong_type_names_the_file(houses: Any, tmp_path: Path) -> None:
    path = tmp_path / "new.csv"
    path.write_text("house,area,rooms,kind\n013,sixty,3,flat\n")

    with pytest.raises(DataError, match=r"new.csv: .*sixty"):
        features.from_file(houses.workspace, path)


@pytest.mark.parametrize(("name", "why"), [("gone.csv", "is not there"), ("new.xlsx", "ends in none of")])
def test_a_file_that_cannot_be_read_is_refused(houses: Any, tmp_path: Path, name: str, why: str) -> None:
    (tmp_path / "new.xlsx").write_text("")

    with pytest.raises(DataError, match=why):
        features.from_file(houses.workspace, tmp_path / name)


def test_get_of_an_own_row_takes_the_newest_up_to_the_moment(shops: Callable[..., Any]) -> None:
    view = {"table": "asked", "key": "shop", "timeless": True, "features": {"month": 'month("on")'}}
    workspace = shops({"row": view}).workspace

    assert features.get(workspace, "a", datetime(2030, 4, 15))["features"] == {"month": 3.0}
    assert features.get(workspace, ["a"], datetime(2030, 4, 15))["as_of"] == "2030-03-01T00:00:00"
    with pytest.raises(NotFoundError, match="asked has no row of a up to 2030-01-01"):
        features.get(workspace, "a", datetime(2030, 1, 1))
    with pytest.raises(NotFoundError, match="names no entity"):
        features.get(workspace, ["a", "b"])


def test_an_entity_of_several_keys_is_one_text_and_back() -> None:
    assert entity_of(["a|b"]) == "a|b"
    assert entity_of([1, "x|y", "\\"]) == r"1|x\|y|\\"
    assert values_of(entity_of([1, "x|y", "\\"])) == ["1", "x|y", "\\"]


def test_nested_values_of_json_are_those_that_a_delivery_would_have(houses: Any, tmp_path: Path) -> None:
    path = tmp_path / "new.jsonl"
    path.write_text(json.dumps({"house": "1", "area": 60, "rooms": 2, "kind": ["a", "b"]}) + "\n")
    assert features.from_file(houses.workspace, path).features["kind"].tolist() == ['["a","b"]']


def test_a_line_that_cannot_be_read_is_refused_not_left_out(houses: Any, tmp_path: Path) -> None:
    path = tmp_path / "new.csv"
    path.write_text("house,area,rooms,kind\n013,60,3,flat\n014,60\n")
    with pytest.raises(DataError, match=r"new\.csv, line 3: malformed"):
        features.from_file(houses.workspace, path)


def test_a_table_of_sqlite_is_scored_like_any_file(houses: Any, tmp_path: Path) -> None:
    path = tmp_path / "new.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE any_name (house TEXT, area REAL, rooms INTEGER, kind TEXT)")
        connection.execute("INSERT INTO any_name VALUES ('013', 60, 3, NULL)")
        connection.commit()
    rows = features.from_file(houses.workspace, path)
    assert (rows.entities, rows.features["per_room"].tolist()) == (["013"], [20])


def test_what_the_file_says_of_the_target_does_not_matter(houses: Any, tmp_path: Path) -> None:
    path = tmp_path / "new.csv"
    path.write_text("house,area,rooms,kind,price\n013,60,3,flat,unknown\n")
    assert len(features.from_file(houses.workspace, path)) == 1
