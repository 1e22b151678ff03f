"""Whether code that a workspace brought may run here: asked once, remembered in the user's own folder, never in it.

Looking runs nothing, so nothing is asked for it. `mlcycle run` starts a command of the user's, and that command may be
a script of the workspace, or import one. What `init` and `demo` make here is trusted whatever its owner writes into it
later, as long as the folder stays the same one, moved or not; `--trust` says the same of a folder from elsewhere. An
answer to the question holds for the code as it was then, by the hash of all of it.
"""

from __future__ import annotations

import json
import os
import secrets
import shlex
import stat
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from mlcycle.errors import CouldNot, TrustError
from mlcycle.hashing import sha256_file, sha256_value
from mlcycle.workspace import Workspace

__all__ = [
    "VARIABLE",
    "ask",
    "ask_to_run",
    "brought",
    "code_hash",
    "is_made_here",
    "is_trusted",
    "remember",
    "state_file",
]

VARIABLE = "MLCYCLE_TRUST"
"""Set to 1, nothing is asked and nothing is remembered: for scripts and CI."""
CODE = frozenset(
    [
        "",
        ".py",
        ".pyc",
        ".pyd",
        ".so",
        ".pth",
        ".ipynb",
        ".sh",
        ".r",
        ".jl",
        ".pl",
        ".rb",
        ".js",
        ".bat",
        ".ps1",
        ".exe",
    ]
)
"""Endings of files that may be code, in lower case; none, as of a `Makefile`."""
PASSED_OVER = frozenset({".mlcycle", ".git", "__pycache__"})
ID = "id"
"""File in `.mlcycle` that tells this folder from another one put in its place."""
FORMAT = 1

Answer = Callable[[str], bool]


def ask(
    workspace: Workspace,
    what: str,
    files: Sequence[str] = (),
    *,
    hint: str = "",
    trust: bool = False,
    answer: Answer | None = None,
) -> None:
    """Return if code of the workspace may run; else ask, if there is somebody to ask.

    Parameters
    ----------
    workspace
        Where the code lies.
    what
        What is about to happen: `mlcycle run`.
    files
        Files of the workspace that will be executed, as far as that is known.
    hint
        What to type in order to say yes; with the flag, such as `mlcycle run --trust -- python train.py`.
    trust
        Whether the user has said yes beforehand, for whatever the folder will hold.
    answer
        Puts a question to the user; None where nobody can be asked.

    Raises
    ------
    TrustError
        If nobody said yes.
    """
    if os.environ.get(VARIABLE) == "1" or is_trusted(workspace):
        return
    which = ", ".join(files) or "code"
    question = f"This workspace was not made here. {what} will execute {which} from it. Go on?"
    if trust or (answer is not None and answer(question)):
        remember(workspace, whole=trust)
        return
    refusal = "and you said no" if answer is not None else f"and {which} from it would be executed"
    raise TrustError(
        f"{workspace.root} was not made here, {refusal}",
        hint=f"read {which}, then {hint or what + ' --trust'}; or {VARIABLE}=1 for a script",
    )


def ask_to_run(
    workspace: Workspace, argv: Sequence[str], *, trust: bool = False, answer: Answer | None = None
) -> None:
    """Ask before a command is started that names code of the workspace, or may import some from the current folder.

    Raises
    ------
    TrustError
        If nobody said yes.
    """
    files = brought(workspace, argv)
    if not files and not (
        Path.cwd().resolve().is_relative_to(workspace.root.resolve()) and _has_code(workspace)
    ):
        return
    typed = f"mlcycle run --trust -- {shlex.join(argv)}"
    ask(workspace, "`mlcycle run`", files, hint=typed, trust=trust, answer=answer)


def is_trusted(workspace: Workspace) -> bool:
    """Whether this folder is trusted as a whole, or its code is what somebody said yes to."""
    entries = _state()
    here = _id(workspace)
    if here and any(
        entry.get("id") == here and entry.get("inode") == _inode(workspace) for entry in entries.values()
    ):
        return True
    code = entries.get(str(workspace.root.resolve()), {}).get("code")
    return code is not None and code == code_hash(workspace)


def is_made_here(workspace: Workspace) -> bool:
    """Whether this very folder was made here by `init` or `demo`, so that nobody else's hand was in its store."""
    here = _id(workspace)
    return bool(here) and any(
        entry.get("id") == here and entry.get("inode") == _inode(workspace) and entry.get("made") is True
        for entry in _state().values()
    )


def remember(workspace: Workspace, *, whole: bool = False, made: bool = False) -> None:
    """Note that the code of a workspace may run.

    Parameters
    ----------
    workspace
        Which.
    whole
        Whether the folder is trusted whatever it will hold, as one is that this program has just made: later changes
        are its owner's own. Otherwise only what is there now is.
    made
        Whether this program has just made it, its store too.

    Raises
    ------
    CouldNot
        If the user's folder cannot be written.
    """
    entry: dict[str, object] = {}
    if whole:
        with suppress(OSError):  # where no id can be kept, what is there now is trusted
            entry = {"id": _give_id(workspace), "inode": _inode(workspace), "made": made}
    if not entry:
        entry = {"code": code_hash(workspace)}
    path, entries = state_file(), _state()
    entries[str(workspace.root.resolve())] = entry
    text = json.dumps({"format": FORMAT, "workspaces": entries}, indent=1, sort_keys=True)
    scratch = path.with_name(f"{path.name}.{os.getpid()}-{secrets.token_hex(4)}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write(scratch, text)
        scratch.replace(path)
    except OSError as error:
        scratch.unlink(missing_ok=True)
        raise CouldNot(f"{path} cannot be written: {error.strerror or error}") from error


def brought(workspace: Workspace, words: Iterable[str]) -> list[str]:
    """Return which files of the workspace a command names, relative to its root.

    A word names a file if it is one seen from the current folder; `-m package.module` names a module's file there.
    """
    root = workspace.root.resolve()
    found = []
    before = ""
    for word in words:
        for candidate in _named(word, module=before == "-m"):
            with suppress(OSError, ValueError):  # a NUL, or a name too long for any file
                path = candidate.resolve()
                if candidate.is_file() and (path.is_relative_to(root) or _below(candidate, root)):
                    shown = path.relative_to(root) if path.is_relative_to(root) else candidate
                    found.append(str(shown))
        before = word
    return list(dict.fromkeys(found))


def code_hash(workspace: Workspace) -> str:
    """Return the hash of all code below a workspace: names and contents, `.mlcycle` left out; empty if there is none.

    Links are hashed as what they say, and not followed.
    """
    facts = sorted(_facts(workspace.root))
    return sha256_value(facts) if facts else ""


def state_file() -> Path:
    """Return where the answers are kept, whether the file exists or not."""
    if sys.platform == "win32" or sys.platform == "darwin":  # pragma: no cover
        from platformdirs import user_state_path

        return user_state_path("mlcycle", appauthor=False) / "trust.json"
    # What platformdirs says here, without the 20 ms that it takes to load: asked at the first opening of a store.
    base = os.environ.get("XDG_STATE_HOME", "").strip()
    return (Path(base) if base else _at_home(".local", "state")) / "mlcycle" / "trust.json"


def _at_home(*names: str) -> Path:
    try:
        return Path.home().joinpath(*names)
    except RuntimeError:  # a user without a home: nothing is there to be read, and nothing can be kept
        return Path(os.devnull, *names)


def _facts(root: Path) -> Iterator[tuple[str, str]]:
    for folder, below, names in os.walk(root):
        below[:] = [name for name in below if name not in PASSED_OVER]
        for name in names:
            path = Path(folder, name)
            if path.suffix.lower() not in CODE:
                continue
            shown = path.relative_to(root).as_posix()
            try:
                mode = path.lstat().st_mode
                if stat.S_ISLNK(mode):
                    yield shown, f"link to {path.readlink()}"
                elif stat.S_ISREG(mode):
                    yield shown, sha256_file(path)
            except OSError as error:
                yield shown, f"not readable: {error.strerror}"


def _has_code(workspace: Workspace) -> bool:
    return next(_facts(workspace.root), None) is not None


def _named(word: str, *, module: bool) -> Iterator[Path]:
    if word and not word.startswith("-"):
        yield Path(word)
    if module:
        place = Path(*word.split("."))
        yield from (place.with_suffix(".py"), place / "__main__.py")


def _below(path: Path, root: Path) -> bool:
    # A link in the workspace to a file elsewhere is still what the workspace brought.
    return (path.parent.resolve() / path.name).is_relative_to(root)


def _state() -> dict[str, dict[str, Any]]:
    try:
        found = json.loads(state_file().read_text(encoding="utf-8"))
        return {root: entry for root, entry in found["workspaces"].items() if isinstance(entry, dict)}
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return {}


def _give_id(workspace: Workspace) -> str:
    known = _id(workspace)
    if known:
        return known
    given = secrets.token_hex(16)
    workspace.home.mkdir(mode=0o700, exist_ok=True)
    _write(workspace.home / ID, given + "\n")
    return given


def _id(workspace: Workspace) -> str:
    path = workspace.home / ID
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            return ""
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""


def _inode(workspace: Workspace) -> int:
    return workspace.root.stat().st_ino


def _write(path: Path, text: str) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0), 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
