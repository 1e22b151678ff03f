from __future__ import annotations

import csv
import io
import json
import sqlite3
import tempfile
from datetime import date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.data.conftest import Product

from mlcycle import data
from mlcycle.data.readers.text import Records
from mlcycle.errors import DataError


def test_csv_keeps_each_line_that_cannot_be_read_with_its_number_and_the_reason(product: Product) -> None:
    product.source(columns={"id": "integer", "name": "text", "amount": "number"})
    lines = [
        "1,one,1.5",
        "2,short",
        "3,x,many",
        '4,"open,4',
        "5,one,2,3",
        "",
        '6,"a ""b""",6',
        "7.5,x,1",
        ",,",
    ]
    product.write("things.csv", "\n".join(["id,name,amount", *lines]))
    (batch,) = data.ingest(product.workspace)
    assert product.rows(batch) == [(1, 1, "one", 1.5), (6, 6, 'a "b"', 6.0), (8, None, None, None)]
    assert product.lost(batch) == [
        (2, 3, "2,short", "malformed: 2 fields where 3 are expected"),
        (3, 4, "3,x,many", "malformed: amount: many is not a number"),
        (4, 5, '4,"open,4', "malformed: a quote that does not end"),
        (5, 6, "5,one,2,3", "malformed: 4 fields where 3 are expected"),
        (7, 9, "7.5,x,1", "malformed: id: 7.5 is not an integer"),
    ]
    assert (batch.rows, batch.malformed) == (8, 5)


def test_csv_knows_byte_order_marks_line_ends_blank_lines_and_fields_over_several_lines(
    product: Product,
) -> None:
    product.source(columns={"id": "integer", "name": "text"})
    for name, content in {
        "a": "\ufeffid,name\r\n1,x\r\n\r\n2,y\r\n\r\n",
        "b": 'name,id\n"x",1\n"y",2',
        "c": "id,name\r1,x\r2,y\r",
        "d": "id,name\n1,x\r\n2,y\n",
        "e": "\n\nid,name\n1,x\n2,y\n",
    }.items():
        (batch,) = data.ingest(product.workspace, product.write(f"{name}.csv", content), source="things")
        assert product.rows(batch) == [(1, 1, "x"), (2, 2, "y")], name
    file = product.write("f.csv", 'id,name\n1,"x\nx"\nbad,y\n')
    (batch,) = data.ingest(product.workspace, file, source="things")
    assert product.rows(batch) == [(1, 1, "x\nx")]
    assert product.lost(batch) == [(2, 4, "bad,y", "malformed: id: bad is not an integer")]


def test_csv_of_one_column_has_no_row_for_a_blank_line(product: Product) -> None:
    product.source(columns={"id": "integer"})
    product.write("things.csv", "id\n1\n\n2\n")
    (batch,) = data.ingest(product.workspace)
    assert product.rows(batch) == [(1, 1), (2, 2)]


def test_text_that_is_not_utf8_is_malformed_line_by_line_and_utf16_is_refused(product: Product) -> None:
    product.source(columns={"id": "integer", "name": "text"})
    file = product.write("a.csv", b"id,name\n1,caf\xc3\xa9\n2,caf\xe9\n")
    (batch,) = data.ingest(product.workspace, file, source="things")
    assert product.rows(batch) == [(1, 1, "café")]
    assert product.lost(batch) == [(2, 3, "2,caf\\xe9", "malformed: not UTF-8 text")]
    with pytest.raises(DataError, match="is UTF-16 text"):
        data.ingest(
            product.workspace, product.write("b.csv", "id,name\n1,x\n".encode("utf-16")), source="things"
        )
    product.source("lines", format="jsonl", columns={"id": "integer", "name": "text"})
    lines = b'{"id": 1, "name": "caf\xc3\xa9"}\n{"id": 2, "name": "caf\xe9"}\n{"id": 3, "name": "\x01\x00"}\n'
    (batch,) = data.ingest(product.workspace, product.write("c.jsonl", lines), source="lines")
    assert product.rows(batch) == [(1, 1, "café")]
    assert [(row, line, raw[19:], reason) for row, line, raw, reason in product.lost(batch)] == [
        (2, 2, 'caf\\xe9"}', "malformed: not valid JSON"),
        (3, 3, '\\x01\x00"}', "malformed: not valid JSON"),
    ]


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ("", "is empty"),
        ("\n\n", "is empty"),
        ("id,amount\n", "has a header and no"),
        ("id,amount", "has a header and no"),
    ],
)
def test_an_empty_csv_is_refused(product: Product, content: str, what: str) -> None:
    product.source()
    product.write("things.csv", content)
    with pytest.raises(DataError, match=rf"things.csv {what}") as caught:
        data.ingest(product.workspace)
    assert caught.value.hint
    assert caught.value.exit_code == 3
    assert product.parts() == []


def test_a_changed_header_names_the_columns_the_nearest_ones_and_the_line(product: Product) -> None:
    product.source(columns={"id": "integer", "amount": "number"})
    product.write("things.csv", "id,amuont,colour\n1,2,red\n")
    with pytest.raises(DataError) as caught:
        data.ingest(product.workspace)
    said = str(caught.value)
    assert said.startswith(f"{product.root / 'things.csv'}:1: the columns of things have changed: ")
    assert "`amount` is missing (the file has `amuont`)" in said
    assert "`amuont` is not declared (nearest: `amount`)" in said
    assert "`colour` is not declared" in said
    assert "sources.things.columns" in caught.value.hint
    with pytest.raises(DataError, match="two columns are called `id`"):
        data.ingest(product.workspace, product.write("twice.csv", "id,id,amount\n1,1,1\n"), source="things")


def test_a_source_may_let_columns_in_but_never_lose_one(product: Product) -> None:
    product.source(on_schema_change="add")
    (batch,) = data.ingest(
        product.workspace, product.write("a.csv", "colour,id,amount\nred,1,2\n"), source="things"
    )
    assert product.rows(batch) == [(1, 1, 2.0, "red")]
    with pytest.raises(DataError, match="`amount` is missing"):
        data.ingest(product.workspace, product.write("b.csv", "id,colour\n1,red\n"), source="things")


def test_json_lines_that_are_no_objects_of_the_declared_types_are_kept(product: Product) -> None:
    product.source(
        format="jsonl", path="things.jsonl", columns={"id": "integer", "name": "text", "at": "timestamp"}
    )
    lines = [
        '\ufeff{"id": 1, "name": "x", "at": "2025-01-01T00:00:00"}\r',
        '{"id": 2, "name": "y", "at": "20',
        "",
        "   ",
        "[1, 2]",
        '{"id": "3", "name": {"a": [1]}}',
        '{"id": 4.5}',
        '{"name": "x\\ny, \\"z\\""}',
        '{"id": 6, "at": "soon"}',
        '{"id": 7} {"id": 8}',
    ]
    product.write("things.jsonl", "\n".join(lines))
    (batch,) = data.ingest(product.workspace)
    assert product.rows(batch) == [
        (1, 1, "x", datetime(2025, 1, 1)),
        (4, 3, '{"a":[1]}', None),
        (6, None, 'x\ny, "z"', None),
    ]
    assert product.lost(batch) == [
        (2, 2, lines[1], "malformed: not valid JSON"),
        (3, 5, "[1, 2]", "malformed: not a JSON object"),
        (5, 7, '{"id": 4.5}', "malformed: id: 4.5 is not an integer"),
        (7, 9, lines[8], "malformed: at: soon is not a timestamp"),
        (8, 10, lines[9], "malformed: not valid JSON"),
    ]
    assert (batch.rows, batch.malformed) == (8, 5)


def test_json_lines_with_a_new_key_name_the_line_where_it_first_stands(product: Product) -> None:
    product.source(format="jsonl")
    file = product.write("a.jsonl", '{"id": 1, "amount": 1}\n{"id": 2, "amuont": 1}\n')
    with pytest.raises(DataError, match=r"a.jsonl:2: .*`amuont` is not declared \(nearest: `amount`\)"):
        data.ingest(product.workspace, file, source="things")
    with pytest.raises(DataError, match="`amount` is missing"):
        data.ingest(product.workspace, product.write("b.jsonl", '{"id": 1}\n'), source="things")
    with pytest.raises(DataError, match="line 1 is not valid JSON"):
        data.ingest(product.workspace, product.write("c.jsonl", "id,amount\n1,2\n"), source="things")


def test_a_file_none_of_whose_rows_can_be_read_is_refused(product: Product) -> None:
    product.source(columns={"id": "integer", "day": "date"})
    product.write("things.csv", "id,day\n1,31.12.2025\n2,01.01.2026\n")
    with pytest.raises(
        DataError, match=r"things.csv:2: none of 2 rows can be read; .*day: 31.12.2025 is not a date"
    ):
        data.ingest(product.workspace)


def test_times_with_an_offset_become_utc_and_times_without_are_read_in_the_declared_zone(
    product: Product,
) -> None:
    product.source(columns={"id": "integer", "at": "timestamp"}, time_zone="Europe/Berlin")
    given = ["2025-07-01T12:00:00+05:00", "2025-07-01 12:00:00Z", "2025-07-01T12:00:00", "2025-01-01", ""]
    product.write("things.csv", "id,at\n" + "".join(f"{row},{at}\n" for row, at in enumerate(given, start=1)))
    (batch,) = data.ingest(product.workspace)
    assert [row[2] for row in product.rows(batch)] == [
        datetime(2025, 7, 1, 7),
        datetime(2025, 7, 1, 12),
        datetime(2025, 7, 1, 10),
        datetime(2024, 12, 31, 23),
        None,
    ]


def _write(folder: Path, kind: str, rows: list[dict[str, Any]]) -> Path:
    path = folder / f"things.{kind}"
    if kind == "parquet":
        pl.DataFrame(rows).write_parquet(path)
    elif kind == "arrow":
        pl.DataFrame(rows).write_ipc(path)
    elif kind == "jsonl":
        path.write_text("".join(json.dumps(row, default=str) + "\n" for row in rows))
    elif kind == "json":
        path.write_text(json.dumps(rows, default=str, indent=1))
    elif kind == "sqlite":
        connection = sqlite3.connect(path)
        connection.execute(
            "CREATE TABLE things(id INTEGER, amount REAL, name TEXT, good INTEGER, day TEXT, at TEXT)"
        )
        values = [tuple(str(one) if isinstance(one, date) else one for one in row.values()) for row in rows]
        connection.executemany("INSERT INTO things VALUES (?, ?, ?, ?, ?, ?)", values)
        connection.commit()
        connection.close()
    else:
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]), delimiter="\t" if kind == "tsv" else ",")
            writer.writeheader()
            writer.writerows(rows)
    return path


COLUMNS = {
    "id": "integer",
    "amount": "number",
    "name": "text",
    "good": "boolean",
    "day": "date",
    "at": "timestamp",
}
ROWS: list[dict[str, Any]] = [
    {
        "id": 1,
        "amount": 0.1,
        "name": "a, b",
        "good": True,
        "day": date(2025, 1, 2),
        "at": datetime(2025, 1, 2, 3, 4, 5),
    },
    {"id": 2, "amount": None, "name": "ü\t'", "good": False, "day": date(2025, 1, 3), "at": None},
    {"id": None, "amount": -3.0, "name": None, "good": None, "day": None, "at": datetime(2024, 2, 29)},
]


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "json", "parquet", "arrow", "sqlite"])
def test_every_format_gives_the_same_typed_rows(product: Product, tmp_path: Path, kind: str) -> None:
    product.source(format=kind, columns=COLUMNS)
    (batch,) = data.ingest(product.workspace, _write(tmp_path, kind, ROWS), source="things")
    assert product.rows(batch) == [(number, *row.values()) for number, row in enumerate(ROWS, start=1)]
    assert (batch.rows, batch.malformed) == (3, 0)


@pytest.mark.parametrize("kind", ["json", "parquet", "arrow", "sqlite"])
def test_a_file_cut_short_is_refused_whole(product: Product, tmp_path: Path, kind: str) -> None:
    product.source(format=kind, columns=COLUMNS)
    path = _write(tmp_path, kind, ROWS * 200)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(DataError, match=rf"things.{kind} cannot be read as") as caught:
        data.ingest(product.workspace, path, source="things")
    assert caught.value.hint
    assert product.parts() == []
    assert data.unchecked(product.workspace) == []


def test_values_of_another_type_than_declared_make_the_row_malformed_in_typed_formats_too(
    product: Product, tmp_path: Path
) -> None:
    product.source(format="parquet", columns={"id": "integer", "amount": "number"})
    path = tmp_path / "things.parquet"
    pl.DataFrame({"id": [1.0, 2.5, float("nan")], "amount": ["1", "2", "x"]}).write_parquet(path)
    (batch,) = data.ingest(product.workspace, path, source="things")
    assert product.rows(batch) == [(1, 1, 1.0)]
    (half, text) = product.lost(batch)
    assert half[:2] == (2, None)
    assert half[3] == "malformed: id: 2.5 is not an integer"
    assert json.loads(half[2])["amount"] == "2"
    assert text[3] == "malformed: amount: x is not a number"


def test_a_sqlite_file_without_the_table_names_the_nearest(product: Product, tmp_path: Path) -> None:
    product.source(format="sqlite", table="thing", columns=COLUMNS)
    with pytest.raises(DataError, match=r"has no table `thing`; did you mean `things`\?"):
        data.ingest(product.workspace, _write(tmp_path, "sqlite", ROWS), source="things")


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=6)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(TEXT, TEXT, TEXT), max_size=6))
def test_records_gives_back_what_a_csv_writer_wrote(rows: list[tuple[str, str, str]]) -> None:
    text = io.StringIO(newline="")
    csv.writer(text).writerows([("a", "b", "c"), *rows])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.csv"
        path.write_bytes(text.getvalue().encode())
        found = [record.fields for record in Records(path, ",")]
    assert found == [["a", "b", "c"], *map(list, rows)]


LINE = st.one_of(
    st.integers(-9, 9).map(lambda number: (json.dumps({"id": number, "amount": 1}), True)),
    st.sampled_from(['{"id": 1, "am', "{", "x", '"a"', "7", "null", '{"id": true}', '{"amount": "?"}']).map(
        lambda text: (text, False)
    ),
    st.sampled_from(["", " ", "\t"]).map(lambda text: (text, None)),
)


@settings(max_examples=25, deadline=None)
@given(lines=st.lists(LINE, min_size=1, max_size=12), end=st.sampled_from(["\n", "\r\n"]))
def test_no_json_line_is_ever_lost(lines: list[tuple[str, bool | None]], end: str) -> None:
    from mlcycle.data.deliveries import Place
    from mlcycle.data.ingest import _File, _load
    from mlcycle.data.readers import Delivery
    from mlcycle.declare.model import Source
    from mlcycle.engines.local import session
    from mlcycle.hashing import sha256_file

    # `true` is no integer once read as text, so that the third kind is malformed as well.
    good = [number for number, (_, kind) in enumerate(lines, start=1) if kind]
    bad = [number for number, (_, kind) in enumerate(lines, start=1) if kind is False]
    source = Source(path="x", format="jsonl", key="id", columns={"id": "integer", "amount": "number"})
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.jsonl"
        path.write_bytes(end.join(text for text, _ in lines).encode())
        file = _File(Place("x", path), sha256_file(path), path.stat().st_size, path.stat().st_mtime_ns)
        with session(reads=[path]) as engine:
            delivery = Delivery(path, path, "x", source, "found", Path(folder))
            if not good:
                with pytest.raises(DataError):
                    _load(engine, file, delivery, "UTC")
                return
            loaded = _load(engine, file, delivery, "UTC")
            lost = [row["line"] for row in engine.rows(f"SELECT line FROM {loaded.malformed} ORDER BY line")]
            kept = engine.one(f"SELECT count(*) AS n FROM {loaded.typed} WHERE __problem IS NULL")["n"]
    assert (lost, kept) == (bad, len(good))
