"""Owns the HTTP face of the model: a bare ASGI callable, its routes and its limits.

Every wrong request gets a 4xx in JSON.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import msgspec

from mlcycle.serving.log import PredictionLog
from mlcycle.serving.matrix import BadRequest, Decoder, MatrixBuilder
from mlcycle.serving.metrics import CONTENT_TYPE, Metrics
from mlcycle.serving.package import Package
from mlcycle.serving.runtime import ModelFailure, Scorer, Scores

__all__ = ["MAX_BODY_BYTES", "MAX_ROWS", "App"]

MAX_BODY_BYTES = 8 << 20
MAX_ROWS = 5_000
JSON = b"application/json"
PREDICT = ("/predict", "/invocations", "/score")
READY = ("/health", "/ping")
LIVE = ("/livez",)
METRICS = ("/metrics",)
READING = ("GET", "HEAD")

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class Disconnected(Exception):
    """The client went away before its request was complete."""


class App:
    """One model behind `POST /predict`, with health and metrics beside it."""

    def __init__(
        self,
        package: Package,
        scorer: Scorer,
        log: PredictionLog,
        *,
        loopback: bool = True,
        max_body_bytes: int = MAX_BODY_BYTES,
        max_rows: int = MAX_ROWS,
        aliases: MutableMapping[str, str] | None = None,
    ) -> None:
        """Wire the model up; nothing is loaded or opened here.

        Parameters
        ----------
        loopback
            Refuse what a browser sends: a page from elsewhere could reach a server on this machine.
        aliases
            More paths that a platform asks for, each for one of our own.
        """
        self._signature = package.signature
        self._scorer, self._log, self._loopback = scorer, log, loopback
        self._decode = Decoder(package.signature, max_rows=max_rows)
        self._matrix = MatrixBuilder(package.signature)
        self._max_body_bytes = max_body_bytes
        self._encode = msgspec.json.Encoder().encode
        self._posts = dict.fromkeys(PREDICT, "/predict")
        self._gets = (
            dict.fromkeys(READY, "/health")
            | dict.fromkeys(LIVE, "/livez")
            | dict.fromkeys(METRICS, "/metrics")
        )
        for path, own in (aliases or {}).items():
            (self._posts if own in self._posts else self._gets)[path] = own
        self.metrics = Metrics(package)
        self.ready = False
        """Whether `/health` says yes: after the warm-up, until draining begins."""
        self.served = 0
        """Requests answered so far."""

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        if scope["type"] != "http":
            return
        path, method = scope["path"], scope["method"]
        route = "other"
        try:
            if path in self._posts and method == "POST":
                route = "/predict"
                status, kind, body = 200, JSON, await self._predict(scope, receive)
            else:
                route = self._gets.get(path, "other")
                status, kind, body = self._get(path, method)
        except BadRequest as error:
            self.metrics.refused(error.reason, error.rows)
            status, kind, body = error.status, JSON, self._error(error.error, error.path)
        except ModelFailure as error:
            status, kind, body = 500, JSON, self._error(f"the model failed on this request: {error}")
        except Disconnected:
            return
        self.served += 1
        self.metrics.answered(route, status)
        await self._answer(send, status, kind, body, method)

    def _get(self, path: str, method: str) -> tuple[int, bytes, bytes]:
        route = self._gets.get(path)
        if route is None or method not in READING:
            known = path in self._posts or path in self._gets
            text = f"{path} does not take {method}" if known else f"there is nothing at {path}"
            return 405 if known else 404, JSON, self._error(text)
        if route == "/metrics":
            return 200, CONTENT_TYPE, self.metrics.text()
        if route == "/livez":
            return 200, JSON, b'{"live":true}'
        state = {"ready": self.ready, "model": self._signature.model, "version": self._signature.version}
        return 200 if self.ready else 503, JSON, self._encode(state)

    async def _predict(self, scope: Message, receive: Receive) -> bytes:
        content = await self._read(scope, receive)
        started = time.perf_counter()
        batch = self._decode(content)
        matrix = self._matrix(batch.instances)
        try:
            scores = self._scorer(matrix.values)
        except ModelFailure:
            latency_ms = (time.perf_counter() - started) * 1e3
            self._log.write(batch, matrix, None, latency_ms=latency_ms, status=500)
            self.metrics.refused("model failed", len(batch.instances))
            raise
        seconds = time.perf_counter() - started
        # Written down before it is answered: nobody holds a prediction that the journal does not know.
        logged = self._log.write(batch, matrix, scores, latency_ms=seconds * 1e3, status=200)
        self.metrics.scored(len(logged.ids), seconds, matrix.unseen, batch.unknown_features)
        if not logged.acknowledged:
            self.metrics.unlogged(len(logged.ids))
        return self._predictions(logged.ids, scores, acknowledged=logged.acknowledged)

    def _predictions(self, ids: list[str], scores: Scores, *, acknowledged: bool) -> bytes:
        rows: list[dict[str, object]] = [
            {"prediction_id": identifier, "score": score}
            for identifier, score in zip(ids, scores.scores, strict=True)
        ]
        if scores.labels is not None:
            for row, label in zip(rows, scores.labels, strict=True):
                row["label"] = label
        answer: dict[str, object] = {
            "predictions": rows,
            "model": self._signature.model,
            "version": self._signature.version,
        }
        if not acknowledged:
            answer["logged"] = False
        return self._encode(answer)

    async def _read(self, scope: Message, receive: Receive) -> bytes:
        for name, value in scope["headers"]:
            if name == b"content-length" and int(value) > self._max_body_bytes:
                raise self._too_large()
            if name == b"origin" and self._loopback:
                raise BadRequest(403, "this server does not answer web pages", reason="web page")
        message = await receive()
        body: bytes = message.get("body", b"")
        while message.get("more_body"):
            message = await receive()
            body += message.get("body", b"")
            if len(body) > self._max_body_bytes:
                raise self._too_large()
        if message["type"] == "http.disconnect":
            raise Disconnected
        return body

    def _too_large(self) -> BadRequest:
        return BadRequest(413, f"the body is larger than {self._max_body_bytes} bytes", reason="too large")

    def _error(self, text: str, path: str = "") -> bytes:
        return self._encode({"error": text, "path": path} if path else {"error": text})

    async def _answer(self, send: Send, status: int, kind: bytes, body: bytes, method: str) -> None:
        headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode())]
        if status == 405:
            headers.append((b"allow", b"POST" if method in READING else b"GET, HEAD"))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if method == "HEAD" else body})
