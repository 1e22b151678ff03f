"""`mlcycle monitor ...`."""

from __future__ import annotations

import click

from mlcycle_app.cli.options import command
from mlcycle_app.cli.output import Answer, say
from mlcycle_app.gateway import Gateway
from mlcycle_app.tables import TABLES

__all__ = ["monitor_ack", "monitor_alerts", "monitor_labels", "monitor_run", "monitor_windows"]

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
def monitor_windows(gateway: Gateway) -> Answer:
    """List the judged windows."""
    return Answer(gateway.table("windows"), empty=TABLES["windows"].empty)


@command
def monitor_alerts(gateway: Gateway) -> Answer:
    """List the alerts, newest window first."""
    return Answer(gateway.table("alerts"), empty=TABLES["alerts"].empty)


@command
@click.argument("alert")
def monitor_ack(gateway: Gateway, alert: str) -> Answer:
    """Say that an alert was seen."""
    return Answer(gateway.do("monitor.ack", alert))


@command
def monitor_labels(gateway: Gateway) -> Answer:
    """Join labels that have become known to the predictions they are about."""
    return Answer(gateway.do("monitor.labels"))
