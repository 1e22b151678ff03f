"""Take files in: each becomes a batch, a raw part of typed rows and a part of the rows that could not be read."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from mlcycle import clock, declare, progress
from mlcycle.data import deliveries, readers, records
from mlcycle.data.casting import PROBLEM, cast_rows
from mlcycle.data.deliveries import Place
from mlcycle.data.model import LINE_COLUMNS, ROW, Batch
from mlcycle.data.readers import Delivery, Malformed
from mlcycle.declare import secrets
from mlcycle.engines.local import Session, SqlError, quote, session
from mlcycle.errors import DataError, DeclarationError, MlcycleError
from mlcycle.hashing import sha256_file
from mlcycle.ids import new_id
from mlcycle.store import Store
from mlcycle.workspace import Workspace

__all__ = ["ingest"]

GLOB_SIGNS = "*?[{"
"""In a path these make DuckDB look for several files."""


@dataclass(frozen=True)
class _File:
    """A file and its content's hash, before it is read."""

    place: Place
    sha256: str
    bytes: int
    changed_ns: int

    @property
    def source(self) -> str:
        return self.place.source

    @property
    def path(self) -> Path:
        return self.place.path

    @property
    def shown(self) -> Path:
        """What messages call it."""
        return Path(self.place.shown or self.place.path)


@dataclass(frozen=True)
class _Loaded:
    """A file's rows in two tables of the session: typed (good and bad), and malformed."""

    file: _File
    typed: str
    malformed: str
    rows: int
    bad: int


def ingest(
    workspace: Workspace,
    path: Path | None = None,
    *,
    source: str | None = None,
    as_of: datetime | None = None,
) -> list[Batch]:
    """Take in files as batches that wait for their checks; all of them or, on an error, none.

    The same bytes of a source twice are the same batch: it is returned, not added.

    Parameters
    ----------
    path
        A file, a folder (each source whose file name is in it), or None for every source's declared path.
    source
        Only this source; a file of any name then belongs to it.
    as_of
        The moment the batch is about, for freshness and rules that look at the time; now unless said.

    Returns
    -------
    list of Batch
        One a file, in the order of the declared sources.

    Raises
    ------
    DataError
        If a file is missing, empty, damaged, not of the declared format, has other columns than declared, or if
        none of its rows can be read. Names the file, and what to do.
    DeclarationError
        If no source is declared.
    NotFoundError, UsageError
        If no source, or several, could own the file.
    """
    declarations = declare.load(workspace)
    sources = declarations.data.sources
    if not sources:
        raise DeclarationError(
            "data.yaml declares no source yet",
            hint="write one into data.yaml, or begin from data: mlcycle init DIR --from FILE --target COLUMN",
        )
    store = Store(workspace)
    files = [_weigh(place) for place in deliveries.find(workspace, declarations, path, source)]
    known = {(batch.source, batch.sha256): batch for batch in records.batches(store)}
    new = {(file.source, file.sha256): file for file in files if (file.source, file.sha256) not in known}
    made: list[Batch] = []
    if new:
        with (
            _readable(workspace, list(new.values())) as readable,
            session(workspace, reads=list(readable)) as engine,
        ):
            loaded = []
            for number, (file, place) in enumerate(zip(new.values(), readable, strict=True)):
                progress.tell("read files", number, len(new))
                declared = sources[file.source]
                delivery = Delivery(
                    place, file.shown, file.source, declared, f"found_{number}", workspace.tmp
                )
                with _hiding(file, declared.path):
                    loaded.append(
                        _load(engine, file, delivery, declared.time_zone or declarations.product.time_zone)
                    )
            progress.tell("read files", len(new), len(new))
            made = _write(workspace, engine, loaded, as_of)
        made = _record(store, made)
    known |= {(batch.source, batch.sha256): batch for batch in made}
    return [known[file.source, file.sha256] for file in files]


def _weigh(place: Place) -> _File:
    try:
        status = place.path.stat()
        return _File(place, sha256_file(place.path), status.st_size, status.st_mtime_ns)
    except OSError as error:
        raise DataError(
            f"{place.shown or place.path} cannot be read: {error.strerror}", hint="look at its permissions"
        ) from error


@contextmanager
def _hiding(file: _File, declared: str) -> Iterator[None]:
    """Keep a path from the environment out of errors: an engine names the file that it could not read."""
    try:
        yield
    except MlcycleError as error:
        if file.place.shown is None:
            raise
        error.message = secrets.hide(error.message.replace(str(file.path), file.place.shown), declared)
        error.args = (error.message,)
        raise error from None


@contextmanager
def _readable(workspace: Workspace, files: Sequence[_File]) -> Iterator[list[Path]]:
    """Give a path to read each file at: its own, or a copy's if its name would mean several files to DuckDB."""
    copies: list[Path] = []
    try:
        places = []
        for file in files:
            place = file.path
            if any(sign in str(place) for sign in GLOB_SIGNS):
                workspace.tmp.mkdir(parents=True, exist_ok=True)
                place = workspace.tmp / f"{new_id()}{place.suffix}"
                copies.append(place)
                shutil.copyfile(file.path, place)
            places.append(place)
        yield places
    finally:
        for copy in copies:
            copy.unlink(missing_ok=True)


def _load(engine: Session, file: _File, delivery: Delivery, zone: str) -> _Loaded:
    found = readers.read(engine, delivery)
    typed, malformed = f"{delivery.table}_typed", f"{delivery.table}_malformed"
    described = engine.rows(f"DESCRIBE {quote(found.table)}")
    types = {row["column_name"]: row["column_type"] for row in described}
    try:
        cast = cast_rows(quote(found.table), types, found.columns, zone)
        engine.execute(f"CREATE TABLE {quote(typed)} AS {cast}")
    except SqlError as error:
        raise DataError(
            f"{file.shown} cannot be read as declared: {error.message.splitlines()[0]}",
            hint=f"look at sources.{file.source}.columns in data.yaml",
        ) from error
    bad = engine.rows(
        f"SELECT {quote(ROW)} AS row, {quote(PROBLEM)} AS problem FROM {quote(typed)} "
        f"WHERE {quote(PROBLEM)} IS NOT NULL"
    )
    places = found.locate([row["row"] for row in bad]) if bad else {}
    lost = found.unparsed + [
        Malformed(row["row"], *places[row["row"]], f"malformed: {row['problem']}") for row in bad
    ]
    if len(lost) == found.rows:
        first = min(lost, key=lambda one: one.row)
        place = f"{file.shown}:{first.line}" if first.line else file.shown
        raise DataError(
            f"{place}: none of {found.rows} rows can be read; the first is {first.reason}",
            hint=f"look at `format` and `columns` of sources.{file.source} in data.yaml",
        )
    _keep(engine, malformed, lost)
    engine.execute(f"DROP TABLE {quote(found.table)}")
    if _weigh(file.place) != file:
        raise DataError(
            f"{file.shown} changed while it was read", hint="wait until it is written, then ingest it again"
        )
    return _Loaded(file, typed, malformed, found.rows, len(lost))


def _keep(engine: Session, table: str, lost: Sequence[Malformed]) -> None:
    spec = ", ".join(f"{quote(name)} {kind}" for name, kind in LINE_COLUMNS.items())
    engine.execute(f"CREATE TABLE {quote(table)} ({spec})")
    engine.insert(
        table, [{ROW: one.row, "line": one.line, "raw": one.raw, "reason": one.reason} for one in lost]
    )


def _write(
    workspace: Workspace, engine: Session, loaded: Sequence[_Loaded], as_of: datetime | None
) -> list[Batch]:
    now = clock.now()
    # Ids made within a millisecond are in no order; sorted, they keep the order of the files.
    identifiers = sorted(new_id() for _ in loaded)
    made = []
    for identifier, one in zip(identifiers, loaded, strict=True):
        raw = engine.write_part(
            f"SELECT * EXCLUDE ({quote(PROBLEM)}) FROM {quote(one.typed)} "
            f"WHERE {quote(PROBLEM)} IS NULL ORDER BY {quote(ROW)}"
        )
        lost = engine.write_part(f"FROM {quote(one.malformed)} ORDER BY {quote(ROW)}") if one.bad else None
        made.append(
            Batch(
                batch_id=identifier,
                source=one.file.source,
                path=one.file.place.shown or _shown(workspace, one.file.path),
                sha256=one.file.sha256,
                bytes=one.file.bytes,
                rows=one.rows,
                malformed=one.bad,
                raw_part=raw.sha256,
                malformed_part=None if lost is None else lost.sha256,
                set_aside=0,
                mended=0,
                dataset_version=None,
                state="arrived",
                as_of=as_of or now,
                arrived_at=now,
            )
        )
    return made


def _record(store: Store, made: Sequence[Batch]) -> list[Batch]:
    """Record batches in one transaction; one that another process brought meanwhile is returned in its stead."""
    with store.transaction("data ingest") as transaction:
        theirs = {
            batch.batch_id: records.find_batch(transaction, batch.source, batch.sha256) for batch in made
        }
        new = [batch for batch in made if theirs[batch.batch_id] is None]
        records.insert_batches(transaction, new)
        for batch in new:
            told = ("source", "path", "sha256", "rows", "malformed")
            transaction.audit(f"batch {batch.batch_id}", after={name: getattr(batch, name) for name in told})
    return [theirs[batch.batch_id] or batch for batch in made]


def _shown(workspace: Workspace, path: Path) -> str:
    resolved, root = path.resolve(), workspace.root.resolve()
    return resolved.relative_to(root).as_posix() if resolved.is_relative_to(root) else str(resolved)
