"""A file at a glance: every format, only its first rows, and mistakes told as `init` tells them."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from mlcycle.design import columns
from mlcycle.errors import DataError, UsageError

NAMES = ("id", "price", "sold", "on", "at", "place")
ROWS = [
    dict(
        zip(
            NAMES,
            (n, n + 0.5, n % 2 == 0, f"2026-01-{n + 1:02d}", f"2026-01-01T0{n}:00:00", "a"),
            strict=True,
        )
    )
    for n in range(5)
]


def _csv(path: Path, delimiter: str = ",") -> None:
    lines = [delimiter.join(ROWS[0]), *(delimiter.join(map(str, row.values())) for row in ROWS)]
    path.write_text("\n".join(lines) + "\n")


def _sqlite(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE sales (id, price, sold, 'on', at, place)")
        connection.executemany(
            "INSERT INTO sales VALUES (?, ?, ?, ?, ?, ?)",
            [tuple(str(value) for value in row.values()) for row in ROWS],
        )
    connection.close()


WRITERS: dict[str, Callable[[Path], object]] = {
    "x.csv": _csv,
    "x.tsv": lambda path: _csv(path, "\t"),
    "x.jsonl": lambda path: path.write_text("\n".join(map(json.dumps, ROWS)) + "\n"),
    "x.json": lambda path: path.write_text(json.dumps(ROWS)),
    "x.parquet": lambda path: pl.DataFrame(ROWS).write_parquet(path),
    "x.arrow": lambda path: pl.DataFrame(ROWS).write_ipc(path),
    "x.sqlite": _sqlite,
}


@pytest.mark.parametrize("name", WRITERS)
def test_every_format_tells_its_columns(tmp_path: Path, name: str) -> None:
    WRITERS[name](tmp_path / name)
    found = columns(tmp_path / name)
    assert [(c.name, c.type) for c in found] == [
        ("id", "integer"),
        ("price", "number"),
        ("sold", "boolean"),
        ("on", "date"),
        ("at", "timestamp"),
        ("place", "text"),
    ]
    assert found[0].examples == ("0", "1", "2")
    assert [c.name for c in found if c.unique] == ["id", "price", "on", "at"]
    assert not found[5].varies


def test_only_the_first_rows_are_read(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("a,b\n" + "1,2\n" * 1000 + "x" * 10)
    assert [c.type for c in columns(path)] == ["integer", "integer"]


def test_several_tables_offer_all_their_columns(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "x.db") as connection:
        connection.execute("CREATE TABLE one (a, b)")
        connection.execute("CREATE TABLE two (b, c)")
    connection.close()
    assert [c.name for c in columns(tmp_path / "x.db")] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("name", "content", "error"),
    [
        ("x.txt", b"a\n", UsageError),
        ("x.csv", b"", DataError),
        ("x.csv", b"a;b\n1;2\n", DataError),
        ("x.csv", b"\xff\xfe\x00", DataError),
        ("x.parquet", b"nothing", DataError),
        ("x.arrow", b"nothing", DataError),
        ("x.sqlite", b"nothing at all, and long enough to be looked at", DataError),
        ("x.json", b"[1, 2]", DataError),
        ("x.jsonl", b"no json\n", DataError),
    ],
)
def test_what_is_no_such_file_is_refused(
    tmp_path: Path, name: str, content: bytes, error: type[Exception]
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(error):
        columns(tmp_path / name)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no file"):
        columns(tmp_path / "x.csv")
