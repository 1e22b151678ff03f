"""What crosses the border of the retrain room."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

__all__ = [
    "Judgement",
    "RetrainReport",
    "Status",
    "Step",
    "Taken",
    "TakenBatch",
    "Trace",
    "Trigger",
    "TriggerState",
]

TriggerState = Literal["open", "running", "done", "rejected"]


@dataclass(frozen=True)
class TakenBatch:
    """One file of a drop, as the data and quality rooms took it."""

    batch_id: str
    source: str
    path: str
    rows: int
    """As found in the file."""
    malformed: int
    set_aside: int
    state: str
    """`arrived` (not checked), `admitted` or `refused`."""
    trained: bool
    """Whether a champion has learnt from it."""


@dataclass(frozen=True)
class Trigger:
    """What asks for retraining, and why."""

    trigger_id: str
    reason: str
    """`requirement`, `drift`, `untrained data` or `by hand`; several are joined by commas."""
    evidence: Mapping[str, Any]
    """`alerts` and `batches`, each a list of objects with their ids."""
    state: TriggerState
    run_id: str | None
    """The challenger's run, once there is one."""
    ts: datetime
    pid: int | None = None
    """The process that retrains for it, while it runs."""


@dataclass(frozen=True)
class Taken:
    """What became of one drop in the inbox."""

    name: str
    """Of the file or folder, as it lies in the inbox."""
    outcome: Literal["taken", "known", "refused", "waiting"]
    """`known`: these bytes were ingested before; `waiting`: somebody still writes, or something else is in the way."""
    batches: tuple[TakenBatch, ...] = ()
    """The new ones; all of them where none is new."""
    why: str = ""
    """Of a refusal or of waiting, in one sentence."""
    hint: str = ""
    trigger: Trigger | None = None
    """The trigger that this pass opened."""

    def describe(self) -> str:
        """Return what became of it in one line."""
        rows = f"{sum(batch.rows for batch in self.batches):,} rows of {len(self.batches)} sources"
        words = {
            "taken": f"taken, {rows}",
            "known": "known already, nothing added",
            "waiting": f"waits: {self.why}",
        }
        said = words.get(self.outcome, f"refused: {self.why}")
        if self.outcome == "taken" and self.why:
            said += f"; {self.why}"
        if self.trigger is not None:
            said += f"; trigger: {self.trigger.reason}"
        return f"{self.name}: {said}" + (f" ({self.hint})" if self.hint else "")


@dataclass(frozen=True)
class RetrainReport:
    """A challenger, and what it learnt from."""

    trigger: Trigger
    training_set_id: str
    rows: int
    """Rows it learnt from, old and new."""
    newest_rows: int
    """Rows of the newest spine time among them."""
    learnt_to: datetime | None
    """Newest spine time it learnt from; None where the spine has no time."""
    weight_newest: float
    """Weight of each of the newest rows; others weigh 1."""
    run_id: str
    kind: str
    params: Mapping[str, Any]
    model: str
    version: int
    champion: int
    """The version whose recipe was used."""
    batches: int
    """Batches it learnt from that no champion has; they count as trained once it is approved."""


@dataclass(frozen=True)
class Judgement:
    """How the challenger did against the champion."""

    outcome: Literal["approved", "refused", "not measured"]
    model: str
    challenger: int
    champion: int | None
    moment: datetime | None
    """The newest spine time both were judged on, or the first whose labels are waited for."""
    rows: int
    metric: str
    """The metric that compares them."""
    value: float | None
    """The challenger's."""
    champion_value: float | None
    low: float | None
    """Lower end of the 95 % interval of the paired difference, in the metric's own unit."""
    high: float | None
    reasons: tuple[str, ...]
    decision_id: str | None
    promoted: bool

    def describe(self) -> str:
        """Return the judgement in words, a line each."""
        lines = [f"{self.model}:{self.challenger} against {self.model}:{self.champion}: {self.outcome}"]
        if self.value is not None:
            lines.append(f"  {self.metric} {self.value:.4g} on {self.rows:,} rows it has not learnt from")
        if self.champion_value is not None and self.low is not None and self.high is not None:
            between = f"[{self.low:+.4f}, {self.high:+.4f}]"
            lines.append(f"  champion {self.champion_value:.4g}; difference on the same rows in {between}")
        lines += [f"  {reason}" for reason in self.reasons]
        return "\n".join([*lines, "  promoted"] if self.promoted else lines)


@dataclass(frozen=True)
class Status:
    """Where retraining stands."""

    triggers: tuple[Trigger, ...]
    """Newest first."""
    untrained: tuple[TakenBatch, ...]
    """Admitted batches no champion has learnt from, oldest first."""
    champion: int | None
    challenger: int | None
    waits_for: datetime | None
    """The spine time whose labels would judge the challenger."""
    next: str
    """The command to type now; empty when nothing is to be done."""


@dataclass(frozen=True)
class Step:
    """One thing on a trail, with what lies behind it."""

    kind: str
    """`requirement`, `decision`, `window`, `alert`, `trigger`, `prediction`, `model version`, `run`, ..."""
    name: str
    says: str
    ts: datetime | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True)
class Trace:
    """A trail from a requirement to what was decided under it, or from a prediction to the rows behind it."""

    start: Step

    def describe(self) -> str:
        """Return the trail as indented lines."""
        lines = []
        for depth, step in self.walk():
            when = "" if step.ts is None else f"  {step.ts:%Y-%m-%d %H:%M}"
            lines.append(f"{'  ' * depth}{step.kind} {step.name}: {step.says}{when}")
        return "\n".join(lines)

    def walk(self) -> list[tuple[int, Step]]:
        """Return every step with its depth, from 0, in the order to print them."""
        found: list[tuple[int, Step]] = []

        def visit(step: Step, depth: int) -> None:
            found.append((depth, step))
            for below in step.steps:
                visit(below, depth + 1)

        visit(self.start, 0)
        return found
