"""The monitor's numbers over time: traffic out of the one-minute roll-ups, and how each judged window fared.

Whatever was served, the answer has at most `MOST_POINTS` moments and `MOST_WINDOWS` windows: longer spans count
several minutes as one.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from mlcycle import clock
from mlcycle.errors import MlcycleError, UsageError
from mlcycle.monitor import rollup
from mlcycle.monitor.drift import LEAST_ROWS
from mlcycle.monitor.model import Verdict
from mlcycle.store import Store
from mlcycle.workspace import Workspace

__all__ = ["Judged", "Moment", "Series", "Track", "least_rows", "series"]

MOST_POINTS = 240
MOST_WINDOWS = 60
STEPS_MIN = (1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440)
"""Minutes that one moment may stand for."""
A_DOUBLING = 16
"""Latency buckets a doubling, as the roll-ups keep them."""

MINE = "($deployment IS NULL OR deployment = $deployment)"
TRAFFIC = f"""
    WITH counted AS (
            SELECT epoch(minute)::BIGINT // $step AS slot, bucket, sum(n)::BIGINT AS n, sum(errors)::BIGINT AS errors
            FROM rollup_1m WHERE minute >= $since AND minute < $until AND {MINE} GROUP BY ALL),
        ranked AS (
            SELECT slot, bucket, sum(n - errors) OVER (PARTITION BY slot ORDER BY bucket) AS upto,
                sum(n - errors) OVER (PARTITION BY slot) AS total
            FROM counted WHERE bucket <> {rollup.UNKNOWN}),
        latency AS (
            SELECT slot, min(bucket) FILTER (upto > floor(0.5 * (total - 1))) AS p50,
                min(bucket) FILTER (upto > floor(0.95 * (total - 1))) AS p95
            FROM ranked WHERE total > 0 GROUP BY slot),
        served AS (SELECT slot, sum(n)::BIGINT AS n, sum(errors)::BIGINT AS errors FROM counted GROUP BY slot),
        sampled AS (
            SELECT epoch(ts)::BIGINT // $step AS slot, avg(cpu_pct) AS cpu_pct, max(rss_mb) AS rss_mb
            FROM resources WHERE ts >= $since AND ts < $until AND {MINE} GROUP BY ALL)
    SELECT slot, n, errors, p50, p95, cpu_pct, rss_mb
    FROM served LEFT JOIN latency USING (slot) FULL JOIN sampled USING (slot)
"""
# Of two windows that end at one moment the one of the newer model version counts.
WINDOWS = f"""
    WITH last AS (
            SELECT deployment FROM window_metric WHERE {MINE} ORDER BY ends DESC, starts DESC, version DESC LIMIT 1),
        chosen AS (
            SELECT *, model || ':' || version AS judged FROM window_metric SEMI JOIN last USING (deployment)
            WHERE metric = 'psi' OR requirement_id IS NOT NULL),
        shown AS (SELECT DISTINCT ends FROM chosen ORDER BY ends DESC LIMIT {MOST_WINDOWS}),
        kept AS (
            SELECT * FROM chosen SEMI JOIN shown USING (ends)
            QUALIFY row_number() OVER (PARTITION BY metric, subject, ends ORDER BY version DESC, starts DESC) = 1),
        signs AS (SELECT requirement_id, version AS requirement_version, comparison FROM requirement)
    SELECT deployment, metric, subject, bool_or(requirement_id IS NOT NULL) AS required,
        arg_max(comparison, ends) AS sign, list(starts ORDER BY ends) AS starts, list(ends ORDER BY ends) AS ends,
        list(n ORDER BY ends) AS n, list(value ORDER BY ends) AS value, list("limit" ORDER BY ends) AS "limit",
        list(verdict ORDER BY ends) AS verdict, list(judged ORDER BY ends) AS model
    FROM kept LEFT JOIN signs USING (requirement_id, requirement_version)
    GROUP BY deployment, metric, subject ORDER BY metric, subject
"""


@dataclass(frozen=True)
class Moment:
    """What a server did in one step of the span."""

    at: datetime
    """When the step begins."""
    requests: int
    errors: int
    p50: float | None
    """Milliseconds over answered requests, within 2.2 %; None where there is none."""
    p95: float | None
    cpu_pct: float | None
    """Mean of the samples, percent of one core."""
    rss_mb: float | None
    """Largest sample, megabytes."""


@dataclass(frozen=True)
class Judged:
    """One number of one judged window."""

    start: datetime
    end: datetime
    n: int
    """Rows it stands on."""
    value: float | None
    limit: float | None
    verdict: Verdict
    model: str | None
    """Model and version whose predictions were judged."""


@dataclass(frozen=True)
class Track:
    """One number over the judged windows."""

    metric: str
    subject: str
    """The requirement's id, or the feature that may drift."""
    sign: str
    """How the requirement compares with its limit, such as `>=`; empty for drift."""
    windows: tuple[Judged, ...]
    """Oldest first."""


@dataclass(frozen=True)
class Series:
    """The monitor over time."""

    deployment: str | None
    """Whose windows they are: the one asked for, or that of the newest window."""
    since: datetime
    until: datetime
    step_s: int
    """Seconds that one moment stands for."""
    moments: tuple[Moment, ...]
    """One a step, oldest first, those without traffic too; the last one may still go on."""
    requirements: tuple[Track, ...]
    drift: tuple[Track, ...]
    """The population stability index of each feature and of the score; whose newest is largest first."""
    approximate: bool = True
    """Latency comes from buckets: each is within 2.2 % of the value at its rank."""


def series(
    workspace: Workspace,
    *,
    minutes: int = 60,
    days: int | None = None,
    deployment: str | None = None,
    windows: bool = True,
) -> Series:
    """Read what servers did over a span, and how the newest windows were judged.

    Parameters
    ----------
    minutes
        How far back traffic is counted, by the real clock.
    days
        The same in days, instead of minutes.
    deployment
        Only this one. Unless given, traffic is of all together, and windows are those of the deployment that was
        judged last.
    windows
        Whether windows are read too: traffic changes every second, they do not.

    Raises
    ------
    UsageError
        If the span is not positive.
    """
    wanted = minutes if days is None else days * 24 * 60
    if wanted < 1:
        raise UsageError("the span must be at least one minute", hint="mlcycle monitor show --minutes 60")
    step = next((step for step in STEPS_MIN if wanted <= step * MOST_POINTS), -(-wanted // MOST_POINTS))
    until = clock.wall()
    last = _slot(until, step * 60)
    first = last - -(-wanted // step) + 1
    params = {"deployment": deployment}
    spanned = {**params, "step": step * 60, "since": _at(first, step * 60), "until": _at(last + 1, step * 60)}
    store = Store(workspace)
    with store.reading():
        served = {row["slot"]: row for row in store.read(TRAFFIC, spanned)}
        judged = store.read(WINDOWS, params) if windows else []
    tracks = [(row["required"], _track(row)) for row in judged]
    drift = sorted((track for required, track in tracks if not required), key=_newest, reverse=True)
    return Series(
        deployment=deployment or (judged[0]["deployment"] if judged else None),
        since=_at(first, step * 60),
        until=until,
        step_s=step * 60,
        moments=tuple(_moment(slot, step * 60, served.get(slot)) for slot in range(first, last + 1)),
        requirements=tuple(track for required, track in tracks if required),
        drift=tuple(drift),
    )


def least_rows(workspace: Workspace) -> int:
    """Return how many rows a window must stand on to be judged; what is usual where the declaration cannot be read."""
    from mlcycle.declare import load  # the live panel imports this package, and reads no declaration

    try:
        return load(workspace).monitor.too_few
    except MlcycleError:
        return LEAST_ROWS


def _slot(moment: datetime, step_s: int) -> int:
    return int(moment.replace(tzinfo=UTC).timestamp()) // step_s


def _at(slot: int, step_s: int) -> datetime:
    return datetime(1970, 1, 1) + timedelta(seconds=slot * step_s)


def _moment(slot: int, step_s: int, row: dict[str, Any] | None) -> Moment:
    at = _at(slot, step_s)
    if row is None:
        return Moment(at, 0, 0, None, None, None, None)
    p50, p95 = (None if row[name] is None else 2.0 ** (row[name] / A_DOUBLING) for name in ("p50", "p95"))
    return Moment(at, row["n"] or 0, row["errors"] or 0, p50, p95, row["cpu_pct"], row["rss_mb"])


def _track(row: dict[str, Any]) -> Track:
    names = ("starts", "ends", "n", "value", "limit", "verdict", "model")
    windows = tuple(Judged(*values) for values in zip(*(row[name] for name in names), strict=True))
    return Track(row["metric"], row["subject"] or "", row["sign"] or "", windows)


def _newest(track: Track) -> float:
    return track.windows[-1].value or 0.0
