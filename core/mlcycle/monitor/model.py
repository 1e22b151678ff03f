"""What crosses the border of the monitor room."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

__all__ = [
    "Alert",
    "Coverage",
    "Drift",
    "DriftOver",
    "LabelReport",
    "Line",
    "Missing",
    "MonitorReport",
    "Panel",
    "Profile",
    "Retained",
    "Span",
    "Traffic",
    "Verdict",
    "WindowResult",
]

Verdict = Literal["ok", "watch", "alert", "too few", "not measured"]


@dataclass(frozen=True)
class Drift:
    """A distance between the reference and a window."""

    value: float | None
    """PSI; None when a side has no row."""
    chance: float | None
    """The PSI that chance alone exceeds in one window of twenty."""
    verdict: Verdict
    n: int
    """Rows of the reference that have a value."""
    m: int
    """Rows of the window that have a value."""


@dataclass(frozen=True)
class Missing:
    """How the share of missing values compares with the reference."""

    share: float | None
    """Share of the window's rows without a value, 0 to 1; None when a side has no row."""
    p_value: float
    verdict: Verdict


@dataclass(frozen=True)
class Profile:
    """The reference histogram of one feature, or of the score, kept with a model version."""

    subject: str
    kind: Literal["values", "quantiles"]
    edges: tuple[str | float | bool, ...]
    """Values, one bin each and one more for all others; or the right ends of the bins but the last."""
    counts: tuple[int, ...]
    rows: int
    """Rows profiled, missing ones included."""
    missing: int


@dataclass(frozen=True)
class Span:
    """The predictions one window is made of, by the moments they are about."""

    deployment: str
    model: str
    version: int
    start: datetime
    """First `as_of` of the window; a batch window starts and ends at one moment."""
    end: datetime
    """Last `as_of` of the window."""
    live: bool | None = None
    """Only live traffic (True), only a batch (False), or all predictions of the span (None)."""
    apart: tuple[datetime, ...] = ()
    """Moments in the span about which there is a batch; other moments, and those nobody said, are live traffic."""


@dataclass(frozen=True)
class Line:
    """One measured number of a window, with the limit it is held against."""

    metric: str
    subject: str | None
    """The feature or `score` for drift, the requirement's id for a requirement."""
    n: int
    """Rows the number stands on."""
    value: float | None
    limit: float | None
    verdict: Verdict
    requirement_id: str | None = None
    requirement_version: int | None = None


@dataclass(frozen=True)
class DriftOver:
    """The drift of the predictions about some days."""

    span: Span
    predictions: int
    """Answered ones, the newest of each entity and moment."""
    lines: tuple[Line, ...]
    from_histograms: bool
    """Whether some rows were gone, so that archived ones were counted from their histograms."""


@dataclass(frozen=True)
class Retained:
    """What retention did."""

    days: int
    """Days whose predictions were moved to the archive."""
    rows: int
    """Predictions moved."""
    bytes: int
    """Of the files written."""
    dropped: int
    """Days whose archived predictions were deleted."""


@dataclass(frozen=True)
class WindowResult:
    """One window, judged."""

    span: Span
    predictions: int
    labelled: int
    lines: tuple[Line, ...]

    def drifted(self) -> tuple[str, ...]:
        """Return the subjects whose distribution moved beyond the alert limit, sorted."""
        return tuple(
            sorted(
                str(line.subject) for line in self.lines if line.metric == "psi" and line.verdict == "alert"
            )
        )

    def broken(self) -> tuple[str, ...]:
        """Return the ids of the requirements this window breaks, sorted."""
        return tuple(
            sorted(
                str(line.requirement_id)
                for line in self.lines
                if line.requirement_id and line.verdict == "alert"
            )
        )


@dataclass(frozen=True)
class Alert:
    """A limit crossed in a window."""

    alert_id: str
    deployment: str
    metric: str
    subject: str
    kind: Literal["drift", "requirement"]
    window_start: datetime
    window_end: datetime
    severity: str
    value: float | None
    limit: float | None
    state: Literal["open", "acknowledged", "closed"]
    opened_at: datetime
    model: str | None = None
    """The model whose predictions crossed it, and its version."""
    version: int | None = None


@dataclass(frozen=True)
class MonitorReport:
    """What one run of the monitor did."""

    windows: tuple[WindowResult, ...]
    """Windows computed now, oldest first."""
    unchanged: int
    """Windows that were up to date."""
    opened: tuple[Alert, ...]
    closed: int
    """Alerts whose window no longer crosses its limit."""


@dataclass(frozen=True)
class Coverage:
    """How many predictions about one moment have a label."""

    deployment: str
    as_of: datetime
    predictions: int
    labelled: int


@dataclass(frozen=True)
class LabelReport:
    """What one look for labels found."""

    new: int
    unreadable: int
    """Targets that are no class the model knows, or no number; their predictions stay without a label."""
    coverage: tuple[Coverage, ...]
    corrected: int = 0
    """Labels that say something else than the one known before."""


@dataclass(frozen=True)
class Traffic:
    """What the server did lately."""

    predictions: int
    errors: int
    p50: float | None
    """Milliseconds over answered predictions."""
    p95: float | None
    p99: float | None
    cpu_pct: float | None
    """Mean of the samples, percent of one core."""
    rss_mb: float | None
    """Largest sample, megabytes."""
    per_minute: tuple[int, ...]
    """Predictions a minute, oldest first, one number a minute of the span."""
    last_at: datetime | None
    """When the newest prediction of all was served; to the minute if that one was deleted since."""
    approximate: bool = False
    """Whether so many were served that whole minutes were counted, and latency is known to 2.2 %."""


@dataclass(frozen=True)
class Panel:
    """The live panel's read model."""

    deployment: str | None
    minutes: int
    traffic: Traffic
    window: Span | None
    """The newest judged window; None before the first."""
    predictions: int
    """Of that window."""
    labelled: int
    mean_score: float | None
    drift: tuple[Line, ...]
    """Worst first."""
    requirements: tuple[Line, ...]
    alerts: tuple[Alert, ...]
    """Open ones, newest window first."""
