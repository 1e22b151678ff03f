"""Keeping a script's own fitted model: as a package that a server can load without running what it brought.

First ONNX, where it provably scores alike; else skops of the types that our own list allows; a pickle only where
somebody gave a reason, and then as a plain artifact that nothing here ever loads.
"""

from __future__ import annotations

import os
import pickle
import re
import warnings
from collections.abc import Sequence
from contextlib import suppress
from copy import deepcopy
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mlcycle import clock
from mlcycle.errors import DataError, EngineError, UsageError
from mlcycle.experiments.example import HINT, Features, layout_for, matrix_of
from mlcycle.experiments.export import LIMIT, Exported, export
from mlcycle.experiments.fit import Fitted, Kind, Task, one_thread, round_thresholds
from mlcycle.experiments.matrix import Layout, Missing, class_name
from mlcycle.experiments.package import FORMAT, write_package

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from mlcycle.experiments.run import Run

    Matrix = NDArray[np.float32]

__all__ = ["log_model"]

NAME = re.compile(r"[^/:@\s\x00][^/:@\x00]{0,199}")
PACKAGE = "model.zip"
"""The artifact that `mlcycle models register` takes."""
MADE_UP = 64
SHUFFLED = 4000


def log_model(
    run: Run,
    model: object,
    name: str = "model",
    *,
    example: Any = None,
    features: Features | None = None,
    key: Sequence[str] = (),
    task: Task | None = None,
    classes: Sequence[object] | None = None,
    allow_pickle: str | None = None,
) -> str:
    """Keep a fitted model with a run; see `mlcycle.log_model`.

    Returns
    -------
    str
        SHA-256 of the package, or of the pickle.

    Raises
    ------
    UsageError
        If it is no fitted model, or can be kept neither as ONNX nor as skops and no reason for a pickle was given.
    CouldNot
        If there is no room for it.
    """
    if not NAME.fullmatch(name):
        raise UsageError(f"{name[:40]!r} cannot name a model", hint="use up to 200 characters without / : @")
    if allow_pickle is not None and not allow_pickle.strip():
        raise UsageError("a pickle needs a reason", hint="allow_pickle='why nothing else will do'")
    try:
        if isinstance(model, bytes | os.PathLike) or (isinstance(model, str) and model.endswith(".onnx")):
            from mlcycle.experiments.onnx_file import described

            said, content, note = described(
                model, layout_for(features, None, example), example, task, classes
            )
        else:
            said, content, note = _of_estimator(model, features, example, task)
    except (UsageError, DataError, EngineError) as error:
        if allow_pickle is None or isinstance(model, bytes | str | os.PathLike):
            raise
        return _pickle(run, model, name, allow_pickle, error)
    description = {
        "format": FORMAT,
        "model": name,
        "version": 0,
        "key": list(key),
        "run_id": run.run_id,
        "training_set_id": None,
        "created_at": clock.now().isoformat(),
        **said,
    }
    package = write_package(description, content)
    run.log_bytes(package, f"models/{name}.zip")
    sha256 = run.log_bytes(package, PACKAGE)
    run.set_tags(
        {"mlcycle.model": f"{name}: {said['runtime']}", **({"mlcycle.model_note": note} if note else {})}
    )
    return sha256


def _of_estimator(
    model: Any, features: Features | None, example: Any, task: Task | None
) -> tuple[dict[str, Any], bytes, str]:
    width = getattr(model, "n_features_in_", None)
    if width is None or not hasattr(model, "predict"):
        raise UsageError(
            f"a {type(model).__name__} is no fitted scikit-learn model",
            hint="fit it first; log ONNX of other libraries as bytes or by its path",
        )
    layout = layout_for(features, model, example)
    if layout.width != width:
        raise UsageError(
            f"the model takes {width} columns, but its features make {layout.width}",
            hint="features=[...] in the order of the matrix; a category with its values takes a column each",
        )
    labels = getattr(model, "classes_", None)
    labels = None if labels is None else labels.tolist()
    if task is None:
        task = "regression" if labels is None else "binary" if len(labels) == 2 else "multiclass"
    if task != "regression" and not hasattr(model, "predict_proba"):
        raise UsageError(
            f"a {type(model).__name__} gives no probabilities", hint="wrap it in CalibratedClassifierCV"
        )
    with warnings.catch_warnings():
        # It was fitted on names and is asked with a matrix, as the server does.
        warnings.filterwarnings("ignore", message="X does not have valid feature names")
        exported, missing = _exported(_plain(model), task, layout, example)
    said = {
        "task": task,
        "runtime": exported.runtime,
        "file": exported.file,
        "features": layout.describe(),
        "missing": missing,
        "classes": None if task == "regression" else [class_name(value) for value in labels or ()],
        "output": exported.output,
        "parity": exported.parity,
    }
    scaled = "rows beside a split of the trees may score otherwise in ONNX: a scaler stands before them"
    note = scaled if exported.runtime == "onnx" and _scaler_before_trees(model) else exported.why
    return said, exported.content, note


def _exported(model: Any, task: Task, layout: Layout, example: Any) -> tuple[Exported, Missing]:
    import numpy as np

    random = np.random.default_rng(0)
    if example is None:
        # Without rows that are like those to come nothing shows that ONNX scores alike.
        made_up = random.standard_normal((MADE_UP, layout.width)).astype(np.float32)
        exported = _skops_or_onnx(model, task, "zero", made_up, limit=-1.0)
        return replace(exported, parity=0.0, why="no example rows to compare ONNX on"), "zero"
    rows = matrix_of(example, layout)
    if not len(rows):
        raise UsageError("there is no row in the example", hint=HINT)
    # Rows of the same values in other company: few rows reach few leaves, and a wrong converter is wrong in some.
    rows = np.vstack([rows, random.permuted(np.resize(rows, (SHUFFLED, layout.width)), axis=0)])
    missing: list[Missing] = ["nan"] if _takes_nan(model, rows) else ["zero"]
    if missing == ["nan"] and not np.isnan(rows).any():
        missing.append("zero")
    for told in missing[:-1]:
        with suppress(UsageError):
            exported = _skops_or_onnx(model, task, told, rows)
            if exported.runtime == "onnx":
                return exported, told
    return _skops_or_onnx(model, task, missing[-1], rows), missing[-1]


def _skops_or_onnx(
    model: Any, task: Task, missing: Missing, rows: Matrix, *, limit: float = LIMIT
) -> Exported:
    import numpy as np

    kind: Kind = "boosted_trees" if missing == "nan" else "linear"
    rows = np.nan_to_num(rows, nan=0.0) if missing == "zero" else rows
    try:
        return export(Fitted(kind, task, model), rows, limit=limit)
    except (DataError, ValueError, TypeError, AttributeError) as error:
        raise UsageError(
            f"this {type(model).__name__} can be kept neither as ONNX nor as skops: {error}",
            hint=HINT
            if limit < 0
            else "allow_pickle='the reason' keeps it as a pickle that nothing here loads",
        ) from error


def _plain(model: Any) -> Any:
    """Return a copy without column names, whose thresholds float32 can hold; it scores float32 rows alike."""
    copied = deepcopy(model)
    parts = [copied, *(part for _, part in getattr(copied, "steps", []))]
    for part in parts:
        if not hasattr(part, "transformers_"):  # which picks its columns by their names
            getattr(part, "__dict__", {}).pop("feature_names_in_", None)
        round_thresholds(part)
    return copied


def _scaler_before_trees(model: Any) -> bool:
    *before, last = [part for _, part in getattr(model, "steps", [("", model)])]
    trees = [last, *getattr(last, "estimators_", [])]
    moved = any(hasattr(part, "scale_") or hasattr(part, "transformers_") for part in before)
    return moved and any(hasattr(part, "tree_") or hasattr(part, "_predictors") for part in trees)


def _takes_nan(model: Any, rows: Matrix) -> bool:
    import numpy as np

    with one_thread():
        try:
            found = model.predict(np.full_like(rows[:1], np.nan))
        except ValueError:
            return False
    return found.dtype.kind != "f" or bool(np.isfinite(found).all())


def _pickle(run: Run, model: object, name: str, reason: str, why: Exception) -> str:
    try:
        content = pickle.dumps(model)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise UsageError(f"this {type(model).__name__} cannot even be pickled: {error}") from why
    sha256 = run.log_bytes(content, f"models/{name}.pkl")
    run.set_tags({"mlcycle.pickle": reason, "mlcycle.model_note": str(why)})
    return sha256
