"""Looks at a workspace with commands and the UI in one process, and tells what the process did meanwhile.

Started as a script: reads what to do from stdin, one JSON object, and answers with one. An audit hook sees every file
that Python opens, every module it loads, every process it starts and every address it calls.
"""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import io
import json
import os
import sys
from typing import Any

STARTS = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "pty.spawn")
DEADLINE_S = 60
LOADS = ("import", "compile", "exec")


class Watch:
    """What the process did that looking must not do."""

    def __init__(self, inside: list[str], outside: str) -> None:
        self.inside, self.outside = tuple(folder + os.sep for folder in inside), outside
        self.deeds: list[str] = []
        self.busy = False

    def hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Note an audit event."""
        if self.busy:
            return
        self.busy = True
        try:
            if event == "open" and isinstance(arguments[0], str | bytes):
                real = os.path.realpath(os.fsdecode(arguments[0]))
                if real.startswith(self.outside):
                    self.deeds.append(f"opened {real}")
            elif event in STARTS or event == "socket.connect":
                self.deeds.append(f"{event} {arguments!r}")
            elif event in LOADS:
                names = [str(getattr(one, "co_filename", one)) for one in arguments]
                if any(name.startswith(self.inside) for name in names):
                    self.deeds.append(f"{event} {names!r}")
        finally:
            self.busy = False


def command(words: list[str]) -> dict[str, Any]:
    """Run one command in this process."""
    from mlcycle_app.cli.root import run

    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = run(words)
    return {"words": words, "code": code, "out": out.getvalue(), "err": err.getvalue()}


async def screens(folder: str, *, open_rows: bool) -> dict[str, Any]:
    """Open the UI, go through its screens, and return what stood there; `open_rows`: a row's window on each, too."""
    from tests.tui.screen import settle, text

    from mlcycle_app.commands import PHASES
    from mlcycle_app.gateway import Gateway
    from mlcycle_app.tui.app import CycleApp, Look
    from mlcycle_app.tui.theme import DARK

    app = CycleApp(Gateway.open(folder), look=Look(theme=DARK))
    seen = []
    async with app.run_test(size=(140, 40)) as pilot:
        for number in range(len(PHASES)):
            await pilot.press(str(number))
            await settle(pilot)
            seen.append(text(app))
            if open_rows:
                await pilot.press("down", "enter")
                await settle(pilot)
                seen.append(text(app))
                await pilot.press("escape")
    return {"screens": seen, "crash": repr(app.crash) if app.crash else "", "code": app.return_code or 0}


def main() -> None:
    """Do what stdin says."""
    todo = json.loads(sys.stdin.readline())
    faulthandler.dump_traceback_later(DEADLINE_S, exit=True)  # whoever waits for a pipe is named
    import duckdb  # noqa: F401 - what libraries do while they load is not of interest

    import mlcycle_app.tui.app  # noqa: F401

    watch = Watch(todo["workspaces"], todo["outside"])
    sys.addaudithook(watch.hook)
    answer: dict[str, Any] = {"commands": [], "ui": []}
    for folder in todo["workspaces"]:
        answer["commands"].append([command([*words, "-w", folder]) for words in todo["commands"]])
        if todo["ui"]:
            answer["ui"].append(asyncio.run(screens(folder, open_rows=todo["open_rows"])))
    answer["deeds"] = sorted(set(watch.deeds))
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
