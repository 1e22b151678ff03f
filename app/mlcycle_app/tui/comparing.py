"""Makes the dialog that puts runs side by side, whichever screen asks for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mlcycle_app.gateway import Gateway, free

if TYPE_CHECKING:
    from mlcycle.experiments.model import Comparison
    from mlcycle_app.tui.dialogs.compare import CompareScreen

__all__ = ["SEVERAL", "comparison"]

# The last point of a run is written twice: once more when the run ends, for the disk.
SEVERAL = "n > 1 AND (step > 0 OR lo <> hi OR n > 2)"
"""What is true of a metric in `latest_metrics` that may have points at several steps; of all others it is not."""
STEPS = f"""SELECT DISTINCT key FROM latest_metrics WHERE run_id IN (SELECT unnest(?::UUID[]))
AND {SEVERAL} ORDER BY key"""


def comparison(gateway: Gateway, runs: Sequence[str]) -> CompareScreen:
    """Read what differs between runs, and return the dialog that shows it; runs in another thread.

    Parameters
    ----------
    gateway
        The workspace.
    runs
        Names or ends of ids, at least two.
    """
    from mlcycle_app.tui.dialogs.compare import CompareScreen

    with gateway.one_state():
        found: Comparison = gateway.do("experiments.compare", list(runs))
        ids = [run.run_id for run in found.runs]
        drawable = [row["key"] for row in gateway.rows(STEPS, [ids])]
    metrics = [row.key for row in found.rows if row.kind == "metric"]
    return CompareScreen(
        found,
        better={key: free("experiments.metrics.better", key) for key in metrics},
        drawable=drawable,
        read=lambda metric: gateway.do("experiments.curves", ids, metric),
    )
