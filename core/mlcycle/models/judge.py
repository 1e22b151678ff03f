"""Judging a version: which rows, what it scores on them, and whether it may be judged on them at all."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from mlcycle import clock
from mlcycle.errors import NotFoundError, UsageError
from mlcycle.experiments.evaluation import Scores, evaluate
from mlcycle.experiments.metrics import Measured, score
from mlcycle.experiments.package import Package
from mlcycle.experiments.rows import Rows, rows_of, training_rows
from mlcycle.models import fresh
from mlcycle.models.model import ModelVersion
from mlcycle.models.register import champion, read_version, resolve
from mlcycle.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from mlcycle.experiments.model import TrainingSet

__all__ = ["Judged", "On", "judge", "learnt_by_champion", "measure"]

On = Literal["validation"] | datetime | tuple[datetime, datetime]
"""Validation rows of the version's own training set, or labelled rows of a spine time, or from one to another."""


@dataclass(frozen=True)
class Judged:
    """A version, the rows it is judged on, and its scores of them."""

    version: ModelVersion
    package: Package
    rows: Rows
    y: NDArray[np.float64]
    scores: Scores
    on: dict[str, Any]
    """Which rows, for the evidence."""
    faults: tuple[str, ...]
    """Why its numbers on these rows do not count."""

    def measure(self, name: str, params: Mapping[str, Any] | None = None) -> Measured:
        """Measure one metric on the judged rows."""
        task = self.package.description["task"]
        return score(name, self.y, self.scores.values, task=task, **self.context(params))

    def context(self, params: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return what some metrics need besides the scores: params, the groups they name, and moments."""
        by = (params or {}).get("by")
        return {
            "params": params,
            "groups": self.rows.groups(str(by)) if by is not None else None,
            "times": self.rows.times,
        }


def judge(workspace: Workspace, version: ModelVersion, on: On | None, now: datetime) -> Judged:
    """Score a version on rows that have labels.

    Where no rows are named: the validation rows of its training set, but beside another champion, or where it learnt
    from them, the labelled rows newer than anything either of the two learnt from, if there are any.

    Raises
    ------
    NotFoundError
        If there is no such row.
    """
    package = read_version(workspace, version)
    learnt = _learnt_from(workspace, version)
    chosen = _choose(workspace, version, package, learnt, now) if on is None else on
    rows, said = _rows(workspace, learnt, chosen, now)
    if not len(rows):
        raise NotFoundError(
            f"there is no labelled row to judge {version.subject} on ({said['what']})",
            hint="mlcycle features build",
        )
    faults = tuple(_faults(version, package, learnt, rows, nothing_newer=on is None))
    return _scored(version, package, rows, said, faults)


def measure(
    workspace: Workspace,
    model_version: str | ModelVersion | None,
    names: Sequence[str],
    *,
    on: On = "validation",
    params: Mapping[str, Any] | None = None,
    training_set_id: str | None = None,
    now: datetime | None = None,
) -> dict[str, Measured]:
    """Measure a version on labelled rows; decides nothing and leaves nothing behind.

    Parameters
    ----------
    names, params
        Metrics, and what they need besides their names.
    on
        Which rows.
    training_set_id
        Whose validation rows; the version's own training set if None. A model that learnt from the future shows its
        true worth on an honest one.
    """
    version = resolve(workspace, model_version)
    package = read_version(workspace, version)
    if on == "validation" and training_set_id is not None:
        rows = training_rows(workspace, training_set_id)[1].of_split("validation")
    else:
        rows, _ = _rows(workspace, _learnt_from(workspace, version), on, now or clock.now())
    judged = _scored(version, package, rows, {}, ())
    return {name: judged.measure(name, params) for name in names}


def _scored(
    version: ModelVersion, package: Package, rows: Rows, said: dict[str, Any], faults: tuple[str, ...]
) -> Judged:
    import numpy as np

    scores = evaluate(package, rows.columns)
    y = scores.encode(rows.target)
    # A class the model never saw cannot be scored by its metrics; how many rows that left out is said.
    known = np.isfinite(y)
    kept = Scores(scores.values[known], scores.task, scores.classes, scores.unseen)
    on = {**said, "rows": int(known.sum()), "left_out": int((~known).sum()), "unseen": scores.unseen}
    return Judged(version, package, rows.take(known), y[known], kept, on, faults)


def learnt_by_champion(workspace: Workspace, best: ModelVersion, judged: Rows) -> int:
    """Return how many of the judged rows the champion learnt from."""
    known = _learnt_from(workspace, best)
    if known is None:
        return 0
    learnt = fresh.fitted(read_version(workspace, best), known[1])
    return fresh.shared(learnt, judged, timed=fresh.has_time(workspace))


def _choose(
    workspace: Workspace,
    version: ModelVersion,
    package: Package,
    learnt: tuple[TrainingSet, Rows] | None,
    now: datetime,
) -> On:
    if learnt is None or not fresh.has_time(workspace):
        return "validation"
    mine = fresh.fitted(package, learnt[1])
    best = champion(workspace, version.model)
    other = best if best is not None and best.version != version.version else None
    if other is None and not fresh.shared(mine, learnt[1].of_split("validation"), timed=True):
        return "validation"
    theirs = _learnt_from(workspace, other) if other is not None else None
    both = [mine]
    if other is not None and theirs is not None:
        both.append(fresh.fitted(read_version(workspace, other), theirs[1]))
    found = fresh.fresh(workspace, fresh.newest(both), now)
    return (found.start, found.end) if found.start and found.end else "validation"


def _learnt_from(workspace: Workspace, version: ModelVersion) -> tuple[TrainingSet, Rows] | None:
    return training_rows(workspace, version.training_set_id) if version.training_set_id else None


def _rows(
    workspace: Workspace, learnt: tuple[TrainingSet, Rows] | None, on: On, now: datetime
) -> tuple[Rows, dict[str, Any]]:
    if on == "validation":
        if learnt is None:
            raise UsageError(
                "the model says no training set, so it has no validation rows",
                hint="mlcycle models gate NAME --on MOMENT",
            )
        chosen, rows = learnt
        said = {"what": "validation", "training_set_id": chosen.training_set_id}
        return rows.of_split("validation"), said
    start, end = on if isinstance(on, tuple) else (on, on)
    said = {
        "what": "moments",
        "start": start.isoformat(),
        "end": end.isoformat(),
        "known_by": now.isoformat(),
    }
    from mlcycle import features

    return rows_of(features.labelled(workspace, start, end, known_by=now)), said


def _faults(
    version: ModelVersion,
    package: Package,
    learnt: tuple[TrainingSet, Rows] | None,
    judged: Rows,
    *,
    nothing_newer: bool,
) -> list[str]:
    if learnt is None:
        return ["it says no training set, so nobody can tell what it learnt from"]
    chosen, rows = learnt
    faults = []
    if chosen.look_ahead:
        faults.append(
            f"{version.subject} learnt from training set {chosen.name!r}, whose features look {chosen.look_ahead}"
            " into the future: what it saw there no server will see"
        )
    both = len(fresh.fitted(package, rows).identities() & judged.identities())
    if both:
        why = ": there is no labelled row it has not learnt from" if nothing_newer else ""
        faults.append(
            f"{version.subject} learnt from {both:,} of the {len(judged):,} rows it is judged on{why}"
        )
    return faults
