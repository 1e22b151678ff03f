"""A model that comes as ONNX: looked at before anything runs it, and described for its package."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from mlcycle.errors import DataError, UsageError
from mlcycle.experiments.example import matrix_of
from mlcycle.experiments.export import INPUT, run_model
from mlcycle.experiments.fit import Task
from mlcycle.experiments.matrix import Layout, class_name

__all__ = ["described"]

DOMAINS = ("", "ai.onnx", "ai.onnx.ml")
PREFERRED = ("probabilities", "variable")
FLOAT = 1
EXTERNAL = 1


def described(
    model: bytes | str | os.PathLike[str],
    layout: Layout,
    example: Any,
    task: Task | None,
    classes: Sequence[object] | None,
) -> tuple[dict[str, Any], bytes, str]:
    """Return what `package.json` says of an ONNX model, its bytes, and a note.

    Raises
    ------
    UsageError
        If it does not take one float matrix called `input`, or its task is not told.
    DataError
        If it is no ONNX, reads other files, or has operators of its own.
    """
    content = model if isinstance(model, bytes) else _read(Path(model))
    loaded = _looked_at(content)
    inputs = {item.name: item.type.tensor_type for item in loaded.graph.input}
    if list(inputs) != [INPUT] or inputs[INPUT].elem_type != FLOAT:
        raise UsageError(
            f"the ONNX model takes {', '.join(inputs) or 'nothing'}, not one float matrix called {INPUT!r}",
            hint=f"export it with one input {INPUT!r} of shape [None, columns]",
        )
    outputs = {item.name for item in loaded.graph.output if item.type.tensor_type.elem_type == FLOAT}
    name = next((name for name in (*PREFERRED, *sorted(outputs)) if name in outputs), None)
    if name is None:
        raise UsageError("the ONNX model gives no float tensor", hint="zipmap=False makes skl2onnx give one")
    if task is None:
        raise UsageError("ONNX does not tell its task", hint="task='binary', 'multiclass' or 'regression'")
    if task == "multiclass" and not classes:
        raise UsageError("a multiclass model must name its classes", hint="classes=[...] in their order")
    names = None if task == "regression" else [class_name(value) for value in classes or (0, 1)]
    if example is not None:
        _try(content, name, task, layout, example, names)
    said = {
        "task": task,
        "runtime": "onnx",
        "file": "model.onnx",
        "features": layout.describe(),
        "missing": layout.missing,
        "classes": names,
        "output": {"name": name, "column": {"binary": 1, "regression": 0}.get(task)},
        "parity": None,
    }
    return said, content, "" if example is not None else "no example rows to try it on"


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path} cannot be kept: {error.strerror or error}") from error


def _looked_at(content: bytes) -> Any:
    import onnx

    try:
        loaded = onnx.load_model_from_string(content)
    except Exception as error:  # protobuf's own errors share no base class
        raise DataError(f"this is no ONNX model: {str(error)[:200]}") from error
    if not loaded.graph.node:
        raise DataError("this is no ONNX model: it has no operator")
    for graph in _graphs(loaded.graph):
        tensors = [
            *graph.initializer,
            *(a.t for node in graph.node for a in node.attribute if a.HasField("t")),
        ]
        if any(tensor.data_location == EXTERNAL for tensor in tensors):
            raise DataError("the ONNX model reads other files", hint="save it with its weights inside")
        strange = sorted({node.domain for node in graph.node} - set(DOMAINS))
        if strange:
            raise DataError(f"the ONNX model has operators of {', '.join(strange)}")
    return loaded


def _graphs(graph: Any) -> Iterator[Any]:
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            for inner in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
                yield from _graphs(inner)


def _try(
    content: bytes, output: str, task: Task, layout: Layout, example: Any, classes: list[str] | None
) -> None:
    import numpy as np

    scores = run_model("onnx", content, output, task, matrix_of(example, layout))
    if task == "multiclass" and scores.shape[1:] != (len(classes or ()),):
        raise UsageError(
            f"the ONNX model gives {scores.shape[1:]} scores a row for {len(classes or ())} classes"
        )
    if not np.isfinite(scores).all():
        raise UsageError("the ONNX model gives no finite score for an example row")
