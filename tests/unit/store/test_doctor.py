from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import datetime
from pathlib import Path

import duckdb
import pytest

from mlcycle.hashing import sha256_bytes
from mlcycle.ids import new_id
from mlcycle.journal.frame import control
from mlcycle.journal.reader import segments
from mlcycle.store import Finding, Store
from mlcycle.store.doctor import examine, mend
from mlcycle.store.generations import generations
from mlcycle.workspace import Workspace

NOON = datetime(2026, 1, 2, 12)


def only(workspace: Workspace) -> Finding:
    (finding,) = examine(workspace).findings
    return finding


def part(store: Store, content: bytes = b"rows") -> str:
    sha256 = sha256_bytes(content)
    store.workspace.part(sha256).write_bytes(content)
    with store.transaction("ingest") as change:
        change.insert(
            "dataset_version",
            [{"dataset_version": "v1", "dataset": "d", "number": 1, "rows": 3, "fingerprint": "f", "columns": "{}",
              "created_at": NOON}],
        )  # fmt: skip
        change.insert(
            "part", [{"dataset_version": "v1", "sha256": sha256, "rows": 3, "bytes": 4, "position": 0}]
        )
    return sha256


DIES = """
import os, sys
from pathlib import Path
from mlcycle.store import Store
from mlcycle.workspace import Workspace
store = Store(Workspace(Path(sys.argv[1])))
store.append("run", [{"kind": "start", "run_id": sys.argv[2], "name": "r-1", "experiment": "e",
                      "started_at": "2026-01-01"}])
if sys.argv[3] == "torn":
    from mlcycle.store.writers import _writers
    (writer,) = _writers.values()
    os.write(writer._handle, b'deadbeef {"kind": "par')
os.kill(os.getpid(), 9)
"""


def die(store: Store, run: str, how: str) -> None:
    command = [sys.executable, "-c", DIES, str(store.workspace.root), run, how]
    assert subprocess.run(command).returncode == -9


def test_a_new_and_a_used_store_are_healthy(store: Store) -> None:
    assert examine(store.workspace).findings == ()
    part(store)
    store.append("metric", [{"run_id": new_id(), "key": "k", "step": 1, "ts": NOON, "value": 1}])
    report = examine(store.workspace)
    assert report.findings == () and report.exit_code == 0


def test_a_workspace_without_a_store_is_healthy(tmp_path: Path) -> None:
    assert examine(Workspace(tmp_path)).findings == ()
    assert not (tmp_path / ".mlcycle").exists()


def test_looking_changes_nothing(store: Store) -> None:
    die(store, new_id(), "torn")
    before = {path: path.stat().st_mtime_ns for path in store.workspace.root.rglob("*") if path.is_file()}
    first, second = examine(store.workspace), examine(store.workspace)
    assert first == second and first.exit_code == 1
    after = {path: path.stat().st_mtime_ns for path in store.workspace.root.rglob("*") if path.is_file()}
    assert after == before


def test_a_killed_run_and_its_torn_line_are_mended(store: Store) -> None:
    run = new_id()
    die(store, run, "torn")
    found = {finding.what: finding for finding in examine(store.workspace).findings}
    assert len(found) == 2 and {finding.level for finding in found.values()} == {"mend"}
    torn = sha256_bytes(b'deadbeef {"kind": "par')[:8]
    assert f"a line torn by a killed writer: {torn}" in found
    assert found["run r-1 is marked running, but its process is gone"].where == run
    report = mend(store.workspace)
    assert report.exit_code == 0 and len(report.mended) == 2
    assert store.read("SELECT status FROM runs") == [{"status": "killed"}]
    assert [finding.level for finding in examine(store.workspace).findings] == ["note"]
    assert mend(store.workspace).mended == ()


def test_a_run_whose_writer_lives_is_left_alone(store: Store) -> None:
    start = {"kind": "start", "run_id": new_id(), "name": "r", "experiment": "e", "started_at": NOON}
    store.append("run", [start])
    assert examine(store.workspace).findings == ()
    store.fold()
    assert mend(store.workspace).mended == ()
    assert store.read("SELECT status FROM runs") == [{"status": "running"}]


def test_a_bad_line_is_named_by_its_hash_and_then_only_noted(store: Store) -> None:
    store.append("metric", [{"run_id": new_id(), "key": "k", "step": 1, "ts": NOON, "value": 1}])
    (segment,) = segments(store.workspace.journal)
    with segment.path.open("ab") as file:
        file.write(b"not a line\n")
    finding = only(store.workspace)
    assert finding.level == "mend" and sha256_bytes(b"not a line")[:8] in finding.what
    assert mend(store.workspace).exit_code == 0
    kept, headless = examine(store.workspace).findings
    assert kept.level == "note" and sha256_bytes(b"not a line\n")[:8] in kept.what
    # The line might have been the start of the run that these points belong to.
    assert headless.level == "note" and headless.what.startswith("1 metric points of a run whose start")


def test_a_part_that_is_gone_or_changed_is_damage_named_by_its_hash(store: Store) -> None:
    sha256 = part(store)
    store.workspace.part(sha256).write_bytes(b"other")
    finding = only(store.workspace)
    assert (
        finding.level == "damaged"
        and sha256[:8] in finding.what
        and finding.where.startswith(".mlcycle/data/")
    )
    store.workspace.part(sha256).unlink()
    finding = only(store.workspace)
    assert finding.level == "damaged" and sha256[:8] in finding.what and "missing" in finding.what
    assert mend(store.workspace).exit_code == 1


def test_rows_that_name_what_is_not_there_are_damage(store: Store) -> None:
    with store.transaction("test") as change:
        change.insert("alias", [{"model": "m", "alias": "champion", "version": 3, "since": NOON, "rev": 1}])
        change.insert("label", [{"prediction_id": new_id(), "entity": "e", "as_of": NOON, "known_at": NOON}])
    found = [finding.what for finding in examine(store.workspace).findings]
    assert found == [
        "alias m:champion points to version 3, which is not there",
        "labels of 1 predictions that are not there",
    ]


def test_a_deployment_whose_process_is_gone_is_marked_stopped(
    store: Store, request: pytest.FixtureRequest
) -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    words = ["mlcycle.serving", "--deployment", "here", "--journal", str(store.workspace.journal)]
    code = "import sys; print('up', flush=True); sys.stdin.read()"
    server = subprocess.Popen(
        [sys.executable, "-c", code, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    request.addfinalizer(lambda: server.communicate(b""))
    assert server.stdout is not None and server.stdout.readline()
    row = {"model": "m", "version": 1, "kind": "local", "state": "running", "since": NOON, "rev": 1}
    with store.transaction("test") as change:
        change.insert("deployment", [row | {"deployment": "gone", "pid": child.pid}])
        change.insert("deployment", [row | {"deployment": "reused", "pid": os.getpid()}])  # not a server
        change.insert("deployment", [row | {"deployment": "here", "pid": server.pid}])
        change.insert("model_version", [{"model": "m", "version": 1, "run_id": new_id(), "sha256": "x", "bytes": 1,
                                         "format": "onnx", "task": "binary", "signature": "{}",
                                         "created_at": NOON}])  # fmt: skip
    levels = [finding.level for finding in examine(store.workspace).findings]
    assert levels == ["damaged", "mend", "mend"]  # the model's run is not there either
    assert [finding.where for finding in mend(store.workspace).mended] == ["gone", "reused"]
    got = store.read("SELECT deployment, state, rev FROM deployment ORDER BY 1")
    assert got == [{"deployment": "gone", "state": "stopped", "rev": 2},
                   {"deployment": "here", "state": "running", "rev": 1},
                   {"deployment": "reused", "state": "stopped", "rev": 2}]  # fmt: skip
    assert {row["object"] for row in store.read("SELECT object FROM audit WHERE action = 'mend'")} == {
        "gone",
        "reused",
    }


def test_old_scratch_files_are_swept_and_new_ones_left(store: Store) -> None:
    old, new = store.workspace.tmp / "old.parquet", store.workspace.tmp / "new.parquet"
    for path in (old, new):
        path.write_bytes(b"x")
    os.utime(old, (1, 1))
    assert only(store.workspace).where == ".mlcycle/tmp/old.parquet"
    assert mend(store.workspace).exit_code == 0
    assert new.exists() and not old.exists()


LOG = """
import os, sys
from pathlib import Path
from mlcycle.store import Store, store
from mlcycle.workspace import Workspace
store._commit = lambda connection, *rest: (connection.execute("COMMIT"), os.kill(os.getpid(), 9))
with Store(Workspace(Path(sys.argv[1]))).transaction("test") as change:
    change.execute("INSERT INTO meta VALUES ('a', 'b')")
"""


def test_a_log_left_by_a_killed_process_is_mended(store: Store) -> None:
    subprocess.run([sys.executable, "-c", LOG, str(store.workspace.root)])
    assert only(store.workspace).where == ".mlcycle/store.duckdb.wal"
    assert mend(store.workspace).findings == ()


def test_a_log_beside_a_healthy_transaction_is_no_finding(store: Store) -> None:
    script = LOG.replace('(connection.execute("COMMIT"), os.kill(os.getpid(), 9))', "SLOW(connection)")
    script = script.replace(
        "store._commit =",
        "SLOW = lambda c, *rest: (c.execute('COMMIT'), print('log', flush=True), sys.stdin.readline(),"
        " c.execute('CHECKPOINT'))\nstore._commit =",
    )
    command = [sys.executable, "-c", script, str(store.workspace.root)]
    other = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert other.stdout is not None and other.stdin is not None and other.stdout.readline()
    log = store.workspace.home / "store.duckdb.wal"
    assert log.exists()
    with ThreadPoolExecutor() as pool:
        looking = pool.submit(examine, store.workspace)
        assert not wait([looking], timeout=0.3).done
        other.communicate(b"\n")
        assert looking.result().findings == ()


def test_looking_at_a_damaged_log_says_so_and_leaves_it_to_mending(store: Store) -> None:
    many = LOG.replace("VALUES ('a', 'b')", "SELECT 'k' || range, 'v' FROM range(100)")
    subprocess.run([sys.executable, "-c", many, str(store.workspace.root)])
    log = store.workspace.home / "store.duckdb.wal"
    content = bytearray(log.read_bytes())
    content[len(content) // 2] ^= 16
    log.write_bytes(content)
    whole = store.workspace.database.read_bytes()
    found = examine(store.workspace).findings
    assert {finding.level for finding in found} == {"mend"}
    assert any("cannot be replayed" in finding.what for finding in found)
    assert log.read_bytes() == content and store.workspace.database.read_bytes() == whole
    report = mend(store.workspace)
    assert report.exit_code == 0 and set(found) <= set(report.mended)


def test_looking_at_an_outdated_store_says_so_and_leaves_it_to_mending(store: Store) -> None:
    with duckdb.connect(str(store.workspace.database)) as connection:
        connection.execute("DELETE FROM schema_version")
        for (name,) in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall():
            if name not in ("schema_version", "meta"):
                connection.execute(f'DROP TABLE "{name}" CASCADE')
        connection.execute("INSERT INTO schema_version VALUES (0, 'old', '', '0', '2026-01-01')")
    whole = store.workspace.database.read_bytes()
    finding = only(store.workspace)
    assert finding.level == "mend" and "older mlcycle" in finding.what
    assert store.workspace.database.read_bytes() == whole
    assert len(generations(store.workspace)) == 1


def test_a_half_written_file_is_swept_at_once_if_the_process_it_names_is_gone(store: Store) -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    gone = store.workspace.tmp / f"pid{child.pid}-0190.parquet"
    spilled = store.workspace.tmp / f"spill-pid{child.pid}" / "duckdb_temp_storage-0.tmp"
    alive = store.workspace.tmp / f"pid{os.getpid()}-0191.parquet"
    opened = store.workspace.tmp / "0192.copy"
    spilled.parent.mkdir()
    for path in (gone, spilled, alive, opened):
        path.write_bytes(b"x")
    os.utime(opened, (1, 1))
    with opened.open("rb"):
        found = {finding.where: finding.level for finding in examine(store.workspace).findings}
        places = {path.relative_to(store.workspace.root).as_posix() for path in (gone, spilled)}
        assert found == dict.fromkeys(places, "mend")
        assert len(mend(store.workspace).mended) == 2
    assert alive.exists() and opened.exists() and not gone.exists() and not spilled.exists()


def test_contents_that_no_row_names_are_noted_and_never_deleted(store: Store) -> None:
    named = sha256_bytes(b"kept")
    old, new, kept = (
        store.workspace.part("a" * 64),
        store.workspace.artifact("b" * 64),
        store.workspace.part(named),
    )
    new.parent.mkdir(parents=True)
    for path in (old, new, kept):
        path.write_bytes(b"kept")
    with store.transaction("test") as change:  # a table that no query of doctor's knows
        change.insert("meta", [{"key": "k", "value": f'{{"part": "{named}"}}'}])
    for path in (old, kept):
        os.utime(path, (1, 1))
    report = examine(store.workspace)
    assert report.exit_code == 0
    assert {finding.where.rpartition("/")[2] for finding in report.findings} == {old.name, new.name}
    assert mend(store.workspace).mended == ()
    assert new.exists() and kept.exists() and old.exists()


def test_a_run_of_another_machine_is_noted_and_ended_only_by_mending(store: Store) -> None:
    run = new_id()
    die(store, run, "torn")
    (segment,) = segments(store.workspace.journal)
    content = segment.path.read_bytes()
    head, _, rest = content.partition(b"\n")
    fact = json.loads(head[9:]) | {"namespace": "far away"}
    kind = fact.pop("_segment")
    segment.path.write_bytes(control(kind, **fact) + rest)
    finding = only(store.workspace)
    assert finding.level == "note" and "far away" in finding.what
    assert mend(store.workspace).mended == ()  # it may be writing at this moment
    assert store.read("SELECT status FROM runs") == [{"status": "running"}]
    os.utime(segment.path, (1, 1))
    assert [one.what for one in mend(store.workspace).mended] == [finding.what]
    assert store.read("SELECT status FROM runs") == [{"status": "killed"}]
    assert segment not in segments(store.workspace.journal)


def test_a_flipped_bit_in_the_store_is_found(store: Store) -> None:
    with store.transaction("test") as change:
        change.execute("INSERT INTO meta SELECT 'k' || range, md5(range::VARCHAR) FROM range(20000)")
    whole = store.workspace.database.read_bytes()
    seen = set()
    for place in range(50_000, len(whole), 1 << 18):  # one bit in each block; some blocks hold nothing
        content = bytearray(whole)
        content[place] ^= 4
        store.workspace.database.write_bytes(content)
        for finding in examine(store.workspace).findings:
            assert finding.level == "damaged" and "cannot be read" in finding.what
            seen.add(finding.where)
    assert "table meta" in seen
    store.workspace.database.write_bytes(whole)
    assert examine(store.workspace).findings == ()


def test_a_file_that_is_no_store_is_found(store: Store) -> None:
    store.workspace.database.write_bytes(b"garbage" * 999)
    finding = only(store.workspace)
    assert finding.level == "damaged" and sha256_bytes(b"garbage" * 999)[:8] in finding.what
    assert mend(store.workspace).exit_code == 1
