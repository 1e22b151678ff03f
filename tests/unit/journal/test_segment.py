from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from mlcycle.journal import SegmentWriter
from mlcycle.journal.frame import parse
from mlcycle.journal.reader import is_finished, read_tail, segments


def records(journal: Path) -> list[dict[str, object]]:
    found = []
    for segment in segments(journal):
        tail = read_tail(segment, 0)
        assert tail is not None and not tail.parsed.bad
        found += [json.loads(payload) for payload in tail.parsed.records]
    return found


def test_a_record_is_there_when_append_has_returned(tmp_path: Path) -> None:
    with SegmentWriter(tmp_path, "metric") as writer:
        assert writer.append([{"a": 1}, {"a": 2}])
        assert records(tmp_path) == [{"a": 1}, {"a": 2}]
        assert writer.append([{"a": 3}], sync=True)
    assert records(tmp_path) == [{"a": 1}, {"a": 2}, {"a": 3}]


def test_a_segment_begins_with_who_wrote_it_and_ends_with_an_end_record(tmp_path: Path) -> None:
    writer = SegmentWriter(tmp_path, "metric")
    assert writer.append([{"a": 1}])
    (segment,) = segments(tmp_path)
    assert not is_finished(segment)
    writer.close()
    assert is_finished(segment)
    controls = parse(segment.path.read_bytes()).controls
    assert [control["_segment"] for control in controls] == ["start", "end"]
    assert (
        controls[0]["format"] == 1 and controls[0]["stream"] == "metric" and controls[0]["pid"] == os.getpid()
    )


def test_nothing_is_made_before_the_first_record(tmp_path: Path) -> None:
    with SegmentWriter(tmp_path, "metric") as writer:
        assert writer.append([])
    assert segments(tmp_path) == []


def test_a_long_segment_is_followed_by_another_of_the_same_writer(tmp_path: Path) -> None:
    with SegmentWriter(tmp_path, "metric", rotate_at=300) as writer:
        for i in range(20):
            assert writer.append([{"a": i}])
        found = segments(tmp_path)
        assert len(found) > 1 and len({segment.writer for segment in found}) == 1
        assert [is_finished(segment) for segment in found] == [True] * (len(found) - 1) + [False]
    assert records(tmp_path) == [{"a": i} for i in range(20)]


def test_threads_share_a_segment_without_mixing_lines(tmp_path: Path) -> None:
    with SegmentWriter(tmp_path, "metric") as writer:
        threads = [
            threading.Thread(target=lambda k=k: [writer.append([{"k": k, "i": i}]) for i in range(50)])
            for k in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(segments(tmp_path)) == 1
    assert len({(record["k"], record["i"]) for record in records(tmp_path)}) == 200


def test_a_record_longer_than_a_megabyte_is_refused_and_told_later(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with SegmentWriter(tmp_path, "metric") as writer:
        for _ in range(2):
            assert not writer.append([{"a": "x" * (1 << 20)}])
        assert writer.refused == 2
        assert writer.append([{"a": 1}])
    err = capsys.readouterr().err
    assert err.count("not being kept") == 1 and "1 MB" in err
    (segment,) = segments(tmp_path)
    assert {"_segment": "refused", "n": 2} in parse(segment.path.read_bytes()).controls


def test_a_disk_nearly_full_refuses(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with SegmentWriter(tmp_path, "metric", least_free=1.1) as writer:
        assert not writer.append([{"a": 1}])
    assert "disk is free" in capsys.readouterr().err
    assert records(tmp_path) == []


def test_a_write_cut_short_leaves_only_whole_lines(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # A limit on the file's size cuts a write short just as a full disk does.
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    writer = SegmentWriter(tmp_path, "metric")
    try:
        assert writer.append([{"a": 0}])
        assert writer.path is not None
        room = writer.path.stat().st_size + 45
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, before[1]))
        assert not writer.append([{"a": 1, "pad": "x" * 10}, {"a": 2, "pad": "x" * 10}])
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert writer.append([{"a": 3}])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
        writer.close()
    assert [record["a"] for record in records(tmp_path)] in ([0, 1, 3], [0, 3])
    assert "File too large" in capsys.readouterr().err


def test_a_full_disk_leaves_no_empty_segments_behind(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    writer = SegmentWriter(tmp_path, "metric")
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (10, before[1]))
        for _ in range(3):
            assert not writer.append([{"a": 1}])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
        writer.close()
    assert segments(tmp_path) == []
    assert capsys.readouterr().err


def test_a_segment_whose_file_was_deleted_is_not_written_to_any_more(tmp_path: Path) -> None:
    with SegmentWriter(tmp_path, "metric") as writer:
        assert writer.append([{"a": 1}])
        assert writer.path is not None
        writer.path.unlink()
        assert writer.append([{"a": 2}])
        assert records(tmp_path) == [{"a": 2}]


FORK = """
import os, sys
from pathlib import Path
from mlcycle.journal import SegmentWriter
writer = SegmentWriter(Path(sys.argv[1]), "metric")
writer.append([{"who": "parent", "i": 0}])
child = os.fork()
if not child:
    writer.append([{"who": "child", "i": 1}])
    os._exit(0)
os.waitpid(child, 0)
writer.append([{"who": "parent", "i": 2}])
print("done", flush=True)
sys.stdin.read()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_after_a_fork_the_child_writes_a_segment_of_its_own(tmp_path: Path) -> None:
    command = [sys.executable, "-c", FORK, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None and parent.stdout.readline() == "done\n"
        found = segments(tmp_path)
        assert [is_finished(segment) for segment in found] == [False, True]
        assert len({segment.writer for segment in found}) == 2
        parent.kill()
    assert all(is_finished(segment) for segment in found)
    assert sorted(int(str(record["i"])) for record in records(tmp_path)) == [0, 1, 2]


def test_a_segment_of_another_machine_is_finished_only_by_its_end_record(tmp_path: Path) -> None:
    from mlcycle.journal.frame import control, frame

    folder = tmp_path / "metric"
    folder.mkdir()
    path = folder / "00000000000000000001-7-abcdef01.jnl"
    path.write_bytes(control("start", format=1, namespace="elsewhere") + frame(b'{"a":1}'))
    (segment,) = segments(tmp_path)
    assert not is_finished(segment)
    with path.open("ab") as file:
        file.write(control("end"))
    assert is_finished(segment)


def test_a_segment_of_a_newer_format_is_left_alone(tmp_path: Path) -> None:
    from mlcycle.journal.frame import control

    folder = tmp_path / "metric"
    folder.mkdir()
    (folder / "00000000000000000001-7-abcdef01.jnl").write_bytes(control("start", format=99))
    (segment,) = segments(tmp_path)
    assert read_tail(segment, 0) is None


def test_a_limit_takes_at_least_one_line(tmp_path: Path) -> None:
    with SegmentWriter(tmp_path, "metric") as writer:
        writer.append([{"a": "x" * 1000}, {"a": 2}])
        (segment,) = segments(tmp_path)
        head = read_tail(segment, 0, 1)
        assert head is not None and not head.whole and head.parsed.used
        one = read_tail(segment, head.end, 10)
        assert one is not None and len(one.parsed.records) == 1 and not one.whole


def test_the_journal_is_standard_library_only() -> None:
    code = "import sys, mlcycle.journal; print({'duckdb', 'polars', 'numpy', 'psutil'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_segments_keep_their_order_when_the_clock_is_set_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moments = iter([5_000, 4_000, 3_000, 9_000])
    monkeypatch.setattr("mlcycle.journal.segment.time.time_ns", lambda: next(moments))
    writer = SegmentWriter(tmp_path, "metric", rotate_at=10)
    for step in range(4):
        assert writer.append([{"step": step}])
    found = [read_tail(segment, 0) for segment in segments(tmp_path)]
    assert [json.loads(one.parsed.records[0])["step"] for one in found if one] == [0, 1, 2, 3]
    writer.close()


def test_every_record_waits_for_the_disk_if_the_user_wants_it_to_survive_a_power_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    monkeypatch.setattr("mlcycle.journal.segment._flush", synced.append)
    for said, expected in (("", 0), ("power", 2)):
        monkeypatch.setenv("MLCYCLE_DURABILITY", said)
        with SegmentWriter(tmp_path, "metric") as writer:
            assert writer.append([{"step": 1}]) and writer.append([{"step": 2}])
        assert len(synced) == expected


def test_a_limit_at_the_end_of_a_line_reads_no_line_more(tmp_path: Path) -> None:
    with SegmentWriter(tmp_path, "metric") as writer:
        for step in range(3):
            assert writer.append([{"step": step}])
    (segment,) = segments(tmp_path)
    ends = [i + 1 for i, byte in enumerate(segment.path.read_bytes()) if byte == 10]
    for limit, lines in zip(ends, range(1, 6), strict=True):
        tail = read_tail(segment, 0, limit)
        assert tail is not None and tail.end == limit
        assert len(tail.parsed.records) + len(tail.parsed.controls) == lines
    inside = read_tail(segment, 0, ends[1] + 1)
    assert inside is not None and inside.end == ends[2]


@pytest.mark.parametrize("linked", ["journal", "journal/metric"])
def test_records_do_not_follow_a_link_out_of_the_workspace(
    tmp_path: Path, linked: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "outside").mkdir()
    place = tmp_path / linked
    place.parent.mkdir(exist_ok=True)
    place.symlink_to(tmp_path / "outside")
    assert not SegmentWriter(tmp_path / "journal", "metric").append([{"step": 1}])
    assert "is a link" in capsys.readouterr().err
    assert list((tmp_path / "outside").rglob("*.jnl")) == []
