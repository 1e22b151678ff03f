"""Scores the rows of a file, or of a moment, through the running deployment, and writes the scores down if asked."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, overload

from mlcycle.declare import load
from mlcycle.deploy.listing import find
from mlcycle.deploy.model import PredictReport
from mlcycle.deploy.predict import predict
from mlcycle.deploy.which import which
from mlcycle.errors import CouldNot, UsageError
from mlcycle.workspace import Workspace

__all__ = ["ScoreReport", "ScoredRow", "score"]


@dataclass(frozen=True)
class ScoredRow:
    """One row with its answer."""

    entity: str
    as_of: str | None
    """ISO 8601; None where the rows have no time."""
    score: float | None
    label: str | None
    """The likeliest class, where there are several."""
    prediction_id: str


@dataclass(frozen=True)
class ScoreReport:
    """Scores that were written to a file."""

    out: Path
    deployment: str
    model: str
    version: int
    n: int
    unlogged: int
    latency_p50: float | None
    """Of a request, in ms."""
    latency_p95: float | None


@overload
def score(
    workspace: Workspace,
    file: Path | None = None,
    *,
    as_of: datetime | None = None,
    out: None = None,
    deployment: str | None = None,
    batch: int = 1,
) -> list[ScoredRow]: ...


@overload
def score(
    workspace: Workspace,
    file: Path | None = None,
    *,
    as_of: datetime | None = None,
    out: Path,
    deployment: str | None = None,
    batch: int = 1,
) -> ScoreReport: ...


def score(
    workspace: Workspace,
    file: Path | None = None,
    *,
    as_of: datetime | None = None,
    out: Path | None = None,
    deployment: str | None = None,
    batch: int = 1,
) -> list[ScoredRow] | ScoreReport:
    """Score rows through a deployment; each is journaled there as a prediction.

    Parameters
    ----------
    file
        See `features.from_file`; without one the spine's rows of `as_of` are scored.
    as_of
        The moment; the newest of the spine unless said, or now for rows of a file that carry none.
    out
        CSV to write, with the columns entity, as_of, score, label and prediction_id.
    deployment
        Its name; `deployment` of deploy.yaml unless said.
    batch
        Rows a request.

    Returns
    -------
    list of ScoredRow or ScoreReport
        The rows, or what was written where `out` is given.

    Raises
    ------
    EngineError
        If the deployment does not run or refuses a row.
    DataError
        If the file cannot be read as rows of this product.
    """
    from mlcycle import features

    if out is not None and out.is_dir():
        raise UsageError(f"{out} is a folder", hint="name a file, such as scores.csv")
    name = deployment or load(workspace).deploy.deployment
    wanted = _features(workspace, name)
    rows = features.from_file(workspace, file, as_of=as_of) if file else features.rows_at(workspace, as_of)
    instances = [_only(instance, wanted) for instance in rows.instances()]
    report = predict(workspace, instances, deployment=name, batch=batch)
    scored = list(_scored(instances, report))
    if out is None:
        return scored
    _write(out, scored)
    latency = report.latency
    return ScoreReport(
        out,
        report.deployment,
        report.model,
        report.version,
        report.n,
        report.unlogged,
        latency.p50 if latency else None,
        latency.p95 if latency else None,
    )


def _features(workspace: Workspace, deployment: str) -> frozenset[str]:
    from mlcycle.serving.package import open_package

    now = find(workspace, deployment)
    version = which(workspace, now.model, now.version)
    signature = open_package(workspace.artifact(version.sha256)).signature
    return frozenset(feature.name for feature in signature.features)


def _only(instance: dict[str, Any], wanted: frozenset[str]) -> dict[str, Any]:
    """Leave out features that this version was not fitted on; the server would count each as unknown."""
    features = {name: value for name, value in instance["features"].items() if name in wanted}
    return {**instance, "features": features}


def _scored(instances: list[dict[str, Any]], report: PredictReport) -> Iterator[ScoredRow]:
    for instance, answer in zip(instances, report.predictions, strict=True):
        yield ScoredRow(
            instance["entity"], instance["as_of"], answer.score, answer.label, answer.prediction_id
        )


def _write(out: Path, rows: list[ScoredRow]) -> None:
    columns = ("entity", "as_of", "score", "label", "prediction_id")
    # Written beside and renamed, so that a file of this name is whole or not there.
    beside = out.with_name(f".{out.name}.{os.getpid()}")
    try:
        with beside.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(columns)
            writer.writerows([getattr(row, column) for column in columns] for row in rows)
        beside.replace(out)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise CouldNot(f"{out} cannot be written: {error.strerror or error}") from error
