"""`init`: whatever the file, the declarations load, and say why a column was left out."""

from __future__ import annotations

import csv
import json
import random
import re
import sqlite3
import tempfile
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlcycle import design
from mlcycle.declare import Declarations, load
from mlcycle.declare.model import generates_key
from mlcycle.design.init import propose
from mlcycle.engines.local import session
from mlcycle.errors import DataError, MlcycleError, UsageError
from mlcycle.workspace import Workspace

ROWS = 200


def rows(seed: int = 1) -> list[dict[str, Any]]:
    chance = random.Random(seed)
    start = date(2025, 1, 1)
    return [
        {
            "order id": 1000 + number,
            "day": (start + timedelta(days=number // 20)).isoformat(),
            "amount": round(chance.uniform(1, 99), 2),
            "country": chance.choice(["NO", "SE", "DK"]),
            "zip": f"0{chance.randint(1000, 1400)}",
            "loyal": chance.choice(["true", "false"]),
            "items": chance.randint(1, 9) if chance.random() > 0.1 else "",
            "remark": f"please ring at the door number {chance.randint(1, 10**6)} twice",
            "currency": "EUR",
            "returned": int(chance.random() < 0.3),
        }
        for number in range(ROWS)
    ]


def write_csv(path: Path, data: Sequence[dict[str, Any]], delimiter: str = ",") -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(data[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(data)
    return path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write_csv(tmp_path / "orders.csv", rows())


def declared(folder: Path) -> Declarations:
    return load(Workspace(folder))


def test_a_binary_file_becomes_declarations_that_load(tmp_path: Path, file: Path) -> None:
    report = design.init(tmp_path / "w", from_file=file, target="returned")
    found = declared(tmp_path / "w")
    assert (report.task, report.key, report.rows, report.source) == ("binary", "order id", ROWS, "orders")
    assert found.require_training().split.fraction == 0.25
    assert found.require_features().spine.time is None
    assert report.features == ("day_day", "amount", "country", "loyal", "items")
    assert [one.id for one in found.design.requirements] == ["auc", "recall_at_20", "latency_p95"]
    assert [one.id for one in design.list_requirements(Workspace(tmp_path / "w"))] == [
        "auc",
        "latency_p95",
        "recall_at_20",
    ]
    assert found.source("orders").columns["zip"] == "text"
    assert found.source("orders").columns["loyal"] == "boolean"


def test_every_column_that_is_no_feature_has_its_reason(tmp_path: Path, file: Path) -> None:
    report = design.init(tmp_path / "w", from_file=file, target="returned")
    assert set(report.left_out) == {"zip", "remark", "currency"}
    assert "different texts" in report.left_out["zip"]
    assert "free text" in report.left_out["remark"]
    assert "one value only" in report.left_out["currency"]
    text = (tmp_path / "w" / "features.yaml").read_text()
    assert "#  currency: currency # it has one value only" in text
    assert "#  remark: remark # free text" in text


def test_with_a_time_the_newest_quarter_judges(tmp_path: Path, file: Path) -> None:
    report = design.init(tmp_path / "w", from_file=file, target="returned", time="day")
    found = declared(tmp_path / "w")
    assert found.require_features().spine.time == "day"
    assert found.require_training().split.newest == 3
    assert found.source("orders").key == ["order id", "day"]
    assert "day_day" not in report.features


def test_dates_become_days_before_the_moment_and_later_ones_are_left_out(tmp_path: Path) -> None:
    data = rows()
    for number, row in enumerate(data):
        row["joined"] = (date(2024, 1, 1) + timedelta(days=number)).isoformat()
        row["closed"] = (date.fromisoformat(row["day"]) + timedelta(days=number % 5)).isoformat()
    write_csv(tmp_path / "orders.csv", data)
    report = design.init(tmp_path / "w", from_file=tmp_path / "orders.csv", target="returned", time="day")
    view = declared(tmp_path / "w").require_features().views["orders_columns"]
    assert view.features["days_since_joined"] == "date_diff('day', joined::DATE, as_of::DATE)"
    assert "it comes from the future" in report.left_out["closed"]


def test_columns_that_tell_the_answer_are_left_out(tmp_path: Path) -> None:
    data = rows()
    for row in data:
        row["refund_sent"] = "yes" if row["returned"] else "no"
        row["state"] = ("back" if row["returned"] else "kept") + str(row["order id"] % 3)
    write_csv(tmp_path / "orders.csv", data)
    report = design.init(tmp_path / "w", from_file=tmp_path / "orders.csv", target="returned")
    assert "tells the answer" in report.left_out["refund_sent"]
    assert "tells the answer" in report.left_out["state"]
    report = design.init(tmp_path / "v", from_file=tmp_path / "orders.csv", target="amount")
    assert report.task == "regression"
    assert "amount" not in report.features


def test_a_copy_of_a_numeric_target_is_left_out(tmp_path: Path) -> None:
    data = [{**row, "amount_ore": round(row["amount"] * 100)} for row in rows()]
    write_csv(tmp_path / "orders.csv", data)
    report = design.init(tmp_path / "w", from_file=tmp_path / "orders.csv", target="amount")
    assert report.left_out["amount_ore"] == "it is the target in other numbers"
    rmse = declared(tmp_path / "w").design.requirements[0]
    assert (rmse.metric, rmse.comparison) == ("rmse", "<=")
    assert 20 < rmse.value < 30


@pytest.mark.parametrize(
    ("target", "task"),
    [("country", "multiclass"), ("items", "multiclass"), ("loyal", "binary"), ("amount", "regression")],
)
def test_the_task_follows_from_the_targets_values(tmp_path: Path, file: Path, target: str, task: str) -> None:
    assert design.init(tmp_path / "w", from_file=file, target=target).task == task
    training = declared(tmp_path / "w").require_training()
    assert training.task == task


def test_rows_are_numbered_when_no_column_is_a_key(tmp_path: Path) -> None:
    data = [{key: value for key, value in row.items() if key != "order id"} for row in rows()]
    write_csv(tmp_path / "orders.csv", data)
    report = design.init(tmp_path / "w", from_file=tmp_path / "orders.csv", target="returned")
    found = declared(tmp_path / "w")
    assert report.key == "row_number"
    assert generates_key(found.source("orders"))
    assert found.require_features().spine.key == "row_number"


def test_an_entity_seen_at_several_times_is_a_key_beside_the_time(tmp_path: Path) -> None:
    data = [
        {"shop_id": n % 20, "month": f"2025-{n // 20 + 1:02}-01", "sales": n * 1.5, "y": n % 2}
        for n in range(100)
    ]
    write_csv(tmp_path / "sales.csv", data)
    report = design.init(tmp_path / "w", from_file=tmp_path / "sales.csv", target="y", time="month")
    assert report.key == "shop_id"
    with pytest.raises(UsageError, match="`shop_id` is not unique"):
        design.init(tmp_path / "v", from_file=tmp_path / "sales.csv", target="y", key="shop_id")


def test_proposed_checks_hold_for_the_file_they_came_from(tmp_path: Path, file: Path) -> None:
    design.init(tmp_path / "w", from_file=file, target="returned", time="day")
    checks = declared(tmp_path / "w").checks["orders"]
    assert {one.not_null for one in checks.completeness if one.not_null} == {
        "order id", "day", "amount", "country", "zip", "loyal", "remark", "currency", "returned",
    }  # fmt: skip
    assert "# - {not_null: items, mostly:" in (tmp_path / "w/checks/orders.yaml").read_text()
    assert checks.consistency[1].unique == ["order id", "day"]
    assert {"country": ["DK", "NO", "SE"]} in [one.in_set for one in checks.consistency]
    target = next(one for one in checks.consistency if one.in_set and "returned" in one.in_set)
    assert (target.in_set, target.severity) == ({"returned": [0, 1]}, "critical")
    assert all(one.severity == "warning" for one in checks.accuracy)


def test_a_file_below_the_folder_is_named_relative_to_it(tmp_path: Path) -> None:
    (tmp_path / "w").mkdir()
    file = write_csv(tmp_path / "w" / "orders.csv", rows())
    design.init(tmp_path / "w", from_file=file, target="returned")
    assert declared(tmp_path / "w").source("orders").path == "orders.csv"


def _parquet(path: Path, source: Path) -> None:
    with session(reads=[source, path.parent]) as opened:
        opened.execute(f"COPY (FROM read_csv('{source}')) TO '{path}' (FORMAT parquet)")


@pytest.mark.parametrize("ending", ["tsv", "jsonl", "json", "parquet", "sqlite", "feather"])
def test_every_format_gives_the_same_columns(tmp_path: Path, file: Path, ending: str) -> None:
    path = tmp_path / f"orders.{ending}"
    data = [{key: None if value == "" else value for key, value in row.items()} for row in rows()]
    if ending == "tsv":
        write_csv(path, rows(), "\t")
    elif ending == "jsonl":
        path.write_text("\n".join(json.dumps(row) for row in data))
    elif ending == "json":
        path.write_text(json.dumps(data, indent=1))
    elif ending == "parquet":
        _parquet(path, file)
    elif ending == "feather":
        import polars as pl

        pl.DataFrame(data).write_ipc(path)
    else:
        connection = sqlite3.connect(path)
        listed = ", ".join(f'"{name}"' for name in data[0])
        connection.execute(f"CREATE TABLE orders ({listed})")
        connection.executemany(
            f"INSERT INTO orders VALUES ({', '.join('?' * len(data[0]))})", [tuple(r.values()) for r in data]
        )
        connection.execute("CREATE TABLE other (a, b)")
        connection.commit()
        connection.close()
    report = design.init(tmp_path / "w", from_file=path, target="returned")
    source = declared(tmp_path / "w").source("orders")
    assert (report.rows, report.task, report.key) == (ROWS, "binary", "order id")
    wanted = {
        "order id": "integer",
        "amount": "number",
        "country": "text",
        "items": "integer",
        "returned": "integer",
    }
    assert {name: kind for name, kind in source.columns.items() if name in wanted} == wanted
    assert source.table == ("orders" if ending == "sqlite" else None)


def test_templates_load_as_they_are_and_with_their_examples_switched_on(tmp_path: Path) -> None:
    report = design.init(tmp_path / "w")
    found = declared(tmp_path / "w")
    assert found.features is None
    assert found.design.requirements == []
    assert (tmp_path / "w/inbox").is_dir()
    assert ".mlcycle/" in (tmp_path / "w/.gitignore").read_text()
    for name in report.files:
        if name.endswith(".yaml"):
            path = tmp_path / "w" / name
            path.write_text(re.sub(r"(?m)^#(?=[ ]{2}|[a-z]+:)", "", path.read_text()))
    switched = declared(tmp_path / "w")
    assert [one.id for one in switched.design.requirements] == ["auc"]
    assert switched.require_features().spine.target == "returned"
    assert switched.require_training().task == "binary"
    assert list(switched.checks) == ["orders"]


def test_a_second_init_is_refused_and_no_file_is_overwritten(tmp_path: Path, file: Path) -> None:
    design.init(tmp_path / "w", from_file=file, target="returned")
    with pytest.raises(UsageError, match="is a workspace already"):
        design.init(tmp_path / "w", from_file=file, target="returned")
    (tmp_path / "v").mkdir()
    (tmp_path / "v/data.yaml").write_text("mine\n")
    (tmp_path / "v/.gitignore").write_text("mine too\n")
    with pytest.raises(UsageError, match=r"holds data\.yaml already"):
        design.init(tmp_path / "v", from_file=file, target="returned")
    assert (tmp_path / "v/data.yaml").read_text() == "mine\n"
    assert not (tmp_path / "v/design.yaml").exists()
    (tmp_path / "v/data.yaml").unlink()
    report = design.init(tmp_path / "v", from_file=file, target="returned")
    assert (tmp_path / "v/.gitignore").read_text() == "mine too\n"
    assert report.notes


REFUSED = [
    ({"target": "retruned"}, UsageError, "has no column `retruned`; did you mean `returned`?"),
    ({"target": "returned", "time": "dya"}, UsageError, "has no column `dya`; did you mean `day`?"),
    ({"target": "returned", "key": "orderid"}, UsageError, "did you mean `order id`?"),
    ({"target": "returned", "time": "amount"}, UsageError, "`amount` is number, not a date or a timestamp"),
    ({"target": "returned", "key": "country"}, UsageError, "`country` is not unique"),
    ({"target": "returned", "key": "items"}, UsageError, "`items` is missing in"),
    ({"target": "returned", "key": "returned"}, UsageError, "must name different columns"),
    ({"target": "currency"}, DataError, "the same `currency`: there is nothing to learn"),
    ({"target": "day"}, UsageError, "`day` is a date"),
    ({"target": "remark"}, UsageError, "different texts"),
    ({}, UsageError, "which column is to be predicted?"),
]


@pytest.mark.parametrize(("options", "kind", "words"), REFUSED)
def test_what_cannot_be_is_refused_and_leaves_nothing_behind(
    tmp_path: Path, file: Path, options: dict[str, str], kind: type[MlcycleError], words: str
) -> None:
    with pytest.raises(kind) as caught:
        design.init(tmp_path / "w", from_file=file, **options)
    assert words in str(caught.value)
    assert not (tmp_path / "w").exists()


@pytest.mark.parametrize(
    ("name", "content", "kind", "words"),
    [
        ("a.csv", b"", DataError, "is empty"),
        ("a.csv", b"x,y\n", DataError, "has no row to learn from"),
        ("a.csv", b"x,X\n1,2\n", DataError, "two columns are called `x` and `X`"),
        ("a.csv", b"x,,y\n1,2,3\n", DataError, "column 2 has no name"),
        ("a.csv", b"x;y\n1;2\n", DataError, "is separated by semicolons, not commas"),
        ("a.csv", b"x,__row\n1,2\n2,3\n", DataError, "cannot be called `__row`"),
        ("a.csv", b"\xff\xfex\x00,\x00", DataError, "the first line is no header"),
        ("a.csv", b"y\n1\n0\n", DataError, "no column to learn from"),
        ("a.xlsx", b"PK", UsageError, "names no format"),
        ("a.parquet", b"nonsense", DataError, "cannot be read as parquet"),
        ("a.sqlite", b"nonsense, and more of it", DataError, "cannot be read as sqlite"),
        ("a.feather", b"nonsense", DataError, "cannot be read as arrow"),
        ("a.json", b"[1, 2]", DataError, "cannot be read as json"),
    ],
)
def test_a_file_that_cannot_be_learnt_from_is_refused(
    tmp_path: Path, name: str, content: bytes, kind: type[MlcycleError], words: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(kind) as caught:
        design.init(tmp_path / "w", from_file=tmp_path / name, target="y")
    assert words in str(caught.value)


def test_a_missing_file_and_columns_without_a_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no file nowhere"):
        design.init(tmp_path / "w", from_file="nowhere.csv", target="y")
    with pytest.raises(UsageError, match="are columns of a file") as caught:
        design.init(tmp_path / "w", target="y")
    assert caught.value.exit_code == 2


NAMES = st.one_of(
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12),
    st.sampled_from(
        [
            "select",
            "order",
            "group by",
            'a"b',
            "it's",
            "a.b",
            "a: b",
            "- a",
            "#x",
            "yes",
            "null",
            "1",
            "1e3",
            "*",
            "&a",
            "!x",
            "%",
            "@",
            "{x}",
            "[x]",
            "a, b",
            "as_of",
            "target",
            "split",
            "row_id",
            "known_at",
            "spine",
            "row_number",
            "日本",
            "naïve",
            "Ünïcode ",
            "🙂",
            "\u2028",
            "\u200b",
            "id",
            "order_id",
            "date",
            "end",
            "true",
            "~",
            "?",
            "|",
            ">",
            "a#b",
            "a #b",
            "\\",
            "$",
            "${env:HOME}",
            "'",
            '"',
        ]
    ),
)


def _usable(names: Sequence[str]) -> bool:
    folded = [name.strip().casefold() for name in names]
    return all(folded) and len(set(folded)) == len(folded)


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)
@given(
    names=st.lists(NAMES, min_size=4, max_size=6).filter(_usable),
    texts=st.lists(
        st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=10),
        min_size=2,
        max_size=4,
    ),
)
def test_odd_column_names_and_values_survive_the_round_trip(names: list[str], texts: list[str]) -> None:
    target, number, text, *more = names
    data = [
        {
            target: n % 2,
            number: (n * 7919) % 97 / 10,
            text: texts[n % len(texts)],
            **dict.fromkeys(more, n // 3),
        }
        for n in range(40)
    ]
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        file = write_csv(root / "table.csv", data)
        if "row_number" in names:  # the one name that a file without a key cannot have
            return
        texts_made, _ = propose(root / "w", file, target.strip())
        for name, text_made in texts_made.items():
            (root / "w" / name).parent.mkdir(parents=True, exist_ok=True)
            (root / "w" / name).write_text(text_made, encoding="utf-8")
        found = declared(root / "w")
        source = next(iter(found.data.sources.values()))
        assert list(source.columns) == [name.strip() for name in names]
        view = next(iter(found.require_features().views.values()))
        with session(reads=[file]) as opened:
            spec = ", ".join('"' + name.replace('"', '""') + '" INTEGER' for name in source.columns)
            opened.execute(f'CREATE TABLE "own" ({spec})')
            for expression in view.features.values():
                opened.rows(f"SELECT {expression} FROM own")


def test_moments_with_few_rows_are_watched_by_the_day(tmp_path: Path, file: Path) -> None:
    few = [
        row | {"day": f"2025-01-0{1 + n // 40}T{n % 24:02d}:{n % 60:02d}:00"} for n, row in enumerate(rows())
    ]
    unique = write_csv(tmp_path / "unique.csv", few)
    design.init(tmp_path / "unique", from_file=unique, target="returned", time="day")
    design.init(tmp_path / "daily", from_file=file, target="returned", time="day")
    assert declared(tmp_path / "unique").monitor.window == "day"
    assert declared(tmp_path / "daily").monitor.window == "batch"


def test_a_column_s_quotes_stay_out_of_its_feature_s_name(tmp_path: Path) -> None:
    odd = write_csv(tmp_path / "odd.csv", [row | {'say "hi" \\o': row["items"] or 3} for row in rows()])
    report = design.init(tmp_path / "w", from_file=odd, target="returned")
    assert "say _hi_ _o" in report.features


def test_a_column_called_score_gives_a_feature_of_another_name(tmp_path: Path) -> None:
    odd = write_csv(tmp_path / "odd.csv", [row | {"score": row["items"] or 3} for row in rows()])
    report = design.init(tmp_path / "w", from_file=odd, target="returned")
    assert "score_value" in report.features
    assert "score" not in report.features
    declared(tmp_path / "w")
