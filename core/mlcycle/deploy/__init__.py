"""Deployments: a model version that answers, in a process here or in an image elsewhere."""

from mlcycle.deploy.gate import gate, latency, promote
from mlcycle.deploy.image import build_image
from mlcycle.deploy.listing import find, list_deployments
from mlcycle.deploy.logs import ServerLog, follow, logs
from mlcycle.deploy.model import Deployment, ImageResult, Latency, Prediction, PredictReport
from mlcycle.deploy.predict import predict, smoke
from mlcycle.deploy.score import ScoredRow, ScoreReport, score
from mlcycle.deploy.serve import serve
from mlcycle.deploy.start import start
from mlcycle.deploy.stop import stop, stop_all
from mlcycle.deploy.swap import swap
from mlcycle.deploy.which import which

__all__ = [
    "Deployment",
    "ImageResult",
    "Latency",
    "PredictReport",
    "Prediction",
    "ScoreReport",
    "ScoredRow",
    "ServerLog",
    "build_image",
    "find",
    "follow",
    "gate",
    "latency",
    "list_deployments",
    "logs",
    "predict",
    "promote",
    "score",
    "serve",
    "smoke",
    "start",
    "stop",
    "stop_all",
    "swap",
    "which",
]
