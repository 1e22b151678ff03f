"""The watchdog: what is dropped is taken once it stands still; one bad drop stops nothing."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from queue import Empty, Queue

import pytest
from tests.unit.monitor import product

from mlcycle import clock, data, retrain
from mlcycle.retrain import Taken
from mlcycle.retrain.watch import _check, _Memory, _take
from mlcycle.store import Store
from mlcycle.workspace import Workspace

PATIENCE_S = 30
"""How long a test waits for an event before it fails."""
HEADER = "reading,machine,at,heat,arrived"


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return product.make(tmp_path_factory.mktemp("template"))


@pytest.fixture
def workspace(tmp_path: Path, template: Workspace) -> Iterator[Workspace]:
    clock.set_now(product.FEBRUARY)
    shutil.copytree(template.root, tmp_path / "w")
    made = Workspace(tmp_path / "w")
    made.inbox.mkdir()
    yield made
    clock.set_now(None)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlcycle.store.store.CHANGE_WAIT_S", 0.05)
    monkeypatch.setattr("mlcycle.store.opening.READ_WAIT_S", 0.05)


def readings(*numbers: int) -> str:
    return "\n".join([HEADER, *(f"{number},1,2026-01-02,20,2026-01-02" for number in numbers)]) + "\n"


def batches(workspace: Workspace) -> list[tuple[str, int, str]]:
    rows = Store(workspace).read("SELECT path, rows, state FROM batches ORDER BY path, rows")
    return [(row["path"], row["rows"], row["state"]) for row in rows]


@contextmanager
def watching(workspace: Workspace) -> Iterator[Queue[Taken]]:
    heard: Queue[Taken] = Queue()
    stop = threading.Event()
    thread = threading.Thread(
        target=retrain.watch,
        args=(workspace,),
        kwargs={"on_event": heard.put, "stop": stop, "settle_s": 0.02},
    )
    thread.start()
    try:
        yield heard
    finally:
        stop.set()
        thread.join(PATIENCE_S)
        assert not thread.is_alive()


@contextmanager
def elsewhere_locked(workspace: Workspace) -> Iterator[None]:
    """Hold the store in another process."""
    program = (
        "import sys; from pathlib import Path; from mlcycle.store import connection; "
        "from mlcycle.workspace import Workspace\n"
        "with connection.exclusive(Workspace(Path(sys.argv[1])), 20.0):\n"
        "    print('held', flush=True); sys.stdin.readline()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(workspace.root)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        yield
        process.communicate(b"\n")


def next_of(heard: Queue[Taken], outcome: str) -> Taken:
    while True:
        taken = heard.get(timeout=PATIENCE_S)
        if taken.outcome == outcome:
            return taken


def test_a_file_that_lies_there_is_taken_and_checked(workspace: Workspace) -> None:
    (workspace.inbox / "readings.csv").write_text(readings(1, 2))
    (taken,) = retrain.scan(workspace, settle_s=0)
    assert (taken.outcome, [(batch.source, batch.rows, batch.state) for batch in taken.batches]) == (
        "taken",
        [("readings", 2, "admitted")],
    )
    assert "taken, 2 rows" in taken.describe()


def test_the_same_bytes_under_another_name_are_known(workspace: Workspace) -> None:
    for name in ("a", "b"):
        (workspace.inbox / name).mkdir()
        (workspace.inbox / name / "readings.csv").write_text(readings(1))
    assert [(taken.name, taken.outcome) for taken in retrain.scan(workspace, settle_s=0)] == [
        ("a", "taken"),
        ("b", "known"),
    ]
    assert batches(workspace) == [("inbox/a/readings.csv", 1, "admitted")]


def test_one_bad_drop_is_reported_and_the_others_are_taken(workspace: Workspace) -> None:
    (workspace.inbox / "a").mkdir()
    (workspace.inbox / "a" / "readings.csv").write_text("no,such,columns\n1,2,3\n")
    (workspace.inbox / "b").mkdir()
    (workspace.inbox / "b" / "readings.csv").write_text(readings(1))
    found = {taken.name: taken for taken in retrain.scan(workspace, settle_s=0)}
    assert (found["a"].outcome, found["b"].outcome) == ("refused", "taken")
    assert "readings.csv" in found["a"].why
    assert found["a"].hint


def test_a_refused_drop_leaves_the_workspace_untouched(workspace: Workspace) -> None:
    (workspace.inbox / "a").mkdir()
    (workspace.inbox / "a" / "outcomes.csv").write_text(
        "machine,day,failed,known\n1,2026-01-01,0,2026-01-31\n"
    )
    (workspace.inbox / "a" / "readings.csv").write_text("")
    (taken,) = retrain.scan(workspace, settle_s=0)
    assert taken.outcome == "refused"
    assert batches(workspace) == []
    assert not workspace.data.exists() or not list(workspace.data.iterdir())


def test_a_drop_that_belongs_to_no_source_is_refused_by_name(workspace: Workspace) -> None:
    (workspace.inbox / "holiday.jpg").write_bytes(b"\xff\xd8")
    (taken,) = retrain.scan(workspace, settle_s=0)
    assert (taken.name, taken.outcome) == ("holiday.jpg", "refused")


def test_a_link_out_of_the_inbox_is_refused_and_not_followed(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "elsewhere.csv").write_text(readings(1))
    (workspace.inbox / "readings.csv").symlink_to(tmp_path / "elsewhere.csv")
    (taken,) = retrain.scan(workspace, settle_s=0)
    assert (taken.outcome, taken.why) == ("refused", "readings.csv is a link that leads out of the inbox")
    assert batches(workspace) == []


def test_a_batch_the_checks_refuse_is_said(workspace: Workspace) -> None:
    (workspace.root / "checks").mkdir()
    (workspace.root / "checks" / "readings.yaml").write_text(
        "table: readings\naccuracy:\n  - {holds: heat < 10}\n"
    )
    (workspace.inbox / "readings.csv").write_text(readings(1))
    (taken,) = retrain.scan(workspace, settle_s=0)
    assert (taken.outcome, taken.why) == ("taken", "the quality checks refused readings")
    assert taken.trigger is None


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells who has a file open for writing")
def test_a_file_still_open_for_writing_is_waited_for(workspace: Workspace) -> None:
    with (workspace.inbox / "readings.csv").open("w") as file:
        file.write(readings(1, 2)[:40])
        file.flush()
        (waiting,) = retrain.scan(workspace, settle_s=0)
        assert (waiting.outcome, batches(workspace)) == ("waiting", [])
        file.write(readings(1, 2)[40:])
    (taken,) = retrain.scan(workspace, settle_s=0)
    assert (taken.outcome, taken.batches[0].rows) == ("taken", 2)


def test_a_folder_renamed_into_the_inbox_is_noticed(workspace: Workspace) -> None:
    with watching(workspace) as heard:
        arriving = workspace.inbox / ".2026-02.part"
        arriving.mkdir()
        (arriving / "readings.csv").write_text(readings(1, 2, 3))
        arriving.rename(workspace.inbox / "2026-02")
        taken = next_of(heard, "taken")
    assert (taken.name, taken.batches[0].rows) == ("2026-02", 3)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells who has a file open for writing")
def test_a_file_is_taken_when_it_is_closed_and_not_before(workspace: Workspace) -> None:
    with watching(workspace) as heard:
        with (workspace.inbox / "readings.csv").open("w") as file:
            file.write(readings(1, 2)[:40])
            file.flush()
            assert next_of(heard, "waiting").name == "readings.csv"
            file.write(readings(1, 2)[40:])
        assert next_of(heard, "taken").batches[0].rows == 2
    assert batches(workspace) == [("inbox/readings.csv", 2, "admitted")]


def test_what_lies_there_at_the_start_is_taken_first_and_known_drops_are_no_news(
    workspace: Workspace,
) -> None:
    (workspace.inbox / "a").mkdir()
    (workspace.inbox / "a" / "readings.csv").write_text(readings(1))
    with watching(workspace) as heard:
        assert next_of(heard, "taken").name == "a"
    (workspace.inbox / "b").mkdir()
    (workspace.inbox / "b" / "readings.csv").write_text(readings(2))
    with watching(workspace) as heard:
        first = heard.get(timeout=PATIENCE_S)
        while first.outcome == "waiting":
            first = heard.get(timeout=PATIENCE_S)
        assert (first.name, first.outcome) == ("b", "taken")


def test_a_refused_drop_is_tried_again_only_when_its_bytes_change(workspace: Workspace) -> None:
    path = workspace.inbox / "readings.csv"
    with watching(workspace) as heard:
        path.write_text("no,such,columns\n1,2,3\n")
        assert next_of(heard, "refused").name == "readings.csv"
        path.touch()
        (workspace.inbox / "outcomes.csv").write_text("machine,day,failed,known\n1,2026-01-01,0,2026-01-31\n")
        assert next_of(heard, "taken").name == "outcomes.csv"
        path.write_text(readings(1))
        assert next_of(heard, "taken").name == "readings.csv"
        with pytest.raises(Empty):
            heard.get_nowait()


def test_a_drop_that_could_not_be_taken_for_a_busy_store_is_tried_at_the_next_look(
    workspace: Workspace, impatient: None
) -> None:
    with watching(workspace) as heard:
        with elsewhere_locked(workspace):
            (workspace.inbox / "readings.csv").write_text(readings(1, 2))
            waiting = next_of(heard, "waiting")
            while "still being written" in waiting.why:
                waiting = next_of(heard, "waiting")
            assert waiting.name == "readings.csv"
        taken = next_of(heard, "taken")
    assert [(batch.rows, batch.state) for batch in taken.batches] == [(2, "admitted")]


def test_a_drop_whose_check_was_held_up_is_checked_at_the_next_look(
    workspace: Workspace, impatient: None
) -> None:
    memory = _Memory()
    batch = retrain.TakenBatch("", "readings", "inbox/readings.csv", 1, 0, 0, "arrived", False)
    (workspace.inbox / "readings.csv").write_text(readings(1))
    (ingested,) = data.ingest(workspace, workspace.inbox / "readings.csv")
    taken = Taken("readings.csv", "taken", (replace(batch, batch_id=ingested.batch_id),))
    with elsewhere_locked(workspace):
        (held,) = _check(workspace, memory, [taken])
        assert (held.outcome, held.why.partition(":")[0]) == ("waiting", "ingested, but not checked")
    (checked,) = _take(workspace, memory, [])
    assert (checked.outcome, checked.batches[0].state, checked.why) == ("taken", "admitted", "")
    assert _take(workspace, memory, []) == []


def test_a_watch_folds_what_scripts_wrote_though_nobody_looks(workspace: Workspace) -> None:
    code = f"""
from pathlib import Path
from mlcycle.store import Store
from mlcycle.workspace import Workspace
record = {{"ts": "2026-01-01", "deployment": "d"}}
assert Store(Workspace(Path({str(workspace.root)!r}))).append("sys", [record])
"""
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
    assert Store(workspace).health().backlog_bytes > 0
    with watching(workspace) as events:
        (workspace.inbox / "readings.csv").write_text(readings(900001))
        events.get(timeout=PATIENCE_S)
        (workspace.inbox / "readings-2.csv").write_text(readings(900002))
        events.get(timeout=PATIENCE_S)
    assert Store(workspace).health().backlog_bytes == 0
