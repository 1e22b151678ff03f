"""The store against a list: whatever is appended, folded, killed, damaged and restored, each record is there once."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from mlcycle.ids import new_id
from mlcycle.journal import SegmentWriter
from mlcycle.journal.frame import encode, frame
from mlcycle.journal.reader import segments
from mlcycle.monitor import retain
from mlcycle.store import Store, backup, compact, migrate, restore
from mlcycle.store.connection import close, exclusive
from mlcycle.store.fold import fold
from mlcycle.store.generations import generations
from mlcycle.store.migrate import Migration, open_for_writing
from mlcycle.workspace import Workspace

NOON = datetime(2026, 1, 2, 12)
STAGES = ("before commit", "after commit", "after checkpoint", "after unlink")


class Crash(BaseException):
    pass


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 64
    path.write_bytes(content)


class Against(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        root = Path(tempfile.mkdtemp())
        (root / "mlcycle.yaml").write_text("name: test\n")
        self.store = Store.create(Workspace(root))
        self.journal = self.store.workspace.journal
        self.writers: dict[int, SegmentWriter] = {}
        self.want: dict[str, float] = {}
        self.torn = 0
        self.rev = 0
        self.added = 0
        self.known = migrate.migrations()
        self.original = migrate.migrations

    def record(self) -> dict[str, object]:
        name = new_id()
        self.want[name] = len(self.want) / 7
        return {
            "prediction_id": name,
            "ts": NOON,
            "deployment": "d",
            "model": "m",
            "version": 1,
            "latency_ms": 1 + len(self.want) % 5,
            "score": self.want[name],
            "features": {"a": self.want[name]},
        }

    def writer(self, i: int) -> SegmentWriter:
        if i not in self.writers:
            self.writers[i] = SegmentWriter(self.journal, "prediction", rotate_at=3000)
        return self.writers[i]

    @rule(i=st.integers(0, 2), k=st.integers(1, 12))
    def append(self, i: int, k: int) -> None:
        assert self.writer(i).append([self.record() for _ in range(k)])

    @rule(i=st.integers(0, 2))
    def a_writer_ends(self, i: int) -> None:
        if i in self.writers:
            self.writers.pop(i).close()

    @rule(i=st.integers(0, 2), cut=st.integers(1, 60))
    def a_writer_dies_in_the_middle_of_a_line(self, i: int, cut: int) -> None:
        writer = self.writers.pop(i, None)
        if writer is not None and writer._handle is not None:
            os.write(writer._handle, frame(encode({"prediction_id": new_id(), "ts": NOON}))[:cut])
            writer._let_go()
            self.torn += 1

    @rule()
    def fold_it(self) -> None:
        self.store.fold()

    @rule(limit=st.integers(1, 2000))
    def fold_a_step(self, limit: int) -> None:
        with exclusive(self.store.workspace, 5):
            connection = open_for_writing(self.store.workspace)
            try:
                fold(connection, self.store.workspace, limit=limit)
            finally:
                close(connection)

    @rule(at=st.sampled_from(STAGES))
    def a_fold_dies(self, at: str) -> None:
        def die(stage: str) -> None:
            if stage == at:
                raise Crash

        with contextlib.suppress(Crash), exclusive(self.store.workspace, 5):
            connection = open_for_writing(self.store.workspace)
            try:
                fold(connection, self.store.workspace, hook=die)
            finally:
                close(connection)

    @rule(dies=st.booleans())
    def change(self, dies: bool) -> None:
        sql = (
            "INSERT INTO meta (key, value) VALUES ('rev', '1')"
            " ON CONFLICT DO UPDATE SET value = (meta.value::INTEGER + 1)::VARCHAR"
        )
        with contextlib.suppress(Crash), self.store.transaction("test") as change:
            change.execute(sql)
            if dies:
                raise Crash
        self.rev += not dies

    @rule()
    def the_program_starts_again(self) -> None:
        self.store = Store(self.store.workspace)

    @rule()
    def back_up(self) -> None:
        backup(self.store.workspace)

    @rule(copies=st.integers(0, 1), by=st.sampled_from(["rubbish", "nothing", "a flipped bit"]))
    def the_store_is_lost_and_made_again(self, copies: int, by: str) -> None:
        workspace = self.store.workspace
        there = generations(workspace)
        for generation in there[len(there) - copies :] if len(there) > 1 else ():
            flip(generation.copy)
        if by == "nothing":
            workspace.database.unlink()
        elif by == "rubbish":
            workspace.database.write_bytes(b"rubbish" * 1000)
        else:
            flip(workspace.database)
        assert restore(workspace).missing == ()

    @rule()
    def a_copy_elsewhere_is_put_back(self) -> None:
        workspace = self.store.workspace
        with tempfile.TemporaryDirectory() as folder:
            backup(workspace, Path(folder))
            workspace.database.unlink()
            assert restore(workspace, Path(folder)).missing == ()

    @rule()
    def old_predictions_move_to_files(self) -> None:
        retain(self.store.workspace, older_than=timedelta(days=1))

    @rule()
    def the_file_is_written_anew(self) -> None:
        compact(self.store.workspace)

    @rule()
    def the_program_is_upgraded(self) -> None:
        self.added += 1
        more = Migration(
            len(self.known) + self.added, "more", f"ALTER TABLE meta ADD COLUMN more{self.added} INTEGER;"
        )
        newer = (*migrate.migrations(), more)
        migrate.migrations = lambda: newer  # type: ignore[assignment]
        self.store.read("SELECT 1 AS one")

    def check(self, ask: Callable[[str], list[dict[str, Any]]]) -> None:
        rows = ask("SELECT prediction_id, score, features.a::DOUBLE AS a FROM predictions")
        assert len(rows) == len(self.want)
        assert {row["prediction_id"]: row["score"] for row in rows} == self.want
        assert all(row["a"] == row["score"] for row in rows)
        (counts,) = ask("SELECT coalesce(sum(n), 0)::BIGINT AS n FROM rollup_1m")
        assert counts["n"] == len(self.want)
        revs = ask("SELECT value FROM meta WHERE key = 'rev'")
        assert int(revs[0]["value"] if revs else 0) == self.rev

    @invariant()
    def each_record_is_there_once(self) -> None:
        with self.store.looking() as ask:
            self.check(ask)

    @rule()
    def a_reader_folds_first(self) -> None:
        self.check(self.store.read)

    @invariant()
    def a_living_writers_segment_is_there(self) -> None:
        assert all(one.path is None or one.path.exists() for one in self.writers.values())

    def teardown(self) -> None:
        for writer in self.writers.values():
            writer.close()
        self.store.fold()
        self.store.fold()
        assert segments(self.journal) == []
        (left,) = self.store.read(
            "SELECT (SELECT count(*) FROM store.main.prediction)"
            " + (SELECT coalesce(sum(rows), 0) FROM prediction_archive) AS n"
        )
        assert left["n"] == len(self.want)
        bad = self.store.read("SELECT coalesce(sum(bad), 0)::BIGINT AS n FROM segment")
        assert bad == [{"n": self.torn}]
        kept = self.journal / "bad"
        assert len(list(kept.iterdir()) if kept.exists() else []) == self.torn
        migrate.migrations = self.original
        shutil.rmtree(self.store.workspace.root)


TestAgainst = Against.TestCase
TestAgainst.settings = settings(
    max_examples=int(os.environ.get("MLCYCLE_EXAMPLES", "8")),
    stateful_step_count=12,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
