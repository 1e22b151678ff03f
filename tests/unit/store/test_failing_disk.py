"""The file system turns read-only in the middle of a write, by a hand or because the disk fails, and comes back."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import duckdb
import pytest
from tests.unit.store.disk import Disk, keep_writing, mounted, product, sync

import mlcycle
from mlcycle import data
from mlcycle.errors import CouldNot, WorkspaceError
from mlcycle.hashing import sha256_file
from mlcycle.ids import new_id
from mlcycle.journal import Turnstile
from mlcycle.store import Store, writers
from mlcycle.store import fold as folding
from mlcycle.store.connection import close, exclusive
from mlcycle.store.doctor import mend
from mlcycle.store.migrate import open_for_writing
from mlcycle.workspace import Workspace

PATIENCE_S = 60


@pytest.fixture
def ext4(tmp_path: Path) -> Iterator[Disk]:
    with mounted(tmp_path / "disk", "ext4") as made:
        yield made


@pytest.fixture(params=["tmpfs", "ext4"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Disk]:
    with mounted(tmp_path / "disk", request.param) as made:
        yield made


@pytest.fixture(autouse=True)
def no_run_left() -> Iterator[None]:
    yield
    while mlcycle.active_run():
        mlcycle.end_run("failed")


def put(store: Store, count: int) -> set[str]:
    """Append metrics; returns the ids that were acknowledged."""
    ids = [new_id() for _ in range(count)]
    rows: list[dict[str, object]] = [
        {"run_id": one, "key": "k", "step": 1, "ts": "2026-01-01"} for one in ids
    ]
    return set(ids) if store.append("metric", rows) else set()


def check(store: Store, kept: set[str]) -> None:
    rows = store.read("SELECT run_id FROM live_metric")
    assert sorted(row["run_id"] for row in rows) == sorted(kept)


def sound(workspace: Workspace) -> None:
    """Nothing is damaged, and every content is what its name says."""
    assert [one for one in mend(workspace).findings if one.level != "note"] == []
    for folder in (workspace.data, workspace.artifacts):
        for path in folder.rglob("*"):
            assert path.is_dir() or path.name.removesuffix(".parquet") == sha256_file(path)


def delivery(folder: Path) -> Path:
    path = folder / "rows-1.csv"
    path.write_text("id,text\n1,one\n2,two\n")
    return path


def command(workspace: Workspace, *words: str) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "mlcycle_app", "-w", str(workspace.root), *words]
    return subprocess.run(line, capture_output=True, text=True)


def test_a_workspace_that_is_mounted_read_only_for_a_while_is_read_and_then_goes_on(
    disk: Disk, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    workspace = product(disk)
    keep_writing(workspace)
    store, path = Store(workspace), delivery(tmp_path)
    kept = put(store, 10)
    store.fold()
    kept |= put(store, 10)
    writers.close_all()
    disk.remount("ro")
    assert put(store, 5) == put(store, 5) == set()
    assert store.fold() is None
    check(store, kept)
    with pytest.raises(WorkspaceError, match="cannot be written"), store.transaction("test"):
        pass
    with pytest.raises(WorkspaceError, match="cannot be written"):
        data.ingest(workspace, path)
    run = mlcycle.start_run("run", workspace=workspace)  # a script goes on, and can know that nothing is kept
    assert not run.log_metrics({"loss": 1}) and not run.log_artifact(path) and not run.end()
    for words in (["data", "ingest", str(path)], ["doctor", "--mend"], ["quality", "check"]):
        done = command(workspace, *words)
        assert "Traceback" not in done.stderr and "unexpected" not in done.stderr
        assert done.returncode == 3 or words[0] != "data", done.stderr
    assert command(workspace, "runs", "list").returncode == 0
    disk.remount("rw")
    kept |= put(store, 5)
    check(store, kept)
    assert data.ingest(workspace, path)[0].rows == 2
    sound(workspace)
    said = capfd.readouterr().err.splitlines()
    assert all("Read-only file system" in line for line in said) and len(said) == len(set(said)) == 3, said


def test_a_disk_that_fails_between_append_and_fold_loses_nothing_that_it_has(ext4: Disk) -> None:
    workspace = product(ext4)
    store = Store(workspace)
    keep_writing(workspace)
    kept = put(store, 10)
    store.fold()
    kept |= put(store, 10)
    sync(ext4)
    ext4.fail()
    assert put(store, 5) == set()  # into the segment that is open still
    with pytest.raises(CouldNot, match="Read-only file system"):
        store.fold()
    check(store, kept)
    ext4.repair()
    check(store, kept)
    kept |= put(store, 5)
    check(store, kept)
    sound(workspace)


@pytest.mark.parametrize("at", ["before commit", "after commit", "after checkpoint"])
def test_a_disk_that_fails_inside_a_fold_leaves_it_to_the_next(ext4: Disk, at: str) -> None:
    workspace = product(ext4)
    store = Store(workspace)
    kept = put(store, 50)
    writers.close_all()
    sync(ext4)

    def fails(stage: str) -> None:
        if stage == at:
            ext4.fail()

    with exclusive(workspace, 30):
        connection = open_for_writing(workspace)
        try:
            if at == "before commit":
                with pytest.raises(Exception, match=r"Read-only|read-only|Could not|cannot be written"):
                    folding.fold(connection, workspace, hook=fails)
            else:  # all is in the table: what cannot be deleted is left to another fold
                with suppress(duckdb.Error, OSError):
                    folding.fold(connection, workspace, hook=fails)
        finally:
            close(connection)
    check(store, kept)
    ext4.repair()
    check(store, kept)
    assert len(store.read("SELECT run_id FROM store.main.metric")) == len(kept)
    store.fold()
    assert store.health().segments == 0
    sound(workspace)


def test_a_disk_that_fails_inside_a_transaction_leaves_nothing_of_it(ext4: Disk) -> None:
    workspace = product(ext4)
    store = Store(workspace)
    kept = put(store, 10)
    writers.close_all()
    sync(ext4)
    rows = [{"key": f"half-{i}", "value": "x" * 1000} for i in range(1000)]

    def change(then: Callable[[], None] = lambda: None) -> None:
        with store.transaction("test") as transaction:
            transaction.insert("meta", rows)
            then()

    with pytest.raises(CouldNot, match="could not be written"):
        change(ext4.fail)
    half = "SELECT count(*) AS n FROM meta WHERE key LIKE 'half-%'"
    assert store.read(half) == [{"n": 0}]
    ext4.repair()
    assert store.read(half) == [{"n": 0}]
    change()
    assert store.read(half) == [{"n": 1000}]
    check(store, kept)
    sound(workspace)


def test_a_disk_that_fails_while_a_file_is_taken_in_leaves_no_batch(ext4: Disk, tmp_path: Path) -> None:
    workspace, path = product(ext4), delivery(tmp_path)
    writers.close_all()
    with ThreadPoolExecutor(1) as threads:
        # As long as somebody reads, the part is written and its row has to wait.
        with Turnstile(workspace.home, shared=True, timeout_s=5):
            taking = threads.submit(data.ingest, workspace, path)
            while not (workspace.data.is_dir() and list(workspace.data.iterdir())):
                assert not taking.done(), taking.exception()
            sync(ext4)
            ext4.fail()
        error = taking.exception(PATIENCE_S)
    assert isinstance(error, CouldNot) and error.exit_code == 3, error
    assert Store(workspace).read("SELECT count(*) AS n FROM batches") == [{"n": 0}]
    ext4.repair()
    assert data.ingest(workspace, path)[0].rows == 2
    assert Store(workspace).read("SELECT count(*) AS n FROM batches") == [{"n": 1}]
    sound(workspace)


def test_a_disk_that_fails_while_artifacts_are_copied_keeps_none_of_them_half(
    ext4: Disk, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    workspace, folder = product(ext4), tmp_path / "many"
    folder.mkdir()
    for number in range(300):
        (folder / str(number)).write_bytes(os.urandom(2000))
    run = mlcycle.start_run("run", workspace=workspace)
    sync(ext4)
    with ThreadPoolExecutor(1) as threads:
        keeping = threads.submit(run.log_artifact, folder)
        while len(list(workspace.artifacts.glob("*/*"))) < 5:
            assert not keeping.done(), keeping.exception()
        ext4.fail()
        assert not keeping.result(PATIENCE_S)
    said = capfd.readouterr().err
    assert said.count("an artifact cannot be kept") == 1 and said.count("\n") == 1, said
    ext4.repair()
    assert run.log_artifact(folder) and run.end()
    kept = "SELECT count(*) AS n FROM artifacts WHERE path LIKE 'many/%'"
    assert Store(workspace).read(kept) == [{"n": 300}]
    sound(workspace)
