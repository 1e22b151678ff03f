"""Labels that became known since, joined to the predictions they judge."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from mlcycle import clock, data
from mlcycle.declare import load
from mlcycle.declare.model import Spine
from mlcycle.engines import local
from mlcycle.engines.local import Session, quote
from mlcycle.experiments.matrix import encode_target
from mlcycle.features.model import entity_of
from mlcycle.monitor import records
from mlcycle.monitor.model import Coverage, LabelReport
from mlcycle.store import Store
from mlcycle.workspace import Workspace

__all__ = ["labels"]

Known = dict[tuple[str, datetime | None], tuple[Any, datetime]]
"""Entity and moment (None where the spine has no time) to the target and when it became known."""


def labels(workspace: Workspace) -> LabelReport:
    """Give every prediction whose target is known by now its label, once.

    The spine's rows are matched by entity and moment, by entity alone where the spine has no time.
    A target without a known time became known at its own moment, without one of these now.

    Returns
    -------
    LabelReport
        How many labels are new, and how many predictions about each moment have one.
    """
    spine = load(workspace).require_features().spine
    store, now = Store(workspace), clock.now()
    waiting = records.unlabelled(store, now)
    rows: list[dict[str, object]] = []
    unreadable = 0
    if waiting:
        with local.session(workspace) as session:
            tables = data.tables(workspace, session, as_of=now)
            moments = sorted({row["as_of"] for row in waiting})
            known = _known(session, spine, moments, now) if spine.table in tables else {}
        rows, unreadable = _match(waiting, known, records.signatures(store), timeless=spine.time is None)
    new = 0
    if rows:
        with store.transaction("monitor labels") as tx:
            new = records.insert_labels(tx, rows)
            tx.audit("labels", after={"new": new})
    return LabelReport(new, unreadable, tuple(Coverage(**row) for row in records.coverage(store)))


def _known(session: Session, spine: Spine, moments: Sequence[datetime], now: datetime) -> Known:
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
        """,
        params,
    )
    return {
        (entity_of([row[f"key_{number}"] for number in range(len(keys))]), row["moment"]): (row["target"], row["known_at"])
        for row in rows
    }


def _match(
    waiting: Sequence[Mapping[str, Any]],
    known: Known,
    signatures: Mapping[tuple[str, int], Mapping[str, Any]],
    *,
    timeless: bool,
) -> tuple[list[dict[str, object]], int]:
    """Return the rows of new labels, and how many targets the model could not have meant."""
    found: dict[tuple[str, int], list[tuple[Mapping[str, Any], Any, datetime]]] = defaultdict(list)
    for prediction in waiting:
        label = known.get((prediction["entity"], None if timeless else prediction["as_of"]))
        if label is not None:
            found[prediction["model"], prediction["version"]].append((prediction, *label))
    rows: list[dict[str, object]] = []
    for version, labelled in found.items():
        values = _encoded([target for _, target, _ in labelled], signatures.get(version, {}).get("classes"))
        rows += [
            {
                "prediction_id": str(prediction["prediction_id"]),
                "entity": prediction["entity"],
                "as_of": prediction["as_of"],
                "value": value,
                "known_at": known_at,
            }
            for (prediction, _, known_at), value in zip(labelled, values, strict=True)
            if math.isfinite(value)
        ]
    return rows, sum(map(len, found.values())) - len(rows)


def _encoded(targets: list[Any], classes: Sequence[str] | None) -> list[float]:
    import numpy as np

    values: list[float] = encode_target(np.array(targets, dtype=object), classes).tolist()
    return values
