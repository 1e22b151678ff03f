"""The monitor's SQL: predictions and labels in, windows and alerts out."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from mlcycle import clock
from mlcycle.errors import NotFoundError
from mlcycle.ids import new_id
from mlcycle.monitor.model import Alert, Line, Profile, Span
from mlcycle.store import Store, Transaction
from mlcycle.store.archive import unreadable

__all__ = [
    "PLACE",
    "ROWS",
    "alert",
    "alert_rows",
    "answered",
    "computed",
    "coverage",
    "gone",
    "histograms",
    "insert_labels",
    "is_newer",
    "judged_rows",
    "open_alert",
    "package_of",
    "places",
    "profiles",
    "kept_verdicts",
    "remove_window",
    "replace_window",
    "resources",
    "set_alert_state",
    "signatures",
    "spans",
    "known_alerts",
    "traffic",
    "judgeable",
    "update_alert",
    "verdicts_before",
]

# One row an entity and moment: asking twice about the same thing is one answer, the newest.
ANSWERED = """
    SELECT p.*, l.value AS label
    FROM {source} AS p LEFT JOIN labels AS l USING (prediction_id)
    WHERE p.status = 200 AND ({where})
    QUALIFY row_number() OVER (
        PARTITION BY p.deployment, p.model, p.version, p.as_of, coalesce(p.entity, p.prediction_id::VARCHAR)
        ORDER BY p.ts DESC, p.prediction_id DESC) = 1
"""
ONE_WINDOW = """p.deployment = $deployment AND p.model = $model AND p.version = $version AND p.as_of BETWEEN $starts AND $ends
    AND ($live IS NULL OR (p.as_of = p.ts OR NOT list_contains($apart::TIMESTAMP[], p.as_of)) = $live)"""
SAME_WINDOW = (
    "deployment = $deployment AND model = $model AND version = $version AND starts = $starts AND ends = $ends"
)
SAME_ALERTS = "deployment = $deployment AND model = $model AND version = $version AND window_start = $starts AND window_end = $ends"
ALERT_COLUMNS = (
    "alert_id, deployment, model, version, metric, subject, kind, window_start, window_end, severity, value, "
    '"limit", state, opened_at'
)
# Predictions whose moment nobody said are about the moment they were served, and so are a few about a moment of
# their own: live traffic, no batch, so they are taken by day.
LIVE = """p.as_of = p.ts OR count(*) FILTER (p.as_of <> p.ts)
    OVER (PARTITION BY p.deployment, p.model, p.version, p.as_of) < $too_few"""
STARTS = {
    "batch": "CASE WHEN p.live THEN date_trunc('day', p.as_of) ELSE p.as_of END",
    "day": "date_trunc('day', p.as_of)",
    "hour": "date_trunc('hour', p.as_of)",
}
LENGTH = {
    "batch": "CASE WHEN p.live THEN INTERVAL 1 DAY - INTERVAL 1 MICROSECOND ELSE INTERVAL 0 SECOND END",
    "day": "INTERVAL 1 DAY - INTERVAL 1 MICROSECOND",
    "hour": "INTERVAL 1 HOUR - INTERVAL 1 MICROSECOND",
}


ROWS = ""
"""Subject of the histogram of all rows, features or not, over the archive files that they are in."""
PLACE = ("deployment", "model", "version", "starts", "ends")


def answered(where: str, source: str = "predictions") -> str:
    """Return the query for answered predictions with their label, the newest of each entity and moment."""
    return ANSWERED.format(where=where, source=source)


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
    return {**_place(span), "live": span.live, "apart": list(span.apart)}


def spans(store: Store, window: str, deployment: str | None, too_few: int) -> list[dict[str, Any]]:
    """Return each window of answered predictions with a hash over what was answered and labelled, oldest first."""
    live = LIVE if window == "batch" else "NULL::BOOLEAN OR $too_few IS NULL"
    rows = answered("$deployment IS NULL OR p.deployment = $deployment")
    return store.read(
        f"""
        SELECT p.deployment, p.model, p.version, {STARTS[window]} AS starts, {STARTS[window]} + {LENGTH[window]} AS ends,
            p.live, count(*) AS n, count(p.label) AS labelled, avg(p.score) AS mean_score, max(p.as_of) AS last_as_of,
            bit_xor(hash(p.prediction_id, p.label))::VARCHAR AS content
        FROM (SELECT p.*, {live} AS live FROM ({rows}) AS p) AS p
        GROUP BY p.deployment, p.model, p.version, starts, ends, p.live ORDER BY starts, p.deployment, p.version
        """,
        {"deployment": deployment, "too_few": too_few},
    )


def computed(store: Store, deployment: str | None) -> dict[tuple[Any, ...], str | None]:
    """Return what each kept window was computed from, by deployment, model, version, start and end."""
    rows = store.read(
        """
        SELECT deployment, model, version, starts, ends, any_value(stamp) AS stamp FROM window_metric
        WHERE $deployment IS NULL OR deployment = $deployment GROUP BY ALL
        """,
        {"deployment": deployment},
    )
    return {tuple(row[name] for name in PLACE): row["stamp"] for row in rows}


def places(store: Store, start: datetime, end: datetime, deployment: str | None) -> set[tuple[str, str, int]]:
    """Return deployment, model and version of the answered predictions about a span, its end not included."""
    rows = store.read(
        """SELECT DISTINCT deployment, model, version FROM predictions
        WHERE status = 200 AND as_of >= ? AND as_of < ? AND (? IS NULL OR deployment = ?)""",
        [start, end, deployment, deployment],
    )
    return {(row["deployment"], row["model"], row["version"]) for row in rows}


def gone(store: Store) -> dict[tuple[str, str, int], list[date]]:
    """Return the days about which predictions were dropped or cannot be read, by deployment, model and version."""
    rows = store.read("SELECT sha256, bytes, dropped_at FROM prediction_archive")
    away = unreadable(store.workspace, rows)
    found: dict[tuple[str, str, int], list[date]] = {}
    if away:
        for row in store.read(
            f"""SELECT DISTINCT deployment, model, version, day FROM prediction_histogram
            WHERE subject = '{ROWS}' AND list_contains(?::VARCHAR[], bin)""",
            [away],
        ):
            found.setdefault((row["deployment"], row["model"], row["version"]), []).append(row["day"])
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
    return store.read(f"SELECT {listed} FROM ({answered(ONE_WINDOW)})", _inside(span))[0]


def judged_rows(
    store: Store, span: Span, group: str | None, *, features: bool = False
) -> list[dict[str, Any]]:
    """Return as_of, score, label, the group and if asked the features of each answered prediction, in a stable order."""
    grouped = "NULL" if group is None else f"TRY_CAST({group} AS VARCHAR)"
    return store.read(
        f"""
        SELECT as_of, score, label, {grouped} AS "group" {", features" if features else ""}
        FROM ({answered(ONE_WINDOW)}) ORDER BY as_of, TRY_CAST(entity AS BIGINT), entity
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


def kept_verdicts(tx: Transaction, span: Span) -> dict[tuple[str, str], str]:
    """Return the verdicts that a window's lines have so far, by metric and subject."""
    rows = tx.rows(
        f"SELECT metric, subject, verdict FROM window_metric WHERE {SAME_WINDOW}",
        _place(span),
    )
    return {(row["metric"], row["subject"]): row["verdict"] for row in rows}


def remove_window(tx: Transaction, place: Mapping[str, object]) -> int:
    """Remove a window whose predictions are judged in others, and close its alerts; returns how many closed."""
    tx.execute(f"DELETE FROM window_metric WHERE {SAME_WINDOW}", place)
    closed = tx.rows(f"SELECT 1 AS one FROM alert WHERE state <> 'closed' AND {SAME_ALERTS}", place)
    tx.execute(f"UPDATE alert SET state = 'closed' WHERE {SAME_ALERTS}", place)
    return len(closed)


def replace_window(tx: Transaction, span: Span, lines: Sequence[Line], stamp: str) -> None:
    """Write the lines of a window, and what they were computed from, in place of those that were there."""
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
                "stamp": stamp,
            }
            for line in lines
        ],
    )


def verdicts_before(tx: Transaction, span: Span, line: Line, n: int) -> list[str]:
    """Return the verdicts of a model version's last n windows up to and with this one, newest first."""
    return [
        row["verdict"]
        for row in tx.rows(
            """
            SELECT verdict FROM window_metric WHERE deployment = ? AND model = ? AND version = ? AND metric = ? AND subject = ? AND ends <= ?
            ORDER BY ends DESC LIMIT ?
            """,
            [span.deployment, span.model, span.version, line.metric, line.subject, span.end, n],
        )
    ]


def known_alerts(tx: Transaction, span: Span) -> dict[tuple[str, str], tuple[str, str]]:
    """Return the id and state of a window's newest alerts, closed ones too, by metric and subject."""
    rows = tx.rows(
        f"""
        SELECT alert_id::VARCHAR AS alert_id, state, metric, subject FROM alert WHERE {SAME_ALERTS}
        ORDER BY opened_at, alert_id
        """,
        _place(span),
    )
    return {(row["metric"], row["subject"]): (row["alert_id"], row["state"]) for row in rows}


def open_alert(tx: Transaction, span: Span, line: Line, kind: str) -> Alert:
    """Open the alert of a line."""
    row = {
        "alert_id": new_id(),
        "deployment": span.deployment,
        "model": span.model,
        "version": span.version,
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
    """Return alerts, newest window first; of one model version where it is named."""
    model, number = version or (None, None)
    rows = store.read(
        f"""
        SELECT {ALERT_COLUMNS} FROM alert WHERE ($state IS NULL OR state = $state)
            AND ($model IS NULL OR (model = $model AND version = $version))
        ORDER BY window_start DESC, kind DESC, subject, version
        """,
        {"state": state, "model": model, "version": number},
    )
    return [alert(row) for row in rows]


def set_alert_state(tx: Transaction, alert_id: str, state: str) -> None:
    """Change the state of one alert."""
    tx.execute("UPDATE alert SET state = ? WHERE alert_id = ?", [state, alert_id])


def alert(row: Mapping[str, Any]) -> Alert:
    """Return an alert from a row of the table."""
    return Alert(**{**row, "alert_id": str(row["alert_id"])})


def judgeable(store: Store, now: datetime) -> list[dict[str, Any]]:
    """Return the answered predictions about a past moment, with the label they have."""
    return store.read(
        """
        SELECT p.prediction_id, p.entity, p.as_of, p.model, p.version, l.value, l.known_at
        FROM predictions AS p LEFT JOIN labels AS l USING (prediction_id)
        WHERE p.status = 200 AND p.entity IS NOT NULL AND p.as_of <= ?
        """,
        [now],
    )


def signatures(store: Store) -> dict[tuple[str, int], dict[str, Any]]:
    """Return the signature of each model version."""
    rows = store.read("SELECT model, version, signature FROM model_version")
    return {(row["model"], row["version"]): json.loads(row["signature"]) for row in rows}


def insert_labels(tx: Transaction, rows: Sequence[Mapping[str, object]]) -> tuple[int, int]:
    """Add labels; returns how many predictions had none before, and how many labels correct an older one."""
    known = {
        row["prediction_id"]: (row["value"], row["known_at"])
        for row in tx.rows(
            """
            SELECT prediction_id::VARCHAR AS prediction_id, arg_max(value, known_at) AS value, max(known_at) AS known_at
            FROM label GROUP BY ALL
            """
        )
    }
    new = [row for row in rows if row["prediction_id"] not in known]
    corrected = [
        row for row in rows if row["prediction_id"] in known and is_newer(row, known[row["prediction_id"]])
    ]
    tx.insert("label", [*new, *corrected])
    return len(new), len(corrected)


def is_newer(label: Mapping[str, Any], old: tuple[float | None, datetime]) -> bool:
    """Return whether a label says something else than an older one, and later."""
    return bool(label["value"] != old[0] and label["known_at"] > old[1])


def coverage(store: Store) -> list[dict[str, Any]]:
    """Return how many predictions about each moment have a label, by deployment."""
    return store.read(
        """
        SELECT p.deployment, p.as_of, count(*) AS predictions, count(l.prediction_id) AS labelled
        FROM predictions AS p LEFT JOIN labels AS l USING (prediction_id)
        WHERE p.status = 200 GROUP BY ALL ORDER BY p.as_of, p.deployment
        """
    )
