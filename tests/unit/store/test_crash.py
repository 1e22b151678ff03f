"""Real processes, really killed: nothing acknowledged is lost or doubled, and nobody meets a lock error."""

from __future__ import annotations

import subprocess
import sys
from random import Random

from mlcycle.store import Store

WRITE = """
import sys, time
from pathlib import Path
from mlcycle.ids import new_id
from mlcycle.journal import SegmentWriter
writer = SegmentWriter(Path(sys.argv[1]) / ".mlcycle" / "journal", "metric")
step = 0
while True:
    records = [{"run_id": new_id(), "key": "k", "step": step, "ts": "2026-01-01", "value": 1} for _ in range(3)]
    if writer.append(records):
        print("\\n".join(record["run_id"] for record in records), flush=True)
    step += 1
    time.sleep(0.002)
"""

FOLD = """
import sys
from pathlib import Path
from mlcycle.store import Store
from mlcycle.workspace import Workspace
store = Store(Workspace(Path(sys.argv[1])))
n = 0
while True:
    store.fold(5)
    with store.transaction("test") as change:
        change.insert("meta", [{"key": f"{sys.argv[2]}-{n}", "value": "acknowledged"}])
    print(f"{sys.argv[2]}-{n}", flush=True)
    n += 1
"""

BOTH = """
import sys
from pathlib import Path
from mlcycle.store import Store
from mlcycle.workspace import Workspace
store = Store(Workspace(Path(sys.argv[1])))
sys.stdin.readline()
for i in range(5):
    assert store.append("sys", [{"ts": "2026-01-01", "deployment": sys.argv[2]}])
    mine = store.read("SELECT count(*) AS n FROM resources WHERE deployment = ?", [sys.argv[2]])
    assert mine == [{"n": i + 1}], (i, mine)
    with store.transaction("test") as change:
        row = change.one("SELECT count(*) AS n FROM meta WHERE key LIKE 'count%'")
        change.insert("meta", [{"key": f"count-{row['n']}", "value": sys.argv[2]}])
    store.sql("SELECT count(*) FROM resources")
print("fine", flush=True)
"""


def start(code: str, store: Store, name: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", code, str(store.workspace.root), name]
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def kill(child: subprocess.Popen[str]) -> set[str]:
    assert child.stdout is not None and child.stderr is not None and child.stdin is not None
    child.kill()
    out, err = child.stdout.read(), child.stderr.read()
    child.wait()
    for stream in (child.stdin, child.stdout, child.stderr):
        stream.close()
    assert err == ""
    return {line for line in out.split("\n")[:-1] if line}


def test_killed_writers_and_folders_lose_and_double_nothing(store: Store) -> None:
    chance = Random(7)
    acknowledged: set[str] = set()
    changes: set[str] = set()
    for turn in range(3):
        writers = [start(WRITE, store, "w") for _ in range(2)]
        folder = start(FOLD, store, f"f{turn}")
        for child in (*writers, folder):
            assert child.stdout is not None
            acknowledged_first = child.stdout.readline().strip()
            (changes if child is folder else acknowledged).add(acknowledged_first)
        for _ in range(chance.randrange(1, 12)):
            assert writers[0].stdout is not None
            acknowledged.add(writers[0].stdout.readline().strip())
        for writer in writers:
            acknowledged |= kill(writer)
        changes |= kill(folder)
        rows = store.read("SELECT run_id FROM live_metric")
        got = {row["run_id"] for row in rows}
        assert len(rows) == len(got)
        assert acknowledged <= got
        keys = {row["key"] for row in store.read("SELECT key FROM meta WHERE value = 'acknowledged'")}
        assert changes <= keys and len(keys - changes) <= turn + 1
    store.fold()
    store.fold()
    assert store.health().segments == 0


def test_processes_that_read_and_write_at_once_never_meet_a_lock_error(store: Store) -> None:
    children = [start(BOTH, store, name) for name in ("a", "b", "c")]
    for child in children:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    for child in children:
        out, err = child.communicate()
        assert (out, err) == ("fine\n", "")
    assert store.read("SELECT count(*) AS n FROM store.main.resource_sample") == [{"n": 15}]
    assert store.read("SELECT count(DISTINCT key) AS n FROM meta WHERE key LIKE 'count%'") == [{"n": 15}]
    assert store.health().segments == 0
