"""Which rows a version may be judged on: those that neither it nor the champion has learnt from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from mlcycle import data
from mlcycle.declare import load
from mlcycle.engines import local
from mlcycle.engines.local import quote
from mlcycle.workspace import Workspace

if TYPE_CHECKING:
    from mlcycle.experiments.package import Package
    from mlcycle.experiments.rows import Rows

__all__ = ["Fresh", "fitted", "fresh", "has_time", "newest", "shared", "stretch"]

COVERAGE = 0.9
"""Share of a time's rows whose target must be known: the first labels to arrive are seldom like the others."""


@dataclass(frozen=True)
class Fresh:
    """Spine times that a model has not learnt from."""

    start: datetime | None
    """The first of those whose labels are known; None if none is."""
    end: datetime | None
    rows: int
    """Rows with a label, from start to end."""
    waits_for: datetime | None
    """The first time after them whose labels are not known yet."""


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


def fresh(workspace: Workspace, after: datetime | None, now: datetime) -> Fresh:
    """Return the first spine times after a moment, in one stretch, of each of which nearly all targets are known."""
    spine = load(workspace).require_features().spine
    with local.session(workspace) as session:
        if spine.time is None or spine.table not in data.tables(workspace, session, as_of=now):
            return Fresh(None, None, 0, None)
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
    return stretch(rows)


def stretch(rows: Sequence[dict[str, Any]]) -> Fresh:
    """Return the first stretch of times of each of which enough is known: one with few labels would spoil it whole.

    Parameters
    ----------
    rows
        `moment`, `n` rows and `known` targets of each time, in the order of the times.
    """
    covered = [row["known"] > 0 and row["known"] >= COVERAGE * row["n"] for row in rows]
    first = covered.index(True) if True in covered else len(rows)
    places = list(takewhile(lambda place: covered[place], range(first, len(rows))))
    if not places:
        waits = [row["moment"] for row in rows if row["known"] < row["n"]]
        return Fresh(None, None, 0, waits[0] if waits else None)
    later = [row["moment"] for row in rows[first + len(places) :] if row["known"] < row["n"]]
    known = sum(rows[place]["known"] for place in places)
    return Fresh(rows[first]["moment"], rows[places[-1]]["moment"], known, later[0] if later else None)
