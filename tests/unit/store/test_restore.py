from __future__ import annotations

import shutil
import subprocess
import sys
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlcycle.errors import CouldNot, UsageError, WorkspaceError
from mlcycle.experiments.artifacts import keep_bytes
from mlcycle.ids import new_id
from mlcycle.monitor import retain
from mlcycle.store import Store, backup, changes, restore, writers
from mlcycle.store.changes import Draft
from mlcycle.store.doctor import examine, mend
from mlcycle.store.generations import current, generations
from mlcycle.workspace import Workspace

NOON = datetime(2026, 1, 2, 12, 0, 0, 5)


@pytest.fixture
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("elsewhere")


def metric(step: int) -> dict[str, object]:
    return {"run_id": new_id(), "key": "k", "step": step, "ts": NOON, "value": step / 3}


def story(store: Store) -> None:
    """Fill a store by every door: the journal, statements with values of each kind, bulk rows."""
    store.append("metric", [metric(i) for i in range(10)])
    with store.transaction("first") as change:
        change.insert("meta", [{"key": f"k{i}", "value": "v"} for i in range(3)])
        change.execute(
            "INSERT INTO requirement (requirement_id, version, role, metric, comparison, value, phases, since)"
            " VALUES (?, 1, 'business', 'auc', '>=', ?, ?, ?)",
            ["r", 0.5, ["gate", "monitor"], NOON],
        )
        change.audit("m", before=None, after={"nan": float("nan"), "ä": [1, None]})
    writers.close_all()
    store.fold()
    store.append("metric", [metric(i) for i in range(10, 15)])
    with store.transaction("second") as change:
        change.execute(
            "UPDATE requirement SET version = $v, until = $at WHERE requirement_id = $r",
            {"v": 2, "at": NOON, "r": "r"},
        )
        change.execute("DELETE FROM meta WHERE list_contains(?, key)", [["k0", "k1"]])
    store.append("metric", [metric(i) for i in range(15, 20)])


def contents(store: Store) -> dict[str, Any]:
    tables = [
        row["name"]
        for row in store.read("SELECT table_name AS name FROM duckdb_tables() WHERE database_name = 'store'")
    ]
    # What says when something was done to the file itself, and how far the journal is read, is not content.
    leave = ("segment", "schema_version", "audit_log")
    found = {
        name: store.read(f'SELECT bit_xor(hash(t))::VARCHAR AS h, count(*) AS n FROM "{name}" AS t')
        for name in tables
        if name not in (*leave, "meta")
    }
    found["meta"] = store.read("SELECT * FROM meta WHERE key LIKE 'k%' ORDER BY key")
    found["audit"] = store.read("SELECT * FROM audit WHERE action NOT IN ('restore', 'recover') ORDER BY ts")
    return found


@pytest.mark.parametrize("backed_up", ["never", "before", "between", "at the end"])
def test_a_lost_store_is_made_again_from_its_copy_and_logs(store: Store, backed_up: str) -> None:
    if backed_up == "before":
        backup(store.workspace)
    story(store)
    if backed_up == "between":
        backup(store.workspace)
        story_again = [metric(100)]
        store.append("metric", story_again)
    elif backed_up == "at the end":
        backup(store.workspace)
    before = contents(store)
    store.workspace.database.unlink()
    done = restore(store.workspace)
    assert done.missing == () and contents(store) == before
    assert examine(store.workspace).exit_code == 0
    assert [row["action"] for row in store.read("SELECT action FROM audit ORDER BY ts")][-1] == "restore"


def test_a_damaged_copy_is_passed_over_and_the_one_before_it_taken(store: Store) -> None:
    story(store)
    backup(store.workspace)
    store.append("metric", [metric(50)])
    before = contents(store)
    newest = generations(store.workspace)[-1]
    content = bytearray(newest.copy.read_bytes())
    content[5000] ^= 1
    newest.copy.write_bytes(content)
    found = [finding.what for finding in examine(store.workspace).findings if finding.level == "mend"]
    assert found == [f"the copy {newest.facts['sha256'][:8]} of the store is damaged"]
    store.workspace.database.unlink()
    assert restore(store.workspace).source == ".mlcycle/backup/0000"
    assert contents(store) == before


def test_a_store_without_any_whole_copy_says_so_and_stays_as_it_is(store: Store) -> None:
    story(store)
    shutil.rmtree(store.workspace.home / "backup")
    store.workspace.database.write_bytes(b"rubbish")
    with pytest.raises(CouldNot, match="cannot be made again") as caught:
        restore(store.workspace)
    assert "SOURCE" in caught.value.hint
    assert store.workspace.database.read_bytes() == b"rubbish"
    assert list(store.workspace.tmp.iterdir()) == []


def test_what_cannot_be_had_back_is_said_piece_by_piece(store: Store) -> None:
    story(store)
    workspace = store.workspace
    generation = current(workspace)
    assert generation is not None
    lines = generation.changes.read_bytes().split(b"\n")
    # The second change is damaged, and a kept segment is gone.
    (place,) = [i for i, line in enumerate(lines) if b'"action":"second"' in line]
    lines[place] = lines[place].replace(b"second", b"sec0nd")
    generation.changes.write_bytes(b"\n".join(lines))
    (segment,) = generation.journal.rglob("*.jnl")
    size = segment.stat().st_size
    segment.unlink()
    with store.transaction("third") as change:
        change.insert("meta", [{"key": "k9", "value": "v"}])
    workspace.database.unlink()
    done = restore(workspace)
    said = sorted(finding.what for finding in done.missing)
    assert said[0].startswith("a line of the log of changes is damaged: ")
    assert said[1].startswith("change 2 is missing, made before 20")
    assert said[2] == f"records are missing: bytes 0 to {size} of segment {segment.name}"
    assert store.read("SELECT version FROM requirements") == [{"version": 1}]
    assert {row["step"] for row in store.read("SELECT step FROM metrics")} == set(range(10, 20))
    (note,) = [finding.what for finding in examine(workspace).findings if "without" in finding.what]
    assert all(what in note for what in said)


def test_damage_to_the_logs_is_found_and_mended_by_a_new_copy(store: Store) -> None:
    story(store)
    generation = current(store.workspace)
    assert generation is not None
    (segment,) = generation.journal.rglob("*.jnl")
    content = bytearray(segment.read_bytes())
    content[len(content) // 2] ^= 2
    segment.write_bytes(content)
    log = bytearray(generation.changes.read_bytes())
    log[20] ^= 2
    generation.changes.write_bytes(log)
    found = [finding for finding in examine(store.workspace).findings if finding.level == "mend"]
    assert len(found) == 2 and segment.name in found[1].what + found[0].what
    before = contents(store)
    report = mend(store.workspace)
    assert report.exit_code == 0 and len(report.mended) == 2
    store.workspace.database.unlink()
    assert restore(store.workspace).missing == () and contents(store) == before


def test_a_log_from_another_hand_can_do_nothing_but_change_rows(store: Store, elsewhere: Path) -> None:
    canary = elsewhere / "canary"
    canary.write_text('{"key":"canary","value":"read"}\n')
    for text in (
        f"COPY meta TO '{elsewhere}/out.csv'",
        f"ATTACH '{elsewhere}/out.duckdb'",
        f"INSERT INTO meta SELECT * FROM read_json('{canary}', columns = {{key: 'VARCHAR', value: 'VARCHAR'}})",
        "INSERT INTO meta VALUES ('a', 'b'); DROP TABLE alias",
    ):
        draft = Draft()
        draft.do(text, [])
        generation = current(store.workspace)
        assert generation is not None
        number = (
            int((store.read("SELECT value FROM meta WHERE key = 'change'") or [{"value": 0}])[0]["value"]) + 1
        )
        changes.write(generation.changes, number, "evil", {}, draft)
        (finding,) = restore(store.workspace).missing
        assert f"change {number} (evil) cannot be made again: " in finding.what
        assert not list(elsewhere.glob("out*"))
        assert store.read("SELECT * FROM meta WHERE key = 'canary'") == []


def test_a_backup_elsewhere_is_a_workspace_and_can_be_put_back(store: Store, elsewhere: Path) -> None:
    story(store)
    workspace = store.workspace
    sha256, _ = keep_bytes(workspace, b"an artifact")
    (workspace.root / "train.py").write_text("print()\n")
    (workspace.root / "train.py").chmod(0o600)
    (workspace.root / "secret.bin").write_bytes(b"x")
    target = elsewhere / "copy"
    first = backup(workspace, target)
    assert first.files == 3 and backup(workspace, target).files == 2  # contents are copied once
    assert (target / "train.py").stat().st_mode & 0o777 == 0o600 and not (target / "secret.bin").exists()
    assert target.stat().st_mode & 0o777 == 0o700
    assert contents(Store(Workspace(target))) == contents(store)
    with Store(Workspace(target)).transaction("used") as change:
        change.insert("meta", [{"key": "k77", "value": "used"}])
    workspace.artifact(sha256).write_bytes(b"an Artifact")
    assert (
        restore(workspace, target).missing == ()
    )  # one that was used since is welcome, and heals what is damaged
    assert contents(store) == contents(Store(Workspace(target)))
    (target / ".mlcycle" / "backup.json").unlink()
    with pytest.raises(UsageError, match="is no backup"):
        restore(workspace, target)


def test_a_damaged_or_unfinished_backup_is_not_put_in_place(store: Store, elsewhere: Path) -> None:
    story(store)
    before = contents(store)
    target = elsewhere / "copy"
    backup(store.workspace, target)
    database = target / ".mlcycle" / "store.duckdb"
    whole = database.read_bytes()
    database.write_bytes(whole[: len(whole) // 2] + bytes(len(whole) - len(whole) // 2))
    with pytest.raises(WorkspaceError, match="cannot be read"):
        restore(store.workspace, target)
    database.unlink()
    with pytest.raises(CouldNot, match="was never finished"):
        restore(store.workspace, target)
    assert contents(store) == before
    assert backup(store.workspace, target).bytes > 0  # and it goes on where it was cut short
    assert restore(store.workspace, target).missing == ()


def test_a_damaged_store_is_not_copied_over_the_better_copy(store: Store) -> None:
    story(store)
    store.fold()
    before = contents(store)
    backup(store.workspace)
    content = bytearray(store.workspace.database.read_bytes())
    places = [place for place in range(12288, len(content), 4096) if any(content[place : place + 64])]
    for place in places:
        content[place + 40] ^= 8
    store.workspace.database.write_bytes(content)
    with pytest.raises(WorkspaceError):
        backup(store.workspace)
    assert [one.number for one in generations(store.workspace)] == [0, 1]
    assert restore(store.workspace).missing == () and contents(store) == before


@pytest.mark.parametrize("damage", ["backup.json", "changes.jnl", "all"])
def test_doctor_says_when_the_store_could_not_be_made_again_and_mends_it(store: Store, damage: str) -> None:
    story(store)
    backup(store.workspace)
    with store.transaction("after") as change:
        change.insert("meta", [{"key": "k50", "value": "v"}])
    newest = generations(store.workspace)[-1]
    if damage == "all":
        shutil.rmtree(newest.folder.parent)
    else:
        (newest.folder / damage).unlink()
    assert [finding.level for finding in examine(store.workspace).findings] == ["mend"]
    assert mend(store.workspace).exit_code == 0
    before = contents(store)
    store.workspace.database.unlink()
    assert restore(store.workspace).missing == () and contents(store) == before


def test_changes_that_a_lost_log_held_are_said_to_be_missing(store: Store) -> None:
    story(store)
    (one,) = generations(store.workspace)
    backup(store.workspace)
    newest = generations(store.workspace)[-1]
    one.changes.unlink()
    newest.copy.write_bytes(b"damaged")
    store.workspace.database.unlink()
    said = [finding.what for finding in restore(store.workspace).missing]
    assert said[:2] == ["change 1 is missing", "change 2 is missing"]


def test_a_change_killed_before_its_commit_does_not_come_back_in_place_of_the_next(store: Store) -> None:
    generation = current(store.workspace)
    assert generation is not None
    draft = Draft()
    draft.do("INSERT INTO meta (key, value) VALUES ('phantom', '1')", [])
    changes.write(generation.changes, 1, "killed", {}, draft)
    backup(store.workspace)
    with store.transaction("next") as change:
        change.insert("meta", [{"key": "k1", "value": "acknowledged"}])
    generations(store.workspace)[-1].copy.write_bytes(b"damaged")
    store.workspace.database.unlink()
    assert restore(store.workspace).missing == ()
    assert store.read("SELECT key FROM meta WHERE key IN ('phantom', 'k1')") == [{"key": "k1"}]


def test_a_restore_undone_by_hand_begins_a_line_of_its_own(store: Store, elsewhere: Path) -> None:
    story(store)
    backup(store.workspace, elsewhere / "copy")
    with store.transaction("later") as change:
        change.insert("meta", [{"key": "k60", "value": "later"}])
    restored = restore(store.workspace, elsewhere / "copy")
    shutil.copyfile(store.workspace.root / restored.set_aside, store.workspace.database)
    with store.transaction("after the undo") as change:
        change.insert("meta", [{"key": "k61", "value": "v"}])
    before = contents(store)
    assert {"key": "k60", "value": "later"} in before["meta"]
    generations(store.workspace)[-1].copy.write_bytes(b"damaged")
    store.workspace.database.unlink()
    assert restore(store.workspace).missing == () and contents(store) == before


def test_a_store_of_a_newer_program_is_not_replaced(store: Store) -> None:
    with duckdb.connect(str(store.workspace.database)) as connection:
        connection.execute(
            "INSERT INTO schema_version VALUES (99, 'later', 'x', '7.1.0', TIMESTAMP '2030-01-01')"
        )
    whole = store.workspace.database.read_bytes()
    with pytest.raises(WorkspaceError, match=r"made by mlcycle 7\.1\.0"):
        restore(store.workspace)
    assert store.workspace.database.read_bytes() == whole


def test_a_backup_put_back_has_all_it_had(store: Store, elsewhere: Path) -> None:
    story(store)
    before = contents(store)
    backup(store.workspace, elsewhere / "copy")
    shutil.rmtree(store.workspace.home)
    assert restore(store.workspace, elsewhere / "copy").missing == ()
    assert contents(store) == before


def test_a_backup_does_not_go_into_the_workspace_or_over_other_files(store: Store, elsewhere: Path) -> None:
    with pytest.raises(UsageError, match="lies in the workspace"):
        backup(store.workspace, store.workspace.root / "copy")
    (elsewhere / "full").mkdir()
    (elsewhere / "full" / "file").write_text("x")
    with pytest.raises(UsageError, match="something else than a backup"):
        backup(store.workspace, elsewhere / "full")


KILL = """
import os, sys
from pathlib import Path
from mlcycle.store import backup, migrate, restore, generations, restoring, rebuild
from mlcycle.workspace import Workspace
def die(*_, **__):
    os.kill(os.getpid(), 9)
module, name = sys.argv[2].split(".")
module = {"generations": generations, "restoring": restoring, "rebuild": rebuild, "os": os}[module]
setattr(module, name, die)
{"backup": backup, "restore": restore}[sys.argv[3]](Workspace(Path(sys.argv[1])))
"""


@pytest.mark.parametrize(
    ("where", "verb"),
    [
        ("os.fsync", "backup"),
        ("rebuild.set_number", "restore"),
        ("restoring.put_in_place", "restore"),
        ("restoring.begin", "restore"),
    ],
)
def test_a_process_killed_in_the_middle_leaves_a_store_that_opens(
    store: Store, where: str, verb: str
) -> None:
    story(store)
    store.fold()
    before = contents(store)
    command = [sys.executable, "-c", KILL, str(store.workspace.root), where, verb]
    assert subprocess.run(command).returncode == -9
    assert contents(store) == before
    assert mend(store.workspace).exit_code == 0
    store.workspace.database.unlink()
    assert restore(store.workspace).missing == () and contents(store) == before


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats()
    | st.text()
    | st.binary()
    | st.datetimes().map(lambda one: one.replace(fold=0))
    | st.dates(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(params=st.lists(values, max_size=4) | st.dictionaries(st.text(min_size=1), values, max_size=3))
def test_a_change_is_read_back_as_it_was_written(
    params: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "log.jnl"
    path.unlink(missing_ok=True)
    draft = Draft()
    draft.do("SELECT 1", params)
    draft.add("meta", [b'{"key":"\xc3\xa4"}\n'] * 3)
    changes.write(path, 7, "test", {"a": 1}, draft)
    (change,) = changes.index(path).changes()
    first, second = changes.steps(path, change)
    assert repr(first["with"]) == repr(params) and change.at == {"a": 1}
    assert second == {"add": "meta", "rows": [{"key": "ä"}] * 3}


def test_of_two_changes_with_one_number_the_later_was_made_and_one_undone_was_not(tmp_path: Path) -> None:
    path = tmp_path / "log.jnl"
    for action in ("failed", "made"):
        changes.write(path, 1, action, {}, Draft())
    changes.write(path, 2, "failed", {}, Draft())
    changes.forget(path, 2)
    with path.open("ab") as file:
        file.write(b"half a li")
    assert [change.action for change in changes.index(path).changes()] == ["made"]
    changes.write(path, 2, "after", {}, Draft())
    assert [change.action for change in changes.index(path).changes()] == ["made", "after"]
    assert changes.index(path).bad == []


def test_the_log_grows_no_longer_than_the_store(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlcycle.store.generations.MOST_SEGMENTS", 5)
    for i in range(20):
        store.append("metric", [metric(i)])
        writers.close_all()
        store.fold()
    there = generations(store.workspace)
    assert len(there) == 2 and there[0].number >= 2 and all(one.is_whole() for one in there)
    before = contents(store)
    store.workspace.database.unlink()
    assert restore(store.workspace).missing == () and contents(store) == before


def test_a_change_that_returns_rows_is_made_again_too(store: Store) -> None:
    with store.transaction("test") as change:
        change.insert("meta", [{"key": "k", "value": "v"}])
        assert change.one("UPDATE meta SET value = ? WHERE key = 'k' RETURNING value", ["w"]) == {
            "value": "w"
        }
    store.workspace.database.unlink()
    assert restore(store.workspace).missing == ()
    assert store.read("SELECT value FROM meta WHERE key = 'k'") == [{"value": "w"}]


def test_several_questions_are_answered_from_one_state(store: Store) -> None:
    store.append("metric", [metric(1)])
    with store.reading():
        first = store.read("SELECT count(*) AS n FROM metrics")
        store.append("metric", [metric(2)])
        assert store.read("SELECT count(*) AS n FROM metrics") == first == [{"n": 1}]
        with store.reading():
            assert store.read("SELECT count(*) AS n FROM latest_metrics") == [{"n": 1}]
    assert store.read("SELECT count(*) AS n FROM metrics") == [{"n": 2}]


def test_day_and_time_values_of_a_change_keep_their_kinds(tmp_path: Path) -> None:
    draft = Draft()
    draft.do("SELECT 1", [date(2026, 1, 2), NOON, float("inf")])
    changes.write(tmp_path / "log", 1, "t", {}, draft)
    (change,) = changes.index(tmp_path / "log").changes()
    (step,) = changes.steps(tmp_path / "log", change)
    assert step["with"] == [date(2026, 1, 2), NOON, float("inf")]


def test_predictions_moved_to_files_are_there_once_when_the_store_is_made_again(store: Store) -> None:
    def serve(count: int) -> None:
        records = [
            {
                "prediction_id": new_id(),
                "ts": NOON + timedelta(seconds=i),
                "deployment": "d",
                "model": "m",
                "version": 1,
                "features": {"a": i},
            }
            for i in range(count)
        ]
        assert store.append("prediction", records)

    (store.workspace.root / "mlcycle.yaml").write_text("name: test\n")
    serve(10)
    backup(store.workspace)
    serve(10)
    assert retain(store.workspace, older_than=timedelta(days=1)).rows == 20
    serve(5)
    assert store.read("SELECT count(*) AS n FROM predictions") == [{"n": 25}]
    store.workspace.database.unlink()
    assert restore(store.workspace).missing == ()
    assert store.read("SELECT count(*) AS n, count(DISTINCT prediction_id) AS ids FROM predictions") == [
        {"n": 25, "ids": 25}
    ]
    assert store.read("SELECT sum(n)::BIGINT AS n FROM rollup_1m") == [{"n": 25}]
