"""Training sets: labelled rows as they were known at a moment, split for judging, one Parquet file."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import msgspec

from mlcycle import clock, data, progress
from mlcycle.declare.model import Features, Split
from mlcycle.engines.local import Session, fingerprint, literal, quote
from mlcycle.errors import DeclarationError, UsageError
from mlcycle.features import records
from mlcycle.features.compile import Compiled, declared_errors
from mlcycle.features.model import TrainingSet
from mlcycle.features.rows import known_at
from mlcycle.features.tables import Opened, opened
from mlcycle.hashing import sha256_value
from mlcycle.ids import new_id
from mlcycle.store import Store
from mlcycle.workspace import Workspace

__all__ = ["build", "definitions"]

SET = "__set"
WORK, STEPS = "build training set", 4
"""Tables opened, views compiled, rows computed, file written."""
TRAINING = Path("training.yaml")


def build(
    workspace: Workspace,
    *,
    as_of: datetime | None = None,
    name: str = "default",
    look_ahead: str | None = None,
) -> TrainingSet:
    """Build a training set and record it.

    Its rows are the spine's rows up to `as_of` whose target was known by then. Columns of the file: row_id, the keys,
    as_of, target, known_at, split (`train` or `validation`), then the features; ordered by as_of and keys.

    Parameters
    ----------
    workspace
        Where.
    as_of
        The moment at which one stands; now unless said.
    name
        Name of the set; sets of one name follow each other.
    look_ahead
        Let every window reach so far into the future, such as `30d`: a leak made on purpose, to be looked at.

    Raises
    ------
    UsageError
        If a batch waits for its check, or there is no labelled row to train on or to validate with.
    DeclarationError
        If a declaration is missing or wrong.
    """
    moment = as_of or clock.now()
    _check_duration(look_ahead)
    _refuse_unchecked(workspace, moment)
    progress.tell(WORK, 0, STEPS)
    with opened(workspace, as_of=moment) as tables:
        progress.tell(WORK, 1, STEPS)
        training = tables.declarations.require_training()
        where = f"{known_at(moment)} AND __as_of <= {literal(moment)}"
        compiled = tables.compile(as_of=moment, where=where, look_ahead=look_ahead)
        progress.tell(WORK, 2, STEPS)
        with declared_errors():
            tables.session.execute(
                f"CREATE TEMP TABLE {SET} AS {_with_split(compiled, training.split, tables)}"
            )
        counts = _counts(tables.session, training.split, moment)
        progress.tell(WORK, 3, STEPS)
        part = tables.session.write_part(f"SELECT * FROM {SET} ORDER BY {compiled.number}")
        made = TrainingSet(
            training_set_id=new_id(),
            name=name,
            path=workspace.part(part.sha256),
            rows=part.rows,
            train_rows=counts["train"],
            validation_rows=counts["validation"],
            features=compiled.features,
            keys=compiled.keys,
            target=tables.features.spine.target,
            as_of=moment,
            look_ahead=look_ahead,
            dataset_versions=tables.versions,
            views={},
            fingerprint=fingerprint(tables.session, f"(SELECT * EXCLUDE ({compiled.number}) FROM {SET})"),
            created_at=clock.now(),
        )
    progress.tell(WORK, STEPS, STEPS)
    return _record(workspace, made, definitions(tables.features))


def definitions(features: Features) -> dict[str, tuple[str, str]]:
    """Return each view's definition as JSON text with its hash."""
    plain = {name: msgspec.to_builtins(view) for name, view in features.views.items()}
    return {name: (sha256_value(view), json.dumps(view, sort_keys=True)) for name, view in plain.items()}


def _record(workspace: Workspace, made: TrainingSet, defined: Mapping[str, tuple[str, str]]) -> TrainingSet:
    with Store(workspace).transaction("features build") as transaction:
        views = records.version_views(transaction, defined, made.created_at)
        made = replace(made, views=views)
        records.add_training_set(transaction, made)
        after = {"rows": made.rows, "as_of": made.as_of.isoformat(), "look_ahead": made.look_ahead}
        transaction.audit(f"training set {made.training_set_id}", after=after)
    return made


def _with_split(compiled: Compiled, split: Split, tables: Opened) -> str:
    if split.newest is not None:
        if tables.features.spine.time is None:
            raise DeclarationError(
                "split: newest counts spine times, and the spine has none",
                file=TRAINING,
                hint="split: {fraction: 0.2} chooses rows by a hash of their key",
            )
        validates = f"dense_rank() OVER (ORDER BY as_of DESC) <= {split.newest}"
    elif split.fraction is not None:
        text = " || chr(31) || ".join(f"coalesce({quote(key)}::VARCHAR, chr(30))" for key in compiled.keys)
        validates = f"md5_number_lower({text})::DOUBLE / 18446744073709551616 < {split.fraction!r}"
    else:
        raise DeclarationError("split: says nothing", file=TRAINING, hint="newest: 2, or fraction: 0.2")
    names = ", ".join(quote(feature.name) for feature in compiled.features)
    label = f"CASE WHEN {validates} THEN 'validation' ELSE 'train' END AS split"
    return f"SELECT * EXCLUDE ({names}), {label}, {names} FROM ({compiled.sql})"


def _counts(session: Session, split: Split, moment: datetime) -> dict[str, int]:
    rows = session.rows(f"SELECT split, count(*) AS n FROM {SET} GROUP BY split")
    counts = {"train": 0, "validation": 0} | {row["split"]: row["n"] for row in rows}
    if not rows:
        raise UsageError(
            f"no target was known on {moment:%Y-%m-%d %H:%M}",
            hint="mlcycle data list, or say another time with --as-of",
        )
    for which, other in (("train", "validation"), ("validation", "train")):
        if not counts[which]:
            said = f"newest: {split.newest}" if split.newest is not None else f"fraction: {split.fraction}"
            raise UsageError(
                f"the split ({said}) puts all {counts[other]} rows into {other}, none into {which}",
                hint="change split in training.yaml",
            )
    return counts


def _check_duration(look_ahead: str | None) -> None:
    if look_ahead is not None and not re.fullmatch(r"\d+[smhd]", look_ahead):
        raise UsageError(f"{look_ahead!r} is no duration", hint="write it as 30d, 12h, 15m or 45s")


def _refuse_unchecked(workspace: Workspace, moment: datetime) -> None:
    waiting = [batch for batch in data.unchecked(workspace) if batch.arrived_at <= moment]
    if waiting:
        what = ", ".join(sorted({batch.source for batch in waiting}))
        raise UsageError(
            f"{len(waiting)} of the batches that arrived are not checked yet: {what}",
            hint="mlcycle quality check",
        )
