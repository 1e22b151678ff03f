"""The server of `mlcycle web`: textual-serve behind a guard, with a page of its own, and tabs that end."""

from __future__ import annotations

import asyncio
import contextlib
import html
import json
import logging
import re
import signal
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template

import textual_serve
from aiohttp import WSMsgType, web
from textual_serve.app_service import AppService
from textual_serve.server import Server, to_int

from mlcycle_app.gateway import CouldNot
from mlcycle_app.web.guard import Guard, Refused
from mlcycle_app.web.tab import Tab

__all__ = ["Place", "serve"]

PAGE = Path(__file__).parent / "page"
STATIC = Path(textual_serve.__file__).parent / "static"
SLOT_S = 2.0
"""How long a new tab waits for a place: one that is loaded again leaves its old place at about the same time."""
HEARTBEAT_S = 15
TOO_MANY = 4429
GOING_AWAY = 1001
WIDEST, TALLEST = 500, 200
FONTS = range(8, 41)
HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Server": "mlcycle",
}
# The terminal's script writes its colours into style elements; what they could load is forbidden all the same.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; font-src 'self'; img-src 'self' data:; "
    "connect-src 'self' {sockets}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
# A redirect would still count as led here by whoever shows the link, and the strict cookie would stay at home.
ENTRANCE = (
    '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><meta http-equiv="refresh" content="0; url=/">'
    '<link rel="icon" href="data:,"><title>mlcycle</title></head><body><a href="/">mlcycle</a></body></html>'
)


@dataclass(frozen=True)
class Place:
    """Where to serve what."""

    command: Sequence[str]
    """Starts the UI of one tab, word by word."""
    title: str
    """Shown by the browser for the tab."""
    host: str = "127.0.0.1"
    port: int = 0
    """0 is a free one."""
    tabs: int = 4
    """Tabs that may be open at once: each is a process."""


class Guarded(Server):
    """textual-serve's server, behind a guard.

    Parameters
    ----------
    place
        Where to serve what.
    guard
        The doorkeeper.
    """

    def __init__(self, place: Place, guard: Guard) -> None:
        super().__init__(place.command[0], host=place.host, port=guard.port, title=place.title)
        self._place, self._guard = place, guard
        self._free = asyncio.Semaphore(place.tabs)
        self._tabs: dict[Tab, web.WebSocketResponse] = {}
        self._index = Template((PAGE / "index.html").read_text(encoding="utf-8"))

    async def make(self) -> web.Application:
        """Return the application."""
        return await self._make_app()

    async def end(self) -> None:
        """End all tabs, within a second."""
        tabs = dict(self._tabs)
        await asyncio.gather(*(tab.stop() for tab in tabs))
        closing = [
            sock.close(code=GOING_AWAY, message=b"mlcycle web has ended.", drain=False)
            for sock in tabs.values()
        ]
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.gather(*closing, return_exceptions=True), 0.1)

    async def handle_index(self, request: web.Request) -> web.Response:
        """Answer with the page; to the link, with the cookie."""
        if "token" in request.query:
            answer = web.Response(text=ENTRANCE, content_type="text/html")
            answer.set_cookie(self._guard.cookie, self._guard.key, httponly=True, samesite="Strict", path="/")
            return answer
        font = to_int(request.query.get("fontsize", ""), 16)
        facts = {
            "title": f"{self.title} · mlcycle",
            "socket": f"ws://{request.host}/ws",
            "font": str(font if font in FONTS else 16),
        }
        page = self._index.substitute({name: html.escape(value) for name, value in facts.items()})
        return web.Response(text=page, content_type="text/html")

    async def handle_websocket(self, request: web.Request) -> web.WebSocketResponse:
        """Let a tab have a process of its own, if there is a place for one more."""
        tube = web.WebSocketResponse(heartbeat=HEARTBEAT_S)
        await tube.prepare(request)
        async with self._slot() as free:
            if not free:
                most = self._place.tabs
                said = "1 tab is" if most == 1 else f"{most} tabs are"
                words = f"{said} open already. Close one, or start with more: mlcycle web --tabs {most * 2}"
                await tube.close(code=TOO_MANY, message=words.encode())
                return tube
            tab = Tab(
                self._place.command,
                write_bytes=tube.send_bytes,
                write_str=tube.send_str,
                close=tube.close,
                download_manager=self.download_manager,
            )
            self._tabs[tab] = tube
            try:
                await tab.start(*_size(request.query.get("width"), request.query.get("height")))
                await self._process_messages(tube, tab)
            finally:
                await asyncio.shield(tab.stop())
                self._tabs.pop(tab, None)
        return tube

    async def _make_app(self) -> web.Application:
        app = web.Application(middlewares=[self._keep_out])
        app.on_response_prepare.append(self._protect)
        app.add_routes(
            [
                web.get("/", self.handle_index, name="index", allow_head=False),
                web.get("/ws", self.handle_websocket, name="websocket", allow_head=False),
                web.get("/download/{key}", self.handle_download, name="download", allow_head=False),
                web.static("/static", STATIC, name="static"),
                web.static("/page", PAGE, name="page"),
            ]
        )
        return app

    @web.middleware
    async def _keep_out(
        self, request: web.Request, handler: Callable[[web.Request], object]
    ) -> web.StreamResponse:
        token = request.query.get("token") if request.method == "GET" and request.path == "/" else None
        try:
            self._guard.check_sender(request.headers, socket=request.path == "/ws", link=token is not None)
            if not self._guard.is_known(request.cookies):
                if token is None:
                    raise Refused("Open the link that mlcycle web printed when it started.")
                self._guard.take(token)
        except Refused as why:
            return web.Response(status=403, text=f"{why}\n")
        return await handler(request)  # type: ignore[misc, no-any-return]

    async def _protect(self, request: web.Request, answer: web.StreamResponse) -> None:
        # Not every browser counts a WebSocket of the same place as its own.
        sockets = f"ws://{request.host}" if self._guard.is_ours(request.host) else ""
        answer.headers.update(HEADERS)
        answer.headers["Content-Security-Policy"] = POLICY.format(sockets=sockets)
        found = answer.headers.get("Content-Disposition")
        if found is not None:
            # What was exported is never shown as a page of ours, whatever it is called.
            name = re.sub(r"[^\w.@+-]+", "_", found.partition("filename=")[2]) or "download"
            answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'

    async def _process_messages(self, websocket: web.WebSocketResponse, app_service: AppService) -> None:
        async for message in websocket:
            if message.type != WSMsgType.TEXT:
                continue
            try:
                kind, *rest = json.loads(message.data)
                if kind == "stdin":
                    await app_service.send_bytes(str(rest[0]).encode("utf-8", "replace"))
                elif kind == "resize":
                    await app_service.set_terminal_size(*_size(rest[0]["width"], rest[0]["height"]))
                elif kind == "ping":
                    await websocket.send_json(["pong", rest[0]])
                elif kind == "blur":
                    await app_service.blur()
                elif kind == "focus":
                    await app_service.focus()
            except (ValueError, TypeError, LookupError, RecursionError):
                continue  # no terminal of ours has sent that

    @contextlib.asynccontextmanager
    async def _slot(self) -> AsyncIterator[bool]:
        try:
            await asyncio.wait_for(self._free.acquire(), SLOT_S)
        except TimeoutError:
            yield False
            return
        try:
            yield True
        finally:
            self._free.release()


async def serve(place: Place, ready: Callable[[Guard], None]) -> int:
    """Serve until told to stop; return the number of the signal that did.

    Parameters
    ----------
    place
        Where to serve what.
    ready
        Called with the guard, which has the link, once requests are answered.

    Raises
    ------
    CouldNot
        If the address cannot be bound.
    """
    stopped: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    _stop_on_signals(stopped)
    # Whoever sends nonsense is answered 400; no traceback of it belongs on the terminal.
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL + 1)
    bound = _bind(place)
    guard = Guard(bound.getsockname()[1], place.host)
    server = Guarded(place, guard)
    # No access log: it would hold the token.
    runner = web.AppRunner(await server.make(), access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.SockSite(runner, bound).start()
        ready(guard)
        return await stopped
    finally:
        await server.end()
        await runner.cleanup()
        bound.close()


def _bind(place: Place) -> socket.socket:
    family = socket.AF_INET6 if ":" in place.host else socket.AF_INET
    try:
        return socket.create_server((place.host, place.port), family=family)
    except OSError as error:
        raise CouldNot(
            f"cannot listen on {place.host}:{place.port}: {error.strerror or error}",
            hint="mlcycle web  (it takes a free port of 127.0.0.1)",
        ) from error


def _stop_on_signals(stopped: asyncio.Future[int]) -> None:
    def stop(number: int) -> None:
        if not stopped.done():
            stopped.set_result(number)

    loop = asyncio.get_running_loop()
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None:
            with contextlib.suppress(NotImplementedError):  # Windows: ctrl+c arrives as KeyboardInterrupt
                loop.add_signal_handler(number, stop, number)


def _size(width: object, height: object) -> tuple[int, int]:
    """Return a size that can be drawn, whatever was asked for."""
    asked = (to_int(str(width), 80), to_int(str(height), 24))
    return min(max(asked[0], 20), WIDEST), min(max(asked[1], 5), TALLEST)
