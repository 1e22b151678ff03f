from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest
from tests.unit.store.exports import decide, differences, metric, prediction, put_content, workspace

from mlcycle.errors import CouldNot, WorkspaceError
from mlcycle.hashing import sha256_file
from mlcycle.ids import new_id
from mlcycle.store import Store
from mlcycle.store.export_format import load
from mlcycle.store.exporting import export
from mlcycle.store.migrate import migrations
from mlcycle.store.reimport import reimport
from mlcycle.workspace import Workspace


@pytest.fixture
def store(_empty: Path, tmp_path: Path) -> Store:
    """Return an empty store with room beside it: no export goes into its own workspace."""
    shutil.copytree(_empty, tmp_path / "here")
    return Store(Workspace(tmp_path / "here"))


KILLED = """
import os, sys
from pathlib import Path
from mlcycle.store.reimport import reimport
from mlcycle.workspace import Workspace

def hook(stage):
    if stage == sys.argv[3]:
        os._exit(9)

reimport(Workspace(Path(sys.argv[1])), Path(sys.argv[2]), hook=hook)
"""


@pytest.mark.parametrize(("stage", "there"), [("built", 2), ("kept", 2), ("swapped", 1)])
def test_an_import_killed_at_any_stage_leaves_the_old_store_or_the_new_one(
    store: Store, tmp_path: Path, stage: str, there: int
) -> None:
    decide(store, subject="old")
    export(store.workspace, tmp_path / "out")
    decide(store, subject="newer")
    words = [sys.executable, "-c", KILLED, str(store.workspace.root), str(tmp_path / "out"), stage]
    assert subprocess.run(words, check=False).returncode == 9
    assert len(store.read("SELECT * FROM decisions")) == there
    reimport(store.workspace, tmp_path / "out")
    decide(store, subject="after")
    assert len(store.read("SELECT * FROM decisions")) == 2


def changed(out: Path, **facts: Any) -> None:
    path = out / "export.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | facts))


@pytest.mark.parametrize("facts", [{"format": 2}, {"schema": 9999}])
def test_a_newer_export_is_refused(store: Store, tmp_path: Path, facts: dict[str, int]) -> None:
    export(store.workspace, tmp_path / "out")
    changed(tmp_path / "out", **facts)
    with pytest.raises(WorkspaceError) as error:
        reimport(store.workspace, tmp_path / "out")
    assert "pip install" in error.value.hint


@pytest.mark.parametrize("which", ["tables/metric.parquet", "contents/*/*/*", "declarations/mlcycle.yaml"])
def test_a_flipped_byte_in_an_export_is_named_and_the_workspace_left_alone(
    store: Store, tmp_path: Path, which: str
) -> None:
    put_content(store)
    export(store.workspace, tmp_path / "out")
    shutil.copytree(tmp_path / "out", tmp_path / "bad")
    [path] = (tmp_path / "bad").glob(which)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    other = workspace(tmp_path / "other")
    with pytest.raises(CouldNot, match=path.name):
        reimport(other, tmp_path / "bad")
    assert not other.home.exists()


@pytest.mark.parametrize(
    "facts",
    [
        {"contents": [{"path": "contents/data/../../../x", "bytes": 1, "sha256": "0" * 64}]},
        {"declarations": [{"path": "declarations/../x.py", "bytes": 1, "sha256": "0" * 64}]},
        {"declarations": [{"path": "declarations/.mlcycle/x.py", "bytes": 1, "sha256": "0" * 64}]},
        {
            "tables": [
                {
                    "name": 'x"; --',
                    "path": "tables/x.parquet",
                    "bytes": 1,
                    "sha256": "0",
                    "rows": 0,
                    "columns": [],
                }
            ]
        },
        {"tables": 3},
    ],
)
def test_an_export_cannot_reach_outside_of_the_folders(
    store: Store, tmp_path: Path, facts: dict[str, Any]
) -> None:
    export(store.workspace, tmp_path / "out")
    changed(tmp_path / "out", **facts)
    with pytest.raises(CouldNot, match=r"export\.json"):
        reimport(store.workspace, tmp_path / "out")


def test_export_and_import_give_the_same_tables_and_contents(store: Store, tmp_path: Path) -> None:
    put_content(store)
    store.append("prediction", [prediction(features={"a": 1}, latency_ms=3.5), prediction()])
    store.append(
        "metric", [metric(value=value) for value in ("NaN", "Infinity", "-Infinity", -0.0, 1e-320, None)]
    )
    decide(store, reasons=["good", ""], evidence={"q": "\u2028 ' \" \\"})
    (store.workspace.root / "design.yaml").write_text("requirements: []\n")
    export(store.workspace, tmp_path / "one")

    other = workspace(tmp_path / "other")
    done = reimport(other, tmp_path / "one")
    export(other, tmp_path / "two")

    assert differences(tmp_path / "one", tmp_path / "two") == {}
    one, two = load(tmp_path / "one"), load(tmp_path / "two")
    assert one.contents == two.contents and one.declarations == two.declarations
    assert (done.contents, done.declarations, done.left_out, done.set_aside) == (1, 1, (), "")
    assert Store(other).read("SELECT value FROM metrics WHERE isinf(value)") != []


def test_an_import_keeps_the_store_that_was_there(store: Store, tmp_path: Path) -> None:
    decide(store, subject="old")
    export(store.workspace, tmp_path / "out")
    decide(store, subject="newer")
    done = reimport(store.workspace, tmp_path / "out")
    assert [row["subject"] for row in store.read("SELECT subject FROM decisions")] == ["old"]
    assert done.set_aside.startswith(".mlcycle/recovery/")
    with duckdb.connect(str(store.workspace.root / done.set_aside), read_only=True) as before:
        assert before.execute("SELECT count(*) FROM decision").fetchall() == [(2,)]


def test_a_journal_that_still_lies_there_does_not_fold_twice(store: Store, tmp_path: Path) -> None:
    store.append("metric", [metric(), metric()])
    export(store.workspace, tmp_path / "out")
    store.append("metric", [metric()])  # after the export
    reimport(store.workspace, tmp_path / "out")
    assert len(store.read("SELECT * FROM metrics")) == 3
    store.fold()
    assert len(store.read("SELECT * FROM store.main.metric")) == 3


def test_a_damaged_store_does_not_stop_an_import(store: Store, tmp_path: Path) -> None:
    decide(store)
    export(store.workspace, tmp_path / "out")
    store.workspace.database.write_bytes(b"\0" * 5000)
    reimport(store.workspace, tmp_path / "out")
    assert len(store.read("SELECT * FROM decisions")) == 1


def test_texts_that_are_there_are_left_alone_by_an_import(store: Store, tmp_path: Path) -> None:
    (store.workspace.root / "design.yaml").write_text("a: 1\n")
    export(store.workspace, tmp_path / "out")
    (store.workspace.root / "design.yaml").write_text("a: 2\n")
    done = reimport(store.workspace, tmp_path / "out")
    assert (done.left_out, done.declarations) == (("design.yaml",), 0)
    assert (store.workspace.root / "design.yaml").read_text() == "a: 2\n"


def test_scripts_come_back_into_a_new_folder_only(store: Store, tmp_path: Path) -> None:
    (store.workspace.root / "train.py").write_text("print()\n")
    export(store.workspace, tmp_path / "out")
    (tmp_path / "new").mkdir()
    assert reimport(Workspace(tmp_path / "new"), tmp_path / "out").left_out == ()
    assert (tmp_path / "new" / "train.py").read_text() == "print()\n"
    other = workspace(tmp_path / "other")
    assert reimport(other, tmp_path / "out").left_out == ("train.py",)
    assert not (other.root / "train.py").exists()


def test_a_folder_that_is_no_export_is_refused(store: Store, tmp_path: Path) -> None:
    with pytest.raises(CouldNot, match="no export"):
        reimport(store.workspace, tmp_path)


def test_an_older_export_is_brought_up_to_date_by_the_migrations(store: Store, tmp_path: Path) -> None:
    run_id = new_id()
    store.append("metric", [metric(run_id=run_id, step=step, value=step / 2) for step in range(4)])
    export(store.workspace, tmp_path / "out")
    facts = json.loads((tmp_path / "out" / "export.json").read_text())
    first = migrations()[0].text
    older = []
    for table in facts["tables"]:
        path = tmp_path / "out" / table["path"]
        if f"CREATE TABLE {table['name']}(" not in first:
            path.unlink()
            continue
        if table["name"] == "run_end":
            columns = [column for column in table["columns"] if column["name"] != "writer"]
            names = ", ".join(column["name"] for column in columns)
            duckdb.execute(f"COPY (SELECT {names} FROM '{path}') TO '{path}.new' (FORMAT parquet)")
            Path(f"{path}.new").replace(path)
            table |= {"columns": columns, "sha256": sha256_file(path)}
        if table["name"] == "schema_version":
            duckdb.execute(f"COPY (FROM '{path}' WHERE version = 1) TO '{path}.new' (FORMAT parquet)")
            Path(f"{path}.new").replace(path)
            table |= {"rows": 1, "sha256": sha256_file(path)}
        older.append(table)
    changed(tmp_path / "out", tables=older, schema=1)

    other = workspace(tmp_path / "other")
    reimport(other, tmp_path / "out")
    assert Store(other).read("SELECT value, step, n FROM latest_metrics") == [
        {"value": 1.5, "step": 3, "n": 4}
    ]
    versions = Store(other).read("SELECT version FROM schema_version ORDER BY version")
    assert [row["version"] for row in versions] == [one.version for one in migrations()]
