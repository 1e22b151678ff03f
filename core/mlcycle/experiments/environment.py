"""What is noted of a process that runs an experiment. Never a value of an environment variable, never a host name."""

from __future__ import annotations

import os
import platform
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

__all__ = ["Git", "command_line", "environment", "git_state", "script"]

GIT_WITHIN_S = 5.0


@dataclass(frozen=True)
class Git:
    """Where the workspace stands in its repository."""

    commit: str | None
    dirty: bool | None
    """Whether tracked files differ from the commit."""


def command_line() -> str:
    """Return this process's command as it could be typed again."""
    return shlex.join(sys.orig_argv)


def script() -> Path | None:
    """Return the file that Python was asked to run, if it is one."""
    main = sys.modules.get("__main__")
    name = getattr(main, "__file__", None)
    path = Path(name) if name else None
    return path if path is not None and path.suffix == ".py" and path.is_file() else None


@lru_cache(maxsize=1)
def _facts() -> dict[str, object]:
    return {
        "python": platform.python_version(),
        "implementation": sys.implementation.name,
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "processors": os.cpu_count(),
        "packages": _packages(),
    }


def environment() -> dict[str, object]:
    """Return Python, system and installed packages with their versions; read once a process."""
    return dict(_facts())


def _packages() -> dict[str, str]:
    # The folders' names say it all; reading the metadata of each package takes ten times as long.
    found: dict[str, str] = {}
    for place in sys.path:
        try:
            names = [entry.name for entry in Path(place or ".").iterdir()]
        except OSError:
            continue
        for name in names:
            stem, _, kind = name.rpartition(".")
            if kind == "dist-info" and "-" in stem:
                package, _, version = stem.partition("-")
                found.setdefault(package.lower().replace("_", "-"), version)
    return dict(sorted(found.items()))


@lru_cache(maxsize=8)
def git_state(folder: Path) -> Git:
    """Return the commit the folder's repository is at; nothing known without a repository or without git."""
    if not any((parent / ".git").exists() for parent in (folder, *folder.parents)) or not shutil.which("git"):
        return Git(None, None)
    commit = _git(folder, "rev-parse", "HEAD")
    if commit is None:
        return Git(None, None)
    changes = _git(folder, "status", "--porcelain", "--untracked-files=no")
    return Git(commit, None if changes is None else bool(changes))


def _git(folder: Path, *words: str) -> str | None:
    # Looking must not run what the repository's own configuration names (a file-system monitor, hooks).
    safe = ("-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "--no-optional-locks")
    try:
        done = subprocess.run(
            ["git", *safe, "-C", str(folder), *words],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=GIT_WITHIN_S,
            stdin=subprocess.DEVNULL,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
