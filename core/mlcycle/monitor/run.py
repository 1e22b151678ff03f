"""Judging live data: one call looks at every window that is new or whose facts changed."""

from __future__ import annotations

from mlcycle.monitor.model import MonitorReport
from mlcycle.workspace import Workspace

__all__ = ["run"]


def run(workspace: Workspace, *, deployment: str | None = None, force: bool = False) -> MonitorReport:
    """Judge every window of predictions that is new, or whose facts changed, and open its alerts.

    Parameters
    ----------
    deployment
        Only this one; all unless given.
    force
        Compute windows again although nothing changed.

    Returns
    -------
    MonitorReport
        The windows computed now. A window is computed again when its predictions or labels, the requirements
        that bind monitoring, the reference or the limits are others than when it was judged.
    """
    from mlcycle.monitor.windows import (
        judge_windows,
    )  # five rooms; the live panel imports this package at once

    return judge_windows(workspace, deployment=deployment, force=force)
