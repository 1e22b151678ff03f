"""Owns the wheels an image is built from: which, in the versions that serve here, and where they are kept.

`python -m mlcycle.deploy wheelhouse [DIR]` fetches them once, with this environment's own pip; builds then need
no network.
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path

from mlcycle.errors import EngineError
from mlcycle.trust import is_trusted
from mlcycle.workspace import Workspace

__all__ = ["FLAVOURS", "VARIABLE", "default_folder", "fetch", "find_wheels", "requirements"]

FLAVOURS = {
    "onnx": ("msgspec", "numpy", "onnxruntime", "uvicorn"),
    "skops": ("msgspec", "numpy", "scikit-learn", "skops", "uvicorn"),
}
OPTIONAL = ("httptools",)
"""Goes into the image when it is installed here."""
VARIABLE = "MLCYCLE_WHEELHOUSE"
COMMAND = "python -m mlcycle.deploy wheelhouse"
REQUIREMENT_NAME = re.compile(r"^\s*([A-Za-z0-9][A-Za-z0-9._-]*)")


def requirements(flavour: str) -> list[str]:
    """Return what an image of that flavour installs: all that is needed, each in the version installed here."""
    pinned = []
    for name in sorted(_closure((*FLAVOURS[flavour], *OPTIONAL))):
        # What is not installed here was asked for under a condition that does not hold here.
        with contextlib.suppress(PackageNotFoundError):
            pinned.append(f"{name}=={version(name)}")
    return pinned


def default_folder() -> Path:
    """Return where the wheels of this environment lie unless said otherwise."""
    return Path(sys.prefix) / "share" / "mlcycle" / "wheelhouse"


def find_wheels(workspace: Workspace, flavour: str) -> list[Path]:
    """Return the wheels for an image, from the first wheelhouse that has them all.

    Looked at: what `MLCYCLE_WHEELHOUSE` names, the workspace's own, this environment's, the user's cache.

    Raises
    ------
    EngineError
        If none is complete; names what is missing.
    """
    from platformdirs import user_cache_path

    named = os.environ.get(VARIABLE)
    folders = [Path(named)] if named else []
    # What lies in wheels runs in the image: those that came with a folder are taken from trusted folders alone.
    folders += [workspace.home / "wheelhouse"] if is_trusted(workspace) else []
    folders += [default_folder(), user_cache_path("mlcycle") / "wheelhouse"]
    missing: list[str] = []
    for folder in folders:
        if not folder.is_dir():
            continue
        wheels = {_wheel_key(path): path for path in sorted(folder.glob("*.whl"))}
        lacking = [pin for pin in requirements(flavour) if _pin_key(pin) not in wheels]
        if not lacking:
            return sorted(
                path for (name, _), path in wheels.items() if name in _closure(FLAVOURS[flavour] + OPTIONAL)
            )
        missing = missing or lacking
    what = (
        f"the wheelhouse lacks {', '.join(missing)}" if missing else "there is no wheelhouse to install from"
    )
    raise EngineError(f"{what}, and a build fetches nothing", hint=COMMAND)


def fetch(folder: Path) -> list[Path]:
    """Fetch the wheels of every flavour into a folder, as this environment's pip is configured.

    Raises
    ------
    EngineError
        If pip cannot get them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    wanted = sorted({pin for flavour in FLAVOURS for pin in requirements(flavour)})
    command = [sys.executable, "-P", "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    command += [
        "--progress-bar",
        "off",
        "--only-binary",
        ":all:",
        "--no-deps",
        "--dest",
        str(folder),
        *wanted,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise EngineError(f"pip could not fetch the wheels: {last}", hint="pip config list")
    return sorted(folder.glob("*.whl"))


def _closure(names: Iterable[str]) -> set[str]:
    """Names and everything they ask for, as installed here; extras are not asked for."""
    found: set[str] = set()
    waiting = [_canonical(name) for name in names]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        try:
            asked = distribution(name).requires or []
        except PackageNotFoundError:
            continue
        for line in asked:
            match = REQUIREMENT_NAME.match(line)
            if match and "extra ==" not in line:
                waiting.append(_canonical(match[1]))
    return found


def _wheel_key(path: Path) -> tuple[str, str]:
    name, number, *_ = path.name.split("-")
    return _canonical(name), number


def _pin_key(pin: str) -> tuple[str, str]:
    name, number = pin.split("==")
    return _canonical(name), number


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
