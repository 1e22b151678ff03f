"""The monitor's SQL: predictions and labels in, windows and alerts out."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from mlcycle import clock
from mlcycle.errors import NotFoundError
from mlcycle.ids import new_id
from mlcycle.monitor.model import Alert, Line, Profile, Span
from mlcycle.store import Store, Transaction

__all__ = [
    "alert",
    "alert_rows",
    "computed",
    "coverage",
    "histograms",
    "insert_labels",
    "judged_rows",
    "lately",
    "newest",
    "open_alert",
    "package_of",
    "profiles",
    "replace_window",
    "resources",
    "set_alert_state",
    "signatures",
    "spans",
    "standing",
    "traffic",
    "unlabelled",
    "update_alert",
    "verdicts_before",
]

# One row an entity and moment: asking twice about the same thing is one answer, the newest.
ANSWERED = """
    SELECT p.*, l.value AS label
    FROM predictions AS p LEFT JOIN labels AS l USING (prediction_id)
    WHERE p.status = 200 AND ({where})
    QUALIFY row_number() OVER (
        PARTITION BY p.deployment, p.model, p.version, p.as_of, coalesce(p.entity, p.prediction_id::VARCHAR)
        ORDER BY p.ts DESC, p.prediction_id DESC) = 1
"""
ONE_WINDOW = """p.deployment = $deployment AND p.model = $model AND p.version = $version AND p.as_of BETWEEN $starts AND $ends
    AND ($unsaid IS NULL OR (p.as_of = p.ts) = $unsaid)"""
SAME_WINDOW = (
    "deployment = $deployment AND model = $model AND version = $version AND starts = $starts AND ends = $ends"
)
ALERT_COLUMNS = 'alert_id, deployment, metric, subject, kind, window_start, window_end, severity, value, "limit", state, opened_at'
# Predictions whose moment nobody said are about the moment they were served: no batch, so they are taken by day.
STARTS = {
    "batch": "CASE WHEN p.as_of = p.ts THEN date_trunc('day', p.as_of) ELSE p.as_of END",
    "day": "date_trunc('day', p.as_of)",
    "hour": "date_trunc('hour', p.as_of)",
}
LENGTH = {
    "batch": "CASE WHEN p.as_of = p.ts THEN INTERVAL 1 DAY - INTERVAL 1 MICROSECOND ELSE INTERVAL 0 SECOND END",
    "day": "INTERVAL 1 DAY - INTERVAL 1 MICROSECOND",
    "hour": "INTERVAL 1 HOUR - INTERVAL 1 MICROSECOND",
}


def _place(span: Span) -> dict[str, object]:
    """Return what names a window in the kept lines."""
    return {
        "deployment": span.deployment,
        "model": span.model,
        "version": span.version,
        "starts": span.start,
        "ends": span.end,
    }


def _inside(span: Span) -> dict[str, object]:
    """Return what picks a window's predictions."""
    return {**_place(span), "unsaid": span.unsaid}


def spans(store: Store, window: str, deployment: str | None) -> list[dict[str, Any]]:
    """Return each window of answered predictions with what tells whether it must be computed, oldest first."""
    unsaid = "p.as_of = p.ts" if window == "batch" else "NULL::BOOLEAN"
    answered = ANSWERED.format(where="$deployment IS NULL OR p.deployment = $deployment")
    return store.read(
        f"""
        SELECT p.deployment, p.model, p.version, {STARTS[window]} AS starts, {STARTS[window]} + {LENGTH[window]} AS ends,
            {unsaid} AS unsaid, count(*) AS n, count(p.label) AS labelled, avg(p.score) AS mean_score
        FROM ({answered}) AS p GROUP BY ALL ORDER BY starts, p.deployment, p.version
        """,
        {"deployment": deployment},
    )


def computed(store: Store) -> dict[tuple[object, ...], dict[tuple[str, str | None], dict[str, Any]]]:
    """Return the lines kept of every window, by window and then by (metric, subject)."""
    found: dict[tuple[object, ...], dict[tuple[str, str | None], dict[str, Any]]] = {}
    for row in store.read(
        'SELECT deployment, model, version, starts, ends, metric, subject, n, "limit", requirement_id, requirement_version FROM window_metric'
    ):
        place = (row["deployment"], row["model"], row["version"], row["starts"], row["ends"])
        found.setdefault(place, {})[row["metric"], row["subject"]] = row
    return found


def profiles(store: Store, model: str, version: int) -> list[Profile]:
    """Return the reference histograms of a model version, features in order of name, the score last."""
    rows = store.read(
        "SELECT subject, kind, rows, missing, edges, counts FROM profile WHERE model = ? AND version = ? ORDER BY subject = 'score', subject",
        [model, version],
    )
    return [
        Profile(
            row["subject"],
            row["kind"],
            tuple(json.loads(row["edges"])),
            tuple(row["counts"]),
            row["rows"],
            row["missing"],
        )
        for row in rows
    ]


def histograms(store: Store, span: Span, aggregates: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """Return one row of aggregates over a window's answered predictions, by plain name."""
    listed = ", ".join(f'{sql} AS "{name}"' for name, sql in aggregates)
    return store.read(f"SELECT {listed} FROM ({ANSWERED.format(where=ONE_WINDOW)})", _inside(span))[0]


def judged_rows(
    store: Store, span: Span, group: str | None, *, features: bool = False
) -> list[dict[str, Any]]:
    """Return as_of, score, label, the group and if asked the features of each answered prediction, in a stable order."""
    grouped = "NULL" if group is None else f"TRY_CAST({group} AS VARCHAR)"
    return store.read(
        f"""
        SELECT as_of, score, label, {grouped} AS "group" {", features" if features else ""}
        FROM ({ANSWERED.format(where=ONE_WINDOW)}) ORDER BY as_of, TRY_CAST(entity AS BIGINT), entity
        """,
        _inside(span),
    )


def package_of(store: Store, model: str, version: int) -> str:
    """Return the hash of a model version's package."""
    rows = store.read("SELECT sha256 FROM model_version WHERE model = ? AND version = ?", [model, version])
    if not rows:
        raise NotFoundError(f"there is no model version {model}:{version}", hint="mlcycle models list")
    return str(rows[0]["sha256"])


def traffic(store: Store, span: Span, percentiles: Sequence[int]) -> dict[str, Any]:
    """Return every request of a window: how many, how many failed, when, and exact latency (ms) by percentile."""
    shares = [percent / 100 for percent in percentiles]
    row = store.read(
        f"""
        SELECT count(*) AS n, count(*) FILTER (p.status <> 200) AS errors, min(p.ts) AS first_at, max(p.ts) AS last_at,
            quantile_cont(p.latency_ms, {shares}) FILTER (p.status = 200) AS latency,
            count(p.latency_ms) FILTER (p.status = 200) AS timed
        FROM predictions AS p WHERE {ONE_WINDOW}
        """,
        _inside(span),
    )[0]
    return {**row, "latency": dict(zip(percentiles, row["latency"] or [None] * len(shares), strict=True))}


def resources(store: Store, deployment: str, first: datetime, last: datetime) -> dict[str, Any]:
    """Return mean CPU and largest memory of a deployment between two moments, a second of slack on each side."""
    return store.read(
        """
        SELECT count(*) AS n, avg(cpu_pct) AS cpu_pct, max(rss_mb) AS rss_mb FROM resources
        WHERE deployment = ? AND ts BETWEEN ?::TIMESTAMP - INTERVAL 1 SECOND AND ?::TIMESTAMP + INTERVAL 1 SECOND
        """,
        [deployment, first, last],
    )[0]


def replace_window(tx: Transaction, span: Span, lines: Sequence[Line]) -> None:
    """Write the lines of a window in place of those that were there."""
    tx.execute(f"DELETE FROM window_metric WHERE {SAME_WINDOW}", _place(span))
    now = clock.now()
    tx.insert(
        "window_metric",
        [
            {
                "window_id": new_id(),
                **_place(span),
                "metric": line.metric,
                "subject": line.subject,
                "n": line.n,
                "value": line.value,
                "limit": line.limit,
                "verdict": line.verdict,
                "requirement_id": line.requirement_id,
                "requirement_version": line.requirement_version,
                "computed_at": now,
            }
            for line in lines
        ],
    )


def verdicts_before(tx: Transaction, span: Span, line: Line, n: int) -> list[str]:
    """Return the verdicts of the last n windows up to and with this one, newest first."""
    return [
        row["verdict"]
        for row in tx.rows(
            """
            SELECT verdict FROM window_metric WHERE deployment = ? AND metric = ? AND subject = ? AND ends <= ?
            ORDER BY ends DESC, version DESC LIMIT ?
            """,
            [span.deployment, line.metric, line.subject, span.end, n],
        )
    ]


def standing(tx: Transaction, span: Span) -> dict[tuple[str, str], str]:
    """Return the ids of a window's alerts that are not closed, by metric and subject."""
    rows = tx.rows(
        """
        SELECT alert_id::VARCHAR AS alert_id, metric, subject FROM alert
        WHERE state <> 'closed' AND deployment = ? AND window_start = ? AND window_end = ?
        """,
        [span.deployment, span.start, span.end],
    )
    return {(row["metric"], row["subject"]): row["alert_id"] for row in rows}


def open_alert(tx: Transaction, span: Span, line: Line, kind: str) -> Alert:
    """Open the alert of a line."""
    row = {
        "alert_id": new_id(),
        "deployment": span.deployment,
        "metric": line.metric,
        "subject": line.subject,
        "kind": kind,
        "window_start": span.start,
        "window_end": span.end,
        "severity": "critical" if kind == "requirement" else "warning",
        "value": line.value,
        "limit": line.limit,
        "state": "open",
        "opened_at": clock.now(),
    }
    tx.insert("alert", [row])
    return alert(row)


def update_alert(tx: Transaction, alert_id: str, line: Line) -> None:
    """Keep a standing alert's number and limit those of its window."""
    tx.execute(
        'UPDATE alert SET value = ?, "limit" = ? WHERE alert_id = ?', [line.value, line.limit, alert_id]
    )


def alert_rows(store: Store, state: str | None = None, version: tuple[str, int] | None = None) -> list[Alert]:
    """Return alerts, newest window first; of one model version, those of windows that judged it."""
    judged = """
        AND EXISTS (FROM window_metric AS w WHERE w.deployment = a.deployment AND w.metric = a.metric AND w.subject = a.subject
            AND w.starts = a.window_start AND w.ends = a.window_end AND w.model = $model AND w.version = $version)
    """
    params: dict[str, object] = {"state": state}
    if version is not None:
        params |= {"model": version[0], "version": version[1]}
    rows = store.read(
        f"SELECT {ALERT_COLUMNS} FROM alert AS a WHERE ($state IS NULL OR state = $state) {judged if version else ''} "
        "ORDER BY window_start DESC, kind DESC, subject",
        params,
    )
    return [alert(row) for row in rows]


def set_alert_state(tx: Transaction, alert_id: str, state: str) -> None:
    """Change the state of one alert."""
    tx.execute("UPDATE alert SET state = ? WHERE alert_id = ?", [state, alert_id])


def alert(row: Mapping[str, Any]) -> Alert:
    """Return an alert from a row of the table."""
    return Alert(**{**row, "alert_id": str(row["alert_id"])})


def unlabelled(store: Store, now: datetime) -> list[dict[str, Any]]:
    """Return the answered predictions about a past moment that have no label."""
    return store.read(
        """
        SELECT p.prediction_id, p.entity, p.as_of, p.model, p.version FROM predictions AS p ANTI JOIN labels AS l USING (prediction_id)
        WHERE p.status = 200 AND p.entity IS NOT NULL AND p.as_of <= ?
        """,
        [now],
    )


def signatures(store: Store) -> dict[tuple[str, int], dict[str, Any]]:
    """Return the signature of each model version."""
    rows = store.read("SELECT model, version, signature FROM model_version")
    return {(row["model"], row["version"]): json.loads(row["signature"]) for row in rows}


def insert_labels(tx: Transaction, rows: Sequence[Mapping[str, object]]) -> int:
    """Add labels of predictions that have none; returns how many were new."""
    known = {
        row["prediction_id"] for row in tx.rows("SELECT prediction_id::VARCHAR AS prediction_id FROM label")
    }
    return tx.insert("label", [row for row in rows if row["prediction_id"] not in known])


def coverage(store: Store) -> list[dict[str, Any]]:
    """Return how many predictions about each moment have a label, by deployment."""
    return store.read(
        """
        SELECT p.deployment, p.as_of, count(*) AS predictions, count(l.prediction_id) AS labelled
        FROM predictions AS p LEFT JOIN labels AS l USING (prediction_id)
        WHERE p.status = 200 GROUP BY ALL ORDER BY p.as_of, p.deployment
        """
    )


def lately(store: Store, deployment: str | None, since: datetime) -> dict[str, Any]:
    """Return one row of traffic since a moment: counts, latency, CPU, memory and predictions a minute."""
    chosen = "ts >= $since AND ($deployment IS NULL OR deployment = $deployment)"
    return store.read(
        f"""
        WITH recent AS (SELECT ts, status, latency_ms FROM predictions WHERE {chosen}),
            minutes AS (SELECT date_trunc('minute', ts) AS minute, count(*) AS n FROM recent GROUP BY ALL),
            samples AS (SELECT avg(cpu_pct) AS cpu_pct, max(rss_mb) AS rss_mb FROM resources WHERE {chosen})
        SELECT count(*) AS n, count(*) FILTER (status <> 200) AS errors,
            quantile_cont(latency_ms, [0.5, 0.95, 0.99]) FILTER (status = 200) AS latency,
            (SELECT list({{'minute': minute, 'n': n}} ORDER BY minute) FROM minutes) AS per_minute,
            (SELECT cpu_pct FROM samples) AS cpu_pct, (SELECT rss_mb FROM samples) AS rss_mb,
            (SELECT max(ts) FROM predictions) AS last_at
        FROM recent
        """,
        {"deployment": deployment, "since": since},
    )[0]


def newest(store: Store, deployment: str | None) -> dict[str, Any]:
    """Return one row: the lines of the newest judged window, and the open alerts, as lists of structs."""
    return store.read(
        """
        WITH chosen AS (SELECT * FROM window_metric WHERE $deployment IS NULL OR deployment = $deployment),
            last AS (SELECT deployment, model, version, starts, ends FROM chosen ORDER BY ends DESC, starts DESC, version DESC LIMIT 1)
        SELECT
            (SELECT list({'deployment': deployment, 'model': model, 'version': version, 'starts': starts, 'ends': ends, 'metric': metric,
                'subject': subject, 'n': n, 'value': value, 'limit': "limit", 'verdict': verdict, 'requirement_id': requirement_id,
                'requirement_version': requirement_version} ORDER BY metric, subject)
                FROM chosen SEMI JOIN last USING (deployment, model, version, starts, ends)) AS lines,
            (SELECT list({'alert_id': alert_id::VARCHAR, 'deployment': deployment, 'metric': metric, 'subject': subject, 'kind': kind,
                'window_start': window_start, 'window_end': window_end, 'severity': severity, 'value': value, 'limit': "limit",
                'state': state, 'opened_at': opened_at} ORDER BY window_start DESC, kind DESC, subject)
                FROM alert WHERE state = 'open' AND ($deployment IS NULL OR deployment = $deployment)) AS alerts
        """,
        {"deployment": deployment},
    )[0]
