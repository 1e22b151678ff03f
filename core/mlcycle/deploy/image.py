"""Builds the image that serves one model version, or says plainly why it cannot."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from mlcycle import clock, progress
from mlcycle.declare import load
from mlcycle.deploy import records
from mlcycle.deploy.context import build_context, dockerfile
from mlcycle.deploy.engine import base_image, connect
from mlcycle.deploy.model import ImageResult
from mlcycle.deploy.wheelhouse import find_wheels, requirements
from mlcycle.deploy.which import which
from mlcycle.errors import EngineError
from mlcycle.workspace import Workspace

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.images import Image

    from mlcycle.models import ModelVersion

__all__ = ["build_image", "follow"]

COLOURS = re.compile(r"\x1b\[[0-9;]*m")
LOG_LINES = 4
STEP = re.compile(r"^step (\d+)/(\d+)", re.IGNORECASE)
MADE = re.compile(r"(?:^Successfully built |sha256:)([0-9a-f]{12,64})$")


def build_image(
    workspace: Workspace,
    model: str | None = None,
    version: int | None = None,
    *,
    on_line: Callable[[str], None] | None = None,
) -> ImageResult:
    """Build the image of a model version, with no network, from wheels and a base image that are here.

    Parameters
    ----------
    model, version
        The declared model and its champion unless said.
    on_line
        Called with each line of the engine's log as it comes.

    Returns
    -------
    ImageResult
        With `built` False and the reason in `why_not` if there is no engine, no base image or no wheelhouse,
        or if the build failed: a workspace without containers is as good as any other.

    Raises
    ------
    NotFoundError
        If there is no such model version.
    """
    found = which(workspace, model, version)
    tag = f"mlcycle/{_repository(found.model)}:{found.version}"
    try:
        client = connect()
        try:
            image = _build(client, workspace, found, tag, on_line or _nobody)
        finally:
            client.close()
    except EngineError as error:
        return ImageResult(built=False, tag=tag, why_not=error.message, hint=error.hint)
    digest, size = str(image.id), int(image.attrs.get("Size", 0))
    _record(workspace, found, tag, digest, size)
    return ImageResult(built=True, tag=tag, digest=digest, bytes=size)


def _build(
    client: DockerClient,
    workspace: Workspace,
    found: ModelVersion,
    tag: str,
    on_line: Callable[[str], None],
) -> Image:
    from docker.errors import APIError, DockerException
    from requests.exceptions import RequestException

    flavour = found.format
    wheels = find_wheels(workspace, flavour)
    base = base_image(client, load(workspace).deploy.base_image)
    text = dockerfile(base, requirements(flavour), _labels(found), _repository(found.model))
    context = build_context(text, wheels, workspace.artifact(found.sha256))
    try:
        parts = client.api.build(
            fileobj=io.BytesIO(context),
            custom_context=True,
            tag=tag,
            rm=True,
            # Else a failed build leaves its container behind.
            forcerm=True,
            pull=False,
            # Proves that the wheelhouse is complete.
            network_mode="none",
            decode=True,
        )
        return client.images.get(follow(parts, base, on_line) or tag)
    except (APIError, DockerException, RequestException) as error:
        raise EngineError(
            f"the container engine broke the build off: {error}", hint="mlcycle images build"
        ) from error


def follow(parts: Iterable[Mapping[str, Any]], base: str, on_line: Callable[[str], None]) -> str | None:
    """Pass an engine's log on as it comes; return the image's id, if the log names it."""
    said: list[str] = []
    made, total = None, 0
    for part in parts:
        for line in COLOURS.sub("", str(part.get("stream") or "")).splitlines():
            if not line.strip():
                continue
            said = [*said[1 - LOG_LINES :], line]
            on_line(line)
            if step := STEP.match(line.strip()):
                total = int(step[2])
                progress.tell("build image", int(step[1]) - 1, total)
            if named := MADE.search(line.strip()):
                made = named[1]
        if "error" in part:
            tail = COLOURS.sub("", " / ".join([*said, str(part["error"])]))
            raise EngineError(f"the build on {base} failed: {tail}", hint="mlcycle images build")
    if total:
        progress.tell("build image", total, total)
    return made


def _nobody(_: str) -> None:
    """Take a line that nobody follows."""


def _labels(found: ModelVersion) -> dict[str, str]:
    return {
        "org.opencontainers.image.title": str(found.model),
        "org.opencontainers.image.version": str(found.version),
        "mlcycle.package.sha256": str(found.sha256),
        "mlcycle.run_id": str(found.run_id),
    }


def _record(workspace: Workspace, found: ModelVersion, tag: str, digest: str, size: int) -> None:
    from mlcycle.store import Store

    with Store(workspace).transaction("images build") as transaction:
        records.save_image(
            transaction,
            model=found.model,
            version=found.version,
            tag=tag,
            digest=digest,
            size=size,
            built_at=clock.wall(),
        )


def _repository(model: str) -> str:
    """A model's name as engines spell repositories: lower case, single separators."""
    return re.sub(r"[^a-z0-9]+", "-", model.lower()).strip("-") or "model"
