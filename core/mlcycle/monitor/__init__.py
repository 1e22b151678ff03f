"""Phase 6: how the model does on live data, held against the requirements of phase 1."""

from mlcycle.monitor.alerts import ack, alerts, close
from mlcycle.monitor.labels import labels
from mlcycle.monitor.model import (
    Alert,
    Coverage,
    Drift,
    LabelReport,
    Line,
    Missing,
    MonitorReport,
    Panel,
    Profile,
    Span,
    Traffic,
    WindowResult,
)
from mlcycle.monitor.panel import panel
from mlcycle.monitor.run import run

__all__ = [
    "Alert",
    "Coverage",
    "Drift",
    "LabelReport",
    "Line",
    "Missing",
    "MonitorReport",
    "Panel",
    "Profile",
    "Span",
    "Traffic",
    "WindowResult",
    "ack",
    "alerts",
    "close",
    "labels",
    "panel",
    "run",
]
