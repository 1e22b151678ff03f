"""The model server as a process: `python -m mlcycle.serving PACKAGE.zip --deployment NAME`.

In an image it is called as `python -m mlcycle.serving serve` and takes its place from the environment:
MLCYCLE_PACKAGE, MLCYCLE_DEPLOYMENT, MLCYCLE_JOURNAL, and AIP_HTTP_PORT or PORT as platforms set them.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from mlcycle.errors import MlcycleError, UsageError
from mlcycle.serving.app import App
from mlcycle.serving.life import Parent, Server, listen
from mlcycle.serving.log import PredictionLog, ResourceLog
from mlcycle.serving.package import Package, open_package
from mlcycle.serving.runtime import Scorer, load

__all__ = ["main"]

IMAGE_PORT = 8080
LOOPBACK = ("127.0.0.1", "::1", "localhost")


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until told to stop; return the exit code.

    One JSON line on standard output, `{"url": ..., "pid": ...}`, says that the model answers.
    """
    signal.signal(signal.SIGTERM, _leave)
    try:
        options = _options(argv)
        package = open_package(options.package, sha256=options.sha256)
        scorer = load(package)
        scorer.warm_up()
        if options.check:
            return 0
        _serve(options, package, scorer)
    except MlcycleError as error:
        print(error.message, file=sys.stderr)
        if error.hint:
            print(f"try: {error.hint}", file=sys.stderr)
        return error.exit_code
    return 0


def _serve(options: argparse.Namespace, package: Package, scorer: Scorer) -> None:
    bound = listen(options.host, options.port)
    host, port = bound.getsockname()[:2]
    predictions = PredictionLog(options.journal, package.signature, options.deployment)
    resources = ResourceLog(options.journal, options.deployment)
    app = App(package, scorer, predictions, loopback=options.host in LOOPBACK, aliases=_aliases())
    url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    parent = Parent(options.parent, until_kept=options.until_kept)
    server = Server(app, resources, parent, on_ready=lambda: _announce(url))
    try:
        server.run(sockets=[bound])
    finally:
        predictions.close()
        resources.close()


def _announce(url: str) -> None:
    print(json.dumps({"url": url, "pid": os.getpid()}), flush=True)
    # The reader may go away once it has the line; nothing may block or break on its pipe.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    environment = os.environ
    parser = argparse.ArgumentParser(
        prog="python -m mlcycle.serving", description="Serve one model package over HTTP."
    )
    parser.add_argument("package", nargs="?", default="serve", help="the package, or `serve` inside an image")
    parser.add_argument("--deployment", default=environment.get("MLCYCLE_DEPLOYMENT", "local"))
    parser.add_argument(
        "--journal", type=Path, help="where predictions are written down; nowhere unless said"
    )
    parser.add_argument("--host")
    parser.add_argument("--port", type=int, help="0 lets the system choose")
    parser.add_argument("--parent", type=int, help="end when the process of this id is gone")
    parser.add_argument(
        "--until-kept", action="store_true", help="outlive the parent after a line `keep` on stdin"
    )
    parser.add_argument("--sha256", help="the hash the package must have")
    parser.add_argument("--check", action="store_true", help="load the model, score a row and leave")
    options = parser.parse_args(argv)
    in_image = options.package == "serve"
    if in_image:
        options.package = environment.get("MLCYCLE_PACKAGE")
        if options.package is None:
            parser.error("name a model package, or set MLCYCLE_PACKAGE")
    options.package = Path(options.package)
    if options.journal is None and environment.get("MLCYCLE_JOURNAL"):
        options.journal = Path(environment["MLCYCLE_JOURNAL"])
    if options.host is None:
        options.host = "0.0.0.0" if in_image else "127.0.0.1"
    if options.port is None:
        options.port = _image_port() if in_image else 0
    return options


def _image_port() -> int:
    text = os.environ.get("AIP_HTTP_PORT") or os.environ.get("PORT") or str(IMAGE_PORT)
    try:
        return int(text)
    except ValueError as error:
        raise UsageError(f"{text!r} is not a port") from error


def _aliases() -> dict[str, str]:
    asked = {"AIP_PREDICT_ROUTE": "/predict", "AIP_HEALTH_ROUTE": "/health"}
    return {os.environ[name]: own for name, own in asked.items() if os.environ.get(name)}


def _leave(signum: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the signature of a handler
    # Until the server takes the signals over there is nothing to drain.
    raise SystemExit(0)


if __name__ == "__main__":
    sys.exit(main())
