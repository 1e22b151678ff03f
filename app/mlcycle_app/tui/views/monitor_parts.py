"""What the Monitor screen draws, as data: charts, traffic in words, all about one number. Knows no widget."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from rich.text import Text

from mlcycle_app.gateway import Gateway, NotFoundError
from mlcycle_app.tui.ages import age, moment
from mlcycle_app.tui.card import Bins, Card, Curve, Curves, Facts, Listing, Part, Words
from mlcycle_app.tui.cells import number
from mlcycle_app.tui.keys import keyed, offered
from mlcycle_app.tui.widgets.limits import Limit

if TYPE_CHECKING:
    from mlcycle.monitor import Distribution, Series, Track
    from mlcycle_app.gateway import Panel

__all__ = [
    "CHARTS",
    "Watched",
    "alert_rows",
    "charts",
    "drift_limits",
    "number_card",
    "requirement_limits",
    "spoken",
    "traffic",
]

CHARTS = ("latency", "requests", "requirement", "drift", "CPU", "memory")
"""Names of the charts, what is shown first first."""
LATENCY = re.compile(r"latency_p\d+")
MOST_LINES = 4
"""Features in the chart of drift: the one under the cursor and those that moved most."""
LEAST_S = 5
"""Seconds of a minute that must be over before its rate says anything."""

URGENT = {"alert": 0, "watch": 1, "too few": 2, "not measured": 3}
"""Verdicts that are shown before the others."""


@dataclass(frozen=True)
class Watched:
    """What the screen reads at once."""

    panel: Panel
    series: Series
    least: int
    """Rows that a verdict needs."""


def spoken(minutes: int) -> str:
    """Return a span in words."""
    for size, word in ((1440, "day"), (60, "hour")):
        if minutes % size == 0:
            return f"{minutes // size} {word}" + ("s" if minutes > size else "")
    return f"{minutes} min"


def charts(series: Series, requirement: str, feature: str) -> Mapping[str, Curves]:
    """Return every chart by its name.

    Parameters
    ----------
    requirement, feature
        What the cursors are on; of several features the one that is drawn first.
    """
    at = [_epoch(one.at) for one in series.moments]

    def curve(name: str, values: Iterable[float | None]) -> Curve:
        return Curve(name, at, [math.nan if value is None else value for value in values])

    quick = next((one for one in series.requirements if LATENCY.fullmatch(one.metric)), None)
    limit = quick.windows[-1].limit if quick and quick.windows else None
    latency = [curve(name, (getattr(one, name) for one in series.moments)) for name in ("p50", "p95")]
    requests, errors = _rates(series)
    load = [curve("answered", requests)]
    if any(one.errors for one in series.moments):
        load.append(curve("errors", errors))
    asked = partial(Curves, times=True, x_label="UTC", empty="no request in this span")
    sampled = partial(Curves, times=True, x_label="UTC", empty="no sample of the server in this span")
    cpu = [one.cpu_pct for one in series.moments]
    memory = [one.rss_mb for one in series.moments]
    return {
        "latency": asked(
            "latency", latency, limit, quick.sign if quick and limit else "", y_label="ms ±2.2 %"
        ),
        "requests": asked("requests", load, y_label="a second"),
        "requirement": _requirement_chart(series, requirement),
        "drift": _drift_chart(series, feature),
        "CPU": sampled("CPU", [curve("CPU", cpu)], y_label="% of one core"),
        "memory": sampled("memory", [curve("memory", memory)], y_label="MB"),
    }


def traffic(panel: Panel, wall: datetime) -> Text:
    """Return what the server does now, in two lines."""
    now = panel.traffic
    words = Text(no_wrap=True, overflow="ellipsis", end="")
    if panel.deployment is None and now.last_at is None:
        words.append(keyed("no prediction yet: mlcycle deploy start, then mlcycle predict", 6), style="dim")
    elif now.predictions + now.errors == 0:
        last = "never" if now.last_at is None else f"{age(now.last_at, wall)} ago"
        words.append("idle", style="bold").append(f"   last prediction {last}", style="dim")
    else:
        words.append(f"{now.predictions:,}", style="bold").append(f" in {panel.minutes} min   ")
        errors = "1 error" if now.errors == 1 else f"{now.errors:,} errors"
        words.append(errors, style="bold red" if now.errors else "dim")
        about = "~" if now.approximate else ""
        for name, value in (("p50", now.p50), ("p95", now.p95), ("p99", now.p99)):
            words.append(f"   {name} ", style="dim").append("-" if value is None else f"{about}{value:.2f}")
        words.append(" ms", style="dim")
    if now.cpu_pct is not None or now.rss_mb is not None:
        words.append("\nCPU ", style="dim").append("-" if now.cpu_pct is None else f"{now.cpu_pct:.1f} %")
        words.append(" of one core   memory ", style="dim")
        words.append("-" if now.rss_mb is None else f"{now.rss_mb:,.0f} MB")
    return words


def drift_limits(watched: Watched) -> list[Limit]:
    """Return the newest window's drift, worst first."""
    return [
        Limit(
            str(line.subject),
            line.value,
            line.limit,
            line.n,
            line.verdict,
            least=watched.least,
            key=str(line.subject),
        )
        for line in watched.panel.drift
    ]


def requirement_limits(watched: Watched, signs: Mapping[tuple[str, int], str]) -> list[Limit]:
    """Return how the newest window holds the requirements, those it breaks first.

    Parameters
    ----------
    signs
        Each requirement's comparison, by id and version.
    """
    return [
        Limit(
            str(line.requirement_id or line.metric),
            line.value,
            line.limit,
            line.n,
            line.verdict,
            signs.get((str(line.requirement_id), line.requirement_version or 0), ""),
            watched.least,
            str(line.requirement_id),
        )
        for line in sorted(watched.panel.requirements, key=lambda line: URGENT.get(line.verdict, len(URGENT)))
    ]


def alert_rows(panel: Panel) -> list[dict[str, Any]]:
    """Return the open alerts as rows of the table `alerts`."""
    return [
        {
            "state": alert.state,
            "subject": alert.subject,
            "value": alert.value,
            "limit": alert.limit,
            "window": alert.window_end,
            "kind": alert.kind,
            "severity": alert.severity,
            "metric": alert.metric,
            "deployment": alert.deployment,
            "opened": alert.opened_at,
            "id": alert.alert_id[-8:],
        }
        for alert in panel.alerts
    ]


def number_card(gateway: Gateway, series: Series, row: Mapping[str, Any]) -> Card:
    """Return all about a feature that may drift, or about a requirement, by its name in `subject`.

    Reads the store for a feature: its distribution in the newest window, or in the one that the row names.
    """
    subject = str(row["subject"])
    drifts = next((one for one in series.drift if one.subject == subject), None)
    held = next((one for one in series.requirements if one.subject == subject), None)
    track = held if row.get("metric") != "psi" and held else drifts or held
    if track is None or not track.windows:
        return Card(subject, [Words(keyed("no window has judged it yet: mlcycle monitor run", 6))])
    newest = track.windows[-1]
    held_to = "" if newest.limit is None else f"limit {track.sign} {number(newest.limit)}".replace("  ", " ")
    value = "not measured" if newest.value is None else number(newest.value)
    facts = Facts(
        [
            ("verdict", newest.verdict),
            ("value", ", ".join(word for word in (value, held_to, f"n {newest.n:,}") if word)),
            ("window", f"{_window(newest.start, newest.end)} of {series.deployment}, {newest.model}"),
        ]
    )
    parts: list[Part] = [facts]
    if track is drifts:
        parts += _bins(gateway, subject, series.deployment, row.get("window") or newest.end)
        chart = _drift_chart(series, subject, alone=True)
    else:
        chart = _requirement_chart(series, subject)
    windows = [
        {
            "verdict": one.verdict,
            "window": moment(one.end),
            "value": one.value,
            "limit": one.limit,
            "n": one.n,
            "model": one.model,
        }
        for one in reversed(track.windows)
    ]
    return Card(
        subject, [*parts, chart, Listing("windows, newest first", windows)], offered(("go.back", "back"))
    )


def _bins(gateway: Gateway, subject: str, deployment: str | None, end: object) -> list[Part]:
    try:
        found: Distribution = gateway.do("monitor.distribution", subject, deployment=deployment, end=end)
    except NotFoundError as error:
        return [Words(Text(f"{error.message}", style="dim"))]
    title = f"{subject} in the window, beside the reference"
    parts: list[Part] = [
        Bins(title, found.labels, found.now, found.reference, found.n_now, found.n_reference)
    ]
    if found.missing_now or found.missing_reference:
        shares = [
            f"{missing:,} of {missing + n:,} {where}"
            for missing, n, where in (
                (found.missing_reference, found.n_reference, "in the reference"),
                (found.missing_now, found.n_now, "now"),
            )
        ]
        parts.append(Words(Text(f"without a value: {', '.join(shares)}", style="dim")))
    return parts


def _requirement_chart(series: Series, name: str) -> Curves:
    tracks = {one.subject: one for one in series.requirements}
    quality = [one for one in series.requirements if not LATENCY.fullmatch(one.metric)]
    track = tracks.get(name) or next(iter(quality or series.requirements), None)
    if track is None:
        return Curves("requirements", [], empty="no window judged yet")
    limit = track.windows[-1].limit
    label = "" if track.metric == track.subject else f"{track.metric}, "
    return Curves(
        track.subject,
        [_over_windows(track)],
        limit,
        track.sign,
        y_label=f"{label}a window, n {track.windows[-1].n:,}",
        times=True,
        empty="no window measured yet",
    )


def _drift_chart(series: Series, feature: str, *, alone: bool = False) -> Curves:
    tracks = sorted(series.drift, key=lambda one: one.subject != feature)[: 1 if alone else MOST_LINES]
    limit = tracks[0].windows[-1].limit if tracks else None
    return Curves(
        "drift",
        [_over_windows(one) for one in tracks],
        limit,
        "<=" if limit is not None else "",
        y_label="PSI a window",
        times=True,
        empty="no window judged yet",
    )


def _over_windows(track: Track) -> Curve:
    return Curve(
        track.subject,
        [_epoch(one.end) for one in track.windows],
        [math.nan if one.value is None else one.value for one in track.windows],
    )


def _rates(series: Series) -> tuple[list[float | None], list[float | None]]:
    """Return answered requests and errors a second; the minute that still goes on counts by what of it is over."""
    answered: list[float | None] = []
    errors: list[float | None] = []
    for one in series.moments:
        over = min(float(series.step_s), (series.until - one.at).total_seconds())
        known = over >= LEAST_S
        answered.append((one.requests - one.errors) / over if known else None)
        errors.append(one.errors / over if known else None)
    quiet = not any(one.requests for one in series.moments)
    return ([None] * len(answered), errors) if quiet else (answered, errors)


def _window(start: datetime, end: datetime) -> str:
    return moment(end) if start == end else f"{moment(start)} to {moment(end)}"


def _epoch(at: datetime) -> float:
    return at.replace(tzinfo=UTC).timestamp()
