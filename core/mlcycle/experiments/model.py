"""What the experiments room hands across its border."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

__all__ = [
    "Artifact",
    "Comparison",
    "Conflict",
    "Difference",
    "RunCurve",
    "RunDetails",
    "RunResult",
    "RunRow",
    "Stopped",
    "SweepResult",
    "TrainingSet",
    "Trial",
]


@dataclass(frozen=True)
class RunRow:
    """One run as the store tells it."""

    run_id: str
    name: str
    experiment: str
    status: str
    """`running`, `finished`, `failed` or `killed`."""
    parent_run_id: str | None
    started_at: datetime
    ended_at: datetime | None
    params: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    """The last value of each."""
    tags: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Artifact:
    """A file that a run kept."""

    path: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Conflict:
    """A param that was given two values."""

    key: str
    value: str | None
    """The first one kept, which holds."""
    other: str | None
    ts: datetime
    """When the other was logged."""


@dataclass(frozen=True)
class RunDetails(RunRow):
    """One run with all that the store has of it."""

    command: str | None = None
    script: str | None = None
    """Its path among the artifacts."""
    git_commit: str | None = None
    git_dirty: bool | None = None
    """Whether files differed from the commit."""
    inputs: dict[str, str] = field(default_factory=dict)
    """What it read, kind by kind."""
    artifacts: tuple[Artifact, ...] = ()
    conflicts: tuple[Conflict, ...] = ()


@dataclass(frozen=True)
class Stopped:
    """A run whose processes were asked to stop."""

    run_id: str
    name: str
    status: str
    """What it is now: `running` if a process does not listen."""
    pids: tuple[int, ...]
    """The processes that were asked."""


@dataclass(frozen=True)
class RunResult:
    """What training one declared model gave."""

    run_id: str
    name: str
    model: str
    """Its name in training.yaml."""
    kind: str
    params: dict[str, Any]
    """The estimator's params."""
    metrics: dict[str, float]
    """On validation rows; empty when it learnt from all rows."""
    rows: int
    """Rows it learnt from."""
    judged: int
    """Validation rows it was measured on."""
    training_set_id: str
    package: str | None
    """Hash of the model package; None for what has nothing to deploy."""
    runtime: str | None
    """`onnx` or `skops`."""
    parity: float | None
    """Largest difference between the package and scikit-learn."""
    note: str = ""
    """Why ONNX was refused, or which categories were cut."""


@dataclass(frozen=True)
class Trial:
    """One point of a sweep's grid."""

    run_id: str
    params: dict[str, Any]
    value: float | None
    """The metric that chooses, on validation rows."""


@dataclass(frozen=True)
class SweepResult:
    """A sweep: the winner, fitted again and packaged, and the table it won from."""

    run_id: str
    """The parent run."""
    best: RunResult
    metric: str
    trials: tuple[Trial, ...]
    """Best first."""


@dataclass(frozen=True)
class Difference:
    """One param or metric over the compared runs."""

    kind: str
    """`param`, `metric`, `input` or `environment`."""
    key: str
    values: tuple[Any, ...]
    """One for each run, None where it has none."""
    differs: bool


@dataclass(frozen=True)
class Comparison:
    """Runs side by side."""

    runs: tuple[RunRow, ...]
    rows: tuple[Difference, ...]
    """Params, then metrics, then what the runs read."""


@dataclass(frozen=True)
class RunCurve:
    """One metric of one run over its steps."""

    run_id: str
    name: str
    steps: tuple[int, ...]
    values: tuple[float, ...]
    """Finite ones; of several at a step the last."""
    points: int
    """Finite points that the run logged; more than are given here if it was thinned."""
    thinned: bool
    """Only the first, least, greatest and last point of each of equal stretches of steps are given."""


@dataclass(frozen=True)
class TrainingSet:
    """Which rows to learn from, as the store tells it."""

    training_set_id: str
    name: str
    sha256: str
    """Of the Parquet part."""
    features: tuple[str, ...]
    keys: tuple[str, ...]
    """Columns that name the entity."""
    dataset_versions: dict[str, str]
    look_ahead: str | None
    """How far its features looked into the future; None: they did not."""
    as_of: datetime
