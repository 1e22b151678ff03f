"""What a deployment's server said on standard error: the end of it, or each line as it comes."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from mlcycle.deploy import records
from mlcycle.deploy.listing import deployment_name, unknown
from mlcycle.deploy.model import Deployment
from mlcycle.workspace import Workspace

__all__ = ["ServerLog", "follow", "log_file", "logs"]

LINES = 200
LOOK_EVERY_S = 0.25
LONGEST = 4 * 1024 * 1024
"""Bytes read from the end of a log, at most."""


@dataclass(frozen=True)
class ServerLog:
    """The end of a server's log."""

    deployment: str
    path: Path
    lines: tuple[str, ...]
    left_out: int
    """Bytes before the first of these lines."""


def log_file(workspace: Workspace, name: str) -> Path:
    """Return where the server of a deployment says what goes wrong."""
    return workspace.home / "logs" / f"{name}.log"


def logs(workspace: Workspace, deployment: str | None = None, lines: int = LINES) -> ServerLog:
    """Return the last lines of a server's log; none where it has said nothing.

    Parameters
    ----------
    deployment
        Its name; `deployment` of deploy.yaml unless said.
    lines
        How many at most.

    Raises
    ------
    NotFoundError
        If there is no deployment of that name.
    """
    name = _known(workspace, deployment).deployment
    path = log_file(workspace, name)
    try:
        with path.open("rb") as file:
            found, left_out = _tail(file, max(0, lines))
    except OSError:  # never started here, or moved away
        found, left_out = [], 0
    return ServerLog(name, path, tuple(found), left_out)


def follow(workspace: Workspace, deployment: str | None = None, lines: int = LINES) -> Iterator[str]:
    """Yield a server's log, its last lines first, then each line as it comes; never ends by itself.

    Parameters
    ----------
    deployment, lines
        See `logs`.

    Raises
    ------
    NotFoundError
        If there is no deployment of that name.
    """
    path = log_file(workspace, _known(workspace, deployment).deployment)
    rest, place = b"", -1
    while True:
        try:
            with path.open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                if place < 0:
                    yield from _tail(file, lines, whole=True)[0]
                    place = file.tell()
                if size < place:  # begun anew
                    rest, place = b"", 0
                file.seek(place)
                *whole, rest = (rest + file.read(LONGEST)).split(b"\n")
                place = file.tell()
        except OSError:
            whole = []
        yield from (line.decode(errors="replace") for line in whole)
        if not whole:
            time.sleep(LOOK_EVERY_S)


def _known(workspace: Workspace, given: str | None) -> Deployment:
    name = deployment_name(workspace, given)
    found = records.deployment(workspace, name)
    if found is None:
        raise unknown(name)
    return found


def _tail(file: BinaryIO, count: int, *, whole: bool = False) -> tuple[list[str], int]:
    """Return the last lines and the bytes before them; the file then stands behind the last one read.

    Parameters
    ----------
    whole
        Whether a last line without an end is left for later.
    """
    size = file.seek(0, os.SEEK_END)
    start = file.seek(max(0, size - LONGEST))
    content = file.read(size - start)
    end = content.rfind(b"\n") + 1 if whole else len(content)
    file.seek(start + end)
    pieces = content[:end].splitlines(keepends=True)
    if start and pieces:  # the first one may be the end of a line
        start += len(pieces.pop(0))
    kept = pieces[-count:] if count else []
    left_out = start + sum(map(len, pieces[: len(pieces) - len(kept)]))
    return [line.decode(errors="replace").rstrip("\r\n") for line in kept], left_out
