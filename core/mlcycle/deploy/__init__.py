"""Deployments: a model version that answers, in a process here or in an image elsewhere."""

from mlcycle.deploy.image import build_image
from mlcycle.deploy.listing import find, list_deployments
from mlcycle.deploy.model import Deployment, ImageResult, Latency, Prediction, PredictReport
from mlcycle.deploy.predict import predict, smoke
from mlcycle.deploy.serve import serve
from mlcycle.deploy.start import start, swap
from mlcycle.deploy.stop import stop, stop_all

__all__ = [
    "Deployment",
    "ImageResult",
    "Latency",
    "PredictReport",
    "Prediction",
    "build_image",
    "find",
    "list_deployments",
    "predict",
    "serve",
    "smoke",
    "start",
    "stop",
    "stop_all",
    "swap",
]
