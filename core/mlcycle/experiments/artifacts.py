"""Artifacts by content: a file is copied to `tmp/`, fsynced and renamed to its hash before any row names it."""

from __future__ import annotations

import hashlib
import io
import os
import stat
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from mlcycle.disk import sync
from mlcycle.errors import CouldNot, DataError, UsageError
from mlcycle.hashing import CHUNK, open_own, sha256_bytes
from mlcycle.ids import new_id
from mlcycle.workspace import Workspace

__all__ = ["BY_HASH", "Kept", "keep_bytes", "keep_file", "long_value", "read_artifact", "whole"]

BY_HASH = "sha256:"
"""How the value of a long param or tag begins, which is kept as an artifact."""

Kept = tuple[str, int]
"""Hash and size in bytes."""


def keep_file(workspace: Workspace, path: Path) -> Kept:
    """Keep a copy of a file.

    Raises
    ------
    UsageError
        If the file cannot be read.
    CouldNot
        If the copy cannot be written; nothing is left behind.
    """
    try:
        source = path.open("rb")
    except OSError as error:
        raise UsageError(f"{path} cannot be kept: {error.strerror or error}") from error
    with source:
        if not stat.S_ISREG(os.fstat(source.fileno()).st_mode):
            raise UsageError(f"{path} is no file that could be kept whole")
        return _keep(workspace, source)


def keep_bytes(workspace: Workspace, content: bytes) -> Kept:
    """Keep bytes as an artifact; the same bytes are kept once."""
    sha256 = sha256_bytes(content)
    # Made young again: doctor deletes old contents that no row names, and a row is about to name this one.
    with suppress(OSError):
        os.utime(workspace.artifact(sha256))
        return sha256, len(content)
    return _keep(workspace, io.BytesIO(content))


def read_artifact(workspace: Workspace, sha256: str) -> bytes:
    """Return the bytes of an artifact, which are still the ones that were kept.

    Raises
    ------
    DataError
        If the file is gone or has other bytes.
    """
    path = workspace.artifact(sha256)
    try:
        with open_own(path) as file:
            content = file.read()
    except OSError as error:
        raise DataError(
            f"the artifact {path} cannot be read: {error.strerror or error}", hint="mlcycle doctor"
        ) from error
    if sha256_bytes(content) != sha256:
        raise DataError(f"the artifact {path} is damaged: its bytes have another hash", hint="mlcycle doctor")
    return content


def long_value(kind: str, key: str) -> str:
    """Return the path in a run of a param or tag that is too long for the table."""
    return f"{kind}s/{key}.txt"


def whole(
    workspace: Workspace, kind: str, values: Mapping[str, str], kept: Callable[[str], str | None]
) -> dict[str, str]:
    """Return params or tags with the long ones read back.

    Parameters
    ----------
    kind
        `param` or `tag`.
    values
        As the table has them.
    kept
        Gives the hash of the run's artifact of a path. A text that only looks like a hash has none there.

    Returns
    -------
    dict
        A text that is gone or damaged stays a hash: doctor names the file, and the rest can be read.
    """
    read = dict(values)
    for key, value in values.items():
        sha256 = value.removeprefix(BY_HASH)
        if sha256 != value and kept(long_value(kind, key)) == sha256:
            with suppress(DataError):
                read[key] = read_artifact(workspace, sha256).decode("utf-8", "replace")
    return read


def _keep(workspace: Workspace, source: BinaryIO) -> Kept:
    scratch = workspace.tmp / f"pid{os.getpid()}-{new_id()}.artifact"
    digest, size = hashlib.sha256(), 0
    try:
        workspace.tmp.mkdir(parents=True, exist_ok=True)
        with scratch.open("xb") as copy:
            while chunk := source.read(CHUNK):
                digest.update(chunk)
                copy.write(chunk)
                size += len(chunk)
            copy.flush()
            os.fsync(copy.fileno())
        sha256 = digest.hexdigest()
        place = workspace.artifact(sha256)
        place.parent.mkdir(parents=True, exist_ok=True)
        scratch.replace(place)
        sync(place.parent)
    except OSError as error:
        raise CouldNot(
            f"an artifact cannot be kept in {workspace.home}: {error.strerror or error}",
            hint="make room on the disk, or make it writable; then try again",
        ) from error
    finally:
        with suppress(OSError):  # a disk that can only be read now has said so above
            scratch.unlink()
    return sha256, size
