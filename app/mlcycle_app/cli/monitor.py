"""`mlcycle monitor ...`."""

from __future__ import annotations

from typing import Any

import click

from mlcycle_app.cli.options import command, every, listing
from mlcycle_app.cli.output import Answer, say
from mlcycle_app.gateway import Gateway

__all__ = [
    "monitor_ack",
    "monitor_alerts",
    "monitor_labels",
    "monitor_run",
    "monitor_show",
    "monitor_windows",
]

LATELY = 8
"""Windows of which `monitor show` prints the numbers; `--json` has up to 60."""
LINE = ("verdict", "metric", "subject", "value", "limit", "n")


@command
def monitor_run(gateway: Gateway) -> Answer:
    """Judge the windows that are not judged yet; exit code 1 when an alert opened."""
    report = gateway.do("monitor.run")
    rows = [
        {"window": window.span.end} | {name: getattr(line, name) for name in LINE}
        for window in report.windows
        for line in window.lines
    ]
    say(
        f"{len(report.windows)} windows judged, {report.unchanged} unchanged, "
        f"{len(report.opened)} alerts opened, {report.closed} closed"
    )
    return Answer(rows, empty="every window is up to date", code=1 if report.opened else 0)


@command
@click.option(
    "--minutes",
    type=click.IntRange(1),
    default=60,
    show_default=True,
    help="How far back traffic is counted.",
)
@click.option("--days", type=click.IntRange(1), help="The same in days.")
@click.option("--deployment", help="Only this one.")
@click.option(
    "--feature", help="This feature's values in the newest window beside its reference, bin by bin."
)
def monitor_show(
    gateway: Gateway, minutes: int, days: int | None, deployment: str | None, feature: str | None
) -> Answer:
    """Show traffic over time and how the newest windows were judged; what the screen draws."""
    if feature is not None:
        return _distribution(gateway.do("monitor.distribution", feature, deployment=deployment))
    found = gateway.do("monitor.series", minutes=minutes, days=days, deployment=deployment)
    return Answer(found, text=_series_text(found))


def _distribution(found: Any) -> Answer:
    say(
        f"{found.subject} in the window of {found.span.end:%Y-%m-%d %H:%M}: "
        f"n {found.n_now:,} and {found.missing_now:,} without a value; "
        f"reference: n {found.n_reference:,} and {found.missing_reference:,} without"
    )
    rows = [
        {
            "bin": label,
            "reference": reference,
            "reference_pct": round(100 * reference / max(1, found.n_reference), 1),
            "now": now,
            "now_pct": round(100 * now / max(1, found.n_now), 1),
        }
        for label, reference, now in zip(found.labels, found.reference, found.now, strict=True)
    ]
    return Answer(rows)


def _series_text(found: Any) -> str:
    """Return the series in lines: each busy step, then each number over the windows."""
    busy = [one for one in found.moments if one.requests or one.cpu_pct is not None]
    span = f"{found.since:%Y-%m-%d %H:%M} to {found.until:%H:%M} UTC"
    if not busy:
        lines = [f"no request {span}"]
    else:
        lines = [f"traffic {span}, a line each {found.step_s // 60} min; latency within 2.2 %"]
        lines.append("from              requests  errors    p50 ms    p95 ms   CPU %      MB")
        lines += [_moment(one) for one in busy]
    return "\n".join([*lines, *(_track(track) for track in (*found.requirements, *found.drift))])


def _moment(one: Any) -> str:
    cells = [f"{one.requests:>8,}", f"{one.errors:>6,}", _number(one.p50, 8), _number(one.p95, 8)]
    return "  ".join([f"{one.at:%Y-%m-%d %H:%M}", *cells, _number(one.cpu_pct, 6), _number(one.rss_mb, 6)])


def _track(track: Any) -> str:
    lately = track.windows[-LATELY:]
    newest = lately[-1]
    values = " ".join(_number(one.value) for one in lately)
    limit = "" if newest.limit is None else f"limit {track.sign} {newest.limit:g}, ".replace("  ", " ")
    windows = "window" if len(lately) == 1 else f"{len(lately)} windows"
    said = f"{values} in the last {windows}, {limit}n {newest.n:,}"
    return f"{newest.verdict:<12}  {track.metric} {track.subject}: {said}"


def _number(value: float | None, width: int = 0) -> str:
    return ("-" if value is None else f"{value:,.4g}").rjust(width)


@command
@every
def monitor_windows(gateway: Gateway, every: bool) -> Answer:
    """List the judged windows."""
    return listing(gateway, "windows", every=every)


@command
@every
def monitor_alerts(gateway: Gateway, every: bool) -> Answer:
    """List the alerts, newest window first."""
    return listing(gateway, "alerts", every=every)


@command
@click.argument("alert")
def monitor_ack(gateway: Gateway, alert: str) -> Answer:
    """Say that an alert was seen."""
    return Answer(gateway.do("monitor.ack", alert))


@command
def monitor_labels(gateway: Gateway) -> Answer:
    """Join labels that have become known to the predictions they are about."""
    return Answer(gateway.do("monitor.labels"))
