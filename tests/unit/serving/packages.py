"""Small model packages for these tests: a linear model as a graph of four operators, which needs no training."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

FEATURES: list[dict[str, Any]] = [
    {"name": "age", "type": "number"},
    {"name": "plan", "type": "category", "categories": ["basic", "pro"]},
    {"name": "days since", "type": "number"},
]
GOOD: dict[str, Any] = {"age": 1.0, "plan": "pro", "days since": 2}
WEIGHTS = np.array([[0.5], [1.0], [-1.0], [0.25]], dtype=np.float32)


def graph(task: str = "binary", weights: NDArray[np.float32] = WEIGHTS) -> bytes:
    """Return sigmoid, softmax or nothing over `input @ weights`, as ONNX."""
    nodes = [helper.make_node("MatMul", ["input", "w"], ["linear"])]
    constants = [numpy_helper.from_array(weights, "w")]
    name = "variable" if task == "regression" else "probabilities"
    if task == "binary":
        constants.append(numpy_helper.from_array(np.array([1.0], dtype=np.float32), "one"))
        nodes += [
            helper.make_node("Sigmoid", ["linear"], ["p"]),
            helper.make_node("Sub", ["one", "p"], ["q"]),
            helper.make_node("Concat", ["q", "p"], [name], axis=1),
        ]
    else:
        operator = {"multiclass": "Softmax", "regression": "Identity"}[task]
        nodes.append(helper.make_node(operator, ["linear"], [name]))
    columns = helper.make_tensor_value_info("input", TensorProto.FLOAT, [None, weights.shape[0]])
    answer = helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, None])
    made = helper.make_graph(nodes, "linear", [columns], [answer], constants)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    content: bytes = model.SerializeToString()
    return content


def description(task: str = "binary", **changes: Any) -> dict[str, Any]:
    """Return a `package.json`."""
    output = {
        "name": "variable" if task == "regression" else "probabilities",
        "column": 1 if task == "binary" else None,
    }
    classes = {"binary": ["0", "1"], "multiclass": ["low", "middle", "high"], "regression": None}[task]
    common = {
        "format": 1,
        "model": "machines",
        "version": 3,
        "task": task,
        "runtime": "onnx",
        "file": "model.onnx",
    }
    rest = {
        "features": FEATURES,
        "missing": "nan",
        "classes": classes,
        "output": output,
        "run_id": "r",
        "parity": 0.0,
    }
    return common | rest | changes


def write(
    path: Path, document: Mapping[str, Any], model: bytes, *, more: Mapping[str, bytes] | None = None
) -> Path:
    """Write a package, with more files in it if asked."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("package.json", json.dumps(document))
        archive.writestr(str(document["file"]), model)
        for name, content in (more or {}).items():
            archive.writestr(name, content)
    return path


def binary(path: Path, **changes: Any) -> Path:
    """Write the package most tests use."""
    return write(path, description(**changes), graph())


def expected(age: float, plan: str, days: float, weights: NDArray[np.float32] = WEIGHTS) -> float:
    """Return the score that package gives."""
    x = np.array([age, plan == "basic", plan == "pro", days])
    return float(1 / (1 + np.exp(-(x @ weights[:, 0]))))
