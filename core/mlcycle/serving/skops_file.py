"""Owns what a skops file may hold: the exact types that our own models are made of, and nothing that can be called.

A name's beginning says nothing: numpy and scikit-learn carry functions that run any text they are given. So each
node of the file must be one of those listed here, as the kind of node it is listed for, before skops sees the file.
"""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Iterator
from typing import Any

from mlcycle.errors import DataError, EngineError

__all__ = ["ALLOWED", "load_model", "strange"]

SCHEMA = "schema.json"
OLDEST_PROTOCOL = 2
"""The first one written here; skops builds the nodes of earlier ones with other code."""
_BOOSTING = "sklearn.ensemble._hist_gradient_boosting"
_LOSSES = (
    "AbsoluteError",
    "HalfBinomialLoss",
    "HalfGammaLoss",
    "HalfMultinomialLoss",
    "HalfPoissonLoss",
    "HalfSquaredError",
    "PinballLoss",
)
_BY_LOADER: dict[str, tuple[str, ...]] = {
    "DictNode": ("builtins.dict",),
    "JsonNode": ("builtins.str",),
    "ListNode": ("builtins.list",),
    "TupleNode": ("builtins.tuple",),
    "TypeNode": ("builtins.float", "builtins.int", "builtins.str"),
    "NdArrayNode": (
        "numpy.float32",
        "numpy.float64",
        "numpy.int64",
        "numpy.ndarray",
        "numpy.uint64",
    ),
    "RandomGeneratorNode": ("numpy.random._generator.Generator",),
    "LossNode": tuple(f"sklearn._loss._loss.Cy{name}" for name in _LOSSES),
    "ObjectNode": (
        *(f"sklearn._loss.loss.{name}" for name in _LOSSES),
        "sklearn._loss.link.IdentityLink",
        "sklearn._loss.link.Interval",
        "sklearn._loss.link.LogLink",
        "sklearn._loss.link.LogitLink",
        "sklearn._loss.link.MultinomialLogit",
        "sklearn.dummy.DummyClassifier",
        "sklearn.dummy.DummyRegressor",
        f"{_BOOSTING}.binning._BinMapper",
        f"{_BOOSTING}.gradient_boosting.HistGradientBoostingClassifier",
        f"{_BOOSTING}.gradient_boosting.HistGradientBoostingRegressor",
        f"{_BOOSTING}.predictor.TreePredictor",
        "sklearn.linear_model._logistic.LogisticRegression",
        "sklearn.linear_model._ridge.Ridge",
        "sklearn.pipeline.Pipeline",
        "sklearn.preprocessing._data.StandardScaler",
        "sklearn.preprocessing._label.LabelEncoder",
    ),
}
ALLOWED = frozenset((loader, name) for loader, names in _BY_LOADER.items() for name in names)
"""Kind of node and type: all that the models of `mlcycle train` are made of, and no function among them."""


def load_model(content: bytes) -> Any:
    """Load a model from a skops file after every node of it was found among the allowed ones.

    Raises
    ------
    DataError
        If the file is damaged, or holds anything that our models do not hold; nothing of it has run then.
    EngineError
        If scikit-learn or skops is not installed.
    """
    unknown = strange(content)
    if unknown:
        raise DataError(f"the model file holds what no model of ours holds: {', '.join(unknown)}")
    # Read when OpenMP starts, which is when scikit-learn is imported below.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    try:
        import skops.io
    except ImportError as error:
        raise EngineError(
            "this model needs scikit-learn and skops, which are not installed here",
            hint="pip install scikit-learn skops",
        ) from error
    try:
        return skops.io.loads(content, trusted=sorted({name for _, name in ALLOWED}))
    except (
        ValueError,
        TypeError,
        KeyError,
        AttributeError,
        ImportError,
        RecursionError,
        zipfile.BadZipFile,
    ) as error:
        raise DataError(f"the skops model cannot be loaded: {error}") from error


def strange(content: bytes) -> list[str]:
    """Return the types and functions of a skops file that are not allowed, without importing any of them.

    Raises
    ------
    DataError
        If it is no skops file, or of a protocol that was never written here.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            schema = json.loads(archive.read(SCHEMA))
        protocol = schema["protocol"]
        found = {_shown(node) for node in _nodes(schema) if _kind(node) not in ALLOWED}
    except (ValueError, KeyError, TypeError, RuntimeError, zipfile.BadZipFile) as error:
        raise DataError(f"the skops model cannot be read: {error}") from error
    if not isinstance(protocol, int) or protocol < OLDEST_PROTOCOL:
        raise DataError(f"the skops model cannot be read: its protocol is {protocol!r}")
    return sorted(found)


def _nodes(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        if not {"__loader__", "__class__", "__module__"}.isdisjoint(value):
            yield value
        for inner in value.values():
            yield from _nodes(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _nodes(inner)


def _kind(node: dict[str, Any]) -> tuple[str, str]:
    return str(node.get("__loader__")), _shown(node)


def _shown(node: dict[str, Any]) -> str:
    return f"{node.get('__module__')}.{node.get('__class__')}"
