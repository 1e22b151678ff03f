"""Labels that became known since, joined to the predictions they judge."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from mlcycle import clock
from mlcycle.monitor import records
from mlcycle.monitor.model import Coverage, LabelReport
from mlcycle.store import Store
from mlcycle.workspace import Workspace

if TYPE_CHECKING:
    from mlcycle.monitor.targets import Known

__all__ = ["labels"]


def labels(workspace: Workspace) -> LabelReport:
    """Give every prediction whose target is known by now its label, once.

    The spine's rows are matched by entity and moment, by entity alone where the spine has no time.
    A target without a known time became known at its own moment, without one of these now.

    Returns
    -------
    LabelReport
        How many labels are new, and how many predictions about each moment have one.
    """
    from mlcycle.monitor.targets import known_targets  # data and features; the panel imports this package

    store, now = Store(workspace), clock.now()
    waiting = records.unlabelled(store, now)
    rows: list[dict[str, object]] = []
    new = unreadable = 0
    if waiting:
        known = known_targets(workspace, {row["as_of"] for row in waiting}, now)
        rows, unreadable = _match(waiting, known, records.signatures(store))
    if rows:
        with store.transaction("monitor labels") as tx:
            new = records.insert_labels(tx, rows)
            tx.audit("labels", after={"new": new})
    return LabelReport(new, unreadable, tuple(Coverage(**row) for row in records.coverage(store)))


def _match(
    waiting: Sequence[Mapping[str, Any]],
    known: Known,
    signatures: Mapping[tuple[str, int], Mapping[str, Any]],
) -> tuple[list[dict[str, object]], int]:
    """Return the rows of new labels, and how many targets the model could not have meant."""
    found: dict[tuple[str, int], list[tuple[Mapping[str, Any], Any, datetime]]] = defaultdict(list)
    for prediction in waiting:
        entity = prediction["entity"]
        label = known.get((entity, prediction["as_of"])) or known.get((entity, None))
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

    from mlcycle.experiments.matrix import encode_target

    values: list[float] = encode_target(np.array(targets, dtype=object), classes).tolist()
    return values
