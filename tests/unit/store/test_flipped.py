"""One flipped bit anywhere: found, named, and nothing but its own line is touched."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlcycle.experiments.artifacts import keep_bytes
from mlcycle.ids import new_id
from mlcycle.journal import SegmentWriter
from mlcycle.journal.reader import read_tail, segments
from mlcycle.store import Store
from mlcycle.store.doctor import examine, mend
from mlcycle.workspace import Workspace

WHEN = "2026-01-01T00:00:00"


def journal(store: Store, count: int) -> tuple[Path, list[str]]:
    ids = [new_id() for _ in range(count)]
    with SegmentWriter(store.workspace.journal, "metric") as writer:
        for one in ids:
            assert writer.append([{"run_id": one, "key": "k", "step": 1, "ts": WHEN, "value": 1.5}])
    (segment,) = segments(store.workspace.journal)
    return segment.path, ids


def flipped(content: bytes, place: int) -> bytes:
    changed = bytearray(content)
    changed[place] ^= 1 << (place % 8)
    return bytes(changed)


def test_a_flipped_bit_in_any_byte_of_a_segment_costs_its_own_line_and_is_seen(tmp_path: Path) -> None:
    (tmp_path / "mlcycle.yaml").write_text("name: test\n")
    path, ids = journal(Store(Workspace(tmp_path)), 3)
    (segment,) = segments(tmp_path / ".mlcycle" / "journal")
    whole = path.read_bytes()
    for place in range(len(whole)):
        path.write_bytes(flipped(whole, place))
        tail = read_tail(segment, 0)
        assert tail is not None and (tail.parsed.bad or tail.torn), place
        line = whole.count(b"\n", 0, place)
        # A newline that is gone joins two lines; a segment that begins with a bad line is read all the same.
        touched = {line, line + 1} if whole[place : place + 1] == b"\n" else {line}
        there = {json.loads(record)["run_id"] for record in tail.parsed.records}
        assert there == {one for i, one in enumerate(ids) if i + 1 not in touched}, place


@pytest.mark.parametrize("share", [0, 0.1, 0.45, 0.7, 0.999])
def test_doctor_names_a_flipped_bit_of_a_segment_before_it_is_folded(store: Store, share: float) -> None:
    path, _ = journal(store, 3)
    whole = path.read_bytes()
    path.write_bytes(flipped(whole, int(share * len(whole))))
    found = [finding for finding in examine(store.workspace).findings if finding.level == "mend"]
    assert found and all(finding.where.endswith(path.name) for finding in found)
    path.write_bytes(whole)
    assert examine(store.workspace).findings == ()


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(share=st.floats(0, 0.999), bit=st.integers(0, 7))
def test_a_bad_line_is_set_aside_by_the_fold_and_stays_named(
    share: float, bit: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = tmp_path_factory.mktemp("flipped")
    (root / "mlcycle.yaml").write_text("name: test\n")
    store = Store.create(Workspace(root))
    path, ids = journal(store, 5)
    content = bytearray(path.read_bytes())
    content[int(share * len(content))] ^= 1 << bit
    path.write_bytes(content)
    store.fold()
    report = mend(store.workspace)
    assert report.exit_code == 0
    assert any("bad lines" in finding.what for finding in report.findings)
    assert store.health().bad_lines >= 1
    kept = {row["run_id"] for row in store.read("SELECT run_id FROM metrics")}
    assert kept <= set(ids) and len(kept) >= 3


@pytest.mark.parametrize("share", [0, 0.3, 0.999])
def test_a_flipped_bit_in_an_artifact_is_named_by_the_hash_it_should_have(store: Store, share: float) -> None:
    content = bytes(range(256)) * 4
    sha256, size = keep_bytes(store.workspace, content)
    record = {
        "kind": "artifact",
        "run_id": new_id(),
        "path": "a.bin",
        "sha256": sha256,
        "bytes": size,
        "ts": WHEN,
    }
    store.append("run", [record])
    assert examine(store.workspace).exit_code == 0
    store.workspace.artifact(sha256).write_bytes(flipped(content, int(share * size)))
    (finding,) = [one for one in examine(store.workspace).findings if one.level == "damaged"]
    assert sha256[:8] in finding.what and "a.bin" in finding.what
    assert sha256 in finding.where
