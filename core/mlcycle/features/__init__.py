"""Features: from clean tables to rows a model learns from and is asked about, each as of its own moment.

spine + views --compile--> one relation --build--> training set
                                        --rows_at, labelled, get, from_file--> rows to score and to judge by
"""

from __future__ import annotations

from mlcycle.features.build import build
from mlcycle.features.foreign import from_file, get
from mlcycle.features.lint import lint
from mlcycle.features.model import Feature, FeatureRows, Finding, TrainingSet, ViewInfo, entity_of
from mlcycle.features.rows import labelled, rows_at
from mlcycle.features.stored import find, list_training_sets, list_views, load

__all__ = [
    "Feature",
    "FeatureRows",
    "Finding",
    "TrainingSet",
    "ViewInfo",
    "build",
    "entity_of",
    "find",
    "from_file",
    "get",
    "labelled",
    "lint",
    "list_training_sets",
    "list_views",
    "load",
    "rows_at",
]
