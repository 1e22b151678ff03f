"""Commands at work in processes of their own: started, followed through their logs, cancelled, ended. Knows no widget.

A job writes into a file, not into a pipe: a server that it leaves behind inherits that file, and a pipe would then
never end. Each job has a session of its own, so that ctrl+c in the terminal reaches the UI alone.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mlcycle_app.commands import COMMANDS
from mlcycle_app.gateway import Gateway
from mlcycle_app.tui.job import Job, Log

__all__ = ["Jobs"]

TICK_S = 0.25
"""Between two looks at what runs."""
SOONEST_S = 0.05
"""Between the looks at a job that has just begun: many end within a moment."""
AGAIN_S, ASK_S, TELL_S = 1.0, 2.0, 4.0
"""After a cancel: when it is interrupted again (a query or an import may swallow the first), when it is asked more
firmly (SIGTERM), and when it is ended (SIGKILL)."""
END_ASK_S, END_TELL_S, END_S = 0.35, 0.5, 0.7
"""The same when the program ends, and when it leaves whatever else there is."""
KEPT = 50
"""Jobs that are remembered after their end."""
WINDOWS = sys.platform == "win32"
News = Callable[[Job], None]


@dataclass
class _Work:
    """A job with its process."""

    job: Job
    process: subprocess.Popen[bytes]
    log: Log
    asked_at: float | None = None
    """When it was cancelled, by the monotonic clock."""
    sent: int = 0
    """How often it was asked since."""


class Jobs:
    """The jobs of one program.

    Parameters
    ----------
    folder
        The workspace they work on.
    news
        See `hear`.
    """

    def __init__(self, folder: Path, news: News | None = None) -> None:
        self.folder = folder
        self._listeners: list[News] = [news] if news is not None else []
        self._jobs: dict[int, Job] = {}
        self._works: dict[int, _Work] = {}
        self._count = 0
        self._place: Path | None = None
        self._following: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()

    @property
    def all(self) -> list[Job]:
        """Every job that is remembered, the newest first."""
        return list(reversed(self._jobs.values()))

    @property
    def running(self) -> list[Job]:
        """The jobs at work, the oldest first."""
        return [job for job in self._jobs.values() if job.is_running]

    def start(self, words: Sequence[str], *, title: str = "") -> Job:
        """Start `mlcycle <words>` on this workspace; the simulated time goes along.

        A command that cannot be started is a job that has failed, and says why.

        Parameters
        ----------
        words
            Command and arguments, as typed after `mlcycle`.
        title
            What it is called in lists; the command unless said.
        """
        self._count += 1
        job = Job(self._count, tuple(words), title or _title(words), Gateway.wall(), folder=self.folder)
        self._jobs[job.number] = job
        try:
            self._works[job.number] = self._spawn(job)
        except (OSError, ValueError) as error:  # no such file; a word that no system passes on
            why = getattr(error, "strerror", None) or error
            job.end(3, Gateway.wall(), f"it could not be started: {why}")
        else:
            self._follow()
        self._forget()
        self._tell(job)
        return job

    def get(self, number: int) -> Job | None:
        """Return a job by its number, None if it is forgotten."""
        return self._jobs.get(number)

    def hear(self, news: News) -> Callable[[], None]:
        """Have a function called, in the loop, whenever anything of a job has changed; return what ends that."""
        self._listeners.append(news)
        return lambda: self._listeners.remove(news) if news in self._listeners else None

    def cancel(self, number: int) -> None:
        """Interrupt a job as ctrl+c would; one that does not end is asked more firmly, then ended."""
        work = self._works.get(number)
        if work is None or work.asked_at is not None:
            return
        work.asked_at, work.job.cancelled = time.monotonic(), True
        _send(work.process, 0)
        self._changed.set()
        self._tell(work.job)

    async def wait(self) -> None:
        """Return when no job is at work any more."""
        while self._following is not None and not self._following.done():
            await self._following

    def end(self) -> None:
        """End all jobs, at once and within 0.7 s, and remove their logs; blocks, and may be called twice."""
        began = time.monotonic()
        works = list(self._works.values())
        for work in works:
            work.job.cancelled = True
            _send(work.process, 0)
        for firmness, until in enumerate((END_ASK_S, END_TELL_S, END_S), start=1):
            while works and time.monotonic() - began < until:
                works = [work for work in works if not self._has_ended(work)]
                time.sleep(0.01 if works else 0)
            for work in works:
                _send(work.process, firmness)
        if self._place is not None:
            shutil.rmtree(self._place, ignore_errors=True)  # what Windows still holds open stays
            self._place = None
            atexit.unregister(self.end)

    def _spawn(self, job: Job) -> _Work:
        if self._place is None:
            # Nobody else may read what commands say, and the program's end, however it comes, ends them.
            self._place = Path(tempfile.mkdtemp(prefix="mlcycle-jobs-"))
            atexit.register(self.end)
        path = self._place / f"{job.number}.log"
        # -P: a file in the folder we stand in, named like a library, must not be imported in its place.
        command = [sys.executable, "-P", "-m", "mlcycle_app", "-w", str(self.folder), *job.words]
        told = {"MLCYCLE_PROGRESS": "lines", "NO_COLOR": "1", "PYTHONUNBUFFERED": "1"}
        # Appending: the file is emptied when it has grown too large, and whoever writes then goes on at its start.
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=handle,
                stderr=handle,
                env={**os.environ, **told},
                start_new_session=not WINDOWS,
                creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
            )
        finally:
            os.close(handle)
        return _Work(job, process, Log(path))

    def _follow(self) -> None:
        if self._following is None or self._following.done():
            self._following = asyncio.get_running_loop().create_task(self._watch(), name="jobs")
        else:
            self._changed.set()

    async def _watch(self) -> None:
        while self._works:
            for work in list(self._works.values()):
                if self._look(work):
                    self._tell(work.job)
            if not self._works:
                return
            youngest = min(work.job.seconds for work in self._works.values())
            self._changed.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), SOONEST_S if youngest < TICK_S else TICK_S)

    def _look(self, work: _Work) -> bool:
        """Read what a job said, see whether it has ended, go on cancelling; return whether anything is new."""
        if self._has_ended(work):
            return True
        if work.asked_at is not None:
            waited = time.monotonic() - work.asked_at
            due = sum(waited >= limit for limit in (AGAIN_S, ASK_S, TELL_S))
            if due > work.sent:
                work.sent = due
                _send(work.process, due - 1)
        return work.log.read(work.job)

    def _has_ended(self, work: _Work) -> bool:
        code = work.process.poll()
        if code is None:
            return False
        if work.job.cancelled:
            _send(work.process, 2)  # what it started and did not end itself
        if self._place is not None:
            work.log.read(work.job)
            work.log.finish(work.job)
        work.job.end(code, Gateway.wall())
        self._works.pop(work.job.number, None)
        return True

    def _tell(self, job: Job) -> None:
        for news in list(self._listeners):
            news(job)

    def _forget(self) -> None:
        ended = [number for number, job in self._jobs.items() if not job.is_running]
        for number in ended[: max(0, len(ended) - KEPT)]:
            del self._jobs[number]
            if self._place is not None:
                (self._place / f"{number}.log").unlink(missing_ok=True)


def _title(words: Sequence[str]) -> str:
    known = {command.words for command in COMMANDS}
    return next((name for name in (" ".join(words[:2]), words[0]) if name in known), " ".join(words[:2]))


def _send(process: subprocess.Popen[bytes], firmness: int) -> None:
    """Ask all processes of a job to end: 0 interrupts, 1 asks, 2 and more kills."""
    with contextlib.suppress(OSError):
        if WINDOWS:  # pragma: no cover
            process.send_signal(signal.CTRL_BREAK_EVENT) if firmness == 0 else process.kill()  # type: ignore[attr-defined]
        else:
            names = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)
            os.killpg(process.pid, names[min(firmness, 2)])
