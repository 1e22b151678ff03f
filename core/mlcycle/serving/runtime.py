"""Owns running the model: a float32 matrix in, scores and labels out, in either of the two runtimes."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlcycle.errors import DataError
from mlcycle.serving.package import Package, Signature
from mlcycle.serving.skops_file import load_model

__all__ = ["ModelFailure", "Scorer", "Scores", "load"]

Run = Callable[[NDArray[np.float32]], NDArray[Any]]
INPUT = "input"


class ModelFailure(Exception):
    """The model itself could not score a matrix that was built as it asked."""


@dataclass(frozen=True)
class Scores:
    """One score a row; labels only where the model chooses among classes."""

    scores: list[float | None]
    """Probability of the second class, of the likeliest class, or the value; None where it is no number."""
    labels: list[str] | None = None


class Scorer:
    """A loaded model behind one call."""

    def __init__(self, signature: Signature, run: Run) -> None:
        self._signature = signature
        self._run = run

    def __call__(self, matrix: NDArray[np.float32]) -> Scores:
        """Score a matrix of shape [rows, columns].

        Raises
        ------
        ModelFailure
            If the model refuses the matrix or returns another shape than its signature says.
        """
        output = self._run(matrix)
        column = self._signature.output.column
        if output.ndim > 1 and self._signature.task == "multiclass":
            return self._classes(output)
        flat = output[:, column or 0] if output.ndim > 1 else output
        return Scores([_number(value) for value in flat.tolist()])

    def warm_up(self) -> None:
        """Score one row of zeros and one of ones, so that a broken model never becomes ready.

        Raises
        ------
        DataError
            If the model cannot score them or what it returns is no number.
        """
        matrix = np.vstack([np.zeros(self._signature.width), np.ones(self._signature.width)]).astype(
            np.float32
        )
        try:
            scores = self(matrix).scores
        except (ModelFailure, IndexError) as error:
            raise DataError(f"the model cannot score a row of its own signature: {error}") from error
        if len(scores) != len(matrix) or None in scores:
            raise DataError(
                f"the model answers {scores} to two rows of its own signature: those are not two scores"
            )

    def _classes(self, output: NDArray[Any]) -> Scores:
        names = self._signature.classes or ()
        if output.shape[1] != len(names):
            raise ModelFailure(f"{output.shape[1]} probabilities for {len(names)} classes")
        best = output.argmax(axis=1)
        scores = output[np.arange(len(output)), best]
        return Scores(
            [_number(value) for value in scores.tolist()], [names[index] for index in best.tolist()]
        )


def load(package: Package) -> Scorer:
    """Load the model of a package.

    Raises
    ------
    DataError
        If the model file is damaged or does not fit its own signature.
    EngineError
        If the runtime it needs is not installed.
    """
    make = _onnx if package.signature.runtime == "onnx" else _skops
    return Scorer(package.signature, make(package))


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _onnx(package: Package) -> Run:
    from mlcycle import ort

    onnxruntime = ort.load()
    errors = _onnx_errors()
    signature = package.signature
    options = onnxruntime.SessionOptions()
    # One thread: a second one spins beside one-row requests and costs more than it gives.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(package.model, options, providers=["CPUExecutionProvider"])
    except errors as error:
        raise DataError(f"the ONNX model cannot be loaded: {error}") from error
    _check_shape(session, signature)
    names = [signature.output.name]

    def run(matrix: NDArray[np.float32]) -> NDArray[Any]:
        try:
            output: NDArray[Any] = session.run(names, {INPUT: matrix})[0]
        except errors as error:
            raise ModelFailure(str(error)) from error
        return output

    return run


def _onnx_errors() -> tuple[type[Exception], ...]:
    # Its C++ errors share no base class but Exception.
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    names = ("Fail", "InvalidArgument", "InvalidGraph", "InvalidProtobuf", "NoModel", "NotImplemented")
    own = [getattr(state, name) for name in (*names, "EPFail", "RuntimeException") if hasattr(state, name)]
    return (*own, RuntimeError, ValueError)


def _check_shape(session: Any, signature: Signature) -> None:
    inputs = {item.name: item.shape for item in session.get_inputs()}
    outputs = [item.name for item in session.get_outputs()]
    if list(inputs) != [INPUT]:
        raise DataError(f"the ONNX model takes {sorted(inputs)}, but a package's model takes one {INPUT!r}")
    columns = inputs[INPUT][1] if len(inputs[INPUT]) > 1 else None
    if isinstance(columns, int) and columns != signature.width:
        raise DataError(f"the ONNX model takes {columns} columns, its signature makes {signature.width}")
    if signature.output.name not in outputs:
        raise DataError(f"the ONNX model has no output {signature.output.name!r}, only {outputs}")


def _skops(package: Package) -> Run:
    model = load_model(package.model)
    name = "predict" if package.signature.task == "regression" else "predict_proba"
    method = getattr(model, name, None)
    if method is None:
        raise DataError(f"the skops model is a {type(model).__name__}, which has no {name}")

    def run(matrix: NDArray[np.float32]) -> NDArray[Any]:
        try:
            return np.asarray(method(matrix))
        except ValueError as error:
            raise ModelFailure(str(error)) from error

    return run
