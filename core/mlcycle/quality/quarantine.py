"""The rows that were set aside."""

from __future__ import annotations

from mlcycle.quality import records
from mlcycle.quality.model import QuarantineRow
from mlcycle.store import Store
from mlcycle.workspace import Workspace

__all__ = ["quarantine"]


def quarantine(workspace: Workspace, dataset: str | None = None) -> list[QuarantineRow]:
    """Return the rows set aside, of one dataset or of all, each once and with every reason."""
    return records.quarantined_rows(Store(workspace), dataset)
