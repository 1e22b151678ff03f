"""The live panel's read model: a few short reads of one state, whatever the number of predictions."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from mlcycle import clock
from mlcycle.monitor import live, records, rollup
from mlcycle.monitor.model import Line, Panel, Span, Traffic
from mlcycle.store import Store
from mlcycle.workspace import Workspace

__all__ = ["EXACT_ROWS", "Panel", "panel"]

EXACT_ROWS = 100_000
"""Requests in the span up to which they are read themselves, unless said."""


def panel(
    workspace: Workspace, *, minutes: int = 15, deployment: str | None = None, exact_rows: int = EXACT_ROWS
) -> Panel:
    """Read what the server did lately, and how the newest window was judged.

    Parameters
    ----------
    minutes
        How far back traffic is counted, by the real clock.
    deployment
        Only this one; all together unless given, and the newest window of any.
    exact_rows
        Requests in the span up to which each is read; of more the counts by the minute are.
    """
    store, until = Store(workspace), clock.wall()
    with store.reading():
        traffic = _traffic(store, deployment, minutes, until, exact_rows)
        judged = live.newest(store, deployment)
    lines = [_line(row) for row in judged["lines"] or []]
    first = (judged["lines"] or [None])[0]
    by_name = {line.metric: line for line in lines if line.subject is None}
    return Panel(
        deployment=deployment or (first["deployment"] if first else None),
        minutes=minutes,
        traffic=traffic,
        window=Span(first["deployment"], first["model"], first["version"], first["starts"], first["ends"])
        if first
        else None,
        predictions=by_name["predictions"].n if "predictions" in by_name else 0,
        labelled=by_name["labels"].n if "labels" in by_name else 0,
        mean_score=by_name["mean_score"].value if "mean_score" in by_name else None,
        drift=tuple(
            sorted((line for line in lines if line.metric == "psi"), key=lambda line: -(line.value or 0.0))
        ),
        requirements=tuple(line for line in lines if line.requirement_id),
        alerts=tuple(records.alert(row) for row in judged["alerts"] or []),
    )


def _line(row: Mapping[str, Any]) -> Line:
    names = ("metric", "subject", "n", "value", "limit", "verdict", "requirement_id", "requirement_version")
    return Line(**{name: row[name] for name in names})


def _traffic(store: Store, deployment: str | None, minutes: int, until: datetime, exact_rows: int) -> Traffic:
    since = until - timedelta(minutes=minutes)
    rolled = live.minutes(store, deployment, since)
    by_minute = rolled["per_minute"] or []
    approximate = sum(row["n"] for row in by_minute) > exact_rows
    facts = _approximate(rolled, since) if approximate else live.lately(store, deployment, since)
    last_minute = rolled["last_minute"]
    per_minute = [0] * minutes
    for row in facts["per_minute"] or []:
        age = int((until - row["minute"]).total_seconds() // 60)
        if age < minutes:
            per_minute[minutes - 1 - max(age, 0)] += row["n"]
    p50, p95, p99 = facts["latency"] or [None] * 3
    return Traffic(
        predictions=facts["n"] - facts["errors"],
        errors=facts["errors"],
        p50=p50,
        p95=p95,
        p99=p99,
        cpu_pct=rolled["cpu_pct"],
        rss_mb=rolled["rss_mb"],
        per_minute=tuple(per_minute),
        last_at=last_minute and (live.last_served(store, last_minute) or last_minute),
        approximate=approximate,
    )


def _approximate(rolled: Mapping[str, Any], since: datetime) -> dict[str, Any]:
    """Return what `live.lately` does, from the roll-ups of the minutes that lie wholly in the span."""
    whole = [row for row in rolled["per_minute"] if row["minute"] >= since]
    buckets = [(row["bucket"], row["n"]) for row in rolled["buckets"] or []]
    return {
        "n": sum(row["n"] for row in whole),
        "errors": sum(row["errors"] for row in whole),
        "latency": rollup.quantiles(buckets, [0.5, 0.95, 0.99]),
        "per_minute": whole,
    }
