"""The live panel's SQL: roll-ups by the minute for many requests, the requests themselves for few."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from mlcycle.store import Store

__all__ = ["last_served", "lately", "minutes", "newest"]


def minutes(store: Store, deployment: str | None, since: datetime) -> dict[str, Any]:
    """Return one row of the roll-ups from the minute of a moment on, with the resources since that moment.

    Requests a minute, answered ones by bucket of latency, and the last minute of all that has any.
    """
    chosen = "($deployment IS NULL OR deployment = $deployment)"
    return store.read(
        f"""
        WITH recent AS (SELECT * FROM rollup_1m WHERE minute >= date_trunc('minute', $since) AND {chosen}),
            minutes AS (SELECT minute, sum(n)::BIGINT AS n, sum(errors)::BIGINT AS errors FROM recent GROUP BY ALL),
            buckets AS (SELECT bucket, sum(n - errors)::BIGINT AS n FROM recent
                WHERE minute >= $since GROUP BY ALL),
            samples AS (SELECT avg(cpu_pct) AS cpu_pct, max(rss_mb) AS rss_mb FROM resources
                WHERE ts >= $since AND {chosen})
        SELECT (SELECT list({{'minute': minute, 'n': n, 'errors': errors}} ORDER BY minute) FROM minutes) AS per_minute,
            (SELECT list({{'bucket': bucket, 'n': n}} ORDER BY bucket) FROM buckets) AS buckets,
            (SELECT max(minute) FROM rollup_1m) AS last_minute, cpu_pct, rss_mb
        FROM samples
        """,
        {"deployment": deployment, "since": since},
    )[0]


def lately(store: Store, deployment: str | None, since: datetime) -> dict[str, Any]:
    """Return one row of traffic since a moment, from the requests themselves: counts, latency, predictions a minute."""
    return store.read(
        """
        WITH recent AS (SELECT ts, status, latency_ms FROM predictions
                WHERE ts >= $since AND ($deployment IS NULL OR deployment = $deployment)),
            minutes AS (SELECT date_trunc('minute', ts) AS minute, count(*) AS n FROM recent GROUP BY ALL)
        SELECT count(*) AS n, count(*) FILTER (status <> 200) AS errors,
            quantile_cont(latency_ms, [0.5, 0.95, 0.99]) FILTER (status = 200) AS latency,
            (SELECT list({'minute': minute, 'n': n} ORDER BY minute) FROM minutes) AS per_minute
        FROM recent
        """,
        {"deployment": deployment, "since": since},
    )[0]


def last_served(store: Store, since: datetime) -> datetime | None:
    """Return when the newest prediction since a moment was served; None if there is none."""
    found: datetime | None = store.read("SELECT max(ts) AS ts FROM predictions WHERE ts >= ?", [since])[0][
        "ts"
    ]
    return found


def newest(store: Store, deployment: str | None) -> dict[str, Any]:
    """Return one row: the lines of the newest judged window, and the open alerts, as lists of structs."""
    line = _struct(
        *("deployment", "model", "version", "starts", "ends", "metric", "subject", "n", "value", "limit"),
        *("verdict", "requirement_id", "requirement_version"),
    )
    alert = _struct(
        *("alert_id", "deployment", "model", "version", "metric", "subject", "kind", "window_start"),
        *("window_end", "severity", "value", "limit", "state", "opened_at"),
    )
    return store.read(
        f"""
        WITH chosen AS (SELECT * FROM window_metric WHERE $deployment IS NULL OR deployment = $deployment),
            last AS (SELECT deployment, model, version, starts, ends FROM chosen
                ORDER BY ends DESC, starts DESC, version DESC LIMIT 1)
        SELECT
            (SELECT list({line} ORDER BY metric, subject)
                FROM chosen SEMI JOIN last USING (deployment, model, version, starts, ends)) AS lines,
            (SELECT list({alert} ORDER BY window_start DESC, kind DESC, subject)
                FROM alert WHERE state = 'open' AND ($deployment IS NULL OR deployment = $deployment)) AS alerts
        """,
        {"deployment": deployment},
    )[0]


def _struct(*columns: str) -> str:
    return "{" + ", ".join(f"'{name}': \"{name}\"" for name in columns) + "}"
