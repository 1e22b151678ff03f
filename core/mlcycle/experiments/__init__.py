"""Experiments: runs, training, sweeps, comparison. Looked up when first used, so that logging stays light."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlcycle.experiments.artifacts import keep_bytes, read_artifact
    from mlcycle.experiments.bootstrap import Paired, paired
    from mlcycle.experiments.capture import run_command
    from mlcycle.experiments.comparison import (
        best,
        compare,
        curves,
        list_runs,
        model_params,
        run_curves,
        run_package,
        show,
        winner,
    )
    from mlcycle.experiments.evaluation import Scores, evaluate
    from mlcycle.experiments.metrics import Measured, score
    from mlcycle.experiments.model import Comparison, RunCurve, RunResult, RunRow, Stopped, SweepResult, Trial
    from mlcycle.experiments.rows import Rows, rows_of, training_rows
    from mlcycle.experiments.stop import stop
    from mlcycle.experiments.sweeps import sweep
    from mlcycle.experiments.tracking import Run, start_run
    from mlcycle.experiments.training import train

__all__ = [
    "Comparison",
    "Measured",
    "Paired",
    "Rows",
    "Run",
    "RunCurve",
    "RunResult",
    "RunRow",
    "Scores",
    "Stopped",
    "SweepResult",
    "Trial",
    "best",
    "compare",
    "curves",
    "evaluate",
    "keep_bytes",
    "list_runs",
    "model_params",
    "paired",
    "read_artifact",
    "rows_of",
    "run_command",
    "run_curves",
    "run_package",
    "score",
    "show",
    "start_run",
    "stop",
    "sweep",
    "train",
    "training_rows",
    "winner",
]

PLACES = {
    "artifacts": ("keep_bytes", "read_artifact"),
    "bootstrap": ("Paired", "paired"),
    "capture": ("run_command",),
    "comparison": (
        "best",
        "compare",
        "curves",
        "list_runs",
        "model_params",
        "run_curves",
        "run_package",
        "show",
        "winner",
    ),
    "evaluation": ("Scores", "evaluate"),
    "metrics": ("Measured", "score"),
    "model": ("Comparison", "RunCurve", "RunResult", "RunRow", "Stopped", "SweepResult", "Trial"),
    "rows": ("Rows", "rows_of", "training_rows"),
    "stop": ("stop",),
    "sweeps": ("sweep",),
    "tracking": ("Run", "start_run"),
    "training": ("train",),
}


def __getattr__(name: str) -> Any:
    for module, names in PLACES.items():
        if name in names:
            value = getattr(import_module(f"mlcycle.experiments.{module}"), name)
            globals()[name] = value  # the next look-up does not come here
            return value
    if name in PLACES:
        return import_module(f"mlcycle.experiments.{name}")
    raise AttributeError(f"module 'mlcycle.experiments' has no attribute {name!r}")
