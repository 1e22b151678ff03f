"""Scores rows through a running deployment, or through a throw-away server that leaves nothing behind."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sized
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from mlcycle import progress
from mlcycle.declare import load
from mlcycle.deploy import processes
from mlcycle.deploy.client import Connection
from mlcycle.deploy.listing import find
from mlcycle.deploy.model import Latency, Prediction, PredictReport
from mlcycle.deploy.processes import Place
from mlcycle.errors import EngineError, UsageError
from mlcycle.hashing import sha256_file
from mlcycle.workspace import Workspace

__all__ = ["predict", "smoke"]

PATH = "/predict"
Instance = Mapping[str, object]


class _Answer(msgspec.Struct):
    predictions: list[Prediction]
    model: str
    version: int
    logged: bool = True


class _Refusal(msgspec.Struct):
    error: str = "no reason given"
    path: str = ""


_read_answer = msgspec.json.Decoder(_Answer).decode
_read_refusal = msgspec.json.Decoder(_Refusal).decode


def predict(
    workspace: Workspace, rows: Iterable[Instance], *, deployment: str | None = None, batch: int = 1
) -> PredictReport:
    """Score rows through a deployment; each is journaled there as a prediction.

    Parameters
    ----------
    rows
        Instances as the server takes them: `{"entity": ..., "as_of": ..., "features": {...}}`.
    deployment
        Its name; `deployment` of deploy.yaml unless said.
    batch
        Rows a request.

    Raises
    ------
    EngineError
        If the deployment does not run, does not answer, or refuses a row; rows before it are scored and journaled.
    """
    if batch < 1:
        raise UsageError(f"a request holds at least one row, not {batch}")
    now = find(workspace, deployment or load(workspace).deploy.deployment)
    if now.state != "running" or now.url is None:
        raise EngineError(
            f"deployment {now.deployment!r} is {now.state}" + (f": {now.why}" if now.why else ""),
            hint="mlcycle deploy start",
        )
    predictions: list[Prediction] = []
    milliseconds: list[float] = []
    unlogged = 0
    total = len(rows) if isinstance(rows, Sized) else None
    with Connection(now.url) as connection:
        for chunk in _chunks(rows, batch):
            answer, took_ms = _ask(connection, chunk, len(predictions))
            predictions += answer.predictions
            milliseconds.append(took_ms)
            unlogged += 0 if answer.logged else len(chunk)
            progress.tell("score rows", len(predictions), total)
    return PredictReport(
        now.deployment,
        now.model,
        now.version,
        len(predictions),
        len(milliseconds),
        unlogged,
        Latency.of(milliseconds),
        predictions,
    )


def smoke(package: Path, instances: Iterable[Instance], *, sha256: str | None = None) -> list[float]:
    """Return the round trip of each row, in ms, through a server of its own that is ended afterwards.

    It writes no journal and no record; rows go one a request.

    Raises
    ------
    EngineError
        If the package cannot be served, or the server refuses a row.
    """
    with tempfile.TemporaryDirectory(prefix="mlcycle-smoke-") as folder:
        log = Path(folder) / "server.log"
        started = processes.spawn(
            Place(package, sha256 or sha256_file(package), "smoke", journal=None, log=log)
        )
        try:
            with Connection(started.url) as connection:
                return [_ask(connection, [row], number)[1] for number, row in enumerate(instances)]
        finally:
            processes.end(started.pid)


def _ask(connection: Connection, chunk: list[Instance], done: int) -> tuple[_Answer, float]:
    body = msgspec.json.encode({"instances": chunk}, enc_hook=_plain)
    before = time.perf_counter()
    status, content = connection.post(PATH, body)
    took_ms = (time.perf_counter() - before) * 1e3
    try:
        if status == 200:
            return _read_answer(content), took_ms
        refusal = _read_refusal(content)
    except msgspec.DecodeError as error:
        raise EngineError(f"what answered with {status} is no model server of ours: {error}") from error
    where = f" (row {done + 1} and on, {refusal.path})" if refusal.path else ""
    raise EngineError(
        f"the model server refused with {status}: {refusal.error}{where}",
        hint="mlcycle models show, for the features it takes",
    )


def _chunks(rows: Iterable[Instance], size: int) -> Iterator[list[Instance]]:
    source = iter(rows)
    while chunk := list(islice(source, size)):
        yield chunk


def _plain(value: Any) -> object:
    """Numbers of NumPy, as they come out of columns."""
    if type(value).__name__ == "MaskedConstant":
        # Its item() is 0.0, which is a value; masked means that there is none.
        return None
    if hasattr(value, "item"):
        return value.item()
    raise UsageError(f"a {type(value).__name__} cannot be sent to a model server")
