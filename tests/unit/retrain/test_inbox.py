"""What counts as a drop, and when it stands still."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from mlcycle.retrain import inbox


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "inbox"
    made.mkdir()
    return made


def only(folder: Path) -> inbox.Drop:
    (found,) = inbox.drops(folder)
    return found


def test_an_inbox_that_is_not_there_holds_nothing(tmp_path: Path) -> None:
    assert inbox.drops(tmp_path / "inbox") == []


def test_files_and_folders_at_the_top_are_drops_in_order_of_name(folder: Path) -> None:
    (folder / "b.csv").write_text("x\n")
    (folder / "a").mkdir()
    (folder / "a" / "c.csv").write_text("y\n")
    found = inbox.drops(folder)
    assert [drop.name for drop in found] == ["a", "b.csv"]
    assert [path.name for path in found[0].files] == ["c.csv"]


def test_hidden_and_unfinished_files_are_not_there_yet(folder: Path) -> None:
    for name in (".hidden", "a.csv.part", "b.tmp", "c.csv~"):
        (folder / name).write_text("x")
    assert inbox.drops(folder) == []


def test_a_folder_with_an_unfinished_file_is_not_still(folder: Path) -> None:
    (folder / "a").mkdir()
    (folder / "a" / "b.csv").write_text("x")
    (folder / "a" / "c.csv.part").write_text("x")
    drop = only(folder)
    assert not inbox.is_still(drop, drop.changed_at + 100, 1.0)


def test_a_drop_is_still_once_nothing_changed_for_long_enough(folder: Path) -> None:
    (folder / "a.csv").write_text("x")
    drop = only(folder)
    assert not inbox.is_still(drop, drop.changed_at + 0.9, 1.0)
    assert inbox.is_still(drop, drop.changed_at + 1.1, 1.0)


def test_a_kept_modification_time_does_not_make_a_fresh_copy_look_old(folder: Path) -> None:
    path = folder / "a.csv"
    path.write_text("x")
    os.utime(path, (1_000_000_000, 1_000_000_000))
    drop = only(folder)
    assert drop.changed_at > 1_500_000_000
    assert not inbox.is_still(drop, drop.changed_at + 0.5, 1.0)


def test_a_clock_that_runs_ahead_is_no_writer(folder: Path) -> None:
    (folder / "a.csv").write_text("x")
    drop = only(folder)
    assert inbox.is_still(drop, drop.changed_at - 3600, 1.0)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells who has a file open for writing")
def test_a_file_open_for_writing_is_being_written_however_long_it_was_quiet(folder: Path) -> None:
    path = folder / "a.csv"
    with path.open("w") as file:
        file.write("half a li")
        file.flush()
        assert inbox.is_written(only(folder).files)
    assert not inbox.is_written(only(folder).files)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells who has a file open for writing")
def test_a_reader_is_no_writer(folder: Path) -> None:
    path = folder / "a.csv"
    path.write_text("x")
    with path.open():
        assert not inbox.is_written([path])


def test_a_link_that_leads_out_is_a_problem(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.csv").write_text("x")
    (folder / "a.csv").symlink_to(tmp_path / "secret.csv")
    assert "leads out of the inbox" in only(folder).problem


def test_a_link_inside_a_dropped_folder_that_leads_out_is_a_problem(folder: Path, tmp_path: Path) -> None:
    (folder / "a").mkdir()
    (folder / "a" / "fine.csv").write_text("x")
    (folder / "a" / "out").symlink_to(tmp_path, target_is_directory=True)
    assert only(folder).problem == "a/out is a link that leads out of the inbox"


def test_a_dangling_link_is_waited_for(folder: Path) -> None:
    (folder / "a.csv").symlink_to(folder / "gone.csv")
    assert only(folder).unfinished


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_is_a_problem_and_is_not_opened(folder: Path) -> None:
    os.mkfifo(folder / "a.csv")
    assert only(folder).problem == "a.csv is no regular file"


def test_content_is_the_same_for_the_same_names_and_bytes(folder: Path) -> None:
    path = folder / "a.csv"
    path.write_text("x")
    first = only(folder)
    content = inbox.content_of(first)
    os.utime(path, (1, 1))
    again = only(folder)
    assert inbox.content_of(again) == content
    path.write_text("y")
    assert inbox.content_of(only(folder)) != content
