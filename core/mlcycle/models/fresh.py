"""Which rows a version may be judged on: those that neither it nor the champion has learnt from."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from mlcycle import data
from mlcycle.declare import load
from mlcycle.engines import local
from mlcycle.engines.local import quote
from mlcycle.workspace import Workspace

if TYPE_CHECKING:
    from mlcycle.experiments.package import Package
    from mlcycle.experiments.rows import Rows

__all__ = ["fitted", "fresh", "has_time", "newest", "shared"]

COVERAGE = 0.9
"""Share of the newer rows whose target must be known: the first labels to arrive are seldom like the others."""


def has_time(workspace: Workspace) -> bool:
    """Tell whether the rows are about moments at all."""
    return load(workspace).require_features().spine.time is not None


def fitted(package: Package, rows: Rows) -> Rows:
    """Return the rows of its training set that a model really learnt from."""
    return rows if package.description.get("fit_rows") != "train" else rows.of_split("train")


def shared(learnt: Rows, judged: Rows, *, timed: bool) -> int:
    """Count the judged rows that are among the learnt ones; without a time column a row is its entity alone.

    Such rows carry the moment their training set was built at, which differs from set to set.
    """
    if timed:
        return len(learnt.identities() & judged.identities())
    return len({one for one, _ in learnt.identities()} & {one for one, _ in judged.identities()})


def newest(rows: Sequence[Rows]) -> datetime | None:
    """Return the latest moment any of these rows is about; None if none has one."""
    import numpy as np

    times = [found for one in rows if (found := one.times) is not None and len(found)]
    known = [found[~np.isnat(found)].max() for found in times if not np.isnat(found).all()]
    return max(known).astype("datetime64[us]").astype(datetime) if known else None


def fresh(workspace: Workspace, after: datetime | None, now: datetime) -> tuple[datetime, datetime] | None:
    """Return the first and the last labelled spine time after a moment; None if there is none.

    As far as nearly all targets are known by now: the longest beginning of the times of whose rows enough are.
    """
    spine = load(workspace).require_features().spine
    with local.session(workspace) as session:
        if spine.time is None or spine.table not in data.tables(workspace, session, as_of=now):
            return None
        time = f"{quote(spine.time)}::TIMESTAMP"
        known_at = f"coalesce({quote(spine.known)}::TIMESTAMP, {time})" if spine.known else time
        rows = session.rows(
            f"""
            SELECT {time} AS moment, count(*) AS n,
                count(*) FILTER ({quote(spine.target)} IS NOT NULL AND {known_at} <= $now) AS known
            FROM {quote(spine.table)} WHERE {time} <= $now AND ($after::TIMESTAMP IS NULL OR {time} > $after)
            GROUP BY ALL ORDER BY moment
            """,
            {"now": now, "after": after},
        )
    return _covered(rows)


def _covered(rows: Sequence[dict[str, Any]]) -> tuple[datetime, datetime] | None:
    total = known = 0
    last = None
    for row in rows:
        total, known = total + row["n"], known + row["known"]
        if row["known"] and known >= COVERAGE * total:
            last = row["moment"]
    return None if last is None else (rows[0]["moment"], last)
