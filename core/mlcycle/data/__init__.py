"""Data: files become batches, checked batches become dataset versions.

source --ingest--> batch (raw part, malformed part) --quality--> dataset version (a manifest of clean parts)
"""

from __future__ import annotations

from mlcycle.data.ingest import ingest
from mlcycle.data.listing import list_sources, unchecked
from mlcycle.data.manifest import current, list_versions, tables
from mlcycle.data.model import Batch, ColumnProfile, DatasetVersion, SourceSummary
from mlcycle.data.profile import profile

__all__ = [
    "Batch",
    "ColumnProfile",
    "DatasetVersion",
    "SourceSummary",
    "current",
    "ingest",
    "list_sources",
    "list_versions",
    "profile",
    "tables",
    "unchecked",
]
