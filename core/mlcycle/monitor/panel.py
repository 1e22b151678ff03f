"""The live panel's read model: two short reads, whatever the number of predictions."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from mlcycle import clock
from mlcycle.monitor import records
from mlcycle.monitor.model import Line, Panel, Span, Traffic
from mlcycle.store import Store
from mlcycle.workspace import Workspace

__all__ = ["Panel", "panel"]


def panel(workspace: Workspace, *, minutes: int = 15, deployment: str | None = None) -> Panel:
    """Read what the server did lately, and how the newest window was judged.

    Parameters
    ----------
    minutes
        How far back traffic is counted, by the real clock.
    deployment
        Only this one; all together unless given, and the newest window of any.
    """
    store, until = Store(workspace), clock.wall()
    lately = records.lately(store, deployment, until - timedelta(minutes=minutes))
    judged = records.newest(store, deployment)
    lines = [_line(row) for row in judged["lines"] or []]
    first = (judged["lines"] or [None])[0]
    by_name = {line.metric: line for line in lines if line.subject is None}
    return Panel(
        deployment=deployment or (first["deployment"] if first else None),
        minutes=minutes,
        traffic=_traffic(lately, minutes, until),
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


def _traffic(row: Mapping[str, Any], minutes: int, until: datetime) -> Traffic:
    latency = row["latency"] or [None, None, None]
    per_minute = [0] * minutes
    for bucket in row["per_minute"] or []:
        age = int((until - bucket["minute"]).total_seconds() // 60)
        if age < minutes:
            per_minute[minutes - 1 - max(age, 0)] += bucket["n"]
    return Traffic(
        predictions=row["n"] - row["errors"],
        errors=row["errors"],
        p50=latency[0],
        p95=latency[1],
        p99=latency[2],
        cpu_pct=row["cpu_pct"],
        rss_mb=row["rss_mb"],
        per_minute=tuple(per_minute),
        last_at=row["last_at"],
    )
