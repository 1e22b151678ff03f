"""The columns of a batch as it arrived, beside those of the batch before it: what one looks at before judging."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from mlcycle.data import records as batches
from mlcycle.data.manifest import verify_parts
from mlcycle.data.model import ROW, Batch
from mlcycle.engines.local import Session, quote, session
from mlcycle.errors import NotFoundError
from mlcycle.quality.compile import missing
from mlcycle.quality.model import ColumnSpread
from mlcycle.store import Store
from mlcycle.workspace import Workspace

__all__ = ["BEFORE", "NOW", "columns", "spread"]

NOW, BEFORE = "__now", "__before"
"""Names under which a session has what is compared."""
BINS = 8
FEW = 8
"""Whole numbers of at most so many different values are counted one by one."""
NUMBERS = ("BIGINT", "DOUBLE")
WORDS = ("VARCHAR", "BOOLEAN")
OTHERS = "others"


def columns(workspace: Workspace, batch: str) -> list[ColumnSpread]:
    """Return how the values of a batch are spread, column by column.

    Numbers are counted in eight bins of equal width between the first and the last hundredth of both batches, the
    outer ones open; texts, and whole numbers with few values, by their eight commonest values and the others. Dates
    are not counted.

    Parameters
    ----------
    batch
        Its id, or the last characters of it.

    Raises
    ------
    NotFoundError
        If there is no such batch.
    DataError
        If what it brought is gone, or is not what was written.
    """
    all_batches = batches.batches(Store(workspace))
    found = [one for one in all_batches if one.batch_id.endswith(batch)]
    if not found:
        raise NotFoundError(f"there is no batch {batch}", hint="mlcycle data list")
    own = [one for one in all_batches if one.source == found[-1].source]
    place = own.index(found[-1])
    with session(workspace) as engine:
        types = _register(workspace, engine, NOW, own[place])
        older = _register(workspace, engine, BEFORE, own[place - 1]) if place else {}
        return [spread(engine, column, kind, older.get(column) == kind) for column, kind in types.items()]


def _register(workspace: Workspace, engine: Session, name: str, batch: Batch) -> dict[str, str]:
    part = workspace.part(batch.raw_part)
    verify_parts([part], f"a batch of {batch.source}")
    engine.table(name, [part])
    described = engine.rows(f"DESCRIBE {quote(name)}")
    return {row["column_name"]: row["column_type"] for row in described if row["column_name"] != ROW}


def spread(engine: Session, column: str, kind: str, both: bool) -> ColumnSpread:
    """Return how one column of the relation `NOW` is spread, beside that of `BEFORE` if there are both."""
    name, gone = quote(column), missing(column, {column: kind})
    summary = (
        f"SELECT count(*) AS rows, count(*) FILTER (WHERE {gone}) AS missing, approx_count_distinct({name}) AS "
        f"distinct_values, min({name})::VARCHAR AS least, max({name})::VARCHAR AS greatest FROM {{}}"
    )
    now = engine.one(summary.format(quote(NOW)))
    before = engine.one(summary.format(quote(BEFORE))) if both else None
    labels: Sequence[str] = ()
    counts: list[list[int]] = [[], []]
    if kind in WORDS or (
        kind == "BIGINT" and max(now["distinct_values"], (before or now)["distinct_values"]) <= FEW
    ):
        labels, counts = _values(engine, name, gone, both, numbers=kind == "BIGINT")
    elif kind in NUMBERS:
        labels, counts = _bins(engine, name, gone, both)
    return ColumnSpread(
        column=column,
        type=kind.lower(),
        rows=now["rows"],
        missing=now["missing"],
        missing_before=None if before is None else before["missing"],
        rows_before=None if before is None else before["rows"],
        distinct=now["distinct_values"],
        least=now["least"],
        greatest=now["greatest"],
        labels=tuple(labels),
        counts=tuple(counts[0]),
        before=tuple(counts[1]) if both and labels else None,
    )


def _bins(engine: Session, name: str, gone: str, both: bool) -> tuple[Sequence[str], list[list[int]]]:
    there = f"NOT ({gone}) AND isfinite({name}::DOUBLE)"
    union = " UNION ALL ".join(
        f"SELECT {name}::DOUBLE AS v FROM {quote(part)} WHERE {there}"
        for part in ([NOW, BEFORE] if both else [NOW])
    )
    ends = engine.one(f"SELECT quantile_disc(v, 0.01) AS low, quantile_disc(v, 0.99) AS high FROM ({union})")
    low, high = ends["low"], ends["high"]
    if low is None or not math.isfinite(high - low):
        return (), [[], []]
    width = (high - low) / BINS
    if width == 0:
        labels = [f"{low:.4g}"]
        place = "0"
    else:
        labels = [f"{low + width * step:.4g}" for step in range(BINS)]
        place = f"least({BINS - 1}, greatest(0, floor(({name}::DOUBLE - {low!r}) / {width!r})))::INTEGER"
    counts = []
    for part in (NOW, BEFORE) if both else (NOW,):
        rows = engine.rows(
            f"SELECT {place} AS bin, count(*) AS n FROM {quote(part)} WHERE {there} GROUP BY 1"
        )
        found = {row["bin"]: row["n"] for row in rows}
        counts.append([found.get(step, 0) for step in range(len(labels))])
    return labels, [*counts, []][:2]


def _values(
    engine: Session, name: str, gone: str, both: bool, *, numbers: bool
) -> tuple[Sequence[str], list[list[int]]]:
    found: list[dict[Any, int]] = []
    for part in (NOW, BEFORE) if both else (NOW,):
        rows = engine.rows(
            f"SELECT {name}::VARCHAR AS v, count(*) AS n FROM {quote(part)} WHERE NOT ({gone}) GROUP BY 1"
        )
        found.append({row["v"]: row["n"] for row in rows})
    total = {
        value: sum(one.get(value, 0) for one in found) for value in {key for one in found for key in one}
    }
    labels = sorted(total, key=lambda value: (-total[value], value))[:BINS]
    if numbers:
        labels.sort(key=int)
    counts = [[one.get(label, 0) for label in labels] for one in found]
    if len(total) > len(labels):
        labels.append(OTHERS)
        counts = [[*own, sum(one.values()) - sum(own)] for own, one in zip(counts, found, strict=True)]
    return labels, [*counts, []][:2]
