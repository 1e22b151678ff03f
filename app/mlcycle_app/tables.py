"""The tables that people look at, each one query over the public views: the list commands and the UI show the same.

Nothing here is private: any of these can be typed after `mlcycle sql`. The most telling columns come first, because a
narrow terminal shows only as many as fit. How a page of one is asked for, filtered and sorted, is `pages`' business.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from shlex import quote
from zlib import crc32

__all__ = ["PAGE", "TABLES", "Table", "runs_by"]

PAGE = "/* page */"
"""In a query: where order, limit and offset go when they can act before the rest of the query does."""


@dataclass(frozen=True)
class Table:
    """One named list."""

    title: str
    columns: tuple[str, ...]
    """What is shown, in order."""
    sql: str
    """Every row there is, in no order, with the columns shown and those that the next three name."""
    order: str
    """Newest or most urgent first, as after ORDER BY; it leaves no two rows level, so that pages never overlap."""
    key: str
    """What tells a row from all others, as an expression."""
    empty: str
    """What to say, and to type, when there is no row."""
    command: str
    """The command that lists the same."""
    sorts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Columns whose text sorts badly, and the expressions that are sorted by instead."""
    early: Mapping[str, str] = field(default_factory=dict)
    """Columns that a query with `PAGE` can be sorted by there, and what they are there."""
    count: str = ""
    """A cheaper query for how many rows there are, where counting `sql` would compute too much."""
    right: tuple[str, ...] = ()
    """Columns of numbers, set flush right."""
    stretch: str = ""
    """The column of long words: cut so that others fit beside it."""
    aged: str = ""
    """The column of times that the UI shows as an age."""
    kind: str = ""
    """What sort of thing it lists; empty if of several."""
    id: str = ""
    """The column whose value commands take; empty if none do."""
    marks: bool = False
    """Whether several rows may be marked, for commands that take more than one."""


TABLES = {
    "events": Table(
        "recent events",
        ("when", "what", "detail"),
        """SELECT ts AS "when", what, detail, id FROM (
             SELECT ts, kind || ' ' || outcome AS what, subject || coalesce(': ' || reasons[1], '') AS detail, decision_id::VARCHAR AS id FROM decisions
             UNION ALL SELECT opened_at, kind || ' alert', subject || ' in the window of ' || strftime(window_end, '%Y-%m-%d'), alert_id FROM alerts
             UNION ALL SELECT arrived_at, 'batch ' || state, source || ', ' || rows || ' rows', batch_id FROM batches
             UNION ALL SELECT created_at, 'training set', name || ', ' || rows || ' rows', training_set_id FROM training_sets
             UNION ALL SELECT ts, 'trigger ' || state, reason, trigger_id FROM triggers
           )""",
        '"when" DESC, what, id',
        "id",
        "Nothing has happened yet",
        "status",
        stretch="detail",
        aged="when",
    ),
    "requirements": Table(
        "requirements",
        ("requirement", "limit", "binds", "role", "metric", "owner", "version"),
        """SELECT requirement_id AS requirement, comparison || ' ' || printf('%g', value) AS "limit",
             array_to_string(phases, ', ') AS binds, role, metric, owner, version, value
           FROM requirements WHERE until IS NULL""",
        "requirement, version",
        "requirement || ' ' || version",
        "No requirement yet. One number decides everything after it: write one into design.yaml, then mlcycle design check",
        "design list",
        sorts={"limit": ("value",)},
        right=("version",),
        stretch="binds",
        kind="requirement",
        id="requirement",
    ),
    "decisions": Table(
        "decisions",
        ("when", "outcome", "kind", "subject", "reasons", "decided_by", "id"),
        """SELECT ts AS "when", outcome, kind, subject, array_to_string(reasons, '; ') AS reasons, decided_by,
             right(decision_id::VARCHAR, 8) AS id, decision_id FROM decisions""",
        '"when" DESC, decision_id DESC',
        "decision_id",
        "No decision yet: mlcycle models promote asks the gate",
        "models audit",
        stretch="reasons",
        aged="when",
        kind="decision",
        id="id",
    ),
    "batches": Table(
        "batches",
        (
            "state",
            "source",
            "rows",
            "set_aside",
            "mended",
            "malformed",
            "arrived",
            "trained",
            "path",
            "batch",
        ),
        """SELECT state, source, rows, set_aside, mended, malformed, arrived_at AS arrived, trained, path,
             right(batch_id::VARCHAR, 8) AS batch, batch_id FROM batches""",
        "arrived DESC, source, batch_id",
        "batch_id",
        "No data yet: mlcycle data ingest",
        "data list",
        right=("rows", "set_aside", "mended", "malformed"),
        aged="arrived",
        kind="batch",
        id="batch",
    ),
    "versions": Table(
        "dataset versions",
        ("dataset", "number", "rows", "created", "version", "parent", "fingerprint"),
        """SELECT dataset, number, rows, created_at AS created, dataset_version AS version, parent, fingerprint
           FROM dataset_versions""",
        "created DESC, dataset, number DESC, version",
        "dataset || ' ' || version",
        "No dataset version yet: mlcycle quality check admits what arrived",
        "data versions",
        right=("number", "rows"),
        aged="created",
        kind="dataset",
        id="dataset",
    ),
    "checks": Table(
        "checks",
        (
            "verdict",
            "check",
            "bad_rows",
            "considered",
            "dimension",
            "when",
            "severity",
            "dataset",
            "surplus",
            "batch",
        ),
        """SELECT CASE verdict WHEN 'pass' THEN 'ok' ELSE verdict END AS verdict, c.name AS "check", bad_rows, considered, c.dimension, r.ts AS "when", c.severity, c.dataset,
             surplus, right(batch_id::VARCHAR, 8) AS batch, check_id, batch_id,
             CASE verdict WHEN 'fail' THEN 0 WHEN 'error' THEN 1 WHEN 'warn' THEN 2 ELSE 3 END AS place
           FROM check_results r JOIN (SELECT check_id, any_value(name) AS name, any_value(dataset) AS dataset, any_value(dimension) AS dimension, any_value(severity) AS severity
                                      FROM checks GROUP BY check_id) c USING (check_id)""",
        '"when" DESC, place, bad_rows DESC, dataset, "check", check_id, batch_id',
        "concat_ws(' ', \"when\", check_id, batch_id)",
        "No check has run: mlcycle quality check",
        "quality history",
        right=("bad_rows", "considered", "surplus"),
        stretch="check",
        aged="when",
        kind="check",
        id="check",
    ),
    "quarantine": Table(
        "rows set aside",
        ("reason", "dataset", "key", "row", "batch", "released"),
        """SELECT reason, dataset, row_key AS key, row_number AS row, right(batch_id::VARCHAR, 8) AS batch, released_at AS released,
             batch_id, check_id FROM quarantine""",
        'dataset, batch_id, "row", check_id, reason',
        "concat_ws(' ', dataset, batch_id, \"row\", check_id)",
        "No row is set aside",
        "quality quarantine",
        right=("row",),
        stretch="reason",
        kind="quarantined row",
        id="key",
    ),
    "training sets": Table(
        "training sets",
        ("name", "rows", "train", "validation", "features", "created", "as_of", "look_ahead", "id"),
        """SELECT name, rows, train_rows AS train, validation_rows AS validation, len(features) AS features, created_at AS created, as_of, look_ahead,
             right(training_set_id::VARCHAR, 8) AS id, training_set_id FROM training_sets""",
        "created DESC, training_set_id DESC",
        "training_set_id",
        "No training set yet: mlcycle features build",
        'sql "FROM training_sets"',
        right=("rows", "train", "validation", "features"),
        aged="created",
        kind="training set",
        id="id",
    ),
    "runs": Table(
        "runs",
        ("status", "run", "metrics", "started", "seconds", "experiment", "git", "id"),
        f"""WITH listed AS MATERIALIZED (SELECT run_id, name, status, started_at AS started, ended_at, experiment, git_commit FROM runs {PAGE}),
           told AS (SELECT run_id, min({{'other': w.metric IS NULL, 'key': key, 'value': value}}, 2) AS two FROM latest_metrics SEMI JOIN listed USING (run_id)
             LEFT JOIN (SELECT DISTINCT metric FROM requirements WHERE until IS NULL) w ON w.metric = key GROUP BY run_id)
           SELECT r.status, coalesce(n.name, r.name, right(r.run_id::VARCHAR, 8)) AS run, array_to_string([t.key || ' ' || printf('%.4g', t.value) FOR t IN m.two], '  ') AS metrics,
             r.started, round(epoch(r.ended_at) - epoch(r.started), 2) AS seconds, r.experiment, left(r.git_commit, 8) AS git, right(r.run_id::VARCHAR, 8) AS id,
             r.run_id, m.two[1].key AS first, m.two[1].value AS value
           FROM listed r LEFT JOIN told m USING (run_id)
             LEFT JOIN (SELECT run_id, nullif(value, '') AS name FROM tags SEMI JOIN listed USING (run_id) WHERE key = 'mlcycle.name') n USING (run_id)""",
        "started DESC, run_id DESC",
        "run_id",
        "No run yet: mlcycle train fits the declared models",
        "runs list",
        sorts={"metrics": ("first", "value")},
        early={
            "status": "status",
            "started": "started",
            "seconds": "round(epoch(ended_at) - epoch(started), 2)",
            "experiment": "experiment",
            "git": "left(git_commit, 8)",
            "id": "right(run_id::VARCHAR, 8)",
        },
        count="SELECT count(*) AS total FROM runs",
        right=("seconds",),
        stretch="run",
        aged="started",
        kind="run",
        id="id",
        marks=True,
    ),
    "models": Table(
        "model versions",
        ("model", "alias", "gate", "created", "format", "bytes", "parity", "run"),
        """SELECT v.model || ':' || v.version AS model, (SELECT string_agg(alias, ', ' ORDER BY alias) FROM aliases a WHERE a.model = v.model AND a.version = v.version) AS alias,
             (SELECT outcome FROM decisions d WHERE d.kind = 'gate' AND d.subject = v.model || ':' || v.version ORDER BY ts DESC LIMIT 1) AS gate,
             v.created_at AS created, v.format, v.bytes, v.parity, right(v.run_id::VARCHAR, 8) AS run, v.model AS name, v.version FROM model_versions v""",
        "name, version DESC",
        "model",
        "No model version yet: mlcycle sweep, then mlcycle models register",
        "models list",
        sorts={"model": ("name", "version")},
        right=("bytes", "parity"),
        aged="created",
        kind="model",
        id="model",
        marks=True,
    ),
    "deployments": Table(
        "deployments",
        ("state", "deployment", "model", "since", "kind", "url", "why"),
        "SELECT state, deployment, model || ':' || version AS model, since, kind, url, why FROM deployments",
        "since DESC, deployment",
        "deployment",
        "No deployment yet: mlcycle deploy start",
        "deploy list",
        stretch="why",
        aged="since",
        kind="deployment",
        id="deployment",
    ),
    "images": Table(
        "images",
        ("tag", "model", "built", "bytes", "digest"),
        "SELECT tag, model || ':' || version AS model, built_at AS built, bytes, digest FROM images",
        "built DESC, tag, digest",
        "concat_ws(' ', tag, digest, built)",
        "No image yet: mlcycle images build, which needs a container engine",
        "images list",
        right=("bytes",),
        aged="built",
        kind="image",
        id="tag",
    ),
    "windows": Table(
        "windows",
        ("verdict", "metric", "subject", "window", "value", "limit", "n", "deployment", "model"),
        """SELECT verdict, metric, subject, "end" AS "window", value, "limit", n, deployment, model || ':' || version AS model, start, requirement_id,
             CASE verdict WHEN 'alert' THEN 0 WHEN 'watch' THEN 1 WHEN 'too few' THEN 2 WHEN 'not measured' THEN 3 ELSE 4 END AS place FROM windows""",
        '"window" DESC, place, metric, value DESC, deployment, subject, model, requirement_id, start',
        "concat_ws(' ', deployment, metric, coalesce(subject, ''), start, \"window\", model, requirement_id)",
        "No window judged yet: mlcycle monitor run",
        "monitor windows",
        right=("value", "limit", "n"),
        kind="window",
    ),
    "alerts": Table(
        "alerts",
        ("state", "subject", "value", "limit", "window", "kind", "severity", "metric", "deployment", "id"),
        """SELECT state, subject, value, "limit", window_end AS "window", kind, severity, metric, deployment,
             right(alert_id::VARCHAR, 8) AS id, alert_id FROM alerts""",
        '"window" DESC, state, kind, subject, alert_id',
        "alert_id",
        "No alert",
        "monitor alerts",
        right=("value", "limit"),
        kind="alert",
        id="id",
    ),
    "triggers": Table(
        "triggers",
        ("state", "reason", "when", "because", "id", "evidence"),
        """SELECT state, reason, ts AS "when",
             concat_ws(', ', CASE json_array_length(evidence, '$.alerts') WHEN 0 THEN NULL WHEN 1 THEN '1 alert' ELSE json_array_length(evidence, '$.alerts') || ' alerts' END,
               CASE json_array_length(evidence, '$.batches') WHEN 0 THEN NULL WHEN 1 THEN '1 batch' ELSE json_array_length(evidence, '$.batches') || ' batches' END) AS because,
             right(trigger_id::VARCHAR, 8) AS id, evidence, trigger_id
           FROM triggers""",
        '"when" DESC, trigger_id DESC',
        "trigger_id",
        "Nothing asks for retraining",
        "retrain status",
        stretch="because",
        aged="when",
        kind="trigger",
        id="id",
    ),
}
"""By name, as `Gateway.page` and `Gateway.table` take it."""


def runs_by(metric: str, *, lower: bool) -> str:
    """Add a table of the runs with one metric as a column of its own, the best first; returns its name in `TABLES`.

    Parameters
    ----------
    metric
        Which.
    lower
        Whether less is better.
    """
    plain = TABLES["runs"]
    column = _column(metric)
    # It names a widget too, and these take letters, digits and dashes.
    plainly = "".join(sign if sign.isascii() and (sign.isalnum() or sign in "_-") else "-" for sign in metric)
    name = f"runs by {plainly}" + ("" if plainly == metric else f"-{crc32(metric.encode()):08x}")
    # A name that holds the mark of the page would be cut in two where the mark is replaced.
    key = "('" + metric.replace("'", "''").replace("/*", "/' || '*") + "')"
    # The metric's name comes in last of all: whatever it is called, no part of the query before can mean it.
    shown = '"' + column.replace('"', '""') + '"'
    best = "value" if lower else "-value"
    sql = f"""SELECT status, run, chosen AS {shown}, others, started, seconds, experiment, git, id, run_id, rank FROM (
           WITH listed AS MATERIALIZED (SELECT run_id, name, status, started_at AS started, ended_at, experiment, git_commit, c.value AS chosen,
             CASE WHEN isfinite(c.value) THEN {best.replace("value", "c.value")} ELSE 'Infinity'::DOUBLE END AS rank
             FROM runs LEFT JOIN (SELECT run_id, value FROM latest_metrics WHERE key = {key}) c USING (run_id) {PAGE}),
           told AS (SELECT run_id, min({{'other': w.metric IS NULL, 'key': key, 'value': value}}, 2) AS two FROM latest_metrics SEMI JOIN listed USING (run_id)
             LEFT JOIN (SELECT DISTINCT metric FROM requirements WHERE until IS NULL) w ON w.metric = key WHERE key <> {key} GROUP BY run_id)
           SELECT r.status, coalesce(n.name, r.name, right(r.run_id::VARCHAR, 8)) AS run, r.chosen,
             array_to_string([t.key || ' ' || printf('%.4g', t.value) FOR t IN m.two], '  ') AS others,
             r.started, round(epoch(r.ended_at) - epoch(r.started), 2) AS seconds, r.experiment, left(r.git_commit, 8) AS git, right(r.run_id::VARCHAR, 8) AS id,
             r.run_id, r.rank
           FROM listed r LEFT JOIN told m USING (run_id)
             LEFT JOIN (SELECT run_id, nullif(value, '') AS name FROM tags SEMI JOIN listed USING (run_id) WHERE key = 'mlcycle.name') n USING (run_id))"""
    TABLES[name] = replace(
        plain,
        title=f"runs by {metric}",
        columns=("status", "run", column, "others", "started", "seconds", "experiment", "git", "id"),
        sql=sql,
        order="rank, started DESC, run_id DESC",
        sorts={},
        early={**plain.early, column: "chosen"},
        command=f"runs best {quote(metric)}",
        right=(column, "seconds"),
    )
    return name


def _column(metric: str) -> str:
    """Return what the metric's column is called: SQL takes `Status` and `status` for one name, and words are drawn."""
    own = {"status", "run", "others", "started", "seconds", "experiment", "git", "id", "run_id", "rank"}
    words = {"gate", "outcome", "state", "verdict"}
    alone = metric and metric == metric.strip() and "/*" not in metric and metric.lower() not in own | words
    return metric if alone else f"metric {metric.replace('/*', '/ *')}"


SCREENS = {
    "home": ("events",),
    "design": ("requirements", "decisions"),
    "data": ("checks", "batches", "quarantine"),
    "features": ("training sets", "versions"),
    "experiments": ("runs",),
    "deploy": ("models", "deployments", "images", "decisions"),
    "monitor": ("windows", "alerts"),
    "retrain": ("triggers", "decisions"),
}
"""The tables of each screen, the main one first, as `mlcycle show` writes them."""
