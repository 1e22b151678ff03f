"""One check over time."""

from __future__ import annotations

from mlcycle.quality import records
from mlcycle.quality.model import HistoryPoint
from mlcycle.store import Store
from mlcycle.workspace import Workspace

__all__ = ["history"]


def history(workspace: Workspace, check_id: str) -> list[HistoryPoint]:
    """Return what a check said about each batch, oldest first; empty if it never judged one.

    The id is of what the check asks, so that its history outlives a new name, severity or place in the file.
    """
    return records.history(Store(workspace), check_id)
