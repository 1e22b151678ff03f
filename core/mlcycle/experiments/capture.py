"""`mlcycle run -- CMD...`: any command as a run, with its output's tail and its exit code."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

from mlcycle.errors import UsageError
from mlcycle.experiments.environment import hide
from mlcycle.experiments.tracking import RUN_VARIABLE, start_run
from mlcycle.trust import ask_to_run
from mlcycle.workspace import VARIABLE, Workspace

__all__ = ["run_command"]

TAIL = 64 << 10
"""Bytes of each stream that are kept."""
SCRIPTS = (".py", ".sh", ".R", ".jl", ".ipynb")
ENDED_FROM_OUTSIDE = (-signal.SIGINT, -signal.SIGTERM, -9, 128 + signal.SIGINT)


def run_command(
    workspace: Workspace,
    argv: Sequence[str],
    *,
    name: str | None = None,
    experiment: str = "default",
    trust: bool = False,
    answer: Callable[[str], bool] | None = None,
) -> int:
    """Run a command as a run and return its exit code.

    The child gets `MLCYCLE_WORKSPACE` and `MLCYCLE_RUN_ID`, so that its first `start_run` joins this run instead of
    making another. Its output passes through; the last 64 kB of each stream are kept with the run.

    Raises
    ------
    UsageError
        If there is no command, or it cannot be started.
    """
    if not argv:
        raise UsageError("there is no command to run", hint="mlcycle run -- python train.py")
    ask_to_run(workspace, argv, trust=trust, answer=answer)
    source = next((Path(word) for word in argv if word.endswith(SCRIPTS) and Path(word).is_file()), None)
    chosen = name or (source.stem if source else Path(argv[0]).name)
    with start_run(chosen, experiment=experiment, workspace=workspace, source=source) as run:
        root = workspace.root
        run.set_tags({"command": hide(root, shlex.join(argv).encode("utf-8", "replace")).decode()})
        environment = {**os.environ, VARIABLE: str(root), RUN_VARIABLE: run.run_id}
        try:
            child = subprocess.Popen(
                list(argv), env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
            )
        except OSError as error:
            raise UsageError(f"{argv[0]} cannot be started: {error.strerror or error}") from error
        with child:
            tails = [_Tail(child.stdout, sys.stdout), _Tail(child.stderr, sys.stderr)]
            code = _wait(child)
            for tail in tails:
                tail.join()
        for tail, label in zip(tails, ("stdout", "stderr"), strict=True):
            if tail.kept:
                run.log_content(hide(root, bytes(tail.kept)), f"output/{label}.txt")
        run.set_tags({"exit_code": code})
        run.end("finished" if code == 0 else "killed" if code in ENDED_FROM_OUTSIDE else "failed")
    return code if code >= 0 else 128 - code


def _wait(child: subprocess.Popen[bytes]) -> int:
    while True:
        try:
            return child.wait()
        except KeyboardInterrupt:
            # The terminal sends Ctrl-C to the child too: let it end its own way and tell how.
            continue


class _Tail(threading.Thread):
    """Passes a stream on and keeps its last bytes."""

    def __init__(self, source: IO[bytes] | None, sink: IO[str]) -> None:
        super().__init__(daemon=True)
        self.kept = bytearray()
        self._source, self._sink = source, sink
        self.start()

    def run(self) -> None:
        """Copy until the stream ends."""
        if self._source is None:
            return
        while piece := os.read(self._source.fileno(), 1 << 16):
            self.kept += piece
            del self.kept[:-TAIL]
            raw = getattr(self._sink, "buffer", None)
            if raw is not None:
                raw.write(piece)
            else:
                self._sink.write(piece.decode("utf-8", "replace"))
            self._sink.flush()
