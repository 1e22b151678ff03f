"""Entry point of `mlcycle`. Imports nothing heavy: `--version` costs an interpreter start and little more."""

from __future__ import annotations

import sys

__all__ = ["main"]

INTERRUPTED = 130


def main() -> None:
    """Run the command line and exit with DESIGN's codes: 0 yes, 1 no, 2 wrong usage, 3 could not, 130 interrupted."""
    if sys.argv[1:] in (["--version"], ["-V"]):
        from mlcycle import __version__

        print(f"mlcycle {__version__}")
        return
    try:
        from mlcycle_app.cli.root import run

        code = run(sys.argv[1:])
    except KeyboardInterrupt:  # while the modules of the command line were read
        code = INTERRUPTED
    sys.exit(code)


if __name__ == "__main__":
    main()
