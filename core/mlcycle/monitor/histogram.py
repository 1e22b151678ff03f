"""What stays of archived predictions for ever: rows per bin of their model version's reference, by day.

`prediction_histogram` holds, for each day that predictions are about (`as_of`) and each deployment, model and
version, the answered rows per bin, newest answer of an entity and moment alone, as windows count them. Rows of
the table add up: late predictions add theirs, and take away those of the answers that they replace. The subject
`ROWS` counts all rows, failed ones too, by the archive file they are in.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from mlcycle.monitor import bins, records
from mlcycle.monitor.model import Profile
from mlcycle.store import Store, Transaction
from mlcycle.store.archive import ARCHIVED, Piece

__all__ = ["MISSING", "SCORE", "added_by", "aggregates", "counted", "insert", "of_table", "read"]

MISSING = "missing"
"""The bin of rows without a value."""
SCORE = "score"
KEY = "deployment, model, version, as_of, coalesce(entity, prediction_id::VARCHAR)"
NEWEST = f"QUALIFY row_number() OVER (PARTITION BY {KEY} ORDER BY ts DESC, prediction_id DESC) = 1"
COLUMNS = "prediction_id, ts, as_of, deployment, model, version, entity, score, features"
OF_FILE = "ts BETWEEN $first AND $last"


def aggregates(profiles: Sequence[Profile]) -> list[tuple[str, str]]:
    """Return what a query asks to count rows in the bins of each profile: name and SQL."""
    asked = [("rows", "count(*)")]
    for number, profile in enumerate(profiles):
        value = SCORE if profile.subject == SCORE else bins.feature_sql(profile.subject)
        asked.append((f"bins_{number}", bins.count_sql(profile, value)))
    return asked


def counted(profiles: Sequence[Profile], row: dict[str, Any]) -> list[list[int]]:
    """Return the rows per bin of each profile from the answer to `aggregates`."""
    return [bins.counts(profile, row[f"bins_{number}"]) for number, profile in enumerate(profiles)]


def added_by(store: Store, piece: Piece) -> list[dict[str, object]]:
    """Return the rows of `prediction_histogram` that come with an archive file, whose rows are still in the table."""
    scope = {"first": piece.first_ts, "last": piece.last_ts}
    rows = store.read(
        f"""SELECT as_of::DATE AS day, deployment, model, version, count(*) AS n
        FROM store.main.prediction WHERE {OF_FILE} GROUP BY ALL ORDER BY ALL""",
        scope,
    )
    found: list[dict[str, object]] = [{**row, "subject": records.ROWS, "bin": piece.sha256} for row in rows]
    for model, version in dict.fromkeys((row["model"], row["version"]) for row in rows):
        profiles = records.profiles(store, model, version)
        if profiles:
            found += _of_version(store, {**scope, "model": model, "version": version}, profiles)
    return found


def _of_version(
    store: Store, scope: dict[str, object], profiles: Sequence[Profile]
) -> list[dict[str, object]]:
    asked = ", ".join(f'{sql} AS "{name}"' for name, sql in aggregates(profiles))
    mine = "status = 200 AND model = $model AND version = $version"
    new = f"SELECT {COLUMNS} FROM store.main.prediction WHERE {OF_FILE} AND {mine}"
    counted_rows = f"SELECT *, 1 AS sign FROM ({new}) {NEWEST}"
    if store.read(f"SELECT 1 AS one FROM duckdb_views() WHERE view_name = '{ARCHIVED}'"):
        # Archived before: what of it the new rows replace no longer counts.
        old = f"""SELECT {COLUMNS} FROM {ARCHIVED} WHERE {mine}
            AND as_of BETWEEN (SELECT min(as_of) FROM new) AND (SELECT max(as_of) FROM new)
            AND ({KEY}) IN (SELECT ({KEY}) FROM new)"""
        counted_rows = f"""WITH new AS MATERIALIZED ({new}), old AS MATERIALIZED ({old})
            SELECT *, -1 AS sign FROM (FROM old {NEWEST})
            UNION ALL SELECT *, 1 AS sign FROM (SELECT * FROM (FROM old UNION ALL FROM new) {NEWEST})"""
    rows = store.read(
        f"SELECT as_of::DATE AS day, deployment, sign, {asked} FROM ({counted_rows}) GROUP BY ALL ORDER BY ALL",
        scope,
    )
    found: dict[tuple[date, str, str, str], int] = {}
    for row in rows:
        for profile, counts in zip(profiles, counted(profiles, row), strict=True):
            named = dict(zip(bins.names(profile), counts, strict=True))
            for name, n in {**named, MISSING: row["rows"] - sum(counts)}.items():
                place = (row["day"], row["deployment"], profile.subject, name)
                found[place] = found.get(place, 0) + row["sign"] * n
    return [
        {
            "day": day,
            "deployment": deployment,
            "model": scope["model"],
            "version": scope["version"],
            "subject": subject,
            "bin": name,
            "n": n,
        }
        for (day, deployment, subject, name), n in found.items()
        if n
    ]


def insert(change: Transaction, rows: Sequence[dict[str, object]]) -> None:
    """Add rows to the histograms."""
    change.insert("prediction_histogram", rows)


def read(
    store: Store, first: date, last: date, deployment: str | None
) -> dict[tuple[str, str, int], dict[str, dict[str, int]]]:
    """Return, by deployment, model and version, the archived rows of some days: subject to bin to rows."""
    rows = store.read(
        """SELECT deployment, model, version, subject, bin, sum(n)::BIGINT AS n FROM prediction_histogram
        WHERE day BETWEEN ? AND ? AND (? IS NULL OR deployment = ?) AND subject <> ? GROUP BY ALL ORDER BY ALL""",
        [first, last, deployment, deployment, records.ROWS],
    )
    found: dict[tuple[str, str, int], dict[str, dict[str, int]]] = {}
    for row in rows:
        version = found.setdefault((row["deployment"], row["model"], row["version"]), {})
        version.setdefault(row["subject"], {})[row["bin"]] = row["n"]
    return found


def of_table(
    store: Store,
    source: str,
    place: tuple[str, str, int],
    span: tuple[datetime, datetime],
    profiles: Sequence[Profile],
) -> tuple[int, list[list[int]]]:
    """Return how many answered predictions a relation has about a span, its end not included, and their bins."""
    listed = ", ".join(f'{sql} AS "{name}"' for name, sql in aggregates(profiles))
    where = """p.deployment = $deployment AND p.model = $model AND p.version = $version
        AND p.as_of >= $start AND p.as_of < $end"""
    params = dict(zip(("deployment", "model", "version", "start", "end"), (*place, *span), strict=True))
    row = store.read(f"SELECT {listed} FROM ({records.answered(where, source)})", params)[0]
    return row["rows"], counted(profiles, row)
