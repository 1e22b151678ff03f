"""Owns the conversation with a container engine: whether one answers, why not, and which image there is to build on."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from typing import TYPE_CHECKING

from mlcycle.errors import EngineError

if TYPE_CHECKING:
    from docker import DockerClient

__all__ = ["BASE_VARIABLE", "base_image", "connect"]

TIMEOUT_S = 5
DEFAULT_HOST = "unix:///var/run/docker.sock"
BASE_VARIABLE = "CE_BASE"
LOCAL_BASE = "local/python-base"
INSTALL = "install and start Docker or podman, or set DOCKER_HOST to where one listens"


def connect() -> DockerClient:
    """Return a client of the engine that `DOCKER_HOST` names, or the system's; it has answered once.

    Raises
    ------
    EngineError
        If none answers; says which of the usual reasons it is and what to do.
    """
    where = os.environ.get("DOCKER_HOST") or DEFAULT_HOST
    _knock(where)
    import docker
    from docker.errors import DockerException
    from requests.exceptions import RequestException

    try:
        # Without a timeout a hanging engine is waited for a minute.
        client = docker.from_env(timeout=TIMEOUT_S)
        client.ping()
    except (DockerException, RequestException) as error:
        raise _no_engine(error, where) from error
    return client


def base_image(client: DockerClient, declared: str | None) -> str:
    """Return the image to build on: declared, else named by `CE_BASE`, else a local one. Nothing is ever pulled.

    Raises
    ------
    EngineError
        If the engine does not have it.
    """
    from docker.errors import ImageNotFound

    named = declared or os.environ.get(BASE_VARIABLE)
    if named:
        try:
            client.images.get(named)
        except ImageNotFound as error:
            raise EngineError(
                f"the base image {named} is not on this machine, and nothing is fetched unasked",
                hint=f"docker pull {named}",
            ) from error
        return named
    tags = sorted(tag for image in client.images.list(name=LOCAL_BASE) for tag in image.tags)
    if not tags:
        raise EngineError(
            f"there is no base image: deploy.yaml names none and no {LOCAL_BASE} is on this machine",
            hint="write base_image: IMAGE into deploy.yaml, an image with this Python that the engine already has",
        )
    return str(tags[0])


def _knock(where: str) -> None:
    """Try the socket itself first: most machines without an engine are told apart before a library is loaded."""
    if not where.startswith("unix://") or not hasattr(socket, "AF_UNIX"):
        return
    with socket.socket(socket.AF_UNIX) as door:
        door.settimeout(TIMEOUT_S)
        try:
            door.connect(where.removeprefix("unix://"))
        except OSError as error:
            raise _no_engine(error, where) from error


def _no_engine(error: BaseException, where: str) -> EngineError:
    why, hint = _reason(error, where)
    return EngineError(f"no container engine answers at {where}: {why}", hint=hint)


def _reason(error: BaseException, where: str) -> tuple[str, str]:
    # The client library puts every cause into one class; the cause itself is further down.
    for cause in _causes(error):
        if isinstance(cause, FileNotFoundError):
            return "nothing is there", INSTALL
        if isinstance(cause, ConnectionRefusedError):
            return "it is not running", "start it, for example systemctl start docker"
        if isinstance(cause, PermissionError):
            return "you may not use it", "add yourself to its group, for example usermod -aG docker $USER"
        if isinstance(cause, TimeoutError) or "Timeout" in type(cause).__name__:
            return f"it said nothing for {TIMEOUT_S} s", "restart the engine"
    return str(error).splitlines()[0] if str(error) else type(
        error
    ).__name__, f"{INSTALL} (it is {where} now)"


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    waiting: list[BaseException] = [error]
    while waiting:
        cause = waiting.pop(0)
        if id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        nested = (cause.__cause__, cause.__context__, *cause.args)
        waiting += [part for part in nested if isinstance(part, BaseException)]
