"""The sample's files, read back with the standard library and counted by hand against the manifest."""

from __future__ import annotations

import csv
import hashlib
import json
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Hashable, Iterable
from datetime import date, datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from mlcycle_sample import expected
from mlcycle_sample.generate import DEFAULT_SEED, SOURCES, generate

_DIGESTS = {
    DEFAULT_SEED: "7d1eef3d2135ca21febf623d9977a2b24a2a231a9ae0f1dd46fa9c760aab1da9",
    7: "98f370e9209c533f269db0526d4e734db9136c0e164e2c933eedb5d37c5e871e",
}
"""SHA-256 over the text files of the reference generator, by seed."""


class _Story(NamedTuple):
    seed: int
    folder: Path
    manifest: dict[str, Any]


@pytest.fixture(scope="module", params=list(_DIGESTS))
def story(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> _Story:
    folder = tmp_path_factory.mktemp("story")
    return _Story(request.param, folder, generate(folder, request.param))


def _surplus(values: Iterable[Hashable]) -> int:
    return sum(count - 1 for count in Counter(values).values())


def _customers(folder: Path) -> list[dict[str, str]]:
    with (folder / "customers.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def _sessions(folder: Path) -> tuple[list[dict[str, Any]], int]:
    rows, malformed = [], 0
    for line in (folder / "sessions.jsonl").read_text().splitlines():
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            malformed += 1
    return rows, malformed


def _payments(folder: Path) -> list[dict[str, Any]]:
    import polars as pl

    return pl.read_parquet(folder / "payments.parquet").to_dicts()


def _tickets(folder: Path) -> list[tuple[Any, ...]]:
    connection = sqlite3.connect(folder / "tickets.sqlite")
    try:
        return connection.execute("SELECT * FROM tickets").fetchall()
    finally:
        connection.close()


def test_text_files_are_the_same_bytes_for_ever(story: _Story) -> None:
    digest = hashlib.sha256()
    for path in sorted(story.folder.rglob("*")):
        if path.suffix in {".csv", ".jsonl"}:
            digest.update(path.read_bytes())
    assert digest.hexdigest() == _DIGESTS[story.seed]


def test_the_default_seed_alone_makes_the_numbers_of_the_table(story: _Story) -> None:
    found = {
        delivery: {name: story.manifest[delivery][name] for name in SOURCES} for delivery in expected.SOURCES
    }
    history = story.manifest["history"]
    usual = story.seed == DEFAULT_SEED
    assert (found == expected.SOURCES) == usual
    assert (history["defects"] == expected.DEFECTS) == usual
    assert (history["quarantined"] == expected.QUARANTINED) == usual
    assert history["defects"].keys() == expected.DEFECTS.keys()


def test_the_manifest_lies_beside_the_files(story: _Story) -> None:
    assert json.loads((story.folder / "manifest.json").read_text()) == story.manifest


def test_customer_defects_are_found_by_hand(story: _Story) -> None:
    rows, defects = _customers(story.folder / "history"), story.manifest["history"]["defects"]
    assert len(rows) == story.manifest["history"]["customers"]
    assert defects["customers_duplicate_id"] == _surplus(row["customer_id"] for row in rows)
    assert defects["customers_bad_plan"] == sum(row["plan"] == "premiun" for row in rows)
    assert defects["customers_age_missing"] == sum(row["age"] == "" for row in rows)
    assert defects["customers_age_impossible"] == sum(row["age"] == "210" for row in rows)
    assert defects["customers_future_signup"] == sum(row["signup_date"] > "2026-01-01" for row in rows)
    assert story.manifest["history"]["quarantined"]["customers"] == defects["customers_duplicate_id"]


def test_session_defects_are_found_by_hand(story: _Story) -> None:
    rows, malformed = _sessions(story.folder / "history")
    defects = story.manifest["history"]["defects"]
    assert len(rows) + malformed == story.manifest["history"]["sessions"]
    assert defects["sessions_malformed_line"] == malformed
    assert defects["sessions_duplicate_id"] == _surplus(row["session_id"] for row in rows)
    assert defects["sessions_negative_seconds"] == sum(row["seconds"] < 0 for row in rows)
    days = [datetime.fromisoformat(r["arrived_at"]) - datetime.fromisoformat(r["ts"]) for r in rows]
    assert defects["sessions_late_arrival"] == sum(delay.days >= 1 for delay in days)
    good = {row["session_id"] for row in rows if row["seconds"] > 0}
    assert story.manifest["history"]["quarantined"]["sessions"] == len(rows) + malformed - len(good)


def test_payment_defects_are_found_by_hand(story: _Story) -> None:
    rows, defects = _payments(story.folder / "history"), story.manifest["history"]["defects"]
    customers = {int(row["customer_id"]) for row in _customers(story.folder / "history")}
    empty = {row["payment_id"] for row in rows if row["amount"] is None}
    orphans = {row["payment_id"] for row in rows if row["customer_id"] not in customers}
    cents = [row for row in rows if row["amount"] is not None and row["amount"] > 400]
    assert (len(rows), len(empty)) == (story.manifest["history"]["payments"], defects["payments_null_amount"])
    assert len(orphans) == defects["payments_orphan_customer"]
    assert len(cents) == defects["payments_in_cents"]
    assert {row["ts"].date() for row in cents} == {date(2025, 8, 4)}
    assert story.manifest["history"]["quarantined"]["payments"] == len(empty | orphans)


def test_ticket_defects_are_found_by_hand(story: _Story) -> None:
    rows, defects = _tickets(story.folder / "history"), story.manifest["history"]["defects"]
    customers = {int(row["customer_id"]) for row in _customers(story.folder / "history")}
    assert len(rows) == story.manifest["history"]["tickets"]
    assert defects["tickets_closed_before_opened"] == sum(row[3] < row[2] for row in rows)
    assert defects["tickets_orphan_customer"] == sum(row[1] not in customers for row in rows)


def test_the_drops_are_clean_and_drifted(story: _Story) -> None:
    for drop in ("drops/2026-01", "drops/2026-02"):
        assert story.manifest[drop]["defects"] == {}
        assert story.manifest[drop]["quarantined"] == {}
    channels = {row["channel"] for row in _customers(story.folder / "drops/2026-01")}
    assert "reseller" in channels
    assert "reseller" not in {row["channel"] for row in _customers(story.folder / "history")}


def test_payments_keep_their_column_types_for_every_reader(story: _Story) -> None:
    import polars as pl

    schema = pl.read_parquet_schema(story.folder / "drops/2026-02" / "payments.parquet")
    assert dict(schema) == {
        "payment_id": pl.Int32,
        "customer_id": pl.Int32,
        "ts": pl.Datetime("us"),
        "amount": pl.Float64,
        "status": pl.String,
    }


def test_importing_the_generator_loads_no_heavy_library() -> None:
    probe = (
        "import sys, mlcycle_sample.workspace, mlcycle_sample.expected;"
        "print(sorted({'duckdb', 'polars', 'numpy', 'sklearn', 'textual'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
