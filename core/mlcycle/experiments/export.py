"""Leaving Python: a fitted model as ONNX where it provably scores alike, else as skops, never as pickle.

The parity gate compares both on judged rows and on rows placed at every threshold of the trees, one float32 step
below and above it: a converter that is wrong is wrong there first.
"""

from __future__ import annotations

import io
import warnings
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlcycle.errors import DataError, EngineError
from mlcycle.experiments.fit import Fitted

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[Any]

__all__ = ["Exported", "export", "run_model", "threshold_rows"]

LIMIT = 1e-5
MOST_ROWS = 20_000
MOST_THRESHOLDS = 4_000
INPUT = "input"
OPSET = {"": 17, "ai.onnx.ml": 3}
"""Old enough for every runtime of the last years, new enough for all operators we need."""
FIXED = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Exported:
    """A model file and how its answers are read."""

    runtime: str
    """`onnx` or `skops`."""
    content: bytes
    output: dict[str, Any]
    """Name of the output and the column of the score; no column for several classes."""
    parity: float
    """Largest difference to scikit-learn, relative to the largest score where that is above 1."""
    why: str = ""
    """Why ONNX was refused."""

    @property
    def file(self) -> str:
        """Its name inside the package."""
        return f"model.{self.runtime}"


def export(fitted: Fitted, rows: NDArray[np.float32], *, limit: float = LIMIT) -> Exported:
    """Export a fitted model.

    Parameters
    ----------
    rows
        Judged rows, as the matrix the model was fitted on; at most 20,000 of them are compared.
    limit
        Largest difference that still counts as the same score.
    """
    import numpy as np

    probes = np.vstack([rows[:MOST_ROWS], threshold_rows(fitted, rows), _missing_rows(fitted, rows)])
    expected = fitted.scores(probes)
    output = _output(fitted)
    try:
        content = _onnx(fitted, rows.shape[1])
        found = run_model("onnx", content, output["name"], fitted.task, probes)
        parity = _difference(expected, found)
        if parity <= limit:
            return Exported("onnx", content, output, parity)
        why = f"ONNX differs by {parity:.2g}, more than {limit:g}"
    except (DataError, EngineError) as error:
        why = str(error)
    content = _skops(fitted)
    found = run_model("skops", content, output["name"], fitted.task, probes)
    return Exported("skops", content, output, _difference(expected, found), why)


def run_model(
    runtime: str, content: bytes, output: str, task: str, matrix: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Score a matrix with an exported model; shapes as `Fitted.scores` returns them.

    Raises
    ------
    DataError
        If the file cannot be loaded, or names types that are not scikit-learn's.
    """
    import numpy as np

    if runtime == "onnx":
        raw = _run_onnx(content, output, matrix)
    else:
        raw = _run_skops(content, task, matrix)
    values = np.asarray(raw, dtype=np.float64)
    if task == "regression":
        return values.ravel()
    return values[:, 1] if task == "binary" else values


def threshold_rows(fitted: Fitted, rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return copies of rows whose value lies at a tree's threshold, one float32 step below, and one above."""
    import numpy as np

    pairs = sorted(_thresholds(fitted))
    if not pairs or not len(rows):
        return rows[:0]
    pairs = pairs[:: max(1, len(pairs) // MOST_THRESHOLDS)]
    features = np.array([feature for feature, _ in pairs])
    at = np.array([threshold for _, threshold in pairs]).astype(np.float32)
    made = []
    for values in (at, np.nextafter(at, np.float32(-np.inf)), np.nextafter(at, np.float32(np.inf))):
        copies = rows[np.arange(len(pairs)) % len(rows)].copy()
        copies[np.arange(len(pairs)), features] = values
        made.append(copies)
    return np.vstack(made)


def _thresholds(fitted: Fitted) -> set[tuple[int, float]]:
    # scikit-learn shows a booster's trees only through this attribute, which its own inspection module reads too.
    found: set[tuple[int, float]] = set()
    for iteration in getattr(fitted.estimator, "_predictors", []):
        for tree in iteration:
            inner = tree.nodes[tree.nodes["is_leaf"] == 0]
            found |= set(zip(inner["feature_idx"].tolist(), inner["num_threshold"].tolist(), strict=True))
    return {pair for pair in found if abs(pair[1]) < 3e38}


def _missing_rows(fitted: Fitted, rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return one row without any value, and one for each column without that value."""
    import numpy as np

    if not len(rows):
        return rows
    width = rows.shape[1]
    nothing = np.float32(np.nan if fitted.kind == "boosted_trees" else 0.0)
    made = np.repeat(rows[:1], width + 1, axis=0)
    made[np.arange(width), np.arange(width)] = nothing
    made[width, :] = nothing
    return made


def _difference(expected: NDArray[np.float64], found: NDArray[np.float64]) -> float:
    import numpy as np

    if expected.shape != found.shape or not np.isfinite(found).all():
        return float("inf")
    if not expected.size:
        return 0.0
    return float(np.abs(expected - found).max() / max(1.0, float(np.abs(expected).max())))


def _output(fitted: Fitted) -> dict[str, Any]:
    if fitted.task == "regression":
        return {"name": "variable", "column": 0}
    return {"name": "probabilities", "column": 1 if fitted.task == "binary" else None}


def _onnx(fitted: Fitted, width: int) -> bytes:
    if getattr(fitted.estimator, "is_categorical_", None) is not None:
        raise DataError("ONNX is silently wrong for a booster's own categoricals")
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import FloatTensorType

    options = {} if fitted.task == "regression" else {id(fitted.estimator): {"zipmap": False}}
    try:
        with warnings.catch_warnings():
            # protobuf warns once a conversion that onnx passes it booleans for integers; the parity gate judges.
            warnings.simplefilter("ignore")
            converted = convert_sklearn(
                fitted.estimator,
                name="model",  # else a random one, and equal models had different bytes
                initial_types=[(INPUT, FloatTensorType([None, width]))],
                options=options,
                target_opset=OPSET,
            )
    except Exception as error:  # converters fail in their own ways; the other flavour follows
        raise DataError(f"ONNX cannot express this model: {str(error).splitlines()[0][:200]}") from error
    content: bytes = converted.SerializeToString()
    return content


def _run_onnx(content: bytes, output: str, matrix: NDArray[np.float32]) -> Any:
    from mlcycle import ort

    onnxruntime = ort.load()

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        return session.run([output], {INPUT: matrix})[0]
    except Exception as error:  # its C++ errors share no other base class
        raise DataError(f"the ONNX model cannot be run: {str(error).splitlines()[0][:200]}") from error


def _skops(fitted: Fitted) -> bytes:
    import skops.io

    # skops stamps its zip with the time; without it equal models have equal bytes more often.
    out = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(skops.io.dumps(fitted.estimator))) as archive,
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as fixed,
    ):
        for name in archive.namelist():
            entry = zipfile.ZipInfo(name, date_time=FIXED)
            entry.compress_type = zipfile.ZIP_DEFLATED
            fixed.writestr(entry, archive.read(name))
    return out.getvalue()


def _run_skops(content: bytes, task: str, matrix: NDArray[np.float32]) -> Any:
    from mlcycle.experiments.fit import one_thread
    from mlcycle.serving.skops_file import load_model

    model = load_model(content)
    with one_thread():
        return model.predict(matrix) if task == "regression" else model.predict_proba(matrix)
