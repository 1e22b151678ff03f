"""The queries of doctor: rows that name what is not there, and the files that rows name."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["CONTENTS", "QUERIES", "Query"]


@dataclass(frozen=True)
class Query:
    """Rows that should not be; each has a column `name`."""

    what: str
    """What is the matter, with the row's columns in braces."""
    sql: str


QUERIES = (
    Query(
        "batch {name} was admitted into dataset version {other}, which is not there",
        """SELECT batch_id::VARCHAR AS name, dataset_version AS other FROM batch
        WHERE dataset_version IS NOT NULL AND dataset_version NOT IN (SELECT dataset_version FROM dataset_version)""",
    ),
    Query(
        "a part belongs to dataset version {name}, which is not there",
        """SELECT DISTINCT dataset_version AS name FROM part
        WHERE dataset_version NOT IN (SELECT dataset_version FROM dataset_version)""",
    ),
    Query(
        "dataset version {name} should hold {rows} rows, its parts hold {held}",
        """SELECT v.dataset_version AS name, any_value(v.rows) AS rows, coalesce(sum(p.rows), 0)::BIGINT AS held
        FROM dataset_version AS v LEFT JOIN part AS p USING (dataset_version)
        GROUP BY v.dataset_version HAVING any_value(v.rows) <> coalesce(sum(p.rows), 0)""",
    ),
    Query(
        "alias {name} points to version {version}, which is not there",
        """SELECT a.model || ':' || a.alias AS name, a.version FROM alias AS a
        ANTI JOIN model_version AS m ON m.model = a.model AND m.version = a.version""",
    ),
    Query(
        "deployment {name} serves {model} version {version}, which is not there",
        """SELECT d.deployment AS name, d.model, d.version FROM deployment AS d
        ANTI JOIN model_version AS m ON m.model = d.model AND m.version = d.version""",
    ),
    Query(
        "model version {name} comes from run {run}, which is not there",
        """SELECT m.model || ':' || m.version AS name, m.run_id::VARCHAR AS run FROM model_version AS m
        WHERE m.run_id NOT IN (SELECT run_id FROM live_run_start)""",
    ),
    Query(
        "labels of {name} predictions that are not there",
        """SELECT count(*)::VARCHAR AS name FROM label
        WHERE prediction_id NOT IN (SELECT prediction_id FROM live_prediction) HAVING count(*) >
            (SELECT coalesce(sum(rows), 0) FROM prediction_archive WHERE dropped_at IS NOT NULL)""",
    ),
)

CONTENTS = """
    SELECT sha256, any_value(what) AS what, any_value(name) AS name FROM (
        SELECT sha256, 'part of dataset version ' || dataset_version AS what, dataset_version AS name FROM part
        UNION ALL SELECT raw_part, 'rows of batch ' || path, batch_id::VARCHAR FROM batch
        UNION ALL SELECT malformed_part, 'malformed rows of batch ' || path, batch_id::VARCHAR FROM batch
        UNION ALL SELECT sha256, 'training set ' || name, training_set_id::VARCHAR FROM training_set_version
        UNION ALL SELECT sha256, 'package of ' || model || ':' || version, model || ':' || version FROM model_version
        UNION ALL SELECT sha256, 'artifact ' || path, run_id::VARCHAR FROM live_artifact
    ) WHERE regexp_full_match(sha256, '[0-9a-f]{64}') GROUP BY sha256 ORDER BY sha256
"""
"""Content hashes that rows name, with what they are."""
