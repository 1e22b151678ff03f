"""Lends the terminal to the user's editor."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from textual.app import App, SuspendNotSupported

__all__ = ["edit"]

USUAL = ("sensible-editor", "nano", "vim", "vi")
"""Tried in this order where neither VISUAL nor EDITOR is set."""


def edit(app: App[Any], path: Path) -> str:
    """Let the user edit a file, and come back when the editor has ended; return why that could not be, or nothing.

    Parameters
    ----------
    app
        What has the terminal now.
    path
        An existing file.
    """
    if not path.is_file():
        return f"there is no {path.name} here"
    try:
        editor = _editor()
    except ValueError as error:
        return f"EDITOR cannot be read: {error}"
    if not editor:
        return "no editor: set EDITOR"
    try:
        with app.suspend():
            done = subprocess.run([*editor, str(path)], check=False)
    except SuspendNotSupported:
        return "no editor can be shown here"
    except OSError as error:
        return f"{editor[0]} could not be started: {error.strerror}"
    finally:
        app.refresh(layout=True)
    return "" if done.returncode == 0 else f"{editor[0]} ended with exit code {done.returncode}"


def _editor() -> list[str]:
    said = os.environ.get("VISUAL") or os.environ.get("EDITOR")
    if said:
        return shlex.split(said, posix=sys.platform != "win32")
    found = next((name for name in USUAL if shutil.which(name)), "")
    return [found] if found else []
