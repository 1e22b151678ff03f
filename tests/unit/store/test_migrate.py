from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from mlcycle.errors import WorkspaceError
from mlcycle.ids import new_id
from mlcycle.store import Store, migrate
from mlcycle.store.connection import close
from mlcycle.store.generations import generations
from mlcycle.store.migrate import Migration, migrations, open_for_writing, views
from mlcycle.workspace import Workspace


def outside(store: Store, sql: str) -> list[tuple[object, ...]]:
    with duckdb.connect(str(store.workspace.database)) as connection:
        return connection.execute(sql).fetchall()


def test_migrations_are_numbered_without_gaps() -> None:
    assert [migration.version for migration in migrations()] == list(range(1, len(migrations()) + 1))


def test_every_statement_of_the_migrations_is_run(store: Store) -> None:
    tables = {row["name"] for row in store.read("SELECT table_name AS name FROM duckdb_tables()")}
    text = "".join(migration.text for migration in migrations())
    named = {line.split("(")[0].split()[2] for line in text.splitlines() if line.startswith("CREATE TABLE")}
    assert tables == named and len(named) >= 30


def test_the_file_is_of_the_pinned_format_and_others_see_the_views(store: Store) -> None:
    (tags,) = outside(store, "SELECT tags FROM duckdb_databases() WHERE database_name = 'store'")
    assert "v1.5.0" in str(tags)
    for name in migrate.views().split("CREATE VIEW ")[1:]:
        outside(store, f"SELECT * FROM {name.split()[0]}")


def test_a_newer_store_is_refused_with_the_version_to_install(store: Store) -> None:
    outside(store, "INSERT INTO schema_version VALUES (99, 'later', 'x', '7.1.0', TIMESTAMP '2030-01-01')")
    before = outside(store, "SELECT * FROM meta")
    for act in (lambda: store.read("SELECT 1"), store.fold, lambda: store.sql("SELECT 1")):
        with pytest.raises(WorkspaceError, match=r"made by mlcycle 7\.1\.0; this is") as caught:
            act()
        assert "mlcycle>=7.1.0" in caught.value.hint
    with pytest.raises(WorkspaceError), store.transaction("test"):
        pass
    assert outside(store, "SELECT * FROM meta") == before


def test_an_older_store_is_copied_aside_and_brought_up_to_date(store: Store) -> None:
    later = (
        *migrations(),
        Migration(len(migrations()) + 1, "more", "ALTER TABLE meta ADD COLUMN more INTEGER;"),
    )
    for _ in range(2):
        close(open_for_writing(store.workspace, known=later))
    assert outside(store, "SELECT more FROM meta LIMIT 1") == [(None,)]
    _, newer = generations(store.workspace)
    assert newer.is_whole() and "migration" in newer.facts["why"]
    with duckdb.connect(str(newer.copy), read_only=True) as connection:
        assert connection.execute("SELECT max(version) FROM schema_version").fetchall() == [
            (len(migrations()),)
        ]


def test_a_migration_that_fails_changes_nothing(store: Store) -> None:
    text = "ALTER TABLE meta ADD COLUMN more INTEGER; SELECT * FROM nowhere;"
    later = (*migrations(), Migration(len(migrations()) + 1, "broken", text))
    with pytest.raises(duckdb.CatalogException):
        open_for_writing(store.workspace, known=later)
    assert [column[0] for column in outside(store, "DESCRIBE meta")] == ["key", "value"]
    assert store.read("SELECT count(*) AS n FROM schema_version") == [{"n": len(migrations())}]


def test_changed_views_are_laid_anew_at_the_next_use(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    changed = views() + "\nCREATE VIEW newest AS SELECT max(started_at) AS at FROM runs;"
    monkeypatch.setattr("mlcycle.store.migrate.views", lambda: changed)
    assert store.read("SELECT * FROM newest") == [{"at": None}]
    assert outside(store, "SELECT * FROM newest") == [(None,)]


def test_a_process_killed_while_making_the_store_leaves_none(tmp_path: Path) -> None:
    code = """
import os, sys
from pathlib import Path
from mlcycle.store import Store, migrate
from mlcycle.workspace import Workspace
migrate.lay_views = lambda connection: os.kill(os.getpid(), 9)
Store.create(Workspace(Path(sys.argv[1])))
"""
    (tmp_path / "mlcycle.yaml").write_text("name: test\n")
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path)]).returncode == -9
    workspace = Workspace(tmp_path)
    assert not workspace.database.exists()
    assert Store.create(workspace).read("SELECT * FROM runs") == []


KILLED = """
import os, sys
from pathlib import Path
from mlcycle.store import Store, store
from mlcycle.workspace import Workspace
def die(connection, *rest):
    connection.execute("COMMIT")
    os.kill(os.getpid(), 9)
store._commit = die
with Store(Workspace(Path(sys.argv[1]))).transaction("test") as change:
    change.execute("INSERT INTO meta SELECT 'k' || range, 'v' FROM range(100)")
"""


def killed_after_commit(store: Store) -> Path:
    command = [sys.executable, "-c", KILLED, str(store.workspace.root)]
    assert subprocess.run(command).returncode == -9
    log = store.workspace.database.with_name("store.duckdb.wal")
    assert log.exists()
    return log


def test_a_log_left_behind_is_replayed(store: Store) -> None:
    log = killed_after_commit(store)
    assert store.read("SELECT count(*) AS n FROM meta WHERE value = 'v'") == [{"n": 100}]
    store.append("sys", [{"ts": "2026-01-01", "deployment": "d"}])
    store.fold()
    assert not log.exists()
    assert store.read("SELECT count(*) AS n FROM meta WHERE value = 'v'") == [{"n": 100}]


def test_a_log_that_cannot_be_replayed_is_moved_aside_and_noted(store: Store) -> None:
    store.append("metric", [{"run_id": new_id(), "key": "k", "step": 1, "ts": "2026-01-01", "value": 1}])
    log = killed_after_commit(store)
    content = bytearray(log.read_bytes())
    content[len(content) // 2] ^= 16
    log.write_bytes(content)
    # Not acknowledged, so it may go; what was logged is still in the journal.
    assert store.read("SELECT count(*) AS n FROM meta WHERE value = 'v'") == [{"n": 0}]
    assert store.read("SELECT count(*) AS n FROM metric") == [{"n": 1}]
    (kept,) = (store.workspace.home / "recovery").iterdir()
    assert kept.read_bytes() == content and not log.exists()
    (audit,) = store.read("SELECT * FROM audit")
    assert audit["action"] == "recover" and audit["object"] == f"recovery/{kept.name}"


def test_a_damaged_file_is_said_to_be_damaged_and_left_as_it_is(store: Store) -> None:
    content = bytearray(store.workspace.database.read_bytes())
    for damage in (b"garbage" * 1000, bytes(content[:100]), b"", bytes(len(content))):
        store.workspace.database.write_bytes(damage)
        with pytest.raises(WorkspaceError, match="cannot be read") as caught:
            store.read("SELECT * FROM runs")
        assert "mlcycle store restore" in caught.value.hint
        with pytest.raises(WorkspaceError), store.transaction("test"):
            pass
        assert store.workspace.database.read_bytes() == damage
