from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.store.exports import NOON, decide, metric, prediction, put_content, workspace

from mlcycle.errors import Busy, CouldNot, UsageError
from mlcycle.hashing import sha256_bytes, sha256_file
from mlcycle.ids import new_id
from mlcycle.journal import Turnstile
from mlcycle.store import Store, archive, writers
from mlcycle.store.export_format import Column, load
from mlcycle.store.exporting import export
from mlcycle.store.query import view_names
from mlcycle.store.reimport import reimport
from mlcycle.workspace import Workspace


@pytest.fixture
def store(_empty: Path, tmp_path: Path) -> Store:
    """Return an empty store with room beside it: no export goes into its own workspace."""
    shutil.copytree(_empty, tmp_path / "here")
    return Store(Workspace(tmp_path / "here"))


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


def test_writing_into_an_export_leaves_the_workspace_as_it_is(store: Store, tmp_path: Path) -> None:
    sha256 = put_content(store)
    export(store.workspace, tmp_path / "out")
    with (tmp_path / "out" / "contents" / "artifacts" / sha256[:2] / sha256).open("r+b") as file:
        file.write(b"another")
    assert store.workspace.artifact(sha256).read_bytes() == b"a model"


@pytest.mark.skipif(os.name != "posix", reason="Windows has other permissions")
@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
def test_an_export_is_for_its_owner_alone(store: Store, tmp_path: Path, mask: int) -> None:
    store.workspace.artifact(put_content(store)).chmod(0o444)
    before = os.umask(mask)
    try:
        export(store.workspace, tmp_path / "out")
    finally:
        os.umask(before)
    places = [tmp_path / "out", *(tmp_path / "out").rglob("*")]
    assert {stat.S_IMODE(place.stat().st_mode) for place in places if place.is_dir()} == {0o700}
    assert {stat.S_IMODE(place.stat().st_mode) for place in places if place.is_file()} == {0o600}


@pytest.mark.skipif(os.name != "posix", reason="Windows has other permissions")
def test_the_folder_of_an_export_under_way_is_closed_to_others(store: Store, tmp_path: Path) -> None:
    seen: list[int] = []
    before, done = os.umask(0), threading.Event()

    def watch() -> None:
        while not done.wait(0.001):
            for part in tmp_path.glob(".out.part-*"):
                with suppress(FileNotFoundError):
                    seen.append(stat.S_IMODE(part.stat().st_mode))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        export(store.workspace, tmp_path / "out")
    finally:
        done.set()
        watcher.join()
        os.umask(before)
    assert set(seen) == {0o700}


@pytest.mark.parametrize("place", ["/proc/x", "file/out"])
def test_an_export_to_where_nobody_can_write_is_refused_with_what_to_type(
    store: Store, tmp_path: Path, place: str
) -> None:
    if place.startswith("/proc") and not Path("/proc/self").exists():
        pytest.skip("there is no /proc here")
    (tmp_path / "file").write_text("")
    with pytest.raises(CouldNot, match="cannot be written") as error:
        export(store.workspace, tmp_path / place)
    assert "mlcycle store export" in error.value.hint


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
    for inside in (store.workspace.home / "out", store.workspace.root / "out"):
        with pytest.raises(UsageError, match="lies in the workspace itself"):
            export(store.workspace, inside)
    (tmp_path / "way").symlink_to(store.workspace.root)
    with pytest.raises(UsageError, match="lies in the workspace itself"):
        export(store.workspace, tmp_path / "way" / "out")
    with pytest.raises(UsageError, match="is a file"):
        export(store.workspace, tmp_path / "full" / "letter.txt")
    assert export(store.workspace, tmp_path / "empty").path.is_dir()


def test_an_export_that_fails_leaves_nothing_behind(store: Store, tmp_path: Path) -> None:
    (tmp_path / ".out.part-pid999999999").mkdir()  # of a killed one
    store.append("metric", [metric()])
    with Turnstile(store.workspace.home, shared=False, timeout_s=1), pytest.raises(Busy):
        export(store.workspace, tmp_path / "out", wait_s=0.05)
    assert list(tmp_path.glob("*out*")) == []


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


@pytest.mark.parametrize("logged", [0, 1])
def test_what_may_only_be_read_is_exported_with_its_journal(
    store: Store, tmp_path: Path, logged: int
) -> None:
    if logged:
        store.append("metric", [metric()])
        writers.close_all()
    else:
        shutil.rmtree(store.workspace.journal, ignore_errors=True)
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
        assert {table.name: table.rows for table in load(done.path).tables}["metric"] == logged
    finally:
        subprocess.run(["umount", "-l", str(home)], check=True)
        shutil.rmtree(out)


AS_NOBODY = """
import os, sys
from pathlib import Path
from mlcycle.errors import CouldNot
from mlcycle.store.exporting import export
from mlcycle.workspace import Workspace

here, out = Path(sys.argv[1]), Path(sys.argv[2])
export(Workspace(here), out / "of root")  # so that all is imported while it can be
os.setgid(65534)
os.setgroups([])
os.setuid(65534)
try:
    print(export(Workspace(here), out / "of nobody").tables)
except CouldNot as error:
    print(error.message, "|", error.hint)
print(sorted(path.name for path in out.iterdir()))
"""


@pytest.mark.parametrize("closed", [False, True])
def test_what_somebody_else_owns_is_exported_if_it_can_be_read_or_the_file_is_named(
    store: Store, closed: bool
) -> None:
    if os.name != "posix" or os.getuid() != 0:
        pytest.skip("only root can become somebody else")
    path = store.workspace.artifact(put_content(store))
    place = Path(tempfile.mkdtemp())
    try:
        shutil.copytree(store.workspace.root, place / "here")
        words = [sys.executable, "-c", AS_NOBODY, str(place / "here"), str(place / "out")]
        copied = place / "here" / path.relative_to(store.workspace.root)
        for one in (place, *(place / "here").rglob("*")):
            one.chmod(0o555 if one.is_dir() else 0o444)
        copied.chmod(0o400 if closed else 0o444)
        (place / "here").chmod(0o555)
        (place / "out").mkdir()
        (place / "out").chmod(0o777)
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        lines = done.stdout.splitlines()
        if closed:
            assert f"{copied} cannot be read" in lines[0] and "ls -l" in lines[0]
            assert lines[1] == "['of root']"
        else:
            assert int(lines[0]) > 30 and lines[1] == "['of nobody', 'of root']"
    finally:
        shutil.rmtree(place)


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
