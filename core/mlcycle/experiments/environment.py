"""What is noted of a process that runs an experiment. Never a value of an environment variable, never a host name."""

from __future__ import annotations

import os
import re
import shlex
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

__all__ = ["Git", "command_line", "environment", "git_state", "hide", "script"]

GIT_WITHIN_S = 5.0
LOOK_AGAIN_S = 5.0
"""A run begun this soon after another is told what that one was."""
MOST_DIFF = 1 << 20
NEVER_IN_A_DIFF = (
    "*.env",
    "*.env.*",
    ".env*",
    "*.pem",
    "*.key",
    "*.p12",
    "id_rsa*",
    "*credentials*",
    "*secret*",
)
SECRET = re.compile(r"secret|token|passw|credential|api_?key|access_?key|private_?key", re.IGNORECASE)
DECLARED = re.compile(r"\$\{env:([A-Za-z_][A-Za-z0-9_]*)\}")
SHORTEST_SECRET = 6
"""Characters below which a value stands everywhere and tells nothing."""


@dataclass(frozen=True)
class Git:
    """Where the workspace stands in its repository."""

    commit: str | None
    dirty: bool | None
    """Whether tracked files differ from the commit."""
    diff: bytes = b""
    """How they differ; nothing where that is longer than 1 MB."""


def command_line(folder: Path | None = None) -> str:
    """Return this process's command as it could be typed again, secrets as the names of their variables."""
    text = shlex.join(sys.orig_argv)
    return text if folder is None else hide(folder, text.encode("utf-8", "replace")).decode()


def script() -> Path | None:
    """Return the file that Python was asked to run, if it is one."""
    main = sys.modules.get("__main__")
    name = getattr(main, "__file__", None)
    path = Path(name) if name else None
    return path if path is not None and path.suffix == ".py" and path.is_file() else None


def environment() -> dict[str, object]:
    """Return Python, system and installed packages with their versions; read once a process."""
    return dict(_facts())


def hide(folder: Path, content: bytes) -> bytes:
    """Put `${env:NAME}` wherever the value of a secret stands.

    Secrets are the variables that the workspace's declarations name, and those whose own name says so.

    Parameters
    ----------
    folder
        Of the workspace.
    """
    for name in sorted(_declared(folder) | {name for name in os.environ if SECRET.search(name)}):
        value = os.environ.get(name, "")
        if len(value) >= SHORTEST_SECRET:
            content = content.replace(value.encode("utf-8", "replace"), f"${{env:{name}}}".encode())
    return content


def git_state(folder: Path) -> Git:
    """Return where the folder's repository stands; nothing known without a repository or without git."""
    return _git_state(folder, int(time.monotonic() // LOOK_AGAIN_S))


@lru_cache(maxsize=1)
def _facts() -> dict[str, object]:
    import platform

    return {
        "python": platform.python_version(),
        "implementation": sys.implementation.name,
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "processors": os.cpu_count(),
        "packages": _packages(),
    }


def _packages() -> dict[str, str]:
    # The folders' names say it all; reading the metadata of each package takes ten times as long.
    found: dict[str, str] = {}
    for place in sys.path:
        try:
            names = os.listdir(place or ".")  # noqa: PTH208 - a Path object for each name takes as long as the rest
        except OSError:
            continue
        for name in names:
            stem, _, kind = name.rpartition(".")
            if kind == "dist-info" and "-" in stem:
                package, _, version = stem.partition("-")
                found.setdefault(package.lower().replace("_", "-"), version)
    return dict(sorted(found.items()))


@lru_cache(maxsize=8)
def _declared(folder: Path) -> frozenset[str]:
    found: set[str] = set()
    for path in (*folder.glob("*.yaml"), *folder.glob("checks/*.yaml")):
        with suppress(OSError):
            found.update(DECLARED.findall(path.read_text("utf-8", "replace")))
    return frozenset(found)


@lru_cache(maxsize=8)
def _git_state(folder: Path, _moment: int) -> Git:
    if not any((parent / ".git").exists() for parent in (folder, *folder.parents)):
        return Git(None, None)
    # One process tells the commit and whether anything differs; it says (initial) before the first commit.
    told = _git(
        folder, "status", "--porcelain=v2", "--branch", "--untracked-files=no", "--ignore-submodules=all"
    )
    lines = (told or b"").decode("utf-8", "replace").splitlines()
    commit = next((line.split()[-1] for line in lines if line.startswith("# branch.oid ")), "(initial)")
    if commit == "(initial)":
        return Git(None, None)
    if not any(line and not line.startswith("#") for line in lines):
        return Git(commit, False)
    quiet = ("--no-color", "--no-ext-diff", "--no-textconv", "--no-relative", "--ignore-submodules=all")
    left_out = [f":(top,exclude,icase,glob)**/{name}" for name in NEVER_IN_A_DIFF]
    diff = _git(folder, "diff", *quiet, commit, "--", ":(top)", *left_out) or b""
    return Git(commit, True, hide(folder, diff))


def _git(folder: Path, *words: str) -> bytes | None:
    told = _told(folder, "config", "--local", "--includes", "--name-only", "--get-regexp", r"^filter\.")
    # What a repository's own configuration would run on each file when it is compared.
    filters = (told or b"").decode("utf-8", "replace").split("\n")
    return _told(folder, *words, without=[name for name in filters if name])


def _told(folder: Path, *words: str, without: Sequence[str] = ()) -> bytes | None:
    import subprocess  # 5 ms that a folder without a repository does not need

    # Looking must not run what the repository's own configuration names (a file-system monitor, hooks).
    safe = ("-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "--no-optional-locks")
    switched = {f"GIT_CONFIG_KEY_{i}": name for i, name in enumerate(without)}
    switched |= {f"GIT_CONFIG_VALUE_{i}": "" for i in range(len(without))}
    try:
        with subprocess.Popen(
            ["git", *safe, "-C", str(folder), *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "GIT_CONFIG_COUNT": str(len(without)), **switched},
        ) as git:
            clock = threading.Timer(GIT_WITHIN_S, git.kill)
            clock.daemon = True
            clock.start()
            try:
                told = git.stdout.read(MOST_DIFF + 1) if git.stdout else b""
                if len(told) > MOST_DIFF:
                    git.kill()
                    return None
            finally:
                clock.cancel()
        return told if git.returncode == 0 else None
    except OSError:
        return None
