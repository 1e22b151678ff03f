"""Jobs: real commands in real processes, followed, cancelled, left alone, and ended with the program."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from tests.tui import factory
from tests.tui.screen import text

from mlcycle.workspace import Workspace
from mlcycle_app.tui.app import CycleApp
from mlcycle_app.tui.dialogs.confirm import ConfirmScreen
from mlcycle_app.tui.dialogs.jobs import JobsScreen, LogScreen
from mlcycle_app.tui.job import INTERRUPTED, TAIL, Job, Log, Progress
from mlcycle_app.tui.job_words import duration, how_far, outcome
from mlcycle_app.tui.jobs import Jobs
from mlcycle_app.tui.widgets.log_tail import LogTail

Make = Callable[..., CycleApp]
SIZE = (100, 30)
AT_REST = ["watch"]
"""A command that goes on until it is stopped, and costs nothing meanwhile."""


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """A workspace of this test alone."""
    return factory.empty(tmp_path / "parcels")


@pytest.fixture
def jobs(workspace: Workspace) -> Iterator[Jobs]:
    """Jobs on it, ended in the end."""
    made = Jobs(workspace.root)
    yield made
    made.end()


def script(workspace: Workspace, body: str, *, name: str = "script.py") -> list[str]:
    """Write a script; return the command that runs it."""
    path = workspace.root / name
    path.write_text(body)
    return ["run", "--trust", "--", sys.executable, str(path)]


async def until(jobs: Jobs, seen: Callable[[], bool]) -> None:
    """Wait for news of jobs until something is so."""
    news = asyncio.Event()
    silence = jobs.hear(lambda _: news.set())
    async with asyncio.timeout(30):
        while not seen():
            await news.wait()
            news.clear()
    silence()


async def drawn(app: CycleApp, words: str) -> None:
    """Wait until words stand on the screen."""
    async with asyncio.timeout(30):
        while words not in text(app):
            await asyncio.sleep(0.02)


def group(job: Job, jobs: Jobs) -> int:
    """Return the process of a job."""
    return jobs._works[job.number].process.pid


# The jobs themselves


async def test_a_command_that_does_what_it_was_asked_is_done(jobs: Jobs) -> None:
    job = jobs.start(["data", "list"])
    assert job.is_running and jobs.running == [job]
    await asyncio.wait_for(jobs.wait(), 60)
    assert (job.state, job.code, job.title) == ("done", 0, "data list")
    assert list(job.lines) == ["No data yet: mlcycle data ingest"]
    assert job.ended is not None and jobs.running == [] and jobs.all == [job]


async def test_a_no_is_a_result_and_an_error_says_what_to_type(jobs: Jobs, workspace: Workspace) -> None:
    refused = jobs.start(script(workspace, "raise SystemExit(4)"))
    crashed = jobs.start(script(workspace, "raise ValueError('planted')", name="crash.py"))
    failed = jobs.start(["models", "gate"])
    wrong = jobs.start(["nonsense"])
    await asyncio.wait_for(jobs.wait(), 60)
    assert (refused.state, refused.code) == ("refused", 1)
    assert refused.last.endswith("ended with exit code 4")
    assert (failed.state, failed.code) == ("failed", 2)
    assert failed.last.startswith("training.yaml: declares nothing yet") and failed.hint.startswith(
        "write training"
    )
    assert (crashed.state, crashed.code) == ("failed", 1)
    assert "ValueError: planted" in crashed.lines
    assert (wrong.state, wrong.code) == ("failed", 2)


async def test_progress_is_told_and_what_a_terminal_would_obey_is_not(
    jobs: Jobs, workspace: Workspace
) -> None:
    body = r"""
print("\x1b[31mred\x1b[0m \x07bell \u202eback", flush=True)
print("10 %\r50 %\r100 %")
print('\x1e{"what": "fit", "done": 3, "total": 12}')
print('\x1enot json')
print("no end", end="")
"""
    job = jobs.start(script(workspace, body))
    await asyncio.wait_for(jobs.wait(), 60)
    assert list(job.lines)[:4] == ["red �bell �back", "100 %", "�not json", "no end"]
    assert job.progress == Progress("fit", 3, 12)


async def test_a_job_runs_at_the_simulated_time(jobs: Jobs, workspace: Workspace) -> None:
    job = jobs.start(script(workspace, "import os; print(os.environ['MLCYCLE_NOW'], os.environ['NO_COLOR'])"))
    await asyncio.wait_for(jobs.wait(), 60)
    assert job.lines[0] == f"{factory.NOW.isoformat()} 1"


async def test_a_cancelled_job_is_interrupted_and_says_so(jobs: Jobs) -> None:
    job = jobs.start(AT_REST)
    await until(jobs, lambda: bool(job.lines))
    jobs.cancel(job.number)
    await asyncio.wait_for(jobs.wait(), 60)
    assert (job.state, job.last) == ("cancelled", "interrupted")
    assert job.code in INTERRUPTED  # it is asked again meanwhile, and may be at its very end then


async def test_what_ignores_the_keyboard_is_ended_all_the_same(
    jobs: Jobs, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlcycle_app.tui.jobs.AGAIN_S", 0.05)
    monkeypatch.setattr("mlcycle_app.tui.jobs.ASK_S", 0.1)
    monkeypatch.setattr("mlcycle_app.tui.jobs.TELL_S", 0.2)
    body = """
import signal, sys
for name in ("SIGINT", "SIGTERM"):
    signal.signal(getattr(signal, name), signal.SIG_IGN)
print("deaf", flush=True)
signal.pause()
"""
    job = jobs.start(script(workspace, body))
    await until(jobs, lambda: "deaf" in job.lines)
    below = psutil.Process(group(job, jobs)).children()
    jobs.cancel(job.number)
    await asyncio.wait_for(jobs.wait(), 60)
    assert job.state == "cancelled"
    assert psutil.wait_procs(below, timeout=10)[1] == []


async def test_a_job_ends_although_the_server_it_leaves_behind_holds_its_log(
    jobs: Jobs, workspace: Workspace
) -> None:
    body = """
import os, subprocess, sys
with open(f"/proc/{os.getppid()}/fd/1", "a") as log:
    left = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"], start_new_session=True,
                            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
print(left.pid)
"""
    job = jobs.start(script(workspace, body))
    await asyncio.wait_for(jobs.wait(), 60)
    assert job.state == "done"
    server = psutil.Process(int(job.lines[0]))
    assert server.is_running()
    jobs.end()
    assert server.is_running()
    server.kill()


async def test_all_jobs_end_at_once_with_the_program(jobs: Jobs, workspace: Workspace) -> None:
    deaf = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN); print('deaf', flush=True); signal.pause()"
    started = [jobs.start(AT_REST), jobs.start(script(workspace, deaf))]
    await until(jobs, lambda: all(job.lines for job in started))
    processes = [psutil.Process(group(job, jobs)) for job in started]
    everybody = [*processes, *(below for process in processes for below in process.children())]
    place = jobs._place
    assert place is not None
    jobs.end()
    assert psutil.wait_procs(everybody, timeout=10)[1] == []
    assert {job.state for job in started} == {"cancelled"} and not place.exists()
    jobs.end()


async def test_a_command_that_cannot_be_started_has_failed_and_says_why(
    jobs: Jobs, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("sys.executable", str(tmp_path / "gone"))
    job = jobs.start(["status"])
    assert job.state == "failed" and job.last == "it could not be started: No such file or directory"
    job = jobs.start(["runs", "show", "a\0b"])
    assert job.state == "failed" and job.last == "it could not be started: embedded null byte"


def test_a_log_that_grows_too_fast_keeps_its_end_and_says_what_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"".join(b"line %06d of many\n" % number for number in range(100_000)))
    job = Job(1, ("train",), "train", factory.NOW)
    log = Log(path)
    assert log.read(job) and not log.read(job)
    assert job.lines[-1] == "line 099999 of many" and len(job.lines) == TAIL
    path.write_bytes(path.read_bytes() + b"half")
    log.read(job)
    assert job.lines[-1] == "line 099999 of many"
    log.finish(job)
    assert job.lines[-1] == "half"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.04, "0.0 s"), (9.94, "9.9 s"), (12, "12 s"), (90, "1.5 min"), (86400 * 3, "3.0 d")],
)
def test_lengths_of_time_are_told_in_their_largest_unit(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_the_bar_takes_what_room_the_numbers_leave() -> None:
    job = Job(1, ("sweep",), "sweep", factory.NOW)
    assert how_far(job, 40) == "1 s"
    job.tell(Progress("fit trials", 12, 40))
    assert how_far(job, 80) == f"12/40 {'━' * 7}{'─' * 17} 30 %"
    assert how_far(job, 14) == "12/40 30 %"
    job.end(3, factory.NOW, "mlcycle: it broke")
    assert outcome(job).plain == "✗ sweep failed: it broke"


# In the program


async def test_a_job_shows_in_strip_and_status_line_and_goes_on_when_the_view_is_left(
    make: Make, workspace: Workspace
) -> None:
    app = make(workspace)
    async with app.run_test(size=SIZE) as pilot:
        job = app.jobs.start(AT_REST)
        await drawn(app, "● 1 job")
        assert "● watch" in text(app).splitlines()[-2]
        await pilot.press("3", "5")
        await until(app.jobs, lambda: bool(job.lines))
        assert job.is_running
        app.jobs.cancel(job.number)
        await drawn(app, "○ watch cancelled")
        assert "1 job" not in text(app)
        await pilot.press("j")
        await pilot.pause()
        assert "watch cancelled" not in text(app)


async def test_what_ended_is_said_until_a_key_is_pressed(make: Make, workspace: Workspace) -> None:
    app = make(workspace)
    async with app.run_test(size=SIZE) as pilot:
        app.jobs.start(["models", "gate"])
        await drawn(app, "✗ models gate failed: training.yaml: declares nothing yet")
        await pilot.press("down")
        await pilot.pause()
        assert "models gate failed" not in text(app)


async def test_the_list_says_what_a_job_is_before_there_is_one(make: Make, workspace: Workspace) -> None:
    app = make(workspace)
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press("exclamation_mark")
        await drawn(app, "No job yet.")
        await pilot.press("x", "y", "enter", "escape")
        assert not isinstance(app.screen, JobsScreen)


async def test_the_list_shows_each_log_and_enter_gives_it_the_screen(
    make: Make, workspace: Workspace
) -> None:
    app = make(workspace)
    async with app.run_test(size=SIZE) as pilot:
        app.jobs.start(["data", "list"])
        app.jobs.start(["models", "gate"])
        await asyncio.wait_for(app.jobs.wait(), 60)
        await pilot.press("exclamation_mark")
        await drawn(app, "log of models gate")
        assert "✗ failed" in text(app) and "✓ done" in text(app)
        await pilot.press("j")
        await drawn(app, "log of data list")
        assert "No data yet: mlcycle data ingest" in text(app)
        await pilot.press("enter")
        await drawn(app, "✓ data list done in")
        assert isinstance(app.screen, LogScreen)
        await pilot.press("escape", "escape")
        assert app.screen is app.screen_stack[0]


async def test_x_stops_the_job_only_after_a_yes(make: Make, workspace: Workspace) -> None:
    app = make(workspace)
    async with app.run_test(size=SIZE) as pilot:
        job = app.jobs.start(AT_REST)
        await until(app.jobs, lambda: bool(job.lines))
        await pilot.press("exclamation_mark", "x")
        await drawn(app, "Stop watch?")
        await pilot.press("enter")
        assert not job.cancelled
        await pilot.press("x", "tab", "enter")
        await asyncio.wait_for(app.jobs.wait(), 60)
        await drawn(app, "○ cancelled")
        assert job.state == "cancelled"


async def test_the_question_to_stop_a_job_says_so_when_it_has_ended_meanwhile(
    make: Make, workspace: Workspace
) -> None:
    app = make(workspace)
    async with app.run_test(size=SIZE) as pilot:
        job = app.jobs.start(AT_REST)
        await until(app.jobs, lambda: bool(job.lines))
        await pilot.press("exclamation_mark", "x")
        await drawn(app, "Stop watch?")
        psutil.Process(group(job, app.jobs)).kill()
        await drawn(app, "watch has ended meanwhile")
        await drawn(app, "Close")
        async with asyncio.timeout(30):
            while "Stop watch?" in text(app) or "Stop it" in text(app):
                await pilot.pause()
        await pilot.press("tab", "enter")
        assert isinstance(app.screen, JobsScreen)
        assert job.state == "failed" and not job.cancelled


async def test_a_question_can_be_made_void_at_any_moment_while_it_is_drawn(
    make: Make, workspace: Workspace
) -> None:
    app = make(workspace)
    async with app.run_test(size=SIZE) as pilot:
        question = ConfirmScreen("Stop watch?", verb="Stop it")
        app.push_screen(question)
        while not question.query("#yes"):
            question.void("watch has ended meanwhile")
            await asyncio.sleep(0)
        await pilot.pause()
        await drawn(app, "watch has ended meanwhile")
        assert "Stop it" not in text(app)


async def test_y_copies_the_command_as_it_can_be_typed(make: Make, workspace: Workspace) -> None:
    app = make(workspace)
    async with app.run_test(size=SIZE) as pilot:
        app.jobs.start(["data", "list"])
        await asyncio.wait_for(app.jobs.wait(), 60)
        await pilot.press("exclamation_mark", "y")
        await drawn(app, "sent to the terminal's clipboard")
        assert app.clipboard == f"mlcycle -w {workspace.root} data list"


async def test_words_are_found_in_a_log_which_then_no_longer_follows(
    make: Make, workspace: Workspace
) -> None:
    app = make(workspace)
    body = "for number in range(300): print(f'epoch {number:03d} of 300' + ' best' * (number in (7, 250)))"
    async with app.run_test(size=SIZE) as pilot:
        app.jobs.start(script(workspace, body))
        await asyncio.wait_for(app.jobs.wait(), 60)
        await pilot.press("exclamation_mark", "enter")
        await drawn(app, "epoch 299")
        await pilot.press("slash", *"best", "enter")
        await drawn(app, "epoch 250 of 300 best")
        assert "2 of 2" in text(app)
        await pilot.press("n")
        await drawn(app, "epoch 007 of 300 best")
        assert not app.screen.query_one(LogTail).following
        await pilot.press("G")
        await drawn(app, "epoch 299")
        assert app.screen.query_one(LogTail).following
        await pilot.press("escape")
        assert isinstance(app.screen, LogScreen) and "300 lines" in text(app)


async def test_quitting_asks_while_jobs_run_and_ends_them(make: Make, workspace: Workspace) -> None:
    app = make(workspace)
    async with app.run_test(size=SIZE) as pilot:
        first, second = app.jobs.start(AT_REST), app.jobs.start(["watch", "--every", "5"])
        await until(app.jobs, lambda: bool(first.lines) and bool(second.lines or not second.is_running))
        await pilot.press("q")
        await pilot.pause()
        assert isinstance(app.screen, ConfirmScreen)
        assert app.focused is not None and app.focused.id == "no"
        await pilot.press("enter")
        assert first.is_running and app.is_running
        process = psutil.Process(group(first, app.jobs))
        await pilot.press("q", "tab", "enter")
        await pilot.pause()
    assert (app.return_code or 0, first.state) == (0, "cancelled")
    assert psutil.wait_procs([process], timeout=10)[1] == []


async def test_quitting_asks_nothing_when_nothing_runs(make: Make, workspace: Workspace) -> None:
    app = make(workspace)
    async with app.run_test(size=SIZE) as pilot:
        app.jobs.start(["data", "list"])
        await asyncio.wait_for(app.jobs.wait(), 60)
        await pilot.press("q")
    assert (app.return_code or 0, app.crash) == (0, None)


async def test_a_signal_ends_the_jobs_too(make: Make, workspace: Workspace) -> None:
    app = make(workspace)
    async with app.run_test(size=SIZE):
        job = app.jobs.start(AT_REST)
        await until(app.jobs, lambda: bool(job.lines))
        app.leave(128 + signal.SIGTERM)
    assert (app.return_code, job.state) == (128 + signal.SIGTERM, "cancelled")


async def test_another_process_at_work_is_named_and_never_waited_for(
    make: Make, workspace: Workspace
) -> None:
    app = make(workspace)
    async with app.run_test(size=SIZE) as pilot:
        assert app.gateway.busy() == ""
        holder = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", HOLD, str(workspace.home)),
            stdout=asyncio.subprocess.PIPE,
            stdin=asyncio.subprocess.PIPE,
        )
        assert holder.stdout is not None
        await holder.stdout.readline()
        assert app.gateway.busy().startswith(f"pid {holder.pid} (python")
        app.tick()
        await pilot.pause()
        assert f"● pid {holder.pid} (python" in text(app).splitlines()[-2]
        holder.kill()
        await holder.wait()
        assert app.gateway.busy() == ""


HOLD = """
import sys
from pathlib import Path
from mlcycle.journal.locks import Turnstile
with Turnstile(Path(sys.argv[1]), shared=False, timeout_s=10):
    print("held", flush=True)
    sys.stdin.read()
"""
