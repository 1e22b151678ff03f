from __future__ import annotations

import contextlib
import math
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from mlcycle.errors import Busy, NotFoundError, WorkspaceError
from mlcycle.ids import new_id
from mlcycle.journal import Turnstile
from mlcycle.journal.reader import segments
from mlcycle.store import Store
from mlcycle.workspace import Workspace

NOON = datetime(2026, 1, 2, 12)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    (tmp_path / "mlcycle.yaml").write_text("name: test\n")
    return Workspace(tmp_path)


def metric(**facts: object) -> dict[str, object]:
    return {"run_id": new_id(), "key": "loss", "step": 0, "ts": NOON, "value": 1.0} | facts


def prediction(**facts: object) -> dict[str, object]:
    whole: dict[str, object] = {
        "prediction_id": new_id(),
        "ts": NOON,
        "deployment": "local",
        "model": "m",
        "version": 1,
        "entity": "e-1",
        "score": 0.5,
        "latency_ms": 4.0,
        "status": 200,
        "features": {"a": 0.25, "b": "x", "c": None},
    }
    return whole | facts


def one(store: Store, sql: str) -> Any:
    (row,) = store.read(sql)
    (value,) = row.values()
    return value


def test_making_a_store_twice_changes_nothing(workspace: Workspace) -> None:
    Store.create(workspace)
    before = Store(workspace).read("SELECT * FROM meta ORDER BY key")
    Store.create(workspace)
    assert Store(workspace).read("SELECT * FROM meta ORDER BY key") == before
    assert {row["key"] for row in before} == {"created_at", "created_by", "views_sha256", "line"}


def test_a_store_object_touches_nothing(workspace: Workspace) -> None:
    Store(workspace)
    assert not workspace.home.exists()


def test_the_first_read_makes_the_store(workspace: Workspace) -> None:
    assert Store(workspace).read("SELECT * FROM runs") == []


def test_reading_a_folder_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(WorkspaceError):
        Store(Workspace(tmp_path / "gone")).read("SELECT 1")


def test_logging_loads_no_database() -> None:
    code = """
import sys, tempfile
from pathlib import Path
from mlcycle.store import Store
from mlcycle.workspace import Workspace
Store(Workspace(Path(tempfile.mkdtemp()))).append("sys", [{"ts": "2026-01-01", "deployment": "d"}])
print({"duckdb", "polars", "numpy", "sklearn"} & set(sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_a_run_is_told_by_its_records(store: Store) -> None:
    run, later = new_id(), NOON + timedelta(minutes=1)
    store.append(
        "run",
        [
            {
                "kind": "start",
                "run_id": run,
                "name": "r-1",
                "experiment": "e",
                "started_at": NOON,
                "command": "train",
                "git_dirty": False,
                "environment": {"python": "3.11"},
            },
            {"kind": "param", "run_id": run, "key": "depth", "value": "3", "ts": NOON},
            {"kind": "param", "run_id": run, "key": "depth", "value": "4", "ts": later},
            {"kind": "tag", "run_id": run, "key": "by", "value": "me", "ts": NOON},
            {"kind": "tag", "run_id": run, "key": "by", "value": "you", "ts": later},
            {"kind": "artifact", "run_id": run, "path": "a/b", "sha256": "f" * 64, "bytes": 3, "ts": NOON},
            {"kind": "input", "run_id": run, "type": "training set", "reference": "t", "ts": NOON},
        ],
    )
    (row,) = store.read("SELECT * FROM runs")
    assert row["status"] == "running" and row["run_id"] == run and row["started_at"] == NOON
    assert row["environment"] == '{"python":"3.11"}' and row["git_dirty"] is False
    assert one(store, "SELECT value FROM params") == "3"
    assert one(store, "SELECT value FROM tags") == "you"
    assert one(store, "SELECT bytes FROM artifacts") == 3
    assert one(store, "SELECT kind FROM run_inputs") == "training set"
    store.append("run", [{"kind": "end", "run_id": run, "status": "finished", "ended_at": later}])
    assert store.read("SELECT status, ended_at FROM runs") == [{"status": "finished", "ended_at": later}]


def test_metrics_keep_values_that_are_no_numbers(store: Store) -> None:
    run = new_id()
    values = [1.5, math.nan, math.inf, -math.inf, None]
    store.append("metric", [metric(run_id=run, step=i, value=v) for i, v in enumerate(values)])
    got = [row["value"] for row in store.read("SELECT value FROM metrics ORDER BY step")]
    assert got[0] == 1.5 and math.isnan(got[1]) and got[2:] == [math.inf, -math.inf, None]
    assert one(store, "SELECT step FROM latest_metrics") == 4


def test_features_of_a_prediction_are_read_by_name_and_cast(store: Store) -> None:
    store.append("prediction", [prediction(), prediction(features={"a": 0.75, "z": [1]})])
    assert one(store, "SELECT avg(features.a::DOUBLE) FROM predictions") == 0.5
    rows = store.read("SELECT features FROM predictions ORDER BY features.a::DOUBLE")
    assert [row["features"] for row in rows] == [{"a": 0.25, "b": "x", "c": None}, {"a": 0.75, "z": [1]}]


def test_a_prediction_is_about_the_time_it_was_served_unless_it_says_otherwise(store: Store) -> None:
    about = datetime(2025, 6, 1)
    store.append("prediction", [prediction(), prediction(as_of=about)])
    assert [row["as_of"] for row in store.read("SELECT as_of FROM predictions ORDER BY as_of")] == [
        about,
        NOON,
    ]


def test_the_rollup_counts_every_prediction_once(store: Store) -> None:
    for part in range(3):
        store.append("prediction", [prediction(latency_ms=4.0, status=200 if i else 500) for i in range(4)])
        store.append("prediction", [prediction(latency_ms=None, ts=NOON + timedelta(minutes=part))])
        store.fold()
    rows = store.read("SELECT minute, bucket, n, errors FROM rollup_1m ORDER BY minute, bucket")
    unknown = [
        {"minute": NOON + timedelta(minutes=i), "bucket": -32768, "n": 1, "errors": 0} for i in range(3)
    ]
    assert rows == [unknown[0], {"minute": NOON, "bucket": 32, "n": 12, "errors": 3}, *unknown[1:]]


def test_times_with_a_zone_are_kept_as_utc(store: Store) -> None:
    east = datetime(2026, 1, 2, 14, tzinfo=timezone(timedelta(hours=2)))
    texts = ["2026-01-02T14:00:00+02:00", "2026-01-02T12:00:00Z", "2026-01-02 12:00:00", east]
    store.append("metric", [metric(ts=text) for text in texts])
    assert one(store, "SELECT list(DISTINCT ts) FROM metrics") == [NOON]
    with store.transaction("test") as change:
        change.insert(
            "label",
            [{"prediction_id": new_id(), "entity": "e", "as_of": NOON, "known_at": text} for text in texts],
        )
    assert one(store, "SELECT list(DISTINCT known_at) FROM labels") == [NOON]
    assert one(store, "SELECT count(*) FROM labels") == 4
    assert store.read("SELECT ? AS t", [east.astimezone(UTC)]) == [{"t": NOON}]


def test_a_change_is_all_or_nothing(store: Store) -> None:
    row = {"model": "m", "alias": "champion", "version": 1, "since": NOON, "rev": 1}
    with contextlib.suppress(ZeroDivisionError), store.transaction("promote") as change:
        change.insert("alias", [row])
        change.audit("m", after=row)
        raise ZeroDivisionError
    assert store.read("SELECT * FROM alias") == [] == store.read("SELECT * FROM audit")
    with store.transaction("promote") as change:
        assert change.insert("alias", [row]) == 1
        change.audit("m", before=None, after=row)
    assert store.read("SELECT * FROM alias") == [row]
    (audit,) = store.read("SELECT * FROM audit")
    assert audit["action"] == "promote" and audit["object"] == "m" and audit["before"] is None
    assert '"version": 1' in audit["after"] and audit["actor"]


def test_a_change_sees_what_was_logged_and_its_own_rows(store: Store) -> None:
    store.append("metric", [metric()])
    with store.transaction("test") as change:
        assert change.one("SELECT count(*) AS n FROM metric") == {"n": 1}
        change.execute("INSERT INTO meta VALUES (?, ?)", ["a", "b"])
        assert store.read("SELECT value FROM meta WHERE key = 'a'") == [{"value": "b"}]
        assert change.one("SELECT 1 AS a WHERE false") is None


def test_rows_go_in_with_lists_documents_and_defaults(store: Store) -> None:
    base = {"requirement_id": "r", "version": 1, "role": "business", "metric": "auc", "comparison": ">="}
    rows = [
        base | {"value": 0.5, "phases": ["gate", "monitor"], "since": NOON, "params": '{"top": 20}'},
        base | {"value": 1 / 3, "phases": [], "since": NOON, "params": {"top": 5}, "until": NOON},
    ]
    with store.transaction("test") as change:
        assert change.insert("requirement", rows) == 2
        assert change.insert("requirement", []) == 0
        change.insert("batch", [{"batch_id": new_id(), "source": "s", "path": "p", "sha256": "x", "bytes": 1,
                                 "rows": 2, "malformed": 0, "raw_part": "r", "state": "arrived", "as_of": NOON,
                                 "arrived_at": NOON}])  # fmt: skip
    got = store.read("SELECT value, phases, params, until FROM requirement ORDER BY value")
    assert got[0] == {"value": 1 / 3, "phases": [], "params": '{"top":5}', "until": NOON}
    assert got[1]["params"] == '{"top": 20}' and got[1]["phases"] == ["gate", "monitor"]
    assert store.read("SELECT set_aside, trained FROM batch") == [{"set_aside": 0, "trained": False}]


def test_text_of_every_kind_goes_in_unchanged(store: Store) -> None:
    texts = ["'; DROP TABLE meta; --", "a\nb\tc\r", 'quo"te', "ünï—😀", "NaN", "", "\\", "null", "{}"]
    with store.transaction("test") as change:
        change.insert("meta", [{"key": f"k{i}", "value": text} for i, text in enumerate(texts)])
    got = store.read("SELECT value FROM meta WHERE key LIKE 'k%' ORDER BY key")
    assert [row["value"] for row in got] == texts


def test_wrong_names_are_told(store: Store) -> None:
    with pytest.raises(NotFoundError, match="no table nope"), store.transaction("test") as change:
        change.insert("nope", [{"a": 1}])
    with pytest.raises(NotFoundError, match="no column b"), store.transaction("test") as change:
        change.insert("meta", [{"key": "a", "b": 1}])


def test_two_changes_do_not_nest(store: Store) -> None:
    with store.transaction("test"), pytest.raises(RuntimeError, match="use its transaction"):
        Store.create(store.workspace)


def test_a_closed_and_folded_segment_is_gone_after_the_next_fold(store: Store) -> None:
    from mlcycle.journal import SegmentWriter

    with SegmentWriter(store.workspace.journal, "metric") as writer:
        writer.append([metric()])
        store.fold()
        assert len(segments(store.workspace.journal)) == 1
    report = store.fold()
    assert report is not None and report.removed == 1
    assert segments(store.workspace.journal) == []
    assert one(store, "SELECT count(*) FROM metrics") == 1


def test_a_segment_that_a_power_cut_brings_back_does_not_fold_twice(store: Store) -> None:
    from mlcycle.journal import SegmentWriter

    with SegmentWriter(store.workspace.journal, "metric") as writer:
        writer.append([metric()])
    (segment,) = segments(store.workspace.journal)
    content = segment.path.read_bytes()
    store.fold()
    segment.path.write_bytes(content)
    store.fold()
    assert one(store, "SELECT count(*) FROM metric") == 1
    assert segments(store.workspace.journal) == []


def test_a_record_that_is_not_as_promised_is_set_aside_and_stops_nothing(store: Store) -> None:
    wrong: list[dict[str, object]] = [
        metric(step="many"),
        metric(run_id="no uuid"),
        metric(key=None),
        metric(ts="yesterday"),
        {"else": 1},
        {},
    ]
    good = metric()
    for i, record in enumerate(wrong):
        store.append("metric", [record, good, metric(step=i)])
    store.append("run", [{"kind": "from the future", "run_id": new_id()}])
    store.append("prediction", [prediction(status=-1), prediction()])
    report = store.fold()
    assert report is not None and report.bad == len(wrong) + 2
    assert one(store, "SELECT count(*) FROM metric") == 2 * len(wrong)
    assert one(store, "SELECT count(*) FROM predictions") == 1
    kept = b"".join(path.read_bytes() for path in (store.workspace.journal / "bad").iterdir())
    assert kept.count(b"\n") == len(wrong) + 2 and b"from the future" in kept
    assert store.health().bad_lines == len(wrong) + 2
    assert [path.name[8] for path in (store.workspace.journal / "bad").iterdir()] == ["-"] * 3


def test_lines_that_are_no_json_are_set_aside(store: Store) -> None:
    from mlcycle.journal.frame import frame
    from mlcycle.journal.reader import segments as listed

    store.append("metric", [metric()])
    (segment,) = listed(store.workspace.journal)
    odd = [
        b"[1]",
        b"{",
        b"{}x",
        b'"text"',
        b"",
        b'{"run_id": 1,}',
        b"\xff\xfe",
        b'{"key": "\\ud800"}',
        b"{} {}",
    ]
    with segment.path.open("ab") as file:
        file.writelines(map(frame, odd))
    store.append("metric", [metric()])
    report = store.fold()
    assert report is not None and report.bad == len(odd) and report.records == 2


def test_reads_include_the_tail_when_a_fold_cannot_come_first(store: Store) -> None:
    run = new_id()
    store.append("metric", [metric(run_id=run, step=1)])
    store.append("prediction", [prediction()])
    store.fold()
    store.append("metric", [metric(run_id=run, step=2)])
    store.append("prediction", [prediction(), prediction(status="bad")])
    with Turnstile(store.workspace.home, shared=True, timeout_s=1):  # a reader: nobody can fold
        assert store.fold(wait_s=0) is None
        for table in ("metric", "metrics", "live_metric", "store.main.metric"):
            assert one(store, f"SELECT count(*) FROM {table}") == 2 - ("main" in table)
        assert one(store, "SELECT step FROM latest_metrics") == 2
        assert one(store, "SELECT sum(n)::INTEGER FROM rollup_1m") == 2
        assert store.sql("SELECT count(*) AS n FROM predictions") == (["n"], [(2,)])
        assert store.health().backlog_bytes > 0
    store.fold()
    assert one(store, "SELECT count(*) FROM metric") == 2
    assert store.health().backlog_bytes == 0


def test_a_store_held_for_long_is_busy_and_names_the_holder(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlcycle.store.opening.READ_WAIT_S", 0.05)
    monkeypatch.setattr("mlcycle.store.store.CHANGE_WAIT_S", 0.05)
    with Turnstile(store.workspace.home, shared=False, timeout_s=1):
        with pytest.raises(Busy, match=r"pid .* longer than 0\.05 s"):
            store.read("SELECT 1")
        with pytest.raises(Busy, match="pid"), store.transaction("test"):
            pass
        assert "pid" in store.health().holder
        assert store.append("metric", [metric()])
    assert one(store, "SELECT count(*) FROM metrics") == 1


def test_a_database_that_another_program_has_open_is_busy(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = "import duckdb,sys; c = duckdb.connect(sys.argv[1]); print('open', flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", code, str(store.workspace.database)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None and other.stdout.readline() == "open\n"
        monkeypatch.setattr("mlcycle.store.connection.FOREIGN_WAIT_S", 0.05)
        with pytest.raises(Busy, match="another program"):
            store.read("SELECT 1")
        assert store.append("metric", [metric()])
        other.kill()
    assert one(store, "SELECT count(*) FROM metrics") == 1


def test_threads_of_one_process_read_and_write_at_once(store: Store) -> None:
    failures: list[BaseException] = []

    def work(k: int) -> None:
        try:
            for i in range(4):
                store.append("metric", [metric(step=k * 10 + i)])
                if k % 2:
                    store.read("SELECT count(*) FROM metrics")
                    store.sql("SELECT count(*) FROM metrics")
                else:
                    with store.transaction("test") as change:
                        change.execute("INSERT INTO meta VALUES (?, 'x')", [f"{k}-{i}"])
        except BaseException as error:  # noqa: BLE001 - reported by the test itself
            failures.append(error)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert one(store, "SELECT count(*) FROM metric") == 16
    assert one(store, "SELECT count(*) FROM meta WHERE value = 'x'") == 8


def test_a_backlog_larger_than_a_step_is_folded_whole(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlcycle.store.fold.STEP", 500)
    store.append("metric", [metric(step=i) for i in range(20)])
    store.append("prediction", [prediction() for _ in range(5)])
    assert one(store, "SELECT count(*) FROM store.main.metric") == 20
    assert one(store, "SELECT count(*) FROM store.main.prediction") == 5
    assert store.health().backlog_bytes == 0


def test_a_change_lets_others_in_between_the_steps_of_a_large_backlog(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlcycle.store.fold.STEP", 500)
    held: list[bool] = []
    writing = Store._writing

    def noted(self: Store, timeout_s: float) -> Any:
        held.append(True)
        return writing(self, timeout_s)

    monkeypatch.setattr(Store, "_writing", noted)
    store.append("metric", [metric(step=i) for i in range(40)])
    with store.transaction("test") as change:
        assert len(held) > 5  # the store was let go of as often
        assert change.one("SELECT count(*) AS n FROM metric") == {"n": 40}
    held.clear()
    with store.transaction("test"):
        assert len(held) == 1


def test_a_run_that_ends_before_it_began_by_the_clock_has_ended(store: Store) -> None:
    run = new_id()
    start = {"kind": "start", "run_id": run, "experiment": "e", "started_at": "2026-01-01T12:00:00"}
    end = {"kind": "end", "run_id": run, "status": "finished", "ended_at": "2026-01-01T11:00:00"}
    assert store.append("run", [start])
    assert store.read("SELECT status, ended_at FROM runs") == [{"status": "running", "ended_at": None}]
    assert store.append("run", [end])
    assert store.read("SELECT status FROM runs") == [{"status": "finished"}]
    assert store.append("run", [{"kind": "resume", "run_id": run, "ts": "2026-01-01T11:30:00"}])
    assert store.read("SELECT status, ended_at FROM runs") == [{"status": "running", "ended_at": None}]


def test_a_run_that_two_processes_log_to_ends_with_its_last_writer(store: Store) -> None:
    run = new_id()
    store.append(
        "run", [{"kind": "start", "run_id": run, "experiment": "e", "started_at": "2026-01-01T12:00:00"}]
    )
    code = f"""
import sys
from pathlib import Path
from mlcycle.store import Store
from mlcycle.workspace import Workspace
store = Store(Workspace(Path(sys.argv[1])))
store.append("run", [{{"kind": "resume", "run_id": "{run}", "ts": "2026-01-01T12:01:00"}}])
print("resumed", flush=True)
if sys.stdin.readline() == "end\\n":
    store.append("run", [{{"kind": "end", "run_id": "{run}", "status": "finished", "ended_at": "2026-01-01T12:03:00"}}])
"""
    command = [sys.executable, "-c", code, str(store.workspace.root)]
    for word, status in (("end\n", "finished"), ("", "killed")):
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
            assert other.stdout is not None and other.stdout.readline() == "resumed\n"
            end = {"kind": "end", "run_id": run, "status": "failed", "ended_at": "2026-01-01T12:00:30"}
            if word:
                store.append("run", [end])
            assert store.read("SELECT status FROM runs") == [{"status": "running"}]
            if word:
                other.communicate(word)
            else:
                other.kill()
                other.communicate()
        assert status in {row["status"] for row in store.read("SELECT status FROM run_end")}
    ends = store.read("SELECT status FROM run_end ORDER BY ended_at")
    assert [row["status"] for row in ends] == ["failed", "killed", "finished"]
