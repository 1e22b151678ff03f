"""How old the newest row of a source was at a moment, counting only what was known by then."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from mlcycle import clock, data
from mlcycle.declare.model import Source
from mlcycle.engines import local
from mlcycle.engines.local import quote
from mlcycle.workspace import Workspace

__all__ = ["ages"]


def ages(
    workspace: Workspace, source: str, declared: Source, moments: Sequence[datetime]
) -> dict[datetime, tuple[float, int]]:
    """Return, by moment, the days since the source's newest event and how many events were known.

    A row counts when its event time and the time it was known are both at or before the moment.
    A source without an event time, or with no such row, has no age: the moment is left out.
    """
    if declared.time is None or not moments:
        return {}
    # A row that does not say when it was known was known when it happened.
    known = (
        f"AND coalesce({quote(declared.known)}, {quote(declared.time)}) <= $moment" if declared.known else ""
    )
    found: dict[datetime, tuple[float, int]] = {}
    with local.session(workspace) as session:
        if source not in data.tables(workspace, session, as_of=clock.now()):
            return {}
        for moment in moments:
            row = session.one(
                f"SELECT max({quote(declared.time)})::TIMESTAMP AS newest, count(*) AS n FROM {quote(source)} "
                f"WHERE {quote(declared.time)} <= $moment {known}",
                {"moment": moment},
            )
            if row["newest"] is not None:
                found[moment] = ((moment - row["newest"]).total_seconds() / 86400, row["n"])
    return found
