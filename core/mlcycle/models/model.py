"""What the models room hands across its border."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

__all__ = ["AliasRow", "Decision", "ModelVersion", "Outcome", "ProfileRow"]

Outcome = Literal["approved", "refused"]


@dataclass(frozen=True)
class ModelVersion:
    """A packaged run output in the registry."""

    model: str
    version: int
    run_id: str
    sha256: str
    """Of the package."""
    bytes: int
    format: str
    """`onnx` or `skops`."""
    task: str
    parity: float | None
    training_set_id: str | None
    created_at: datetime
    aliases: tuple[str, ...] = ()

    @property
    def subject(self) -> str:
        """`model:version`, as decisions name it."""
        return f"{self.model}:{self.version}"


@dataclass(frozen=True)
class AliasRow:
    """A name that points at a version."""

    model: str
    alias: str
    version: int
    since: datetime
    rev: int
    """Counts its moves: who moves it must know the last one."""


@dataclass(frozen=True)
class Decision:
    """An immutable row: who or what decided, on which evidence."""

    decision_id: str
    kind: str
    """`gate`, `what-if` or `rollback`."""
    subject: str
    """`model:version`."""
    outcome: Outcome
    reasons: tuple[str, ...]
    """Why it was refused, one sentence each; what is worth knowing where it was approved."""
    evidence: dict[str, Any]
    """`requirements`, `judged_on`, `champion`, `metrics`, `package`."""
    decided_by: str
    ts: datetime

    @property
    def approved(self) -> bool:
        """Whether the answer is yes."""
        return self.outcome == "approved"

    @property
    def model(self) -> str:
        """The model decided about."""
        return self.subject.rpartition(":")[0]

    @property
    def version(self) -> int:
        """The version decided about."""
        return int(self.subject.rpartition(":")[2])

    @property
    def requirements(self) -> list[dict[str, Any]]:
        """One object a requirement: id, version, metric, comparison, limit, observed, n, met, why."""
        return list(self.evidence.get("requirements", []))

    def describe(self) -> str:
        """Return the decision in words, a line each."""
        lines = [f"{self.kind} of {self.subject}: {self.outcome}"]
        for row in self.requirements:
            seen = "not measured" if row["observed"] is None else f"{row['observed']:.4g}"
            sign = "+" if row["met"] else "-"
            lines.append(
                f"  {sign} {row['id']}: {seen}, limit {row['comparison']} {row['limit']:g} (n = {row['n']:,})"
            )
        return "\n".join([*lines, *(f"  {reason}" for reason in self.reasons)])


@dataclass(frozen=True)
class ProfileRow:
    """How the values of one feature, or of the score, were spread when a version was judged: the drift reference."""

    subject: str
    """The feature's name, or `score`."""
    kind: Literal["values", "quantiles"]
    rows: int
    """Rows looked at, missing ones included."""
    missing: int
    """Rows without a value, or with an infinite one."""
    edges: tuple[str | float, ...]
    """One bin a value; or the right ends of the bins, each closed on the right, the last one open."""
    counts: tuple[int, ...]
    """Rows a bin, then the rows of any other value (`values`), or above the last edge (`quantiles`)."""
