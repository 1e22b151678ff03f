"""A store's file from another hand: SQL that DuckDB would run when it is read is found, named and taken out."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pytest
from tests.fixtures.old_stores import unpack

from mlcycle.errors import WorkspaceError
from mlcycle.store import Store, strangers
from mlcycle.store.connection import close, connect
from mlcycle.store.migrate import Migration, migrations

REGENERATE = """python -c "import duckdb, pathlib; from mlcycle.store import strangers, migrate; \
pathlib.Path('core/mlcycle/store/migrations/catalogue.json').write_text(\
strangers.note(duckdb.connect(), migrate.migrations()))" """

CANARY = "the content of a file outside"


@contextmanager
def opened(path: Path, *, read_only: bool = True) -> Iterator[duckdb.DuckDBPyConnection]:
    connection = connect(path, read_only=read_only)
    try:
        yield connection
    finally:
        close(connection)


def looked_at(path: Path, known: tuple[Migration, ...] | None = None) -> bool:
    with opened(path) as connection:
        return strangers.refuse(connection, path, known or migrations())


def tamper(path: Path, *statements: str) -> None:
    with duckdb.connect(str(path)) as connection:
        for statement in statements:
            connection.execute(statement)


@pytest.fixture
def outside(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("outside") / "secret.txt"
    file.write_text(CANARY)
    return file


def test_the_noted_catalogue_is_that_of_the_migrations_and_views() -> None:
    noted = Path(strangers.__file__).parent / "migrations" / strangers.NOTE
    with duckdb.connect() as connection:
        assert noted.read_text() == strangers.note(connection, migrations()), f"make it anew: {REGENERATE}"


def test_a_store_that_was_made_here_passes(store: Store) -> None:
    assert looked_at(store.workspace.database)


def test_a_store_passes_where_the_note_is_of_another_duckdb(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(strangers, "_noted", lambda known: {})
    assert looked_at(store.workspace.database)


def test_an_older_store_passes_but_its_views_are_not_to_be_read(tmp_path: Path) -> None:
    assert not looked_at(unpack(1, tmp_path) / ".mlcycle" / "store.duckdb")


@pytest.mark.parametrize(
    ("made", "named"),
    [
        ("CREATE MACRO count(x) AS 42", "macro count"),
        ("CREATE MACRO to_json(x) AS (SELECT content FROM read_text('{file}'))", "macro to_json"),
        ("CREATE MACRO duckdb_functions() AS TABLE SELECT 1 AS one", "macro table duckdb_functions"),
        ("CREATE MACRO duckdb_views() AS TABLE SELECT 1 AS one", "macro table duckdb_views"),
        ("CREATE TYPE mood AS ENUM ('good', 'bad')", "type mood"),
        ("CREATE SCHEMA system", "schema system"),
        ("CREATE SCHEMA store", "schema store"),
    ],
)
def test_what_would_run_in_place_of_ours_is_refused_by_name(
    store: Store, outside: Path, made: str, named: str
) -> None:
    tamper(store.workspace.database, made.replace("{file}", str(outside)))
    with pytest.raises(WorkspaceError, match=named) as raised:
        looked_at(store.workspace.database)
    assert CANARY not in str(raised.value)
    assert "doctor --mend" in raised.value.hint


def test_a_trigger_is_refused_by_name(store: Store, tmp_path: Path, outside: Path) -> None:
    newer = tmp_path / "newer.duckdb"
    with duckdb.connect() as connection:  # the file format that knows triggers
        connection.execute(f"ATTACH '{store.workspace.database}' AS old (READ_ONLY)")
        connection.execute(f"ATTACH '{newer}' AS new (STORAGE_VERSION 'v2.0.0')")
        connection.execute("COPY FROM DATABASE old TO new")
        connection.execute("USE new")
        connection.execute(
            "CREATE TRIGGER peek AFTER INSERT ON meta FOR EACH STATEMENT "
            f"INSERT INTO segment SELECT content, 'x', 0, 0, 0, NULL FROM read_text('{outside}')"
        )
    newer.replace(store.workspace.database)
    with pytest.raises(WorkspaceError, match="trigger peek"):
        looked_at(store.workspace.database)
    with opened(store.workspace.database, read_only=False) as connection:
        assert any(text.startswith("CREATE TRIGGER peek") for text in strangers.take_out(connection))
    assert looked_at(store.workspace.database)


@pytest.mark.parametrize(
    "made",
    [
        "ALTER TABLE meta ADD COLUMN more INTEGER",
        "ALTER TABLE meta ALTER COLUMN value SET DEFAULT 'x'",
        "DROP TABLE image",
    ],
)
def test_a_table_that_is_not_as_this_program_makes_it_is_refused(store: Store, made: str) -> None:
    database = store.workspace.database
    tamper(database, "DROP VIEW images", made)
    with pytest.raises(WorkspaceError, match=r"table (meta|image)"):
        looked_at(database)


def test_a_view_in_the_place_of_a_table_is_refused(store: Store, outside: Path) -> None:
    database = store.workspace.database
    tamper(
        database,
        "DROP TABLE schema_version",
        f"CREATE VIEW schema_version AS SELECT 2 AS version, content AS app_version FROM read_text('{outside}')",
    )
    with pytest.raises(WorkspaceError, match="table schema_version"):
        looked_at(database)


def test_a_public_view_that_reads_elsewhere_is_not_ours(store: Store, outside: Path) -> None:
    database = store.workspace.database
    tamper(database, f"CREATE OR REPLACE VIEW runs AS SELECT content AS name FROM read_text('{outside}')")
    assert not looked_at(database)


def test_a_view_between_ours_and_a_table_is_not_ours(store: Store, outside: Path) -> None:
    database = store.workspace.database
    tamper(
        database, f"CREATE OR REPLACE VIEW live_metric AS SELECT content AS key FROM read_text('{outside}')"
    )
    assert not looked_at(database)


def test_further_tables_and_views_of_somebodys_own_are_let_be(store: Store) -> None:
    database = store.workspace.database
    tamper(
        database, "CREATE TABLE notes(text VARCHAR)", "CREATE VIEW good_runs AS SELECT * FROM runs WHERE true"
    )
    assert looked_at(database)


def test_a_newer_store_is_left_to_the_message_that_says_so(store: Store) -> None:
    later = len(migrations()) + 1
    tamper(
        store.workspace.database,
        "CREATE TABLE brought_by_a_later_version(x INTEGER)",
        f"INSERT INTO schema_version VALUES ({later}, 'later', '', '99.0', TIMESTAMP '2030-01-01 00:00:00')",
    )
    assert not looked_at(store.workspace.database)


def test_a_file_that_has_changed_since_is_looked_at_again(store: Store) -> None:
    database = store.workspace.database
    assert looked_at(database)
    tamper(database, "CREATE MACRO count(x) AS 42")
    with pytest.raises(WorkspaceError, match="macro count"):
        looked_at(database)


def test_a_file_put_in_the_place_of_a_good_one_is_looked_at(store: Store, tmp_path: Path) -> None:
    database = store.workspace.database
    other = tmp_path / "other.duckdb"
    shutil.copyfile(database, other)
    tamper(other, "CREATE MACRO count(x) AS 42")
    assert looked_at(database)
    shutil.copyfile(other, database)  # keeps the inode, as `cp` does
    with pytest.raises(WorkspaceError, match="macro count"):
        looked_at(database)


def test_what_this_process_has_written_itself_is_not_looked_at_again(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = store.workspace.database
    assert looked_at(database)
    with opened(database, read_only=False) as connection:
        connection.execute("CREATE TABLE mine(x INTEGER)")
    strangers.renew(database)
    monkeypatch.setattr(strangers, "strangers", lambda *_: pytest.fail("looked again"))
    assert looked_at(database)


def test_taking_out_leaves_rows_and_says_what_was_there(store: Store) -> None:
    database = store.workspace.database
    tamper(
        database,
        "CREATE MACRO count(x) AS 42",
        "CREATE MACRO range(x) AS TABLE SELECT x",
        "CREATE SCHEMA system",
        "CREATE SCHEMA theirs",
        "CREATE TABLE theirs.kept AS SELECT 1 AS one",
    )
    with opened(database, read_only=False) as connection:
        said = strangers.take_out(connection)
    assert any("MACRO count(x) AS 42" in text for text in said)
    with opened(database) as connection:
        assert strangers.strangers(connection.cursor(), migrations()) == [
            strangers.Stranger("SCHEMA", "theirs", "theirs")
        ]
    tamper(database, "DROP SCHEMA theirs CASCADE")
    assert looked_at(database)


def test_mending_takes_strangers_out_and_keeps_what_they_said(store: Store) -> None:
    workspace = store.workspace
    tamper(workspace.database, "CREATE MACRO count(x) AS 42", "CREATE TYPE mood AS ENUM ('good', 'bad')")
    assert strangers.evict(workspace, 5) == ["macro count", "type mood"]
    assert looked_at(workspace.database)
    [kept] = (workspace.home / "recovery").iterdir()
    assert "MACRO count(x) AS 42" in kept.read_text()
    assert strangers.evict(workspace, 5) == []
