"""The whole story's store: lost and made again, copied, exported: nothing of it is lost on the way."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.conftest import Played, mlcycle

from mlcycle.store import Store
from mlcycle.workspace import Workspace

BOOKKEEPING = ("segment", "schema_version", "meta", "audit_log")


def contents(folder: Path) -> dict[str, Any]:
    store = Store(Workspace(folder))
    sql = "SELECT table_name AS name FROM duckdb_tables() WHERE database_name = 'store'"
    names = {row["name"] for row in store.read(sql)} - set(BOOKKEEPING)
    # A number in a VARIANT may be kept in another type than before; what it says is its JSON.
    rows = {"prediction": "SELECT * REPLACE (features::JSON::VARCHAR AS features) FROM prediction"}
    with store.reading():
        return {
            name: store.read(
                f"SELECT bit_xor(hash(t))::VARCHAR AS h, count(*) AS n FROM ({rows.get(name, f'FROM {name}')}) AS t"
            )
            for name in sorted(names)
        }


@pytest.fixture
def copy(played: Played, tmp_path: Path) -> Path:
    return Path(shutil.copytree(played.folder, tmp_path / "copy", symlinks=True))


def test_a_lost_store_is_made_again_from_the_logs_with_every_row(copy: Path) -> None:
    before = contents(copy)
    assert sum(rows[0]["n"] > 0 for rows in before.values()) >= 25
    (copy / ".mlcycle" / "store.duckdb").unlink()
    lost = mlcycle("status", folder=copy)
    assert lost.returncode == 3 and "mlcycle store restore" in lost.stderr
    done = mlcycle("store", "restore", "--yes", "--json", folder=copy)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["missing"] == []
    assert contents(copy) == before
    assert mlcycle("doctor", folder=copy).returncode == 0


def test_a_damaged_store_says_what_to_type_and_that_works(copy: Path) -> None:
    before = contents(copy)
    database = copy / ".mlcycle" / "store.duckdb"
    content = bytearray(database.read_bytes())
    content[len(content) // 4 : 3 * len(content) // 4] = bytes(len(content) // 2)
    database.write_bytes(content)
    found = mlcycle("doctor", folder=copy)
    assert found.returncode == 1 and "cannot be read" in found.stdout + found.stderr
    done = mlcycle("store", "restore", "--yes", folder=copy)
    assert done.returncode == 0, done.stderr
    assert contents(copy) == before


def test_a_backup_and_an_export_in_other_places_bring_back_every_row(copy: Path, tmp_path: Path) -> None:
    before = contents(copy)
    assert mlcycle("store", "backup", tmp_path / "backup", folder=copy).returncode == 0
    assert mlcycle("store", "export", tmp_path / "export", folder=copy).returncode == 0
    shutil.rmtree(copy)
    (tmp_path / "first").mkdir()
    shutil.copytree(tmp_path / "backup", tmp_path / "opened")
    assert contents(tmp_path / "opened") == before
    done = mlcycle("store", "restore", tmp_path / "export", "--yes", folder=tmp_path / "first")
    assert done.returncode == 0, done.stderr
    assert contents(tmp_path / "first") == before
    assert mlcycle("doctor", folder=tmp_path / "first").returncode == 0
