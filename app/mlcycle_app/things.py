"""What has a name in a workspace, for finding by name: one query over the public views."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlcycle_app.gateway import Gateway

__all__ = ["Thing", "things"]

QUERY = """
SELECT * FROM (
  SELECT 1 AS screen, 'requirements' AS "table", 'requirement' AS kind, requirement_id AS name, '' AS more, since AS ts
    FROM requirements WHERE until IS NULL
  UNION ALL SELECT 2, 'checks', 'check', any_value(name), any_value(dataset), NULL FROM checks GROUP BY check_id
  UNION ALL SELECT 2, 'batches', 'batch', right(batch_id::VARCHAR, 8), source, arrived_at FROM batches
  UNION ALL SELECT 3, 'training sets', 'training set', right(training_set_id::VARCHAR, 8), name, created_at
    FROM training_sets
  UNION ALL SELECT 3, 'training sets', 'feature', unnest(features), name, created_at
    FROM (FROM training_sets ORDER BY created_at DESC LIMIT 1)
  UNION ALL SELECT 4, 'runs', 'run', right(run_id::VARCHAR, 8), coalesce(name, ''), started_at
    FROM (FROM runs ORDER BY started_at DESC LIMIT 2000)
  UNION ALL SELECT 5, 'models', 'model', model || ':' || version, format, created_at FROM model_versions
  UNION ALL SELECT 5, 'deployments', 'deployment', deployment, kind, since FROM deployments
  UNION ALL SELECT 6, 'alerts', 'alert', right(alert_id::VARCHAR, 8), subject, window_end FROM alerts
  UNION ALL SELECT 7, 'triggers', 'trigger', right(trigger_id::VARCHAR, 8), reason, ts FROM triggers
) ORDER BY screen, kind, ts DESC NULLS LAST, name LIMIT 5000"""


@dataclass(frozen=True)
class Thing:
    """One thing with a name."""

    screen: int
    table: str
    """Name in `tables.TABLES` of the list it is in."""
    kind: str
    name: str
    """What commands take, or the name itself."""
    more: str = ""
    """What else it is called."""


def things(gateway: Gateway) -> list[Thing]:
    """Return what can be found by name, the newest of each kind first; the 5,000 first."""
    return [
        Thing(row["screen"], row["table"], row["kind"], str(row["name"]), row["more"] or "")
        for row in gateway.rows(QUERY)
    ]
