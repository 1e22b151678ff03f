"""Archive files beside the table: read as one with it, and one that is gone takes nothing else along."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from mlcycle.errors import UsageError
from mlcycle.ids import new_id
from mlcycle.store import Store, archive
from mlcycle.store.model import Finding

MONDAY = datetime(2020, 3, 2, 12)
DAY = timedelta(days=1)


def serve(store: Store, n: int, ts: datetime) -> None:
    records = [
        {
            "prediction_id": new_id(),
            "ts": ts + timedelta(seconds=number),
            "deployment": "local",
            "model": "m",
            "version": 1,
            "score": number / 10,
            "features": {"x": number, "text": "é"},
        }
        for number in range(n)
    ]
    assert store.append("prediction", records)


def move(store: Store, day: datetime) -> Path:
    piece = archive.write(store, day.date())
    assert piece is not None
    with store.transaction("test") as change:
        archive.take(change, piece, MONDAY)
    return archive.path_of(store.workspace, piece.sha256)


def seen(store: Store, relation: str = "predictions") -> int:
    return int(store.read(f"SELECT count(*) AS n FROM {relation}")[0]["n"])


def overwrite(path: Path) -> None:
    """Leave of a file its length and both its ends."""
    content = path.read_bytes()
    path.write_bytes(content[:4] + bytes(len(content) - 8) + content[-4:])


def findings(store: Store) -> list[Finding]:
    with store.looking() as ask:
        found = archive.check(store.workspace, ask)
    return list(found)


def test_table_tail_and_archive_are_one(store: Store) -> None:
    serve(store, 3, MONDAY)
    move(store, MONDAY)
    serve(store, 2, MONDAY + DAY)
    store.fold()
    serve(store, 4, MONDAY + 2 * DAY)
    with store.looking() as ask:  # does not fold
        names = ("predictions", "prediction", archive.KEPT, archive.ARCHIVED, "store.main.prediction")
        found = [ask(f"SELECT count(*) AS n, sum(features.x::INTEGER) AS x FROM {name}")[0] for name in names]
    assert [row["n"] for row in found] == [9, 9, 6, 3, 2]
    assert found[0]["x"] == 3 + 1 + 6


def test_a_transaction_reads_archived_rows_and_changes_the_table(store: Store) -> None:
    serve(store, 3, MONDAY)
    move(store, MONDAY)
    serve(store, 2, MONDAY + DAY)
    with store.transaction("test") as change:
        assert change.one("SELECT count(*) AS n FROM predictions") == {"n": 5}
        change.execute("DELETE FROM prediction WHERE score = 0")
        assert change.one("SELECT count(*) AS n FROM predictions") == {"n": 4}
    assert seen(store) == 4


def test_sql_reads_archived_rows_and_no_other_file(store: Store) -> None:
    serve(store, 3, MONDAY)
    path = move(store, MONDAY)
    other = path.with_name("other.parquet")
    other.write_bytes(path.read_bytes())
    assert store.sql("SELECT count(*), max(features.text::VARCHAR) FROM predictions")[1] == [(3, "é")]
    with pytest.raises(UsageError, match=r"disabled by configuration|Cannot access"):
        store.sql(f"SELECT * FROM read_parquet('{other}')")


def test_a_day_without_rows_has_no_file(store: Store) -> None:
    assert archive.write(store, MONDAY.date()) is None
    assert list(store.workspace.tmp.glob("archive-*")) == []


def test_rows_that_came_since_the_file_was_written_stop_the_move(store: Store) -> None:
    serve(store, 3, MONDAY)
    piece = archive.write(store, MONDAY.date())
    serve(store, 1, MONDAY)
    assert piece is not None
    with pytest.raises(archive.Changed), store.transaction("test") as change:
        archive.take(change, piece, MONDAY)
    assert (seen(store), seen(store, "prediction_archive")) == (4, 0)
    archive.discard(store, piece.sha256)
    assert not archive.path_of(store.workspace, piece.sha256).exists()


def test_a_missing_file_and_a_damaged_one_leave_the_rest_readable(store: Store) -> None:
    for number in range(4):
        serve(store, 10**number, MONDAY + number * DAY)
    paths = [move(store, MONDAY + number * DAY) for number in range(4)]
    assert findings(store) == []
    paths[0].unlink()
    paths[1].write_bytes(paths[1].read_bytes()[:-9])
    overwrite(paths[3])
    assert seen(store) == 100
    assert sorted((one.level, one.what.split(" of ")[0]) for one in findings(store)) == sorted(
        [
            ("damaged", f"archive file {paths[0].stem[:8]} is missing: 1 predictions"),
            ("damaged", f"archive file {paths[1].stem[:8]} does not hold what was written: 10 predictions"),
            ("damaged", f"archive file {paths[3].stem[:8]} does not hold what was written: 1000 predictions"),
        ]
    )


def test_a_file_that_spoils_a_query_is_found_and_left_out(store: Store) -> None:
    for number in range(2):
        serve(store, 10**number, MONDAY + number * DAY)
    paths = [move(store, MONDAY + number * DAY) for number in range(2)]
    asked = "SELECT sum(score) IS NOT NULL, count(*) FROM predictions"
    with store._reading() as connection:
        assert not archive.without_damaged(connection, store.workspace)
        overwrite(paths[0])
        with pytest.raises(duckdb.Error):
            connection.execute(asked).fetchall()
        assert archive.without_damaged(connection, store.workspace)
        assert connection.execute(asked).fetchall() == [(True, 10)]
    assert seen(store) == 10


def test_a_file_that_no_row_names_is_noted_and_kept(store: Store) -> None:
    serve(store, 3, MONDAY)
    piece = archive.write(store, MONDAY.date())
    assert piece is not None
    (found,) = findings(store)
    assert (found.level, found.where) == ("note", f".mlcycle/archive/{piece.sha256}.parquet")
    assert seen(store) == 3


def test_a_dropped_file_is_not_read_and_goes_at_the_next_sweep(store: Store) -> None:
    serve(store, 3, MONDAY)
    path = move(store, MONDAY)
    (row,) = archive.droppable(store, MONDAY + DAY)
    assert archive.droppable(store, MONDAY) == []
    with store.transaction("test") as change:
        archive.drop(change, [row["sha256"]], MONDAY)
    assert (seen(store), path.exists(), archive.droppable(store, MONDAY + DAY)) == (0, True, [])
    (found,) = findings(store)
    assert found.level == "note"
    archive.sweep(store)
    assert not path.exists()
    assert findings(store) == []
