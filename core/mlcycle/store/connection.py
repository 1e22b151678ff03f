"""The one door to the store's file: a connection lives for one call, under our own lock, and never waits open.

Inside a process connections are one at a time: two instances of DuckDB on one file would drop each other's
lock on it, and one instance cannot have the file both for reading and for writing.
"""

from __future__ import annotations

import errno
import os
import secrets
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from mlcycle.errors import Busy, CouldNot, WorkspaceError
from mlcycle.journal import Turnstile
from mlcycle.store.place import check_place
from mlcycle.workspace import DATABASE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from duckdb import DuckDBPyConnection

    from mlcycle.workspace import Workspace

    Params = Sequence[object] | Mapping[str, object]

__all__ = [
    "DamagedWal",
    "bind",
    "close",
    "connect",
    "exclusive",
    "fetch",
    "held_here",
    "honest",
    "plain",
    "readable",
    "shared",
    "writable",
]

FORMAT = "v1.5.0"
"""Storage format at creation: what other people's DuckDB 1.5 and later read."""
NAP_S = 0.02
FOREIGN_WAIT_S = 5.0
"""How long to wait for a program that does not know our lock."""
HINT_DAMAGED = (
    "keep a copy of the folder, then mlcycle store restore: it makes the store again from its backup and logs"
)

REFUSED = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)
FULL = os.strerror(errno.ENOSPC)
ROOM = {
    FULL: "make room on the disk",
    os.strerror(errno.EDQUOT): "make room on the disk",
    os.strerror(errno.EROFS): "make the disk writable again, or copy the workspace to another",
    os.strerror(errno.EIO): "look at the disk: it does not do what it is told",
}
"""What to do about it."""

_one_at_a_time = threading.Lock()
_here = threading.local()
_kept: list[DuckDBPyConnection] = []
_attached: list[DuckDBPyConnection] = []
_left_behind: list[DuckDBPyConnection] = []


class DamagedWal(CouldNot):
    """DuckDB refuses to replay its write-ahead log."""


def writable(workspace: Workspace) -> bool:
    """Whether this process may write to the workspace's own folder, or make it."""
    if os.access(workspace.home, os.F_OK):
        return os.access(workspace.home, os.W_OK)
    return os.access(workspace.root, os.W_OK)


def readable(path: Path) -> bool:
    """Whether a file can be read, or is not there in a folder that can be."""
    if os.access(path, os.R_OK):
        return True
    return not os.access(path, os.F_OK) and os.access(path.parent, os.X_OK) >= os.access(path.parent, os.F_OK)


def held_here() -> str:
    """Return the home of the workspace whose store this thread holds; empty if none."""
    return getattr(_here, "home", "")


@contextmanager
def exclusive(workspace: Workspace, timeout_s: float) -> Iterator[None]:
    """Hold the store alone. No connection is opened yet.

    Raises
    ------
    Busy
        If it was not had in time.
    """
    check_place(workspace)
    workspace.home.mkdir(mode=0o700, exist_ok=True)
    with _held(workspace, shared=False, timeout_s=timeout_s):
        yield


@contextmanager
def shared(workspace: Workspace, timeout_s: float) -> Iterator[None]:
    """Hold the store together with other readers; where nobody can write, without a lock."""
    check_place(workspace)
    with _held(workspace, shared=True, timeout_s=timeout_s):
        yield


def connect(path: Path, *, read_only: bool, alone: bool = False) -> DuckDBPyConnection:
    """Open the file as the database `store`. The caller holds the lock, and closes with `close`.

    Parameters
    ----------
    path
        The file; made if it is not there and may be written.
    read_only
        Whether nothing will be written.
    alone
        Whether the connection's settings will be changed: it then gets a DuckDB of its own.

    Raises
    ------
    Busy
        If another program (not one of ours) has the file open for longer than `FOREIGN_WAIT_S`.
    DamagedWal
        If the write-ahead log cannot be replayed.
    WorkspaceError
        If the file is damaged.
    """
    import duckdb  # 70 ms, and most commands that log need none

    end = time.monotonic() + FOREIGN_WAIT_S
    where = str(path).replace("'", "''")
    while True:
        instance = _instance(path, alone=alone)
        try:
            connection = instance.cursor()
            connection.execute(f"ATTACH '{where}' AS store ({'READ_ONLY' if read_only else 'READ_WRITE'})")
        except duckdb.Error as error:
            _drop(instance)
            text = str(error)
            if "replaying WAL" in text:
                raise DamagedWal(text) from error
            if (why := _refused(error)) is not None:
                raise WorkspaceError(f"{path} cannot be opened: {why}", hint=ROOM[why]) from error
            if "set lock on file" not in text and "used by another process" not in text:
                raise damaged(path, text) from error
            if time.monotonic() >= end:
                raise Busy(
                    f"another program has {path} open: {text.splitlines()[0]}",
                    hint="close it there, or open a copy there",
                ) from error
            time.sleep(NAP_S)
        else:
            connection.execute("USE store")
            connection.execute("SET TimeZone = 'UTC'")
            _attached.append(instance)
            return connection


def close(connection: DuckDBPyConnection) -> None:
    """Close a connection and the file with it; what is committed is in the main file then."""
    import duckdb

    connection.close()
    while _attached:
        instance = _attached.pop()
        if instance not in _kept:
            instance.close()
            continue
        try:
            instance.execute("DETACH store")
        except duckdb.Error:
            # After a fatal error an instance is of no more use; closing it lets go of the file.
            _drop(instance)


def _instance(path: Path, *, alone: bool) -> DuckDBPyConnection:
    import duckdb

    if _kept and not alone:
        return _kept[0]
    config: dict[str, str | bool | int | float | list[str]] = {
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
        "storage_compatibility_version": FORMAT,
        "threads": "2",
        "memory_limit": "1GB",
        "temp_directory": str(_spill(path)),
    }
    instance = duckdb.connect(":memory:", config=config)
    if not alone:
        # Making an instance costs 25 ms of CPU, attaching a file 4: so one that has no file is kept.
        _kept.append(instance)
    return instance


def _spill(path: Path) -> Path:
    """Return where rows go that memory does not hold: the workspace's own folder, which others cannot read."""
    folder = path.parent / "tmp" if path.name == DATABASE else path.parent
    if os.access(folder, os.W_OK):
        return folder / f"spill-pid{os.getpid()}"
    return Path(tempfile.gettempdir()) / f"mlcycle-{secrets.token_hex(8)}.spill"


def _drop(instance: DuckDBPyConnection) -> None:
    if instance in _kept:
        _kept.remove(instance)
    instance.close()


def damaged(path: Path, text: str) -> WorkspaceError:
    """Return the error that says the main file cannot be read."""
    return WorkspaceError(f"{path} cannot be read: {text.splitlines()[0]}", hint=HINT_DAMAGED)


@contextmanager
def honest(path: Path) -> Iterator[None]:
    """Say what has happened when a block's checksum does not hold or the disk is full, whoever meets it."""
    import duckdb

    try:
        yield
    except (duckdb.Error, OSError) as error:
        text = str(error)
        if "Corrupt database file" in text:
            raise damaged(path, text) from error
        why = _refused(error)
        if why is not None or "Could not write file" in text:
            raise CouldNot(
                f"the store could not be written: {why or text.splitlines()[0]}",
                hint=f"{ROOM[why or FULL]}; nothing that was acknowledged is lost",
            ) from error
        raise


def _refused(error: Exception) -> str | None:
    """Return why the operating system did not let us write; None if that is not what has happened."""
    if isinstance(error, OSError) and error.errno in REFUSED:
        return os.strerror(error.errno)
    text = str(error)
    return next((os.strerror(code) for code in REFUSED if os.strerror(code) in text), None)


def fetch(connection: DuckDBPyConnection, sql: str, params: Params = ()) -> list[dict[str, Any]]:
    """Run one statement and return all its rows, with UUIDs as text."""
    cursor = connection.execute(sql, bind(params))
    names = [column[0] for column in cursor.description or ()]
    kinds = [str(column[1]) for column in cursor.description or ()]
    rows = cursor.fetchall()
    turns = [(i, turn) for i, kind in enumerate(kinds) if (turn := _turn(kind)) is not None]
    if not turns:
        return [dict(zip(names, row, strict=True)) for row in rows]
    found = []
    for row in rows:
        values = list(row)
        for i, turn in turns:
            values[i] = turn(values[i])
        found.append(dict(zip(names, values, strict=True)))
    return found


def bind(params: Params) -> Any:
    """Return parameters as DuckDB takes them: naive UTC times, Python's own numbers, text for paths."""
    if isinstance(params, str) or not hasattr(params, "__len__"):
        raise TypeError("parameters are a sequence or a mapping")
    if hasattr(params, "items"):
        return {key: plain(value) for key, value in params.items()}
    return [plain(value) for value in params]


def plain(value: object) -> object:
    """Return a value with the types that the store knows."""
    if isinstance(value, datetime):
        return value if value.tzinfo is None else value.astimezone(UTC).replace(tzinfo=None)
    if isinstance(value, str):
        return str(value)
    if value is None or isinstance(value, bool | int | float | date | bytes):
        return value
    if isinstance(value, UUID | Path):
        return str(value)
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    item = getattr(value, "item", None)
    return item() if callable(item) and getattr(value, "ndim", None) == 0 else value


@contextmanager
def _held(workspace: Workspace, *, shared: bool, timeout_s: float) -> Iterator[None]:
    if held_here():
        raise RuntimeError(f"this thread holds the store of {held_here()} already: use its transaction")
    end = time.monotonic() + timeout_s
    if not _one_at_a_time.acquire(timeout=max(0.0, timeout_s)):
        raise Busy(
            f"another thread of this process has held the store of {workspace.root} for longer than {timeout_s:g} s",
            hint="try again",
        )
    try:
        left = max(0.0, end - time.monotonic())
        with Turnstile(workspace.home, shared=shared, timeout_s=left):
            _here.home = str(workspace.home)
            try:
                yield
            finally:
                _here.home = ""
    finally:
        _one_at_a_time.release()


def _turn(kind: str) -> Callable[[Any], Any] | None:
    if kind == "UUID":
        return lambda value: None if value is None else str(value)
    if "UUID" in kind:
        return _texts
    return None


def _texts(value: Any) -> Any:
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, list | tuple):
        return [_texts(item) for item in value]
    if isinstance(value, dict):
        return {key: _texts(item) for key, item in value.items()}
    return value


def _after_fork() -> None:
    # The thread that held it does not exist in the child.
    global _one_at_a_time  # noqa: PLW0603
    _one_at_a_time = threading.Lock()
    _here.home = ""
    # The threads of the parent's DuckDB do not exist here: closing it would wait for them for ever.
    for instances in (_kept, _attached):
        _left_behind.extend(instances)
        instances.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
