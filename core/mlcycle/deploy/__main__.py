"""`python -m mlcycle.deploy wheelhouse [DIR]`: fetch the wheels that images are built from."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from mlcycle.deploy.wheelhouse import default_folder, fetch
from mlcycle.errors import MlcycleError

__all__ = ["main"]


def main(words: Sequence[str]) -> int:
    """Run the command; return the exit code."""
    if not words or words[0] != "wheelhouse" or len(words) > 2:
        sys.stderr.write("usage: python -m mlcycle.deploy wheelhouse [DIR]\n")
        return 2
    folder = Path(words[1]) if len(words) > 1 else default_folder()
    try:
        wheels = fetch(folder)
    except MlcycleError as error:
        sys.stderr.write(f"{error.message}\ntry: {error.hint}\n")
        return error.exit_code
    sys.stdout.write(f"{len(wheels)} wheels in {folder}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
