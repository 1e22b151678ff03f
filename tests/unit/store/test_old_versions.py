"""Every old version of the store, kept as a fixture, walks to today's with all it holds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.fixtures.old_stores import STORES, unpack

from mlcycle.store import Store, restore
from mlcycle.store.doctor import examine, mend
from mlcycle.store.generations import generations
from mlcycle.store.migrate import migrations
from mlcycle.workspace import Workspace


def test_every_version_before_this_one_has_a_fixture() -> None:
    kept = sorted(int(path.name[:4]) for path in STORES.glob("*.tar.xz"))
    assert kept == [migration.version for migration in migrations()[:-1]]


@pytest.mark.parametrize("version", [migration.version for migration in migrations()[:-1]])
def test_an_old_workspace_has_all_its_rows_in_the_views_of_today(version: int, tmp_path: Path) -> None:
    workspace = Workspace(unpack(version, tmp_path))
    want = json.loads((STORES / f"{version:04d}.json").read_text())
    store = Store(workspace)
    got = {name: store.read(f'SELECT count(*) AS n FROM "{name}"')[0]["n"] for name in want}
    assert got == {name: facts["rows"] for name, facts in want.items()}
    for name, facts in want.items():  # columns are added, never renamed
        columns = [row["column_name"] for row in store.read(f'DESCRIBE "{name}"')]
        assert [column for column in columns if column in facts["columns"]] == facts["columns"]
    assert store.read("SELECT max(version) AS v FROM schema_version") == [{"v": len(migrations())}]


@pytest.mark.parametrize("version", [migration.version for migration in migrations()[:-1]])
def test_an_old_workspace_is_healthy_after_its_migration_and_can_be_made_again(
    version: int, tmp_path: Path
) -> None:
    workspace = Workspace(unpack(version, tmp_path))
    mend(workspace)
    assert examine(workspace).exit_code == 0
    (copy,) = generations(workspace)
    assert "migration" in copy.facts["why"]
    runs = Store(workspace).read("SELECT run_id, status, ended_at FROM runs ORDER BY run_id")
    last = Store(workspace).read("SELECT * FROM latest_metrics ORDER BY run_id, key")
    assert {row["status"] for row in runs} == {"finished"} and len(last) == 15
    workspace.database.unlink()
    assert restore(workspace).missing == ()
    assert Store(workspace).read("SELECT run_id, status, ended_at FROM runs ORDER BY run_id") == runs
