"""A folder that is killed at each stage of a fold, or inside a transaction: what comes after finds everything once."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from mlcycle.ids import new_id
from mlcycle.journal import SegmentWriter
from mlcycle.store import Store
from mlcycle.store import fold as folding
from mlcycle.store.connection import close, exclusive
from mlcycle.store.doctor import examine, mend
from mlcycle.store.migrate import open_for_writing
from mlcycle.workspace import Workspace

FOLD = """
import os, signal, sys
from pathlib import Path
from mlcycle.store.connection import close, exclusive
from mlcycle.store.fold import fold
from mlcycle.store.migrate import open_for_writing
from mlcycle.workspace import Workspace

def pass_or_die(stage):
    if stage == sys.argv[2]:
        os.kill(os.getpid(), signal.SIGKILL)
    print(stage, flush=True)

workspace = Workspace(Path(sys.argv[1]))
with exclusive(workspace, 30):
    connection = open_for_writing(workspace)
    fold(connection, workspace, hook=pass_or_die)
    close(connection)
"""

CHANGE = """
import os, signal, sys
from pathlib import Path
from mlcycle.store import Store
from mlcycle.store import fold as folding
from mlcycle.store.connection import close, exclusive
from mlcycle.workspace import Workspace
with Store(Workspace(Path(sys.argv[1]))).transaction("test") as change:
    change.insert("meta", [{"key": f"half-{i}", "value": "x" * 1000} for i in range(int(sys.argv[2]))])
    os.kill(os.getpid(), signal.SIGKILL)
"""


class Journal:
    """A writer that goes on living, one that has ended, and one that was killed; and all they were promised."""

    def __init__(self, root: Path) -> None:
        (root / "mlcycle.yaml").write_text("name: test\n")
        self.store = Store.create(Workspace(root))
        self.living = SegmentWriter(self.store.workspace.journal, "prediction")
        self.kept: list[str] = []

    def write(self) -> None:
        for writer in (self.living, SegmentWriter(self.store.workspace.journal, "prediction")):
            ids = [new_id() for _ in range(25)]
            assert writer.append(
                [{"prediction_id": one, "ts": "2026-01-01", "latency_ms": 1} | NAMED for one in ids]
            )
            self.kept += ids
            if writer is not self.living:
                writer.close()

    def check(self) -> None:
        rows = self.store.read("SELECT prediction_id FROM predictions")
        assert sorted(row["prediction_id"] for row in rows) == sorted(self.kept)
        assert self.store.read("SELECT sum(n)::BIGINT AS n FROM rollup_1m") == [{"n": len(self.kept)}]


NAMED = {"deployment": "d", "model": "m", "version": 1}


def fold(store: Store, dies_at: str = "") -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-c", FOLD, str(store.workspace.root), dies_at]
    return subprocess.run(line, capture_output=True, text=True)


def test_a_folder_killed_at_any_stage_loses_and_doubles_nothing(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.write()
    stages = fold(journal.store).stdout.splitlines()
    assert {"before commit", "after commit", "after checkpoint", "after unlink"} <= set(stages)
    for stage in stages:
        journal.write()
        done = fold(journal.store, stage)
        assert (done.returncode, done.stderr) == (-signal.SIGKILL, "")
        with journal.store.looking() as ask:  # as it was left, before anybody folds
            assert ask("SELECT count(*) AS n FROM predictions") == [{"n": len(journal.kept)}]
        journal.check()
    logs = 0
    for stage in stages:  # what is acknowledged is never in DuckDB's own log alone
        journal.write()
        assert fold(journal.store, stage).returncode == -signal.SIGKILL
        log = journal.store.workspace.database.with_name("store.duckdb.wal")
        logs += log.exists()
        log.unlink(missing_ok=True)
        journal.check()
    assert logs
    for stage in stages:  # one killed folder after the other, nobody in between
        journal.write()
        assert fold(journal.store, stage).returncode == -signal.SIGKILL
    journal.check()
    journal.living.close()
    journal.store.fold()
    assert journal.store.health().segments == 0
    assert [one for one in mend(journal.store.workspace).findings if one.level != "note"] == []


def test_a_transaction_killed_before_its_end_leaves_nothing(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    for rows in (1, 30_000):  # the second is more than fits into memory pages that nobody has written yet
        journal.write()
        line = [sys.executable, "-c", CHANGE, str(tmp_path), str(rows)]
        done = subprocess.run(line, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (-signal.SIGKILL, "")
        assert journal.store.read("SELECT count(*) AS n FROM meta WHERE key LIKE 'half-%'") == [{"n": 0}]
        journal.check()
    journal.living.close()
    assert [one for one in examine(journal.store.workspace).findings if one.level == "damaged"] == []


HOLD = """
import sys
from pathlib import Path
from mlcycle.store import Store
from mlcycle.workspace import Workspace
with Store(Workspace(Path(sys.argv[1]))).transaction("test"):
    print("held", flush=True)
    sys.stdin.readline()
"""


def test_a_stopped_process_that_holds_the_store_stops_no_writer_and_is_named(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    line = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None and child.stdout.readline() == "held\n"
        child.send_signal(signal.SIGSTOP)
        journal.write()
        assert journal.store.fold() is None
        health = journal.store.health()
        assert f"pid {child.pid}" in health.holder and health.backlog_bytes > 0
        child.kill()  # what a stopped process held is free as soon as it is dead
        child.wait()
        journal.check()
    journal.living.close()


RUN = """
import sys
import mlcycle
from pathlib import Path
from mlcycle.workspace import Workspace
run = mlcycle.start_run("run", workspace=Workspace(Path(sys.argv[1])))
run.log_metrics({"loss": 1.0})
print(run.run_id, flush=True)
sys.stdin.readline()
"""


def test_a_run_that_ends_while_the_journal_is_folded_is_not_called_killed(tmp_path: Path) -> None:
    store = Journal(tmp_path).store
    line = [sys.executable, "-c", RUN, str(tmp_path)]
    with subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        run_id = child.stdout.readline().strip()

        def ends(
            stage: str,
        ) -> None:  # the journal has been read by now: the end comes too late for this fold
            if stage == "before commit":
                child.communicate("end\n")

        with exclusive(store.workspace, 30):
            connection = open_for_writing(store.workspace)
            folding.fold(connection, store.workspace, hook=ends)
            close(connection)
    store.fold()
    assert store.read("SELECT run_id, status FROM runs") == [{"run_id": run_id, "status": "finished"}]
    assert store.read("SELECT status FROM run_end") == [{"status": "finished"}]
