"""`mlcycle web`: the terminal UI in a browser, on this machine alone unless told otherwise."""

from __future__ import annotations

import asyncio
import html
import json
import os
import signal
import sys
import threading
import webbrowser
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from mlcycle_app.cli.options import command
from mlcycle_app.cli.output import Answer, say
from mlcycle_app.gateway import Gateway

__all__ = ["web"]

MOST_TABS = 64
DOOR = (
    '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><meta name="referrer" content="no-referrer">'
    '<meta http-equiv="refresh" content="0; url={link}"><title>mlcycle</title></head>'
    '<body><a href="{link}">mlcycle</a></body></html>\n'
)
"""A page that leads to the link. Words of a process can be read by every user of the machine, this file by none."""


@command
@click.option(
    "--port", type=click.IntRange(0, 65535), default=0, help="Where to listen; a free port unless said."
)
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Address to bind to. Others than loopback let the whole network in, unencrypted.",
)
@click.option(
    "--tabs",
    type=click.IntRange(1, MOST_TABS),
    default=4,
    show_default=True,
    help="Tabs that may be open at once; each is a process.",
)
@click.option("--open", "opens", is_flag=True, help="Open the link in the browser of this machine.")
def web(gateway: Gateway, port: int, host: str, tabs: int, opens: bool) -> Answer:
    """Serve the terminal UI to a browser, until Ctrl-C.

    Prints a link that lets one browser in, once. With --json: {"url", "pid"}, as soon as it answers.
    """
    from mlcycle_app.web.guard import Guard, is_loopback
    from mlcycle_app.web.server import Place, serve

    context = click.get_current_context()
    until_end = ExitStack()
    as_json = bool(context.ensure_object(dict).get("json"))

    def ready(guard: Guard) -> None:
        if as_json:
            print(json.dumps({"url": guard.link, "pid": os.getpid()}), flush=True)
        else:
            say(f"{gateway.name} in a browser: open this link, it works once. Ctrl-C ends it.")
            print(guard.link, flush=True)
        if opens:
            folder = TemporaryDirectory(prefix="mlcycle-web-", ignore_cleanup_errors=True)
            door = _write_door(Path(until_end.enter_context(folder)), guard.link)
            # A browser may stay in front until it is closed; it has a thread to do that in.
            threading.Thread(target=webbrowser.open, args=(door.as_uri(),), daemon=True).start()

    if not is_loopback(host):
        say(
            f"WARNING: {host} can be reached by others, and nothing is encrypted: who reads along on the network can\n"
            "  read what you see and take your place. Better: leave --host out, and use ssh -L."
        )
    # -P: a file in the folder we stand in, named like a library, must not be imported in its place.
    words = [sys.executable, "-P", "-m", "mlcycle_app", "-w", str(gateway.workspace.root)]
    if gateway.is_simulated():
        words += ["--now", gateway.now().isoformat()]
    with until_end:
        number = asyncio.run(serve(Place(words, gateway.name, host, port, tabs), ready))
    say("stopped")
    context.exit(0 if number == signal.SIGINT else 128 + number)


def _write_door(folder: Path, link: str) -> Path:
    """Write the page that leads to a link, for this user's eyes only, into a folder of its own."""
    door = folder / "open.html"
    with os.fdopen(os.open(door, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(DOOR.format(link=html.escape(link)))
    return door
