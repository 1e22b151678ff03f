"""Stopping a run: its processes are asked as Ctrl-C in a terminal would ask them, and are given time to end it."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mlcycle.errors import CouldNot, UsageError
from mlcycle.experiments import records
from mlcycle.experiments.model import Stopped
from mlcycle.journal.reader import Segment, is_finished, is_from_here, segments
from mlcycle.workspace import Workspace

if TYPE_CHECKING:
    import psutil

__all__ = ["stop"]

WITHIN_S = 10.0
LOOK_EVERY_S = 0.25


def stop(workspace: Workspace, run: str, *, within_s: float = WITHIN_S) -> Stopped:
    """Ask the processes that write a running run to stop, and say what became of it.

    Each gets SIGINT, and so do its children in the same process group, as from Ctrl-C. A process that does not listen
    goes on: it is told apart by its state.

    Parameters
    ----------
    workspace
        Where.
    run
        Its id, the id's last digits, or its name (the newest of that name).
    within_s
        How long to wait for the run to end.

    Raises
    ------
    NotFoundError
        If there is no such run.
    UsageError
        If it has ended, or is written by the process that asks.
    CouldNot
        If it is written on another machine or in another container, or its process cannot be told or reached.
    """
    found = records.run(workspace, run)
    if found.status != "running":
        raise UsageError(
            f"run {found.name!r} is {found.status}: there is nothing to stop", hint="mlcycle runs list"
        )
    living = _living(workspace, found.name, records.open_writers(workspace, found.run_id))
    processes = [_process(found.name, mark, own) for mark, own in living.items()]
    for process in _with_their_groups(processes):
        _interrupt(process)
    end = time.monotonic() + within_s
    state = found.status
    while time.monotonic() < end:
        alive = _wait(processes, min(LOOK_EVERY_S, within_s))
        state = records.run(workspace, found.run_id).status
        if state != "running" or not alive:
            break
    return Stopped(found.run_id, found.name, state, tuple(process.pid for process in processes))


def _living(workspace: Workspace, name: str, marks: Sequence[str]) -> dict[str, list[Segment]]:
    """Return the segments that writers of a run hold, by the writer's mark."""
    held: dict[str, list[Segment]] = {}
    for segment in segments(workspace.journal):
        if segment.writer in marks and not is_finished(segment):
            held.setdefault(segment.writer, []).append(segment)
    if not held:
        raise CouldNot(f"no process that writes run {name!r} can be found", hint="mlcycle runs list")
    if not all(is_from_here(segment) for own in held.values() for segment in own):
        raise CouldNot(
            f"run {name!r} is written on another machine or in another container", hint="stop it there"
        )
    return held


def _process(name: str, mark: str, own: Sequence[Segment]) -> psutil.Process:
    """Return the process of a writer's mark, once it is sure that its id was not given to another since.

    It began before its first segment, and has one of them open.
    """
    import psutil

    pid = int(mark.partition("-")[0])
    if pid == os.getpid():
        raise UsageError(f"run {name!r} is written by this very process", hint="mlcycle.end_run('killed')")
    unsure = CouldNot(f"process {pid} is not the one that writes run {name!r}", hint="mlcycle runs list")
    try:
        process = psutil.Process(pid)
        begun = min(int(segment.name.partition("-")[0]) for segment in own) / 1e9
        # Times of processes are told in hundredths of a second, and a clock may have been set a little.
        if process.create_time() > begun + 1.0 or process.status() == psutil.STATUS_ZOMBIE:
            raise unsure
        opened = {Path(file.path).name for file in process.open_files()}
        # Windows does not list all of them.
        if sys.platform != "win32" and not opened & {segment.name for segment in own}:
            raise unsure
    except psutil.NoSuchProcess:
        raise unsure from None
    except psutil.AccessDenied as error:
        raise CouldNot(f"process {pid}, which writes run {name!r}, belongs to another user") from error
    return process


def _with_their_groups(processes: Sequence[psutil.Process]) -> list[psutil.Process]:
    """Return processes with those of their descendants that the same Ctrl-C would reach."""
    import psutil

    found = {process.pid: process for process in processes}
    for process in processes:
        try:
            children = process.children(recursive=True)
        except psutil.Error:
            continue
        for child in children:
            if child.pid != os.getpid() and _group(child.pid) == _group(process.pid):
                found.setdefault(child.pid, child)
    return list(found.values())


def _group(pid: int) -> int:
    if sys.platform == "win32":  # pragma: no cover
        return 0
    try:
        return os.getpgid(pid)
    except OSError:
        return -pid


def _interrupt(process: psutil.Process) -> None:
    import psutil

    try:
        if sys.platform == "win32":  # pragma: no cover - no signal reaches another console there
            process.terminate()
        else:
            process.send_signal(signal.SIGINT)
    except psutil.NoSuchProcess:
        return  # it has just ended
    except psutil.AccessDenied as error:
        raise CouldNot(f"process {process.pid} belongs to another user") from error


def _wait(processes: Sequence[psutil.Process], seconds: float) -> bool:
    """Wait for processes to end, or for some time; tell whether one lives."""
    import psutil

    return bool(psutil.wait_procs(processes, timeout=seconds)[1])
