"""What is said when something nobody foresaw goes wrong: three lines, and where the traceback was kept."""

from __future__ import annotations

import os
import platform
import sys
import tempfile
import traceback
from pathlib import Path

from mlcycle_app.cli.output import say
from mlcycle_app.gateway import Gateway, MlcycleError

__all__ = ["DEBUG", "tell_unexpected"]

DEBUG = "MLCYCLE_DEBUG"
"""Variable that shows the traceback on stderr as well."""
NAME = "error.log"


def tell_unexpected(error: Exception, folder: str | None) -> None:
    """Keep an exception's traceback in the workspace, else in the temp folder, and say so on stderr.

    Parameters
    ----------
    error
        What nobody foresaw.
    folder
        The workspace given with `-w`; None for the nearest.
    """
    if os.environ.get(DEBUG, "0") not in ("", "0"):
        traceback.print_exception(error, file=sys.stderr)
    first = next(iter(str(error).splitlines()), "")
    say(f"mlcycle: unexpected {type(error).__name__}" + (f": {first}" if first else ""))
    kept = _keep(error, folder)
    say("  the traceback could not be written" if kept is None else f"  the traceback is in {kept}")
    say(f"  please report it with that file; {DEBUG}=1 shows it here")


def _keep(error: Exception, folder: str | None) -> Path | None:
    from mlcycle import __version__

    text = (
        f"{Gateway.wall().isoformat()} mlcycle {__version__}, Python {platform.python_version()}, "
        f"{platform.platform()}\n{' '.join(sys.argv[1:])}\n{''.join(traceback.format_exception(error))}\n"
    )
    try:
        home = Gateway.open(folder).workspace.home
        if home.is_dir():
            with (home / NAME).open("a", encoding="utf-8") as file:
                file.write(text)
            return home / NAME
    except (OSError, MlcycleError):
        pass  # no workspace, or one that cannot be written: the temp folder remains
    try:
        descriptor, name = tempfile.mkstemp(prefix="mlcycle-error-", suffix=".log")
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError:
        return None
    return Path(name)
