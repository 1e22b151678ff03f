"""Opens the terminal UI, or says in words why it cannot."""

from __future__ import annotations

import contextlib
import sys
from concurrent.futures import Future
from typing import TYPE_CHECKING

from mlcycle_app.gateway import Gateway, WorkspaceError

if TYPE_CHECKING:
    from mlcycle_app.gateway import Board

__all__ = ["open_ui"]

WRONG_USAGE = 2
DEFECT = 3
WAIT_S = 1.0
START = """\
mlcycle steps one machine-learning product through its whole life, on this machine alone.
No workspace here yet. Three ways to begin:

  mlcycle demo                                     the sample product, offline, in about a minute
  mlcycle init my-product --from data.csv --target COLUMN    your own table
  mlcycle init my-product                          empty, commented templates
"""


def open_ui(folder: str | None, now: str | None, *, first: int = 0) -> int:
    """Open the UI on a workspace; return the exit code.

    Parameters
    ----------
    folder
        The workspace, or None for the nearest one.
    now
        A simulated time, as ISO text.
    first
        Number of the screen to begin with.
    """
    Gateway.set_now(now)
    try:
        gateway = Gateway.open(folder)
    except WorkspaceError:
        if folder is not None:
            raise
        print(START, end="")
        return 0
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        print("mlcycle: the terminal UI needs a terminal\n  try: mlcycle status", file=sys.stderr)
        return WRONG_USAGE
    return _run(gateway, first)


def _run(gateway: Gateway, first: int) -> int:
    from mlcycle_app.tui.reading import leave_with, start

    settings = gateway.settings()
    read: Future[Board] = Future()
    start(lambda: _fill(read, gateway), "read board")  # while this thread loads the UI
    from mlcycle_app.tui.app import CycleApp, Look
    from mlcycle_app.tui.theme import choose

    look = Look(choose(settings.ui.theme), settings.ui.teach, settings.ui.ascii)
    board = None
    with contextlib.suppress(
        TimeoutError
    ):  # somebody holds the store: the UI opens all the same, and waits for it
        board = read.result(
            WAIT_S
        )  # a newer or damaged store is said in two lines, before the screen is taken
    app = CycleApp(gateway, look=look, board=board, first=first)
    app.run()
    code = app.return_code or 0
    if app.crash is not None:
        from mlcycle_app.tui import crash

        told = crash.tell(gateway, app.crash, "the UI stopped")
        print(f"mlcycle: {told.message}\n  {told.hint}", file=sys.stderr)
        code = DEFECT
    leave_with(code)
    return code


def _fill(read: Future[Board], gateway: Gateway) -> None:
    try:
        read.set_result(gateway.board())
    except BaseException as error:  # noqa: BLE001 - raised again by `result`
        read.set_exception(error)
