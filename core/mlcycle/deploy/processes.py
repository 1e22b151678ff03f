"""Owns server processes: starting one until it answers, knowing whether a process id is still ours, ending it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import psutil

from mlcycle.errors import EngineError

__all__ = ["Place", "Started", "end", "is_ours", "journal_of", "spawn"]

READY_S = 60.0
DRAIN_S = 30.0
KILL_S = 5.0
LOOK_EVERY_S = 1.0
TAIL_BYTES = 2_000
MODULE = "mlcycle.serving"

_children: dict[int, subprocess.Popen[bytes]] = {}
"""Servers this process started: they are reaped when they are ended, and are no leak while they live."""


@dataclass(frozen=True)
class Place:
    """What a server is started with."""

    package: Path
    sha256: str
    deployment: str
    journal: Path | None
    log: Path | None
    """Where its standard error goes; nowhere if None."""
    host: str = "127.0.0.1"
    port: int = 0


@dataclass(frozen=True)
class Started:
    """A server that answers."""

    url: str
    pid: int

    def keep(self) -> None:
        """Let the server outlive this process."""
        stdin = _children[self.pid].stdin
        if stdin is not None:
            try:
                stdin.write(b"keep\n")
                stdin.close()
            except OSError as error:
                raise EngineError(f"the model server {self.pid} ended just after it began") from error


def spawn(place: Place, *, timeout_s: float = READY_S) -> Started:
    """Start a server and return once it answers. It ends with this process unless `keep` is called.

    Raises
    ------
    EngineError
        If it ends, or does not answer before the deadline; the message carries what it said last.
    """
    # -P: the folder we stand in may be a workspace, and a file named like a library must not be imported from it.
    command = [sys.executable, "-P", "-m", MODULE, str(place.package), "--sha256", place.sha256]
    command += ["--deployment", place.deployment, "--host", place.host, "--port", str(place.port)]
    command += ["--parent", str(os.getpid()), "--until-kept"]
    if place.journal is not None:
        command += ["--journal", str(place.journal)]
    said = _log(place)
    before = os.fstat(said).st_size
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=said,
            # Ctrl-C in a terminal reaches the whole group; whoever started the server ends it.
            start_new_session=True,
        )
    finally:
        os.close(said)
    line = _first_line(process, timeout_s)
    if line is None:
        code = _code(process)
        _destroy(process)
        what = f"did not answer within {timeout_s:g} s" if code is None else f"ended with code {code}"
        raise EngineError(
            f"the model server of {place.deployment!r} {what}{_said(place, before)}", hint="mlcycle doctor"
        )
    _children[process.pid] = process
    return Started(line["url"], process.pid)


def is_ours(pid: int | None, deployment: str, journal: Path) -> bool:
    """Return True if that process is the model server of that deployment of that workspace, and not another
    process that was given the same id since.
    """
    return journal_of(pid, deployment) == str(journal)


def journal_of(pid: int | None, deployment: str) -> str | None:
    """Return the journal that process writes to, if it is the model server of a deployment of that name."""
    if pid is None or _has_ended(pid):
        return None
    try:
        process = psutil.Process(pid)
        words = process.cmdline()
        alive = process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return None
    if not alive or MODULE not in words or _after(words, "--deployment") != deployment:
        return None
    return _after(words, "--journal")


def end(pid: int, *, drain_s: float = DRAIN_S) -> None:
    """End a server: let it finish what is in flight, and kill it only past the deadline."""
    try:
        process = psutil.Process(pid)
        process.terminate()
        if not _gone(process, drain_s):
            process.kill()
            if not _gone(process, KILL_S):
                raise EngineError(f"the model server {pid} does not end")
    except psutil.NoSuchProcess:
        pass
    except psutil.Error as error:
        raise EngineError(f"the model server {pid} cannot be ended: {error}") from error
    child = _children.pop(pid, None)
    if child is not None:
        _release(child)


def _gone(process: psutil.Process, timeout_s: float) -> bool:
    """Wait for a process to end; one that nobody reaps has ended too, though its id stays."""
    deadline = time.monotonic() + timeout_s
    while (left := deadline - time.monotonic()) > 0:
        try:
            process.wait(min(left, LOOK_EVERY_S))
        except psutil.TimeoutExpired:
            if process.status() == psutil.STATUS_ZOMBIE:
                return True
        else:
            return True
    return False


def _has_ended(pid: int) -> bool:
    child = _children.get(pid)
    if child is None or child.poll() is None:
        return False
    _release(_children.pop(pid))
    return True


def _log(place: Place) -> int:
    if place.log is None:
        return os.open(os.devnull, os.O_WRONLY)
    place.log.parent.mkdir(parents=True, exist_ok=True)
    return os.open(place.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)


def _first_line(process: subprocess.Popen[bytes], timeout_s: float) -> dict[str, str] | None:
    """Wait for the ready line; a thread, because not every system can wait for a pipe with a deadline."""
    lines: list[bytes] = []

    def read(pipe: IO[bytes]) -> None:
        with pipe:
            lines.append(pipe.readline())

    reader = threading.Thread(target=read, args=(process.stdout,), daemon=True)
    reader.start()
    reader.join(timeout_s)
    if not lines or not lines[0].startswith(b"{"):
        return None
    answer: dict[str, str] = json.loads(lines[0])
    return answer


def _code(process: subprocess.Popen[bytes]) -> int | None:
    # Its output ends a moment before the process has.
    try:
        return process.wait(LOOK_EVERY_S)
    except subprocess.TimeoutExpired:
        return None


def _destroy(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    _release(process)


def _release(process: subprocess.Popen[bytes]) -> None:
    process.wait(KILL_S)
    if process.stdin is not None:
        process.stdin.close()


def _said(place: Place, since: int) -> str:
    """What it said on standard error, at most the end of it."""
    if place.log is None:
        return ""
    with place.log.open("rb") as file:
        file.seek(max(since, file.seek(0, os.SEEK_END) - TAIL_BYTES))
        text = file.read().decode(errors="replace").strip()
    return f": {text}" if text else ""


def _after(words: list[str], option: str) -> str | None:
    places = [index for index, word in enumerate(words[:-1]) if word == option]
    return words[places[0] + 1] if places else None
