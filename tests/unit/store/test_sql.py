from __future__ import annotations

from datetime import datetime

import pytest

from mlcycle.errors import UsageError
from mlcycle.store import Store
from mlcycle.store.opening import opened
from mlcycle.store.query import run, view_names
from mlcycle.workspace import Workspace


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    root = tmp_path_factory.mktemp("sql")
    (root / "mlcycle.yaml").write_text("name: test\n")
    (root / "secret.csv").write_text("a\n1\n")
    return Store.create(Workspace(root))


def test_a_query_returns_names_and_rows(store: Store) -> None:
    assert store.sql("SELECT 1 AS a, 'x' AS b;  ") == (["a", "b"], [(1, "x")])
    assert store.sql("-- nothing yet\nSELECT run_id FROM runs") == (["run_id"], [])


@pytest.mark.parametrize(
    "query", ["DESCRIBE runs", "SHOW TABLES", "SUMMARIZE runs", "EXPLAIN FROM runs", "VALUES (1)"]
)
def test_queries_that_look_at_the_store_are_allowed(store: Store, query: str) -> None:
    assert store.sql(query)[1]


def test_pivot_is_a_query_too(store: Store) -> None:
    names, rows = store.sql("PIVOT (SELECT 'a' AS k, 1 AS v) ON k USING sum(v)")
    assert names == ["a"] and [int(value) for value in rows[0]] == [1]


def test_every_public_view_can_be_read(store: Store) -> None:
    assert len(view_names()) >= 26
    for name in view_names():
        assert store.sql(f"SELECT * FROM {name}")[1] == []


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM read_csv('{root}/secret.csv')",
        "SELECT * FROM '{root}/secret.csv'",
        "SELECT * FROM read_text('{root}/mlcycle.yaml')",
        "SELECT * FROM glob('{root}/*')",
        "COPY (SELECT 1) TO '{root}/out.csv'",
        "ATTACH '{root}/other.duckdb'",
        "EXPORT DATABASE '{root}/out'",
        "INSTALL httpfs",
        "SET enable_external_access = true",
        "RESET lock_configuration",
        "PRAGMA database_list",
        "CREATE TEMP TABLE t AS SELECT 1",
        "INSERT INTO meta VALUES ('a', 'b')",
        "UPDATE meta SET value = 'x'",
        "DROP VIEW runs",
        "SELECT 1; SELECT 2",
        "",
        "-- nothing",
        "CALL pragma_version()",
        "EXPLAIN ANALYZE COPY (SELECT 1) TO '{root}/out.csv'",
        "EXPLAIN ANALYZE INSERT INTO meta VALUES ('a', 'b')",
    ],
)
def test_nothing_but_one_query_over_the_store_passes(store: Store, query: str) -> None:
    root = store.workspace.root
    before = sorted(path.name for path in root.rglob("*"))
    with pytest.raises(UsageError) as caught:
        store.sql(query.format(root=root))
    assert caught.value.hint and caught.value.exit_code == 2
    assert sorted(path.name for path in root.rglob("*")) == before


def test_after_a_refused_query_the_store_works_as_before(store: Store) -> None:
    with pytest.raises(UsageError):
        store.sql("SELECT * FROM read_csv('/etc/passwd')")
    with store.transaction("test") as change:
        change.insert("meta", [{"key": "a", "value": "b"}])
    assert store.read("SELECT value FROM meta WHERE key = 'a'") == [{"value": "b"}]


def test_a_wrong_view_name_brings_the_nearest_one(store: Store) -> None:
    with pytest.raises(UsageError, match="metrcs does not exist") as caught:
        store.sql("SELECT * FROM metrcs")
    assert "did you mean metrics?" in caught.value.hint


def test_a_wrong_column_says_which_there_are(store: Store) -> None:
    with pytest.raises(UsageError, match="Candidate bindings") as caught:
        store.sql("SELECT statis FROM runs")
    assert "DESCRIBE" in caught.value.hint


def test_times_with_a_zone_come_as_utc_without_one(store: Store) -> None:
    query = """SELECT TIMESTAMPTZ '2026-01-02 12:00:00+02' AS "when", 1 AS "a""b" """
    assert store.sql(query) == (["when", 'a"b'], [(datetime(2026, 1, 2, 10), 1)])


def test_a_query_that_takes_too_long_is_ended(store: Store) -> None:
    endless = "SELECT sum(a.range + b.range * c.range) FROM range(100000) a, range(100000) b, range(100000) c"
    with (
        opened(store.workspace, 1.0, None, alone=True) as connection,
        pytest.raises(UsageError, match=r"longer than 0\.05 s"),
    ):
        run(connection, endless, deadline_s=0.05)
    assert store.sql("SELECT 1 AS a")[1] == [(1,)]


def test_ids_come_as_text(store: Store) -> None:
    assert store.sql("SELECT UUID '00000000-0000-0000-0000-000000000007' AS id")[1] == [
        ("00000000-0000-0000-0000-000000000007",)
    ]
