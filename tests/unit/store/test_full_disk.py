"""The disk fills up in the middle of each kind of write: it is said, nothing is lost or half there, and it goes on."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from tests.unit.store.disk import Disk, keep_writing, mounted, product

import mlcycle
from mlcycle import data, models
from mlcycle.errors import CouldNot
from mlcycle.experiments.package import write_package
from mlcycle.hashing import sha256_file
from mlcycle.store import Store, backup, writers
from mlcycle.store.doctor import examine, mend
from mlcycle.workspace import Workspace

LEFT = (0, 4_096, 40_000, 150_000, 500_000)
"""Bytes that a write finds: it fails at its first, in its middle, at its last."""
RUN = "01a209eb-3747-7049-a30d-f9127ca23222"
SIZE = 300_000
"""Bytes of the larger writes; they cannot be compressed."""


@pytest.fixture(params=["tmpfs", "ext4"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Disk]:
    with mounted(tmp_path / "disk", request.param) as made:
        yield made


class Write:
    """One kind of write, done again and again; `number` says which time."""

    def __init__(self, workspace: Workspace, outside: Path) -> None:
        self.workspace, self.outside, self.store = workspace, outside, Store(workspace)

    def before(self, number: int) -> None:
        """Do what comes first while there is room."""

    def do(self, number: int) -> bool:
        """Write; True says that all of it is kept."""
        raise NotImplementedError

    def there(self, number: int) -> float:
        """Return how much of it is there, 0 to 1."""
        raise NotImplementedError

    def count(self, sql: str, *params: object) -> int:
        return int(self.store.read(f"SELECT count(*) AS n FROM {sql}", params)[0]["n"])


class Append(Write):
    partly = True  # a batch is no transaction: whole records of a refused one may be kept

    def do(self, number: int) -> bool:
        # An equal point counts once, so a batch that was kept in part can be written again.
        same: dict[str, object] = {"run_id": RUN, "key": f"k{number}", "ts": "2026-01-01"}
        return self.store.append("metric", [same | {"step": i, "value": i} for i in range(3000)])

    def there(self, number: int) -> float:
        return self.count("metrics WHERE key = ? AND value = step", f"k{number}") / 3000


class Fold(Write):
    def before(self, number: int) -> None:
        rows = [{"ts": "2026-01-01", "deployment": f"d{number}", "cpu_pct": i} for i in range(8000)]
        assert self.store.append("sys", rows)

    def do(self, number: int) -> bool:
        report = self.store.fold()
        return report is not None and report.records == 8000

    def there(self, number: int) -> float:
        return self.count("resources WHERE deployment = ?", f"d{number}") / 8000


class Transaction(Write):
    def do(self, number: int) -> bool:
        if self.there(number) == 1:  # where only the checkpoint failed the change is there
            return True
        random = Random(number)
        with self.store.transaction("test") as change:
            rows = [
                {"key": f"{number}-{i}", "value": random.randbytes(500).hex()} for i in range(SIZE // 500)
            ]
            change.insert("meta", rows)
            change.audit("test", after={"number": number})
        return True

    def there(self, number: int) -> float:
        assert self.count("audit_log WHERE action = 'test' AND after ->> 'number' = ?", str(number)) == (
            self.count("meta WHERE key = ?", f"{number}-0")
        )
        return self.count("meta WHERE key LIKE ?", f"{number}-%") / (SIZE // 500)


class Ingest(Write):
    def do(self, number: int) -> bool:
        path, random = self.outside / f"rows-{number}.csv", Random(number)
        rows = "".join(f"{number * 10_000 + i},{random.randbytes(100).hex()}\n" for i in range(SIZE // 100))
        path.write_text(f"id,text\n{rows}")
        (batch,) = data.ingest(self.workspace, path)
        return batch.rows == SIZE // 100

    def there(self, number: int) -> float:
        path = self.outside / f"rows-{number}.csv"
        return self.count("batches WHERE sha256 = ?", sha256_file(path))


class Artifact(Write):
    def do(self, number: int) -> bool:
        path = self.outside / f"file-{number}"
        path.write_bytes(Random(number).randbytes(SIZE))
        run = mlcycle.active_run() or mlcycle.start_run("run", workspace=self.workspace)
        return run.log_artifact(path)

    def there(self, number: int) -> float:
        rows = self.store.read("SELECT sha256 FROM artifacts WHERE path = ?", [f"file-{number}"])
        assert all(self.workspace.artifact(row["sha256"]).exists() for row in rows)
        return len(rows)


class Package(Write):
    """The run's own package fits; registering it writes another."""

    def before(self, number: int) -> None:
        description = {"format": 1, "model": "m", "file": "model.onnx", "runtime": "onnx", "task": "binary"}
        run = mlcycle.start_run(f"run-{number}", workspace=self.workspace)
        run.log_bytes(write_package(description, Random(number).randbytes(SIZE)), "model.zip")
        assert run.end()

    def do(self, number: int) -> bool:
        return bool(models.register(self.workspace, f"run-{number}"))

    def there(self, number: int) -> float:
        rows = self.store.read(
            "SELECT sha256 FROM model_versions JOIN runs USING (run_id) WHERE name = ?", [f"run-{number}"]
        )
        assert all(self.workspace.artifact(row["sha256"]).exists() for row in rows)
        return len(rows)


class Generation(Write):
    """A new generation beside the store; each before it is as it was."""

    def do(self, number: int) -> bool:
        self.made = getattr(self, "made", set()) | {number}
        return backup(self.workspace).generation > 0

    def there(self, number: int) -> float:
        for facts in self.workspace.home.glob("backup/*/backup.json"):
            said = json.loads(facts.read_text())
            assert said["empty"] or sha256_file(facts.with_name("store.duckdb")) == said["sha256"]
        assert self.count("runs") == 0
        return number in self.made


WRITES: list[type[Write]] = [Append, Fold, Transaction, Ingest, Artifact, Package, Generation]


@pytest.fixture(autouse=True)
def no_run_left() -> Iterator[None]:
    yield
    while mlcycle.active_run():
        mlcycle.end_run("failed")


def attempt(write: Write, number: int) -> tuple[bool, CouldNot | None]:
    """Return whether all is kept, and the error if there was one."""
    try:
        return write.do(number), None
    except CouldNot as error:
        return False, error


def whole(workspace: Workspace) -> None:
    """No file is half written, under whatever name."""
    for folder in (workspace.data, workspace.artifacts):
        for path in folder.rglob("*"):
            assert path.is_dir() or path.name.removesuffix(".parquet") == sha256_file(path)
    assert [path for path in workspace.tmp.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("kind", WRITES)
def test_a_write_that_finds_the_disk_full_says_so_and_can_be_done_again(
    disk: Disk, tmp_path: Path, kind: type[Write], capfd: pytest.CaptureFixture[str]
) -> None:
    workspace = product(disk)
    keep_writing(workspace)
    write, failed = kind(workspace, tmp_path), 0
    write.before(0)
    assert write.do(0) and write.there(0) == 1
    for number, left in enumerate(LEFT, 1):
        write.before(number)
        disk.fill(left)
        done, error = attempt(write, number)
        assert error is None or ("space" in f"{error.message} {error.hint}" and error.hint), error.message
        failed += not done
        for earlier in range(number):
            assert write.there(earlier) == 1
        there = write.there(number)
        assert there == 1 if done else there in (0, 1) or hasattr(kind, "partly") or kind is Fold
        whole(workspace)
        disk.empty()
        if not done:
            assert write.do(number) or kind is Fold  # reading has folded it meanwhile
            assert write.there(number) == 1 or hasattr(kind, "partly")
    assert failed >= 2
    assert examine(workspace).exit_code == 0 or mend(workspace).exit_code == 0
    said = capfd.readouterr().err.splitlines()
    assert len(said) == len(set(said)) and all(line.endswith("No space left on device") for line in said)


def command(workspace: Workspace, *words: str) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "mlcycle_app", "-w", str(workspace.root), *words]
    return subprocess.run(line, capture_output=True, text=True)


def test_commands_say_that_the_disk_is_full_and_what_to_do(disk: Disk, tmp_path: Path) -> None:
    workspace = product(disk)
    Append(workspace, tmp_path).do(0)
    writers.close_all()
    path, random = tmp_path / "rows-1.csv", Random(1)
    path.write_text("id,text\n" + "".join(f"{i},{random.randbytes(100).hex()}\n" for i in range(SIZE // 100)))
    disk.fill(0)
    for words in (["data", "ingest", str(path)], ["store", "backup"]):
        done = command(workspace, *words)
        assert done.returncode == 3 and done.stdout == "", done
        assert "No space left on device" in done.stderr and "try" in done.stderr
        assert "Traceback" not in done.stderr and "unexpected" not in done.stderr
    done = command(workspace, "sql", "SELECT count(*) AS n FROM metrics", "--json")  # looking goes on
    assert (done.returncode, json.loads(done.stdout), done.stderr) == (0, [{"n": 3000}], "")
    assert "damaged" not in command(workspace, "doctor").stdout
    disk.empty()
    for words in (["data", "ingest", str(path)], ["store", "backup"], ["doctor"]):
        done = command(workspace, *words)
        assert done.returncode == 0, done.stderr
    whole(workspace)


def test_writers_stop_before_the_disk_is_full_and_count_what_they_refused(
    disk: Disk, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    workspace = product(disk)
    write = Append(workspace, tmp_path)
    disk.fill(400_000)  # less than a twentieth of it
    assert not write.do(0) and not write.do(1)
    assert capfd.readouterr().err == (
        "mlcycle: metric records are not being kept: less than 5% of the disk is free\n"
    )
    assert write.there(0) == 0 and write.store.health().refused == 6000
    disk.empty()
    assert write.do(2) and write.there(2) == 1
    assert "6000 records" in examine(workspace).findings[0].what
    assert examine(workspace).exit_code == 0


@pytest.mark.parametrize("left", LEFT)
def test_a_backup_that_finds_its_disk_full_leaves_the_one_before(
    disk: Disk, tmp_path: Path, left: int
) -> None:
    root = tmp_path / "product"
    root.mkdir()
    (root / "mlcycle.yaml").write_text("name: test\n")
    store = Store.create(Workspace(root))
    write, to = Transaction(store.workspace, tmp_path), disk.path / "copy"
    assert write.do(1)
    backup(store.workspace, to)
    assert write.do(2)
    disk.fill(left)
    with pytest.raises(CouldNot, match="space") as caught:
        backup(store.workspace, to)
    assert caught.value.hint
    there = Transaction(Workspace(to), tmp_path)
    assert (there.there(1), there.there(2)) == (1, 0)
    disk.empty()
    backup(store.workspace, to)
    assert (there.there(1), there.there(2)) == (1, 1)
    assert examine(Workspace(to)).exit_code == 0
