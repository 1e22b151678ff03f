"""Dataset versions: which clean parts a table is made of, now and at any earlier moment."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path

from mlcycle.data import records
from mlcycle.data.model import DatasetVersion
from mlcycle.declare.model import ColumnType
from mlcycle.engines.local import Part, Session
from mlcycle.errors import DataError, NotFoundError
from mlcycle.hashing import sha256_file, sha256_value
from mlcycle.store import Store
from mlcycle.workspace import Workspace

__all__ = ["current", "list_versions", "next_version", "register", "tables", "verify_parts"]

DOCTOR = "mlcycle doctor"
_whole: dict[Path, tuple[int, int, int]] = {}
"""Parts whose content was found to be what their name says, as they were then."""


def list_versions(workspace: Workspace, dataset: str | None = None) -> list[DatasetVersion]:
    """Return all versions, of one dataset or of all, oldest first."""
    return records.versions(Store(workspace), workspace, dataset=dataset)


def current(workspace: Workspace, dataset: str, as_of: datetime | None = None) -> DatasetVersion:
    """Return the newest version of a dataset, or the one that was newest at a moment.

    Raises
    ------
    NotFoundError
        If the dataset has no version, or had none by then.
    """
    found = records.versions(Store(workspace), workspace, dataset=dataset, as_of=as_of)
    if not found:
        when = "" if as_of is None else f" at {as_of}"
        raise NotFoundError(
            f"{dataset} has no checked version{when}", hint="mlcycle data ingest, then mlcycle quality check"
        )
    return found[-1]


def tables(workspace: Workspace, session: Session, as_of: datetime | None = None) -> dict[str, str]:
    """Make every dataset's clean rows readable in a session, under the dataset's name.

    The views have the declared columns and `batch_number`, the order of the batch a row came with. A dataset that
    had no version at the moment is left out.

    Parameters
    ----------
    as_of
        Take the versions that were newest at this moment; the newest of all unless said.

    Returns
    -------
    dict
        Dataset to dataset version.

    Raises
    ------
    DataError
        If a part has been removed, or does not hold what was written.
    """
    newest = {
        version.dataset: version for version in records.versions(Store(workspace), workspace, as_of=as_of)
    }
    for dataset, version in newest.items():
        register(session, dataset, version)
    return {dataset: version.dataset_version for dataset, version in newest.items()}


def register(session: Session, name: str, version: DatasetVersion) -> None:
    """Make one version readable under a name.

    Raises
    ------
    DataError
        If one of its parts is gone, or does not hold what was written.
    """
    verify_parts(version.parts, f"version {version.number} of {version.dataset}")
    session.table(name, version.parts)


def verify_parts(parts: Iterable[Path], of: str) -> None:
    """Read parts and compare their content with their name, before anything is learnt from them.

    Parquet guards its pages with no checksum here: a flipped bit is another number, not an error. A part that was
    found whole is not read again by this process while its size and time of change stay.

    Parameters
    ----------
    parts
        Files of `.mlcycle/data`.
    of
        What they are part of, for the message: `version 3 of orders`.

    Raises
    ------
    DataError
        If one is gone, cannot be read, or holds something else than was written.
    """
    for part in parts:
        called = f"part {part.stem[:8]} of {of}"
        try:
            found = part.stat()
            state = (found.st_ino, found.st_size, found.st_mtime_ns)
            if _whole.get(part) == state:
                continue
            sha256 = sha256_file(part, own=True)
        except FileNotFoundError as error:
            raise DataError(f"{called} is gone", hint=DOCTOR) from error
        except OSError as error:
            raise DataError(f"{called} cannot be read: {error.strerror}", hint=DOCTOR) from error
        if sha256 != part.stem:
            raise DataError(f"{called} does not hold what was written", hint=DOCTOR)
        _whole[part] = state


def next_version(
    workspace: Workspace,
    dataset: str,
    parent: DatasetVersion | None,
    parts: Sequence[Part],
    *,
    fingerprint: str,
    columns: dict[str, ColumnType],
    created_at: datetime,
) -> DatasetVersion:
    """Return the version made of these parts, the parent's first; records nothing."""
    hashes = [part.sha256 for part in parts]
    return DatasetVersion(
        dataset_version=sha256_value([dataset, sorted(hashes)])[:16],
        dataset=dataset,
        number=parent.number + 1 if parent else 1,
        rows=sum(part.rows for part in parts),
        fingerprint=fingerprint,
        columns=columns,
        parent=parent.dataset_version if parent else None,
        created_at=created_at,
        parts=tuple(workspace.part(sha256) for sha256 in hashes),
    )
