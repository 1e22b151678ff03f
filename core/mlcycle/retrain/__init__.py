"""Phase 7: new data is noticed, a challenger learns from it, the gate decides; and the thread through all phases."""

from mlcycle.retrain.decide import decide
from mlcycle.retrain.judge import judge
from mlcycle.retrain.model import Judgement, RetrainReport, Status, Step, Taken, TakenBatch, Trace, Trigger
from mlcycle.retrain.run import run
from mlcycle.retrain.status import status
from mlcycle.retrain.trace import trace
from mlcycle.retrain.trigger import propose
from mlcycle.retrain.watch import scan, watch

__all__ = [
    "Judgement",
    "RetrainReport",
    "Status",
    "Step",
    "Taken",
    "TakenBatch",
    "Trace",
    "Trigger",
    "decide",
    "judge",
    "propose",
    "run",
    "scan",
    "status",
    "trace",
    "watch",
]
