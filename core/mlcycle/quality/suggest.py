"""Checks that the newest data would pass, each with what was seen. Nothing is written: `accept` does that."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mlcycle import declare
from mlcycle.data import records as batches
from mlcycle.data.manifest import verify_parts
from mlcycle.data.model import BATCH_NUMBER, Batch, DatasetVersion
from mlcycle.declare import scalar
from mlcycle.declare.model import ROW_NUMBER, Source, generates_key, keys_of
from mlcycle.engines.local import Session, quote, session
from mlcycle.errors import NotFoundError
from mlcycle.quality.compile import missing
from mlcycle.quality.model import Dimension, Suggestion
from mlcycle.quality.rules import Rule, rules_of
from mlcycle.store import Store
from mlcycle.workspace import Workspace

__all__ = ["suggest"]

ENOUGH = 10_000
"""Parts are taken from the newest back until they hold so many rows."""
TOO_FEW = 30
"""Values below which nothing is suggested."""
FEW_VALUES = 12
"""A text column with at most so many values, each seen ten times on average, is taken for a list of allowed ones."""
TAIL = 0.001
"""Share of values left out at either end before the range is widened."""
SLACK = 0.25
"""Share of the range added on either side."""
NUMBERS = ("BIGINT", "DOUBLE")
MOMENTS = ("DATE", "TIMESTAMP")


@dataclass(frozen=True)
class _Seen:
    """What suggestions are made from."""

    dataset: str
    source: Source
    file: str
    batches: Sequence[Batch]
    """Those looked at, in the order they were admitted."""
    numbers: Sequence[int]
    """Their numbers, as in the rows."""
    rows: int
    columns: Mapping[str, str]
    names: frozenset[str]
    """Columns that name things, here or in another source: their numbers measure nothing."""

    @property
    def over(self) -> str:
        """The batches and their times, in words."""
        times = [batch.as_of for batch in self.batches]
        first, last = f"{min(times):%Y-%m-%d}", f"{max(times):%Y-%m-%d}"
        if len(self.batches) == 1:
            return f"the newest batch ({last})"
        return f"the newest {len(self.batches)} batches ({first} to {last})"


def suggest(workspace: Workspace, dataset: str | None = None) -> list[Suggestion]:
    """Suggest checks from the clean rows of the newest batches.

    Looked at are the newest batches until they hold 10,000 rows. A column gets at most one check of a kind, and none
    of a kind that it has already. A suggestion is a description of what was seen, not of what is right: read the
    evidence before accepting one.

    Parameters
    ----------
    dataset
        Only this one; all that have a version unless said.

    Raises
    ------
    NotFoundError
        If no source carries the name, or it has no checked version.
    """
    declarations = declare.load(workspace)
    if dataset is not None:
        declarations.source(dataset)
    store = Store(workspace)
    newest = {version.dataset: version for version in batches.versions(store, workspace)}
    if dataset is not None and dataset not in newest:
        raise NotFoundError(
            f"{dataset} has no checked version", hint="mlcycle data ingest, then mlcycle quality check"
        )
    names = frozenset(key for source in declarations.data.sources.values() for key in keys_of(source.key))
    found: list[Suggestion] = []
    with session(workspace) as engine:
        for name in [dataset] if dataset else declarations.data.sources:
            if name in newest:
                declared = declarations.checks.get(name)
                file = declarations.checks_files.get(name, f"checks/{name}.yaml")
                seen = _look(
                    workspace, store, engine, newest[name], declarations.data.sources[name], file, names
                )
                taken = rules_of(declared) if declared else []
                found += [one for one in _suggestions(engine, seen) if not _is_there(one, taken)]
    return found


def _look(
    workspace: Workspace,
    store: Store,
    engine: Session,
    version: DatasetVersion,
    source: Source,
    file: str,
    names: frozenset[str],
) -> _Seen:
    order = [one.dataset_version for one in batches.versions(store, workspace, dataset=version.dataset)]
    admitted = batches.batches(store, source=version.dataset, states=["admitted"])
    admitted.sort(key=lambda batch: order.index(str(batch.dataset_version)))
    parts = batches.part_hashes(store, version.dataset_version)
    taken, rows = 0, 0
    while taken < len(parts) and rows < ENOUGH:
        taken += 1
        rows += parts[-taken].rows
    paths = version.parts[-taken:]
    verify_parts(paths, f"version {version.number} of {version.dataset}")
    engine.table(version.dataset, paths)
    described = engine.rows(f"DESCRIBE {quote(version.dataset)}")
    columns = {row["column_name"]: row["column_type"] for row in described}
    del columns[BATCH_NUMBER]
    if generates_key(source):
        del columns[ROW_NUMBER]
    numbers = batches.batch_numbers(store)
    own = admitted[-taken:]
    return _Seen(
        version.dataset, source, file, own, [numbers[one.batch_id][0] for one in own], rows, columns, names
    )


def _suggestions(engine: Session, seen: _Seen) -> Iterator[Suggestion]:
    if seen.rows < TOO_FEW:
        return
    counts = _counts(engine, seen)
    yield from _filled(seen, counts)
    yield from _unique(engine, seen, counts)
    yield from _sets(engine, seen, counts)
    yield from _fresh(engine, seen)
    yield from _sizes(seen)
    yield from _ranges(engine, seen, counts)


def _counts(engine: Session, seen: _Seen) -> Mapping[str, tuple[int, int]]:
    """Return, by column, how many values are given and how many differ."""
    asked = []
    for position, column in enumerate(seen.columns):
        there = f"NOT ({missing(column, seen.columns)})"
        asked.append(f"count(*) FILTER (WHERE {there}) AS n{position}")
        asked.append(f"count(DISTINCT {quote(column)}) FILTER (WHERE {there}) AS d{position}")
    row = engine.one(f"SELECT {', '.join(asked)} FROM {quote(seen.dataset)}")
    return {
        column: (int(row[f"n{position}"]), int(row[f"d{position}"]))
        for position, column in enumerate(seen.columns)
    }


def _filled(seen: _Seen, counts: Mapping[str, tuple[int, int]]) -> Iterator[Suggestion]:
    for column, (given, _) in counts.items():
        if given == seen.rows:
            evidence = f"none missing in {seen.rows:,} rows of {seen.over}"
            yield _suggestion(seen, "completeness", "not_null", (column,), scalar(column), evidence)


def _unique(engine: Session, seen: _Seen, counts: Mapping[str, tuple[int, int]]) -> Iterator[Suggestion]:
    key = tuple(column for column in keys_of(seen.source.key) if column in seen.columns)
    for column, (given, distinct) in counts.items():
        if given == distinct == seen.rows and (
            key == (column,) or seen.columns[column] in ("BIGINT", "VARCHAR")
        ):
            evidence = f"{distinct:,} different values in {seen.rows:,} rows of {seen.over}"
            yield _suggestion(seen, "consistency", "unique", (column,), scalar(column), evidence)
    if len(key) > 1:
        listed = ", ".join(map(quote, key))
        distinct = engine.one(
            f"SELECT count(*) AS n FROM (SELECT DISTINCT {listed} FROM {quote(seen.dataset)})"
        )["n"]
        if distinct == seen.rows:
            evidence = f"{distinct:,} different pairs in {seen.rows:,} rows of {seen.over}"
            written = f"[{', '.join(map(scalar, key))}]"
            yield _suggestion(seen, "consistency", "unique", key, written, evidence)


def _sets(engine: Session, seen: _Seen, counts: Mapping[str, tuple[int, int]]) -> Iterator[Suggestion]:
    for column, (given, distinct) in counts.items():
        if seen.columns[column] != "VARCHAR" or not 2 <= distinct <= min(FEW_VALUES, given / 10):
            continue
        name = quote(column)
        rows = engine.rows(
            f"SELECT {name} AS v, count(*) AS n FROM {quote(seen.dataset)} WHERE {name} IS NOT NULL GROUP BY ALL "
            "ORDER BY n DESC, v"
        )
        written = f"{{{scalar(column)}: [{', '.join(scalar(row['v']) for row in rows)}]}}"
        evidence = (
            f"{distinct} different values in {given:,} of {seen.over}; the rarest {rows[-1]['n']:,} times"
        )
        yield _suggestion(seen, "consistency", "in_set", (column,), written, evidence)


def _fresh(engine: Session, seen: _Seen) -> Iterator[Suggestion]:
    column = seen.source.time
    if column is None or seen.columns.get(column) not in MOMENTS or len(seen.batches) < 3:
        return
    newest = {
        row["number"]: row["t"]
        for row in engine.rows(
            f"SELECT {quote(BATCH_NUMBER)} AS number, max({quote(column)})::TIMESTAMP AS t "
            f"FROM {quote(seen.dataset)} GROUP BY 1"
        )
    }
    if any(newest.get(number) is None for number in seen.numbers):
        return  # a batch left no row, or no moment
    ages = [
        _days(batch.as_of, newest[number]) for batch, number in zip(seen.batches, seen.numbers, strict=True)
    ]
    if min(ages) < 0:
        return
    limit = math.ceil(2 * max(ages)) or 1
    evidence = f"the newest value was {min(ages):.1f} to {max(ages):.1f} days old in {seen.over}; twice that is allowed"
    yield _suggestion(seen, "timeliness", "fresh", (column,), f"{{{scalar(column)}: {limit}d}}", evidence)


def _days(later: datetime, earlier: datetime) -> float:
    return (later - earlier).total_seconds() / 86400


def _sizes(seen: _Seen) -> Iterator[Suggestion]:
    if len(seen.batches) < 3:
        return
    sizes = [batch.rows for batch in seen.batches]
    least, most = min(sizes), max(sizes)
    evidence = f"{least:,} to {most:,} rows a batch in {seen.over}; from half to twice that is allowed"
    yield _suggestion(seen, "completeness", "rows", (), f"[{max(1, least // 2)}, {most * 2}]", evidence)


def _ranges(engine: Session, seen: _Seen, counts: Mapping[str, tuple[int, int]]) -> Iterator[Suggestion]:
    for column, kind in seen.columns.items():
        given, distinct = counts[column]
        if kind not in NUMBERS or column in seen.names or given < TOO_FEW or distinct < 2:
            continue
        if kind == "BIGINT" and given == distinct:
            continue  # it counts rows, or names them
        name = quote(column)
        there = f"NOT ({missing(column, seen.columns)}) AND isfinite({name}::DOUBLE)"
        row = engine.one(
            f"SELECT quantile_disc({name}, {TAIL}) AS low, quantile_disc({name}, {1 - TAIL}) AS high, "
            f"min({name}) AS least, max({name}) AS most FROM {quote(seen.dataset)} WHERE {there}"
        )
        if row["low"] is None:
            continue
        if kind == "BIGINT" and distinct <= min(FEW_VALUES, given / 10):
            evidence = f"{distinct} different values in {given:,} of {seen.over}, all in this range"
            sides = f"[{_limit(row['least'])}, {_limit(row['most'])}]"
            yield _suggestion(
                seen, "accuracy", "between", (column,), f"{{{scalar(column)}: {sides}}}", evidence
            )
            continue
        low, high = _widened(row, whole=kind == "BIGINT")
        outside = engine.one(
            f"SELECT count(*) AS n FROM {quote(seen.dataset)} WHERE {there} AND NOT {name} BETWEEN {low!r} AND {high!r}"
        )["n"]
        evidence = (
            f"99.8 % of {given:,} values in {seen.over} lie from {_number(row['low'])} to {_number(row['high'])}; "
            f"a quarter of that width more is allowed on each side; {outside:,} seen lie outside"
        )
        yield _suggestion(
            seen,
            "accuracy",
            "between",
            (column,),
            f"{{{scalar(column)}: [{_limit(low)}, {_limit(high)}]}}",
            evidence,
        )


def _widened(row: Mapping[str, Any], *, whole: bool) -> tuple[float, float]:
    """Return the range with slack, to two digits of its width; a side without negative values stays so."""
    low, high = float(row["low"]), float(row["high"])
    width = high - low or abs(high) or 1.0
    step = 10.0 ** (math.floor(math.log10(width)) - 1)
    step = max(1.0, step) if whole else step
    down, up = math.floor((low - SLACK * width) / step), math.ceil((high + SLACK * width) / step)
    digits = max(0, -math.floor(math.log10(step)))
    low, high = round(down * step, digits), round(up * step, digits)
    if row["least"] >= 0 > low:
        low = 0.0
    if row["most"] <= 0 < high:
        high = 0.0
    return (int(low), int(high)) if whole else (low, high)


def _limit(value: float) -> str:
    whole = float(value).is_integer() and abs(value) < 1e15
    return scalar(int(value) if whole else value)


def _number(value: float) -> str:
    return f"{value:,.4g}" if isinstance(value, float) else f"{value:,}"


def _suggestion(
    seen: _Seen,
    dimension: Dimension,
    kind: str,
    columns: tuple[str, ...],
    written: str,
    evidence: str,
) -> Suggestion:
    name = ".".join([seen.dataset, *(["+".join(columns)] if columns else []), kind]).replace(" ", "_")
    check = {kind: written, "severity": "warning"}
    return Suggestion(name, seen.dataset, dimension, kind, columns, check, evidence, seen.file)


def _is_there(one: Suggestion, taken: Sequence[Rule]) -> bool:
    return any((rule.kind, rule.columns) == (one.kind, one.columns) for rule in taken)
