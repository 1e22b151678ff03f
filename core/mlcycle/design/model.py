"""What the design room hands out: requirements as the store keeps them, and reports of its verbs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

__all__ = ["Change", "CheckReport", "InitReport", "Requirement"]


@dataclass(frozen=True)
class Requirement:
    """One version of a requirement. A change of its text makes a new version; old ones are kept."""

    requirement_id: str
    version: int
    role: str
    statement: str
    metric: str
    comparison: Literal[">=", "<=", ">", "<"]
    value: float
    params: Mapping[str, Any]
    budget: float | None
    phases: tuple[str, ...]
    owner: str
    since: datetime
    until: datetime | None = None
    """When it was changed or taken away; None while it is in force."""

    @property
    def id(self) -> str:
        """The name the user gave it."""
        return self.requirement_id

    @property
    def limit(self) -> str:
        """The comparison in words: `>= 0.78`."""
        return f"{self.comparison} {self.value:g}"

    def holds(self, observed: float | None) -> bool:
        """Tell whether an observed value meets the limit; what was not measured does not."""
        if observed is None or math.isnan(observed):
            return False
        if self.comparison == ">=":
            return observed >= self.value
        if self.comparison == "<=":
            return observed <= self.value
        return observed > self.value if self.comparison == ">" else observed < self.value


@dataclass(frozen=True)
class Change:
    """What a sync did to one requirement."""

    requirement_id: str
    version: int
    kind: Literal["added", "changed", "removed"]


@dataclass(frozen=True)
class CheckReport:
    """What all declarations together say."""

    product: str
    requirements: int
    roles: int
    """How many different roles they speak for."""
    binds: Mapping[str, list[str]]
    """Phase to the requirements that bind it: `auc >= 0.78`."""
    sources: tuple[str, ...]
    checks: Mapping[str, int]
    """Table to the number of its quality checks."""
    views: tuple[str, ...]
    target: str | None
    """`table.column` that is predicted."""
    task: str | None
    models: tuple[str, ...]
    changes: tuple[Change, ...]
    notes: tuple[str, ...] = ()
    """What is allowed and yet worth knowing: a phase that nothing binds, a file that is not there."""


@dataclass(frozen=True)
class InitReport:
    """What `init` made."""

    root: Path
    files: tuple[str, ...]
    """Written, relative to the workspace."""
    product: str
    next: str
    """The command to type now."""
    source: str | None = None
    rows: int | None = None
    task: str | None = None
    target: str | None = None
    time: str | None = None
    key: str | None = None
    features: tuple[str, ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)
    """Column to the reason why it is no feature."""
    requirements: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
