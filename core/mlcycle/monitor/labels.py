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
    """Give every prediction whose target is known by now its label, and another one when the target was corrected.

    The spine's rows are matched by entity and moment, by entity alone where the spine has no time.
    A target without a known time became known at its own moment, without one of these now.

    Returns
    -------
    LabelReport
        How many labels are new, and how many predictions about each moment have one.
    """
    from mlcycle.monitor.targets import known_targets  # data and features; the panel imports this package

    store, now = Store(workspace), clock.now()
    predictions = records.judgeable(store, now)
    rows: list[dict[str, object]] = []
    new = corrected = unreadable = 0
    if predictions:
        known = known_targets(workspace, {row["as_of"] for row in predictions}, now)
        rows, unreadable = _match(predictions, known, records.signatures(store))
    if rows:
        with store.transaction("monitor labels") as tx:
            new, corrected = records.insert_labels(tx, rows)
            tx.audit("labels", after={"new": new, "corrected": corrected})
    coverage = tuple(Coverage(**row) for row in records.coverage(store))
    return LabelReport(new, unreadable, coverage, corrected)


def _match(
    predictions: Sequence[Mapping[str, Any]],
    known: Known,
    signatures: Mapping[tuple[str, int], Mapping[str, Any]],
) -> tuple[list[dict[str, object]], int]:
    """Return the rows of new and corrected labels, and how many targets the model could not have meant."""
    found: dict[tuple[str, int], list[tuple[Mapping[str, Any], Any, datetime]]] = defaultdict(list)
    for prediction in predictions:
        entity = prediction["entity"]
        label = known.get((entity, prediction["as_of"])) or known.get((entity, None))
        # Later than the label it has: a correction, if it says something else.
        if label is not None and (prediction["known_at"] is None or label[1] > prediction["known_at"]):
            found[prediction["model"], prediction["version"]].append((prediction, *label))
    rows: list[dict[str, object]] = []
    unreadable = 0
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
            if math.isfinite(value) and value != prediction["value"]
        ]
        unreadable += sum(not math.isfinite(value) for value in values)
    return rows, unreadable


def _encoded(targets: list[Any], classes: Sequence[str] | None) -> list[float]:
    import numpy as np

    from mlcycle.experiments.matrix import encode_target

    values: list[float] = encode_target(np.array(targets, dtype=object), classes).tolist()
    return values
