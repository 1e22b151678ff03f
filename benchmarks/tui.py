"""The budgets of the terminal UI: first frame, memory, a key in a long list, the live Monitor screen.

    python benchmarks/tui.py                ten minutes the first time: it makes a store of 1e7 events, and keeps it
    python benchmarks/tui.py --small        a minute or two, a store of 1e5 events

Each number stands beside the same of a bare Textual app, measured in the same run. Prints a table and never fails on a
number; README.md beside this file says how to read it. Needs a system with terminals (Linux, macOS).
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
from ledger import Ledger  # type: ignore[import-not-found]  # beside this script

LONG_LIST = 100_000
BEGUN = time.time()
BARE_FRAME = """
import asyncio
from textual.app import App
from textual.widgets import Footer, Header, Static

class Bare(App):
    def compose(self):
        yield Header()
        yield Static("hello")
        yield Footer()

async def look():
    async with Bare().run_test(size=(80, 24)) as pilot:
        await pilot.pause()

asyncio.run(look())
"""
FRAME = """
import asyncio, sys
from pathlib import Path
from mlcycle.workspace import Workspace
from mlcycle_app.gateway import Gateway
from mlcycle_app.tui.app import CycleApp

async def look():
    async with CycleApp(Gateway(Workspace(Path(sys.argv[1])))).run_test(size=(80, 24)) as pilot:
        await pilot.pause()

asyncio.run(look())
"""
KEYS = ("down",) * 150 + ("pagedown",) * 30 + ("end", "home") * 10
BARE_KEYS = f"""
import asyncio, time
from textual.app import App
from textual.widgets import DataTable

class Bare(App):
    def compose(self):
        yield DataTable(cursor_type="row")

    def on_mount(self):
        table = self.query_one(DataTable)
        table.add_columns("reason", "dataset", "key", "row", "batch")
        table.add_rows([["not_null", "asks", str(row), str(row), "abcdef12"] for row in range(500)])

async def look():
    async with Bare().run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        before = time.process_time()
        for key in {KEYS!r}:
            await pilot.press(key)
        print((time.process_time() - before) / {len(KEYS)})

asyncio.run(look())
"""
LIST_KEYS = f"""
import asyncio, sys, time
from pathlib import Path
from mlcycle.workspace import Workspace
from mlcycle_app.gateway import Gateway
from mlcycle_app.tui.app import CycleApp

async def look():
    app = CycleApp(Gateway(Workspace(Path(sys.argv[1]))), first=2)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        await app.workers.wait_for_complete()
        await pilot.pause()
        app.query_one("#pane-quarantine").rows.focus()
        await pilot.pause()
        before = time.process_time()
        for key in {KEYS!r}:
            await pilot.press(key)
        print((time.process_time() - before) / {len(KEYS)})

asyncio.run(look())
"""
BARE_LIVE = """
from textual.app import App
from textual.widgets import Footer, Header, Static

class Bare(App):
    count = 0

    def compose(self):
        yield Header()
        yield Static("0", id="count")
        yield Footer()

    def on_mount(self):
        self.set_interval(1.0, self.tick)

    def tick(self):
        self.count += 1
        self.query_one("#count").update(str(self.count))

Bare().run()
"""
FEED = """
import sys, time
from datetime import datetime, timezone
from pathlib import Path
from mlcycle import ids
from mlcycle.store import Store
from mlcycle.workspace import Workspace

store = Store(Workspace(Path(sys.argv[1])))
for number in range(1_000_000):
    now = datetime.now(timezone.utc).replace(tzinfo=None).isoformat()
    row = {"prediction_id": ids.new_id(), "ts": now, "as_of": now, "deployment": "d0", "model": "m", "version": 1,
           "entity": str(number), "score": 0.5, "latency_ms": 2.0 + number % 7, "status": 200, "features": {"age": 40}}
    store.append("prediction", [row])
    time.sleep(0.02)
"""
"""Fifty predictions a second, as a server writes them."""


def store_of(points: int, events: int) -> Path:
    """Return a workspace of that size; it is kept in the temporary folder, and made again when it is a day old."""
    folder = Path(tempfile.gettempdir()) / f"mlcycle-bench-tui-{events}"
    done = folder / "made"
    if not done.exists() or BEGUN - done.stat().st_mtime > 86400:
        shutil.rmtree(folder, ignore_errors=True)
        # Elsewhere: a process is said to have needed at least what its parent did when it began.
        subprocess.run(
            [sys.executable, __file__, "--make", str(folder), str(points), str(events)], check=True
        )
        done.touch()
    return folder


def make(folder: Path, points: int, events: int) -> None:
    """Make the workspace."""
    import store_fill as fill  # type: ignore[import-not-found]  # beside this script

    from mlcycle.store import Store

    workspace = fill.empty(folder)
    fill.fill_runs(workspace)
    fill.fill_points(workspace, points)
    fill.fill_events(workspace, events)
    with Store(workspace).transaction("fill") as change:
        change.execute(f"""
            INSERT INTO quarantined (dataset, batch_id, row_number, row_key, reason, check_id)
            SELECT 'asks', {fill.RUN.format("i // 1000")}, i, i::VARCHAR, 'asks_not_null_' || (i % 7), 'asks_not_null'
            FROM range({LONG_LIST}) AS t(i)""")


def whole(code: str, *words: str) -> tuple[float, float]:
    """Return CPU seconds and peak megabytes of a Python process of its own."""
    process = subprocess.Popen([sys.executable, "-c", code, *words], stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"a measured program failed: {status}")
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return used.ru_utime + used.ru_stime, used.ru_maxrss / unit


def printed(code: str, *words: str) -> float:
    """Return the number that a Python process prints."""
    return float(subprocess.run([sys.executable, "-c", code, *words], check=True, capture_output=True).stdout)


@contextmanager
def in_terminal(words: list[str], size: tuple[int, int]) -> Iterator[tuple[int, int]]:
    """Run a program in a terminal of its own; yields its process id and the terminal's file."""
    pid, terminal = pty.fork()
    if not pid:
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
        os.environ.update(TERM="xterm-256color", COLORTERM="truecolor")
        os.execv(words[0], words)
    try:
        yield pid, terminal
    finally:
        with contextlib.suppress(OSError):
            os.kill(pid, 15)
        let_run(terminal, 1.0)
        os.close(terminal)
        os.waitpid(pid, 0)


def let_run(terminal: int, seconds: float) -> None:
    """Read what a program draws, so that it never waits for us."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        if select.select([terminal], [], [], left)[0]:
            try:
                os.read(terminal, 65536)
            except OSError:  # it has ended
                return


def share(words: list[str], size: tuple[int, int], keys: bytes, seconds: float) -> float:
    """Return the share of one core, in percent, of a program that is left alone after some keys."""
    with in_terminal(words, size) as (pid, terminal):
        let_run(terminal, 4)
        os.write(terminal, keys)
        let_run(terminal, 4)
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            raise SystemExit(f"{' '.join(words[1:3])} ended before it could be measured")
        before = process.cpu_times()
        let_run(terminal, seconds)
        after = process.cpu_times()
        return 100 * (after.user + after.system - before.user - before.system) / seconds


def main() -> None:
    """Measure everything and print it."""
    small = "--small" in sys.argv[1:]
    times, seconds = (3, 6.0) if small else (7, 20.0)
    events = 100_000 if small else 10_000_000
    root = str(store_of(min(events, 1_000_000), events))
    ledger = Ledger(f"10,000 runs, {events:.0e} events; CPU, median of {times}", [])

    def frame(code: str, *words: str) -> tuple[float, float]:
        found = [whole(code, *words) for _ in range(times)]
        return statistics.median(one for one, _ in found), max(peak for _, peak in found)

    (bare, bare_peak), (home, peak) = frame(BARE_FRAME), frame(FRAME, root)
    ledger.said("Home's first frame, whole process", home, 0.45, bare, note="with the board and events read")
    ledger.said("  its peak memory", peak, None, bare_peak, unit="MB")
    floor = statistics.median(printed(BARE_KEYS) for _ in range(times))
    key = statistics.median(printed(LIST_KEYS, root) for _ in range(times))
    ledger.said(
        f"a key in a list of {LONG_LIST:,} rows", key, 0.015, floor, note="floor: a DataTable of 500 rows"
    )
    idle = share([sys.executable, "-c", BARE_LIVE], (80, 24), b"", seconds)
    feeder = subprocess.Popen([sys.executable, "-c", FEED, root])
    try:
        for size in ((80, 24), (140, 40)):
            live = share([sys.executable, "-m", "mlcycle_app", "-w", root], size, b"6", seconds)
            what = f"live Monitor at {size[0]}x{size[1]}, 50 predictions a second"
            ledger.said(what, live, 10.0, idle, unit="% of a core", note="floor: a line once a second")
    finally:
        feeder.terminate()
        feeder.wait()
    print("over budget: " + (", ".join(ledger.missed) or "nothing"))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--make"]:
        make(Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
    else:
        main()
