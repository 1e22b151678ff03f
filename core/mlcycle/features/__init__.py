"""Features: from clean tables to rows a model learns from and is asked about, each as of its own moment.

spine + views --compile--> one relation --build--> training set
                                        --rows_at, labelled, get, from_file--> rows to score and to judge by
                                        --explain--> the source rows behind one entity's values
"""

from __future__ import annotations

from mlcycle.features.build import build
from mlcycle.features.explain import explain
from mlcycle.features.foreign import from_file, get
from mlcycle.features.lint import lint
from mlcycle.features.model import (
    Explained,
    Explanation,
    Feature,
    FeatureRows,
    Finding,
    LeftOut,
    SourceRow,
    TrainingSet,
    ViewInfo,
    entity_of,
)
from mlcycle.features.rows import labelled, rows_at
from mlcycle.features.stored import example, find, list_training_sets, list_views, load, spread

__all__ = [
    "Explained",
    "Explanation",
    "Feature",
    "FeatureRows",
    "Finding",
    "LeftOut",
    "SourceRow",
    "TrainingSet",
    "ViewInfo",
    "build",
    "entity_of",
    "example",
    "explain",
    "find",
    "from_file",
    "get",
    "labelled",
    "lint",
    "list_training_sets",
    "list_views",
    "load",
    "rows_at",
    "spread",
]
