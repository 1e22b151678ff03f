"""What has arrived, source by source."""

from __future__ import annotations

from mlcycle import declare
from mlcycle.data import records
from mlcycle.data.model import Batch, SourceSummary
from mlcycle.store import Store
from mlcycle.workspace import Workspace

__all__ = ["list_sources", "unchecked"]


def list_sources(workspace: Workspace) -> list[SourceSummary]:
    """Return the declared sources in their order, each with what has arrived of it."""
    store = Store(workspace)
    batches = records.batches(store)
    newest = {version.dataset: version for version in records.versions(store, workspace)}
    summaries = []
    for name, source in declare.load(workspace).data.sources.items():
        own = [batch for batch in batches if batch.source == name]
        version = newest.get(name)
        summaries.append(
            SourceSummary(
                source=name,
                format=source.format,
                path=source.path,
                batches=len(own),
                unchecked=sum(batch.state == "arrived" for batch in own),
                rows=sum(batch.rows for batch in own),
                set_aside=sum(batch.set_aside for batch in own),
                clean_rows=version.rows if version else 0,
                dataset_version=version.dataset_version if version else None,
                arrived_at=own[-1].arrived_at if own else None,
            )
        )
    return summaries


def unchecked(workspace: Workspace) -> list[Batch]:
    """Return the batches that have arrived and that no check has judged, oldest first."""
    return records.batches(Store(workspace), states=["arrived"])
