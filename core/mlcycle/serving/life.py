"""Owns when the server begins and ends: the socket, the signals, the parent it must not outlive, and the clock tick."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Callable
from types import FrameType

import uvicorn

from mlcycle.errors import EngineError
from mlcycle.serving.app import App
from mlcycle.serving.log import ResourceLog

__all__ = ["DRAIN_S", "KEEP", "Parent", "Server", "listen"]

DRAIN_S = 25
"""Requests in flight get this long; platforms kill 30 s after SIGTERM."""
TICK_S = 1.0
KEEP = b"keep\n"
"""What a parent writes on our standard input when it has recorded us and we may outlive it."""


def listen(host: str, port: int) -> socket.socket:
    """Bind a listening socket; port 0 lets the system choose.

    Raises
    ------
    EngineError
        If the port is taken or the address is not ours.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio turns Nagle's algorithm off only where the protocol is named; with it on an answer waits 40 ms.
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        # On Windows this option would let two servers share the port.
        if os.name == "posix":
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
    except (OSError, OverflowError) as error:
        bound.close()
        raise EngineError(
            f"cannot listen on {host}:{port}: {getattr(error, 'strerror', None) or error}",
            hint="port: 0 in deploy.yaml lets the system choose",
        ) from error
    return bound


class Parent:
    """The process this server belongs to; without one it belongs to nobody and never ends by itself."""

    def __init__(self, pid: int | None, *, until_kept: bool = False) -> None:
        self._pid = pid
        # A dead direct parent shows as a new parent at once, even while it is an unreaped zombie.
        self._direct = pid is not None and os.getppid() == pid
        self._listens = until_kept
        if until_kept:
            os.set_blocking(sys.stdin.fileno(), False)

    def is_gone(self) -> bool:
        """Return True once nobody is left that would end this server."""
        if self._listens:
            self._hear()
        if self._pid is None:
            return False
        if self._direct:
            return os.getppid() != self._pid
        return not _runs(self._pid)

    def _hear(self) -> None:
        try:
            said = os.read(sys.stdin.fileno(), len(KEEP))
        except BlockingIOError:
            return
        self._listens = False
        if said == KEEP:
            self._pid = None


class Server(uvicorn.Server):
    """uvicorn with our signals: the first SIGTERM or SIGINT drains, and the process then ends by itself with 0."""

    def __init__(
        self, app: App, resources: ResourceLog, parent: Parent, *, on_ready: Callable[[], None]
    ) -> None:
        config = uvicorn.Config(
            app,
            lifespan="off",
            ws="none",
            log_level="warning",
            access_log=False,
            proxy_headers=False,
            server_header=False,
            date_header=False,
            # Clients keep their connection between batches of requests.
            timeout_keep_alive=75,
            timeout_graceful_shutdown=DRAIN_S,
        )
        super().__init__(config)
        self._app, self._resources, self._parent, self._on_ready = app, resources, parent, on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept requests, then say so."""
        await super().startup(sockets)
        self._app.ready = True
        self._ticking = asyncio.create_task(self._tick())
        self._on_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop being ready, finish what is in flight."""
        self._app.ready = False
        self._ticking.cancel()
        await super().shutdown(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Drain; uvicorn's own would raise the signal again in the end and skip closing the journal."""
        if self.should_exit and sig == signal.SIGINT:
            self.force_exit = True
        self.should_exit = True

    async def _tick(self) -> None:
        seen = self._app.served
        while not self.should_exit:
            await asyncio.sleep(TICK_S)
            self._resources.tick(served=self._app.served != seen)
            seen = self._app.served
            if self._parent.is_gone():
                self.should_exit = True


def _runs(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return not file.read().rpartition(")")[2].startswith(" Z")
    except FileNotFoundError:
        if os.path.isdir("/proc/self"):
            return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
