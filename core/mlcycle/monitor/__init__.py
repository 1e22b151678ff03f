"""Phase 6: how the model does on live data, held against the requirements of phase 1."""

from mlcycle.monitor.alerts import ack, alerts, close
from mlcycle.monitor.distribution import Distribution, distribution
from mlcycle.monitor.drift_over import drift_over
from mlcycle.monitor.labels import labels
from mlcycle.monitor.model import (
    Alert,
    Coverage,
    Drift,
    DriftOver,
    LabelReport,
    Line,
    Missing,
    MonitorReport,
    Panel,
    Profile,
    Retained,
    Span,
    Traffic,
    WindowResult,
)
from mlcycle.monitor.panel import panel
from mlcycle.monitor.retain import retain
from mlcycle.monitor.run import run
from mlcycle.monitor.series import Judged, Moment, Series, Track, least_rows, series

__all__ = [
    "Alert",
    "Coverage",
    "Distribution",
    "Drift",
    "DriftOver",
    "Judged",
    "LabelReport",
    "Line",
    "Missing",
    "Moment",
    "MonitorReport",
    "Panel",
    "Profile",
    "Retained",
    "Series",
    "Span",
    "Track",
    "Traffic",
    "WindowResult",
    "ack",
    "alerts",
    "close",
    "distribution",
    "drift_over",
    "labels",
    "least_rows",
    "panel",
    "retain",
    "run",
    "series",
]
