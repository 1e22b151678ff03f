from __future__ import annotations

from pathlib import Path

import pytest

from mlcycle.errors import WorkspaceError
from mlcycle.store import Store
from mlcycle.store.doctor import examine, mend
from mlcycle.workspace import Workspace

RECORD: dict[str, object] = {"ts": "2026-01-01", "deployment": "d"}


@pytest.mark.parametrize("name", ["data/a.parquet", "artifacts/ab/abc", "journal/sys/1-2-3.jnl"])
def test_a_store_that_is_gone_while_its_files_are_there_is_damage_and_never_made_anew(
    store: Store, name: str
) -> None:
    path = store.workspace.home / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    store.workspace.database.unlink()
    for use in (lambda: store.read("SELECT 1 AS n"), lambda: Store.create(store.workspace)):
        with pytest.raises(WorkspaceError, match=r"store\.duckdb is missing, though \.mlcycle/") as caught:
            use()
        assert caught.value.exit_code == 3 and "mlcycle store restore" in caught.value.hint
    assert [finding.level for finding in examine(store.workspace).findings] == ["damaged"]
    assert examine(store.workspace).exit_code == 1 and mend(store.workspace).exit_code == 1
    assert not store.workspace.database.exists()


def test_a_run_logged_before_the_first_command_is_no_lost_store(tmp_path: Path) -> None:
    store = Store(Workspace(tmp_path))
    store.workspace.artifact("ab" * 32).parent.mkdir(parents=True)
    store.workspace.artifact("ab" * 32).write_bytes(b"script")
    assert store.append("sys", [RECORD])
    assert store.read("SELECT count(*) AS n FROM resources") == [{"n": 1}]


def test_a_store_that_is_gone_with_nothing_beside_it_is_made_anew(store: Store) -> None:
    store.workspace.database.unlink()
    assert examine(store.workspace).findings == ()
    assert store.read("SELECT count(*) AS n FROM runs") == [{"n": 0}]
