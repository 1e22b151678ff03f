"""Owns one kept-alive HTTP connection to a model server of ours, at the least cost a request.

`http.client` reads headers with the e-mail parser, which costs three times what the whole exchange needs; our
servers answer with a status, a length and a body, and that is all this reads.
"""

from __future__ import annotations

import socket
from types import TracebackType
from urllib.parse import urlsplit

from mlcycle.errors import EngineError

__all__ = ["Connection"]

TIMEOUT_S = 60.0
CHUNK = 1 << 16
HINT = "mlcycle deploy list, then mlcycle deploy start"


class Connection:
    """Sends requests one after the other; opens again by itself when the server let an idle connection go."""

    def __init__(self, url: str, *, timeout_s: float = TIMEOUT_S) -> None:
        parts = urlsplit(url)
        self._url, self._timeout_s = url, timeout_s
        self._address = (parts.hostname or "127.0.0.1", parts.port or 80)
        self._host = parts.netloc.encode()
        self._socket: socket.socket | None = None

    def __enter__(self) -> Connection:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def get(self, path: str) -> tuple[int, bytes]:
        """Send a GET; return status and body."""
        return self._exchange(b"GET %s HTTP/1.1\r\nHost: %s\r\n\r\n" % (path.encode(), self._host))

    def post(self, path: str, body: bytes) -> tuple[int, bytes]:
        """Send JSON; return status and body.

        Raises
        ------
        EngineError
            If the server cannot be reached, breaks off or takes longer than the timeout.
        """
        head = b"POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        return self._exchange(head % (path.encode(), self._host, len(body)) + body)

    def close(self) -> None:
        """Close the connection, if one is open."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _exchange(self, request: bytes) -> tuple[int, bytes]:
        try:
            answer = self._try(request)
            if answer is None:
                # The server had closed the idle connection before it read anything: once more, on a new one.
                answer = self._try(request)
        except (OSError, ValueError, IndexError) as error:
            self.close()
            raise EngineError(
                f"the model server at {self._url} does not answer: {error}", hint=HINT
            ) from error
        if answer is None:
            raise EngineError(f"the model server at {self._url} closed the connection", hint=HINT)
        return answer

    def _try(self, request: bytes) -> tuple[int, bytes] | None:
        """Return None if the connection was closed before any byte of an answer."""
        fresh = self._socket is None
        if self._socket is None:
            self._socket = socket.create_connection(self._address, self._timeout_s)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            self._socket.sendall(request)
            received = self._socket.recv(CHUNK)
        except (ConnectionResetError, BrokenPipeError):
            if fresh:
                raise
            received = b""
        if not received:
            self.close()
            return None
        return self._answer(self._socket, received)

    def _answer(self, connection: socket.socket, received: bytes) -> tuple[int, bytes]:
        while (end := received.find(b"\r\n\r\n")) < 0:
            received += self._more(connection)
        first, *lines = received[:end].lower().split(b"\r\n")
        headers = dict(line.split(b":", 1) for line in lines)
        body = received[end + 4 :]
        length = int(headers[b"content-length"]) if b"content-length" in headers else len(body)
        while len(body) < length:
            body += self._more(connection)
        if headers.get(b"connection", b"").strip() == b"close":
            self.close()
        return int(first.split(b" ", 2)[1]), body

    def _more(self, connection: socket.socket) -> bytes:
        received = connection.recv(CHUNK)
        if not received:
            raise ConnectionResetError("the connection broke off inside an answer")
        return received
