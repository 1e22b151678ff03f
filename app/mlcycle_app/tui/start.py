"""Opens the terminal UI on a workspace, or the start screen where there is none, or says in words why it cannot."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mlcycle_app.gateway import Gateway, UsageError, Workspace, WorkspaceError
from mlcycle_app.web import is_tab

if TYPE_CHECKING:
    from mlcycle.settings import Settings
    from mlcycle_app.gateway import Board
    from mlcycle_app.tui.frame import Frame, Look

__all__ = ["look_of", "open_ui"]

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
        The workspace, or None for the nearest one; where there is none, the start screen asks.
    now
        A simulated time, as ISO text.
    first
        Number of the screen to begin with.
    """
    Gateway.set_now(now)
    terminal = is_tab() or (sys.stdin.isatty() and sys.stdout.isatty())
    gateway: Gateway | None = None
    try:
        gateway = Gateway.open(folder)
    except WorkspaceError:
        if folder is not None or Workspace.is_named():
            raise
        if not terminal:
            print(START, end="")
            return 0
    if not terminal:
        print("mlcycle: the terminal UI needs a terminal\n  try: mlcycle status", file=sys.stderr)
        return WRONG_USAGE
    return _run(gateway, Gateway.settings(), first)


def look_of(settings: Settings) -> Look:
    """Return how the UI looks, from the user's settings.

    Raises
    ------
    UsageError
        If a theme, an action or a key is not known; names file and line.
    """
    from mlcycle_app.tui.ages import set_zone
    from mlcycle_app.tui.frame import Look
    from mlcycle_app.tui.keymap import keymap
    from mlcycle_app.tui.theme import choose

    try:
        theme = choose(settings.ui.theme)
    except UsageError as error:
        raise settings.wrong("ui.theme", error.message, hint=error.hint) from error
    set_zone(settings.ui.time_zone)
    return Look(theme, settings.ui.teach, settings.ui.ascii, keymap(settings.keys))


def _run(gateway: Gateway | None, settings: Settings, first: int) -> int:
    from mlcycle_app.tui.reading import leave_with

    code, going_on = 0, True
    while going_on:
        if gateway is None:
            code, chosen = _choose(settings)
            if chosen is None:
                break
            gateway = Gateway.open(chosen)
        code, going_on = _show(gateway, settings, first)
        gateway, first = None, 0
    leave_with(code)
    return code


def _choose(settings: Settings) -> tuple[int, Path | None]:
    """Show the start screen; return its exit code, and the workspace that was chosen."""
    from mlcycle_app.tui.starting import StartApp

    app = StartApp(look_of(settings))
    app.run()
    code = _end(app, _Nowhere(Workspace(Path(os.sep))))
    return code, app.chosen if code == 0 else None


def _show(gateway: Gateway, settings: Settings, first: int) -> tuple[int, bool]:
    """Show a workspace; return the exit code, and whether the start screen is wanted next."""
    from mlcycle_app.tui import places
    from mlcycle_app.tui.reading import start

    read: Future[Board] = Future()
    start(lambda: _fill(read, gateway), "read board")  # while this thread loads the UI
    from mlcycle_app.tui.app import CycleApp

    look = look_of(settings)
    board = None
    # somebody holds the store: the UI opens all the same, and waits for it
    with contextlib.suppress(TimeoutError):
        # a newer or damaged store is said in two lines, before the screen is taken
        board = read.result(WAIT_S)
    start(lambda: places.remember(gateway), "remember")
    app = CycleApp(gateway, look=look, board=board, first=first)
    app.run()
    return _end(app, app.gateway), app.to_start


def _end(app: Frame[None], gateway: Gateway) -> int:
    """Return an application's exit code; after a defect, say where it is written down."""
    if app.crash is None:
        return app.return_code or 0
    from mlcycle_app.tui import crash

    told = crash.tell(gateway, app.crash, "the UI stopped")
    print(f"mlcycle: {told.message}\n  {told.hint}", file=sys.stderr)
    return DEFECT


@dataclass(frozen=True)
class _Nowhere(Gateway):
    """Where there is no workspace to log in."""

    def log_files(self) -> Iterator[Path]:
        """Yield the user's own log alone."""
        yield from list(super().log_files())[1:]


def _fill(read: Future[Board], gateway: Gateway) -> None:
    try:
        read.set_result(gateway.board())
    except BaseException as error:  # noqa: BLE001 - raised again by `result`
        read.set_exception(error)
