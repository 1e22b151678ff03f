"""The tables that people look at, each one query over the public views: the list commands and the UI show the same.

Nothing here is private: any of these can be typed after `mlcycle sql`. The most telling columns come first, because a
narrow terminal shows only as many as fit.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["TABLES", "Table"]


@dataclass(frozen=True)
class Table:
    """One named list."""

    title: str
    sql: str
    """Newest or most urgent first; at most some hundreds of rows."""
    empty: str
    """What to say, and to type, when there is no row."""
    command: str
    """The command that lists the same."""
    right: tuple[str, ...] = ()
    """Columns of numbers, set flush right."""
    stretch: str = ""
    """The column of long words: cut so that others fit beside it."""
    aged: str = ""
    """The column of times that the UI shows as an age."""


TABLES = {
    "events": Table(
        "recent events",
        """SELECT ts AS "when", what, detail FROM (
             SELECT ts, kind || ' ' || outcome AS what, subject || coalesce(': ' || reasons[1], '') AS detail FROM decisions
             UNION ALL SELECT opened_at, kind || ' alert', subject || ' in the window of ' || strftime(window_end, '%Y-%m-%d') FROM alerts
             UNION ALL SELECT arrived_at, 'batch ' || state, source || ', ' || rows || ' rows' FROM batches
             UNION ALL SELECT created_at, 'training set', name || ', ' || rows || ' rows' FROM training_sets
             UNION ALL SELECT ts, 'trigger ' || state, reason FROM triggers
           ) ORDER BY ts DESC, what LIMIT 100""",
        "Nothing has happened yet",
        "status",
        stretch="detail",
        aged="when",
    ),
    "requirements": Table(
        "requirements",
        """SELECT requirement_id AS requirement, comparison || ' ' || printf('%g', value) AS "limit",
             array_to_string(phases, ', ') AS binds, role, metric, owner, version
           FROM requirements WHERE until IS NULL ORDER BY requirement_id""",
        "No requirement yet. One number decides everything after it: write one into design.yaml, then mlcycle design check",
        "design list",
        ("version",),
        stretch="binds",
    ),
    "decisions": Table(
        "decisions",
        """SELECT ts AS "when", outcome, kind, subject, array_to_string(reasons, '; ') AS reasons, decided_by
           FROM decisions ORDER BY ts DESC, decision_id DESC LIMIT 500""",
        "No decision yet: mlcycle models promote asks the gate",
        "models audit",
        stretch="reasons",
        aged="when",
    ),
    "batches": Table(
        "batches",
        """SELECT state, source, rows, set_aside, mended, malformed, arrived_at AS arrived, trained, path, right(batch_id::VARCHAR, 8) AS batch
           FROM batches ORDER BY arrived_at DESC, source LIMIT 500""",
        "No data yet: mlcycle data ingest",
        "data list",
        ("rows", "set_aside", "mended", "malformed"),
        aged="arrived",
    ),
    "versions": Table(
        "dataset versions",
        """SELECT dataset, number, rows, created_at AS created, dataset_version AS version, parent, fingerprint
           FROM dataset_versions ORDER BY created_at DESC, dataset LIMIT 500""",
        "No dataset version yet: mlcycle quality check admits what arrived",
        "data versions",
        ("number", "rows"),
        aged="created",
    ),
    "checks": Table(
        "checks",
        """SELECT CASE verdict WHEN 'pass' THEN 'ok' ELSE verdict END AS verdict, c.name AS "check", bad_rows, considered, c.dimension, r.ts AS "when", c.severity, c.dataset, surplus
           FROM check_results r JOIN (SELECT check_id, any_value(name) AS name, any_value(dataset) AS dataset, any_value(dimension) AS dimension, any_value(severity) AS severity
                                      FROM checks GROUP BY check_id) c USING (check_id)
           ORDER BY r.ts DESC, CASE verdict WHEN 'fail' THEN 0 WHEN 'error' THEN 1 WHEN 'warn' THEN 2 ELSE 3 END, bad_rows DESC, dataset, "check" LIMIT 500""",
        "No check has run: mlcycle quality check",
        "quality history",
        ("bad_rows", "considered", "surplus"),
        stretch="check",
        aged="when",
    ),
    "quarantine": Table(
        "rows set aside",
        """SELECT reason, dataset, row_key AS key, row_number AS row, right(batch_id::VARCHAR, 8) AS batch, released_at AS released
           FROM quarantine ORDER BY dataset, batch_id, row_number LIMIT 500""",
        "No row is set aside",
        "quality quarantine",
        ("row",),
        stretch="reason",
    ),
    "training sets": Table(
        "training sets",
        """SELECT name, rows, train_rows AS train, validation_rows AS validation, len(features) AS features, created_at AS created, as_of, look_ahead,
             right(training_set_id::VARCHAR, 8) AS id
           FROM training_sets ORDER BY created_at DESC, training_set_id DESC LIMIT 500""",
        "No training set yet: mlcycle features build",
        'sql "FROM training_sets"',
        ("rows", "train", "validation", "features"),
        aged="created",
    ),
    "runs": Table(
        "runs",
        """WITH listed AS MATERIALIZED (SELECT run_id, name, status, started_at, ended_at, experiment, git_commit FROM runs ORDER BY started_at DESC, run_id DESC LIMIT 500),
           told AS (SELECT run_id, key, value, row_number() OVER (PARTITION BY run_id ORDER BY key IN (SELECT metric FROM requirements WHERE until IS NULL) DESC, key) AS place
           FROM latest_metrics SEMI JOIN listed USING (run_id) QUALIFY place <= 2)
           SELECT r.status, coalesce(n.name, r.name, right(r.run_id::VARCHAR, 8)) AS run, m.metrics, r.started_at AS started,
           round(epoch(r.ended_at) - epoch(r.started_at), 2) AS seconds, r.experiment, left(r.git_commit, 8) AS git, right(r.run_id::VARCHAR, 8) AS id
           FROM listed r LEFT JOIN (SELECT run_id, string_agg(key || ' ' || printf('%.4g', value), '  ' ORDER BY place) AS metrics FROM told GROUP BY run_id) m USING (run_id)
             LEFT JOIN (SELECT run_id, nullif(value, '') AS name FROM tags SEMI JOIN listed USING (run_id) WHERE key = 'mlcycle.name') n USING (run_id)
           ORDER BY r.started_at DESC, r.run_id DESC""",
        "No run yet: mlcycle train fits the declared models",
        "runs list",
        ("seconds",),
        stretch="run",
        aged="started",
    ),
    "models": Table(
        "model versions",
        """SELECT v.model || ':' || v.version AS model, (SELECT string_agg(alias, ', ' ORDER BY alias) FROM aliases a WHERE a.model = v.model AND a.version = v.version) AS alias,
             (SELECT outcome FROM decisions d WHERE d.kind = 'gate' AND d.subject = v.model || ':' || v.version ORDER BY ts DESC LIMIT 1) AS gate,
             v.created_at AS created, v.format, v.bytes, v.parity, right(v.run_id::VARCHAR, 8) AS run FROM model_versions v ORDER BY v.model, v.version DESC LIMIT 500""",
        "No model version yet: mlcycle sweep, then mlcycle models register",
        "models list",
        ("bytes", "parity"),
        aged="created",
    ),
    "deployments": Table(
        "deployments",
        """SELECT state, deployment, model || ':' || version AS model, since, kind, url, why FROM deployments ORDER BY since DESC LIMIT 500""",
        "No deployment yet: mlcycle deploy start",
        "deploy list",
        stretch="why",
        aged="since",
    ),
    "images": Table(
        "images",
        "SELECT tag, model || ':' || version AS model, built_at AS built, bytes, digest FROM images ORDER BY built_at DESC LIMIT 500",
        "No image yet: mlcycle images build (needs a container engine)",
        "images list",
        ("bytes",),
        aged="built",
    ),
    "windows": Table(
        "windows",
        """SELECT verdict, metric, subject, "end" AS "window", value, "limit", n, deployment, model || ':' || version AS model
           FROM windows ORDER BY "end" DESC, CASE verdict WHEN 'alert' THEN 0 WHEN 'watch' THEN 1 WHEN 'too few' THEN 2 WHEN 'not measured' THEN 3 ELSE 4 END, metric, value DESC LIMIT 500""",
        "No window judged yet: mlcycle monitor run",
        "monitor windows",
        ("value", "limit", "n"),
    ),
    "alerts": Table(
        "alerts",
        """SELECT state, subject, value, "limit", window_end AS "window", kind, severity, metric, deployment, right(alert_id::VARCHAR, 8) AS id
           FROM alerts ORDER BY window_end DESC, state, kind, subject LIMIT 500""",
        "No alert",
        "monitor alerts",
        ("value", "limit"),
    ),
    "triggers": Table(
        "triggers",
        """SELECT state, reason, ts AS "when",
             concat_ws(', ', CASE json_array_length(evidence, '$.alerts') WHEN 0 THEN NULL WHEN 1 THEN '1 alert' ELSE json_array_length(evidence, '$.alerts') || ' alerts' END,
               CASE json_array_length(evidence, '$.batches') WHEN 0 THEN NULL WHEN 1 THEN '1 batch' ELSE json_array_length(evidence, '$.batches') || ' batches' END) AS because,
             right(trigger_id::VARCHAR, 8) AS id, evidence
           FROM triggers ORDER BY ts DESC LIMIT 500""",
        "Nothing asks for retraining",
        "retrain status",
        stretch="because",
        aged="when",
    ),
}
"""By name, as `Gateway.table` takes it."""
