from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlcycle.errors import Busy, CouldNot, UsageError, WorkspaceError
from mlcycle.hashing import sha256_bytes, sha256_file
from mlcycle.ids import new_id
from mlcycle.journal import Turnstile
from mlcycle.store import Store, archive, writers
from mlcycle.store.export_format import Column, load
from mlcycle.store.exporting import export
from mlcycle.store.migrate import migrations
from mlcycle.store.query import view_names
from mlcycle.store.reimport import reimport
from mlcycle.workspace import Workspace

NOON = datetime(2026, 1, 2, 12)


def workspace(root: Path) -> Workspace:
    root.mkdir(parents=True, exist_ok=True)
    (root / "mlcycle.yaml").write_text("name: test\n")
    return Workspace(root)


def prediction(**facts: object) -> dict[str, object]:
    whole = {"prediction_id": new_id(), "ts": NOON, "deployment": "d", "model": "m", "version": 1}
    return whole | facts


def metric(**facts: object) -> dict[str, object]:
    return {"run_id": new_id(), "key": "loss", "step": 0, "ts": NOON, "value": 1.0} | facts


def put_content(store: Store, content: bytes = b"a model") -> str:
    sha256 = sha256_bytes(content)
    path = store.workspace.artifact(sha256)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    store.append(
        "run",
        [
            {
                "kind": "artifact",
                "run_id": new_id(),
                "path": "m.bin",
                "sha256": sha256,
                "bytes": len(content),
                "ts": NOON,
            }
        ],
    )
    return sha256


def decide(store: Store, **facts: object) -> None:
    row = {"decision_id": new_id(), "kind": "gate", "subject": "m:1", "outcome": "approved", "reasons": []}
    with store.transaction("test") as change:
        change.insert("decision", [row | {"evidence": {}, "decided_by": "me", "ts": NOON} | facts])


def differences(one: Path, other: Path) -> dict[str, int]:
    """Count the rows by which the tables of two exports differ, either way."""
    first, second = load(one), load(other)
    assert [table.name for table in first.tables] == [table.name for table in second.tables]
    found = {}
    for table in first.tables:
        a, b = (f"(FROM read_parquet('{place / table.path}'))" for place in (one, other))
        both = f"SELECT * FROM ({a} EXCEPT ALL {b}) UNION ALL SELECT * FROM ({b} EXCEPT ALL {a})"
        found[table.name] = len(duckdb.execute(both).fetchall())
    return {name: count for name, count in found.items() if count}


def test_an_export_names_every_table_with_its_types_rows_and_hash(store: Store, tmp_path: Path) -> None:
    store.append("prediction", [prediction(features={"a": 1})])
    decide(store, reasons=["good", "cheap"], evidence={"auc": 0.8})
    done = export(store.workspace, tmp_path / "out")

    manifest = json.loads((tmp_path / "out" / "export.json").read_text())
    tables = {table["name"]: table for table in manifest["tables"]}
    bases = store.read("SELECT table_name FROM duckdb_tables() WHERE database_name = 'store'")
    assert set(tables) == {row["table_name"] for row in bases}
    assert done.tables == len(tables) and done.missing == ()
    assert tables["prediction"]["rows"] == 1
    for table in tables.values():
        content = (tmp_path / "out" / table["path"]).read_bytes()
        assert (len(content), sha256_bytes(content)) == (table["bytes"], table["sha256"])
    kinds = {column["name"]: (column["type"], column["stored"]) for column in tables["prediction"]["columns"]}
    assert kinds["features"] == ("VARIANT", "VARCHAR") and kinds["prediction_id"] == ("UUID", "VARCHAR")
    rows = duckdb.execute(
        f"SELECT features FROM read_parquet('{tmp_path}/out/tables/prediction.parquet')"
    ).fetchall()
    assert [json.loads(text) for (text,) in rows] == [{"a": 1}]


def test_what_is_only_in_the_journal_is_exported_too(store: Store, tmp_path: Path) -> None:
    store.append("metric", [metric(), metric()])
    done = export(store.workspace, tmp_path / "out")
    assert {table.name: table.rows for table in load(done.path).tables}["metric"] == 2


def test_contents_are_exported_under_their_hash(store: Store, tmp_path: Path) -> None:
    sha256 = put_content(store)
    export(store.workspace, tmp_path / "out")
    assert (tmp_path / "out" / "contents" / "artifacts" / sha256[:2] / sha256).read_bytes() == b"a model"


def test_contents_that_are_gone_or_damaged_are_named(store: Store, tmp_path: Path) -> None:
    gone, damaged = put_content(store, b"gone"), put_content(store, b"damaged")
    store.workspace.artifact(gone).unlink()
    store.workspace.artifact(damaged).write_bytes(b"damage!")
    done = export(store.workspace, tmp_path / "out")
    assert {finding.where for finding in done.missing} == {gone[:8], damaged[:8]}
    assert gone[:8] in (tmp_path / "out" / "README.md").read_text()
    assert load(done.path).contents == ()


def test_texts_of_the_user_are_exported_but_nothing_hidden_linked_or_dropped(
    store: Store, tmp_path: Path
) -> None:
    root = store.workspace.root
    for name in (
        "design.yaml",
        "checks/a.yaml",
        "train.py",
        ".env",
        ".git/x.py",
        "inbox/b.txt",
        "venv/lib/c.py",
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("a: ${env:NAME}\n")
    (root / "venv" / "pyvenv.cfg").write_text("")
    (root / "binary.txt").write_bytes(b"\xff\xfe")
    (root / "link.yaml").symlink_to("/etc/hosts")
    done = export(store.workspace, tmp_path / "out")
    found = {file.path.removeprefix("declarations/") for file in load(done.path).declarations}
    assert found == {"mlcycle.yaml", "design.yaml", "checks/a.yaml", "train.py"}


def test_plain_duckdb_reads_the_public_views_with_the_script_of_the_export(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.append("prediction", [prediction(features={"a": 1.5, "b": [1, None]})])
    decide(store)
    export(store.workspace, tmp_path / "out")
    monkeypatch.chdir(tmp_path / "out")
    with duckdb.connect() as plain:
        plain.execute((tmp_path / "out" / "views.sql").read_text())
        for view in view_names():
            assert len(plain.execute(f"FROM {view}").fetchall()) == len(
                store.read(f"SELECT * FROM {view}")
            ), view
        assert plain.execute("SELECT sum(features.a::DOUBLE) FROM predictions").fetchall() == [(1.5,)]


def test_an_export_goes_into_no_folder_that_holds_something(store: Store, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("keep me")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="not empty"):
        export(store.workspace, tmp_path / "full")
    with pytest.raises(UsageError, match="own"):
        export(store.workspace, store.workspace.home / "out")
    with pytest.raises(UsageError, match="is a file"):
        export(store.workspace, tmp_path / "full" / "letter.txt")
    assert export(store.workspace, tmp_path / "empty").path.is_dir()


def test_an_export_that_fails_leaves_nothing_behind(store: Store, tmp_path: Path) -> None:
    (tmp_path / ".out.part-pid999999999").mkdir()  # of a killed one
    store.append("metric", [metric()])
    with Turnstile(store.workspace.home, shared=False, timeout_s=1), pytest.raises(Busy):
        export(store.workspace, tmp_path / "out", wait_s=0.05)
    assert list(tmp_path.glob("*out*")) == []


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


def test_a_disk_that_fills_up_leaves_no_half_export(store: Store, tmp_path: Path) -> None:
    store.append("metric", [metric(value=n / 7) for n in range(20_000)])
    disk = tmp_path / "disk"
    disk.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)]
    if os.name != "posix" or os.getuid() != 0 or subprocess.run(words, check=False).returncode:
        pytest.skip("mounting is not permitted here")
    try:
        with pytest.raises(CouldNot, match=r"could not be written"):
            export(store.workspace, disk / "out")
        assert list(disk.iterdir()) == []
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


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
    shutil.copytree(tmp_path / "out", tmp_path / "bad")  # contents are hard links
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


def test_archived_predictions_are_exported_and_seen_through_the_script(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.append("prediction", [prediction(features={"a": 2}), prediction(ts=datetime(2026, 5, 1))])
    store.fold()
    piece = archive.write(store, NOON.date())
    assert piece is not None
    with store.transaction("test") as change:
        archive.take(change, piece, NOON)
    export(store.workspace, tmp_path / "out")
    monkeypatch.chdir(tmp_path / "out")
    with duckdb.connect() as plain:
        plain.execute((tmp_path / "out" / "views.sql").read_text())
        found = plain.execute("SELECT features.a::INTEGER FROM predictions ORDER BY ts").fetchall()
    assert found == [(2,), (None,)]
    other = workspace(tmp_path / "other")
    reimport(other, tmp_path / "out")
    assert sha256_file(archive.path_of(other, piece.sha256)) == piece.sha256


def test_what_may_only_be_read_is_exported_with_its_journal(store: Store, tmp_path: Path) -> None:
    store.append("metric", [metric()])
    writers.close_all()
    home = store.workspace.root
    if os.name != "posix" or os.getuid() != 0:
        pytest.skip("only root can mount")
    for words in (["--bind", str(home)], ["-o", "remount,ro,bind", str(home)]):
        target = [str(home)] if words[0] == "--bind" else []
        if subprocess.run(["mount", *words, *target], capture_output=True, check=False).returncode:
            pytest.skip("mounting is not permitted here")
    out = Path(tempfile.mkdtemp())
    try:
        done = export(store.workspace, out)
        assert {table.name: table.rows for table in load(done.path).tables}["metric"] == 1
    finally:
        subprocess.run(["umount", "-l", str(home)], check=True)
        shutil.rmtree(out)


texts = st.text(st.characters(codec="utf-8"), max_size=8)
numbers = st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
documents = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)


@pytest.fixture(scope="module")
def plain() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        yield connection


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(
            documents,
            documents,
            st.none() | st.lists(texts | st.none(), max_size=3),
            st.none() | st.floats(),
            st.none() | st.integers(-(2**63), 2**63 - 1),
        ),
        min_size=1,
        max_size=5,
    )
)
def test_any_value_comes_back_equal_from_parquet(
    plain: duckdb.DuckDBPyConnection, tmp_path: Path, rows: list[tuple[Any, ...]]
) -> None:
    kinds = {
        "n": "INTEGER",
        "v": "VARIANT",
        "j": "JSON",
        "l": "VARCHAR[]",
        "f": "DOUBLE",
        "i": "BIGINT",
        "u": "UUID",
    }
    columns = [Column.of(name, kind) for name, kind in kinds.items()]
    plain.execute(f"CREATE OR REPLACE TABLE t ({', '.join(f'{n} {k}' for n, k in kinds.items())})")
    for number, (variant, document, words, value, count) in enumerate(rows):
        given = [number, json.dumps(variant), json.dumps(document), words, value, count, new_id()]
        plain.execute("INSERT INTO t VALUES (?, ?::JSON::VARIANT, ?, ?, ?, ?, ?)", given)
    file = tmp_path / "t.parquet"
    plain.execute(
        f"COPY (SELECT {', '.join(c.written for c in columns)} FROM t) TO '{file}' (FORMAT parquet)"
    )
    plain.execute(f"CREATE OR REPLACE TABLE t2 AS SELECT {', '.join(c.read for c in columns)} FROM '{file}'")
    assert plain.execute("DESCRIBE t2").fetchall() == plain.execute("DESCRIBE t").fetchall()
    all_ = "SELECT *, v::VARCHAR, variant_typeof(v), v IS NULL, f::VARCHAR FROM"
    assert repr(plain.execute(f"{all_} t2").fetchall()) == repr(plain.execute(f"{all_} t").fetchall())
