"""What is known of the spine's targets by now."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from mlcycle import data
from mlcycle.declare import load
from mlcycle.declare.model import Spine
from mlcycle.engines import local
from mlcycle.engines.local import Session, quote
from mlcycle.features.model import entity_of
from mlcycle.workspace import Workspace

__all__ = ["Known", "known_targets"]

Known = dict[tuple[str, datetime | None], tuple[Any, datetime]]
"""Entity and moment (None where the spine has no time) to the target and when it became known."""


def known_targets(workspace: Workspace, moments: Collection[datetime], now: datetime) -> Known:
    """Return the targets of the clean label table that are known by now, about the moments asked for.

    A spine without a time column is asked whole.
    """
    spine = load(workspace).require_features().spine
    with local.session(workspace) as session:
        if spine.table not in data.tables(workspace, session, as_of=now):
            return {}
        return _read(session, spine, sorted(moments), now)


def _read(session: Session, spine: Spine, moments: Sequence[datetime], now: datetime) -> Known:
    keys = [spine.key] if isinstance(spine.key, str) else list(spine.key)
    listed = ", ".join(f"{quote(key)} AS key_{number}" for number, key in enumerate(keys))
    moment = f"{quote(spine.time)}::TIMESTAMP" if spine.time else "NULL::TIMESTAMP"
    said = f"{quote(spine.known)}::TIMESTAMP" if spine.known else "NULL::TIMESTAMP"
    known_at = f"coalesce({said}, {moment}, $now)"
    asked = f"AND {moment} IN (SELECT unnest($moments::TIMESTAMP[]))" if spine.time else ""
    params: dict[str, object] = {"now": now, **({"moments": list(moments)} if spine.time else {})}
    rows = session.rows(
        f"""
        SELECT {listed}, {moment} AS moment, {quote(spine.target)} AS target, {known_at} AS known_at
        FROM {quote(spine.table)} WHERE {quote(spine.target)} IS NOT NULL AND {known_at} <= $now {asked}
        ORDER BY known_at
        """,
        params,
    )
    return {
        (entity_of([row[f"key_{number}"] for number in range(len(keys))]), row["moment"]): (
            row["target"],
            row["known_at"],
        )
        for row in rows
    }
