"""`y`: what is copied, what is said of it, and lists as files."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.tui.screen import press, settle, text
from tests.unit.store.disk import mounted
from textual.widgets import Static, TextArea

from mlcycle.workspace import Workspace
from mlcycle_app.tui.app import CycleApp
from mlcycle_app.tui.clipboard import LONG, offer

Make = Callable[..., CycleApp]
SIZE = (80, 24)
RUNS = 4


@pytest.fixture(autouse=True)
def _no_tmux(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TMUX", raising=False)


def tmux(folder: Path, monkeypatch: pytest.MonkeyPatch, lines: str) -> None:
    """Put a program called tmux before all others."""
    program = folder / "bin" / "tmux"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n{lines}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    monkeypatch.setenv("TMUX", "/tmp/tmux-0/default,1,0")


def said(app: CycleApp) -> str:
    """Return the dialog's line, however it is broken into lines."""
    return " ".join(str(app.screen.query_one(".copy-said", Static).content).split())


async def test_each_key_copies_one_thing_and_shows_it(make: Make, full: Workspace) -> None:
    app = make(first=RUNS)
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot)
        run = app.selection().row
        assert run is not None
        await press(pilot, "y", "v")
        assert app.clipboard == run["id"] == "0000002a" and "0000002a" in text(app)
        assert "id: sent to the terminal's clipboard; if nothing arrives there" in text(app)
        await press(pilot, "v")
        assert app.clipboard == "finished"
        await press(pilot, "r")
        assert json.loads(app.clipboard)["run"] == "trees"
        await press(pilot, "c")
        assert app.clipboard == f"mlcycle -w {full.root} runs list"
        await press(pilot, "s")
        names, rows = app.gateway.sql(app.clipboard)
        assert [dict(zip(names, row, strict=True))["run"] for row in rows] == ["trees", "linear", "rule"]
        await press(pilot, "escape")
        assert "╭─ runs" in text(app)


async def test_the_sql_and_the_files_have_the_lists_filter_and_order(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    app = make(first=RUNS)
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot)
        await press(pilot, "slash", *"finished", "enter", "s", "j", "j", "enter", "y", "s")
        assert [row[1] for row in app.gateway.sql(app.clipboard)[1]] == ["rule", "trees"]
        await press(pilot, "t")
        assert app.screen.query_one(TextArea).text == f"{tmp_path}/runs-20260310T120000Z.csv"
        assert "written into this file" in text(app)
        await press(pilot, "j")
    files = sorted(tmp_path.glob("runs-*"))
    assert [file.suffix for file in files] == [".csv", ".json"]
    with files[0].open(newline="") as rows:
        assert [row["run"] for row in csv.DictReader(rows)] == ["rule", "trees"]
    assert [row["run"] for row in json.loads(files[1].read_text())] == ["rule", "trees"]


async def test_the_whole_screen_goes_into_a_file_as_the_command_line_writes_it(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    app = make(first=6)
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot)
        await press(pilot, "y", "w")
        written = (tmp_path / "monitor-20260310T120000Z.txt").read_text()
        assert app.screen.query_one(TextArea).text == f"{tmp_path}/monitor-20260310T120000Z.txt"
    assert "WINDOWS (8)" in written and "ALERTS (2)" in written and "\nNOW\n" in written


async def test_where_no_file_can_be_written_the_reason_is_said(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "gone"
    here.mkdir()
    monkeypatch.chdir(here)
    app = make(first=RUNS)
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot)
        here.rmdir()
        await press(pilot, "y", "t")
        assert "cannot be written" in text(app)


async def test_a_full_or_read_only_disk_is_said_and_leaves_no_half_file(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with mounted(tmp_path / "disk", "tmpfs") as disk:
        monkeypatch.chdir(disk.path)
        app = make(first=RUNS)
        async with app.run_test(size=(140, 30)) as pilot:
            await settle(pilot)
            await press(pilot, "y", "r")
            disk.fill(0)
            for key in ("t", "j", "w"):
                await press(pilot, key)
                assert "No space left on device make room there" in said(app)
                assert not app.screen.query_one(TextArea).display
            disk.remount("ro")
            await press(pilot, "t")
            assert "Read-only file system start in a folder that can be written" in said(app)
            disk.remount("rw")
            disk.empty()
            assert list(disk.path.iterdir()) == []
            await press(pilot, "t")
            assert "written into this file" in text(app) and app.screen.query_one(TextArea).display
            await press(pilot, "escape")
            assert "╭─ runs" in text(app)
            assert [path.suffix for path in disk.path.iterdir()] == [".csv"]


async def test_without_a_row_only_the_list_can_be_copied(make: Make, empty: Workspace) -> None:
    app = make(empty, first=RUNS)
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot)
        await press(pilot, "y", "v", "r")
        assert app.clipboard == "" and "the value" not in text(app) and "the SQL" in text(app)
        await press(pilot, "c")
        assert app.clipboard.endswith(" runs list")


async def test_inside_tmux_its_buffer_gets_the_text_too(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tmux(tmp_path, monkeypatch, f'echo "$@" > {tmp_path}/words; cat > {tmp_path}/buffer')
    app = make(first=RUNS)
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot)
        said = await offer(app, "it's a text; $(not a command)\n")
    assert (tmp_path / "buffer").read_text() == "it's a text; $(not a command)\n"
    assert (tmp_path / "words").read_text() == "load-buffer -w -\n"
    assert "it is in tmux's buffer too" in said


async def test_a_tmux_that_refuses_is_not_claimed_to_have_taken_it(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tmux(tmp_path, monkeypatch, "exit 1")
    app = make(first=RUNS)
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot)
        assert "tmux did not take it" in await offer(app, "x")
        (tmp_path / "bin" / "tmux").unlink()
        monkeypatch.setenv("PATH", str(tmp_path))
        assert "tmux did not take it" in await offer(app, "x")


async def test_of_a_text_too_long_for_some_terminals_no_more_is_promised(make: Make) -> None:
    app = make(first=RUNS)
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot)
        assert "may not arrive whole" in await offer(app, "x" * (LONG + 1))
