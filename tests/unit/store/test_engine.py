"""What the store relies on in DuckDB, tried on the installed one: the gate for every newer version.

The cases are those of published storage bugs that meet our pattern: several processes one after the other, a
killed one leaves a log behind.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

STEP = """
import os, sys, duckdb
connection = duckdb.connect(sys.argv[1], config={"storage_compatibility_version": "v1.5.0"})
rows = [connection.execute(text).fetchall() for text in sys.argv[2].split(";") if text.strip()]
print(rows[-1])
os.kill(os.getpid(), 9) if sys.argv[3] == "killed" else connection.close()
"""
TABLE = "CREATE TABLE t(id INTEGER PRIMARY KEY, h VARCHAR NOT NULL, p INTEGER NOT NULL, UNIQUE(h, p))"
UPSERT = """
    INSERT INTO t SELECT range, 'h' || range, range FROM range(100)
    ON CONFLICT (id) DO UPDATE SET p = excluded.p + {}
"""
CASES = {
    "rows in the log of a killed process can be deleted": (
        ("killed", f"{TABLE}; INSERT INTO t VALUES (1, 'a', 1)"),
        ("closed", "SELECT 1"),
        ("closed", "DELETE FROM t WHERE id = 1"),
        ("closed", "SELECT count(*) FROM t", [(0,)]),
    ),
    "rows after a checkpoint survive the kill and can be replaced": (
        (
            "killed",
            f"{TABLE}; INSERT INTO t VALUES (1, 'a', 1); CHECKPOINT; INSERT INTO t VALUES (2, 'b', 2)",
        ),
        ("closed", "DELETE FROM t WHERE id = 2; INSERT INTO t VALUES (2, 'b', 3)"),
        ("closed", "SELECT p FROM t ORDER BY id", [(1,), (3,)]),
    ),
    "upserts of killed processes leave one row a key": (
        ("closed", f"{TABLE}; INSERT INTO t SELECT range, 'h' || range, range FROM range(500); CHECKPOINT"),
        ("killed", UPSERT.format(10000)),
        ("killed", UPSERT.format(20000)),
        ("closed", "SELECT count(*), count(DISTINCT h), max(p) FROM t", [(500, 500, 20099)]),
    ),
    "a migration in the log is replayed with its rows": (
        (
            "killed",
            (
                f"{TABLE}; INSERT INTO t VALUES (1, 'a', 1); ALTER TABLE t ADD COLUMN more INTEGER DEFAULT 7;"
                " INSERT INTO t VALUES (2, 'b', 2, 8); CREATE VIEW v AS SELECT sum(more) AS s FROM t"
            ),
        ),
        ("closed", "SELECT s FROM v", [(15,)]),
    ),
    "variants and lists in many small commits are replayed": (
        (
            "killed",
            "CREATE TABLE v(id INTEGER, x VARIANT, l VARCHAR[]); CHECKPOINT; "
            + "; ".join(
                f"INSERT INTO v SELECT range, {{'a': range}}::VARIANT, ['x'] FROM range({k * 50}, {k * 50 + 50})"
                for k in range(20)
            ),
        ),
        ("closed", "UPDATE v SET l = ['y'] WHERE id < 700"),
        ("closed", "SELECT count(*), sum(x.a::INTEGER)::BIGINT FROM v WHERE l = ['y']", [(700, 244650)]),
    ),
    "a merge that was killed before its commit left nothing": (
        ("closed", f"{TABLE}; INSERT INTO t VALUES (1, 'a', 1)"),
        (
            "killed",
            (
                "BEGIN; MERGE INTO t USING (SELECT 1 AS id, 9 AS p) AS s ON t.id = s.id"
                " WHEN MATCHED THEN UPDATE SET p = s.p"
            ),
        ),
        ("closed", "SELECT p FROM t", [(1,)]),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_what_processes_do_in_turn_is_kept(name: str, tmp_path: Path) -> None:
    for end, text, *want in CASES[name]:
        command = [sys.executable, "-c", STEP, str(tmp_path / "x.duckdb"), text, end]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == (-9 if end == "killed" else 0), done.stderr
        if want:
            assert done.stdout.strip() == str(want[0])


def test_the_words_that_tell_a_held_file_from_a_damaged_one_are_as_they_were(tmp_path: Path) -> None:
    path = tmp_path / "x.duckdb"
    code = "import sys, duckdb; c = duckdb.connect(sys.argv[1]); print(flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None and holder.stdout.readline()
        with pytest.raises(duckdb.IOException, match="set lock on file"):
            duckdb.connect(str(path), read_only=True)
        holder.communicate(b"")
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE t AS SELECT range AS i FROM range(100000)")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(duckdb.Error, match="Corrupt database file"):  # noqa: SIM117 - either line may find it
        with duckdb.connect(str(path)) as connection:
            connection.execute("SELECT sum(hash(i)) FROM t").fetchall()
