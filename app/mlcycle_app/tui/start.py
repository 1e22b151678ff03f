"""Opens the terminal UI, or says in words why it cannot."""

from __future__ import annotations

import sys

from mlcycle_app.gateway import Gateway, WorkspaceError

__all__ = ["open_ui"]

WRONG_USAGE = 2
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
    gateway.board()  # a newer or damaged store is said in two lines, before the screen is taken
    from mlcycle_app.tui.app import CycleApp

    app = CycleApp(gateway, first=first)
    app.run()
    return app.return_code or 0
