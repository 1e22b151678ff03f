"""Starts a deployment: one model version as a server process of its own."""

from __future__ import annotations

from mlcycle.declare import load
from mlcycle.deploy import records
from mlcycle.deploy.launch import launch, serves
from mlcycle.deploy.listing import as_it_is, deployment_name
from mlcycle.deploy.model import Deployment
from mlcycle.deploy.which import which
from mlcycle.errors import UsageError
from mlcycle.workspace import Workspace

__all__ = ["start"]


def start(
    workspace: Workspace,
    model: str | None = None,
    *,
    version: int | None = None,
    name: str | None = None,
    port: int | None = None,
    lives_with_parent: bool = False,
    adopt: bool = True,
) -> Deployment:
    """Start a model server and return once it answers; what already runs is returned as it is.

    Parameters
    ----------
    model, version
        See `which`; the champion unless said.
    name
        Name of the deployment; `deployment` of deploy.yaml unless said.
    port
        Port on the declared host; 0 lets the system choose; `port` of deploy.yaml unless said.
    lives_with_parent
        End the server when the calling process ends; otherwise it runs until `stop`.
    adopt
        Whether a server that runs already will do; otherwise it is refused.

    Raises
    ------
    NotFoundError
        If there is no such model or version, or no champion.
    UsageError
        If the deployment runs another version, or runs at all and may not be adopted.
    EngineError
        If the server does not come up; the message carries what it said.
    """
    declared = load(workspace).deploy
    name = deployment_name(workspace, name)
    target = which(workspace, model, version)
    seen = records.deployment(workspace, name)
    if seen is not None and as_it_is(workspace, seen).state == "running":
        if not adopt:
            raise UsageError(
                f"deployment {name!r} already runs: {seen.url}, pid {seen.pid}",
                hint=f"mlcycle deploy stop {name}",
            )
        if serves(seen, target):
            return seen
        raise UsageError(
            f"deployment {name!r} already serves {seen.model}:{seen.version}",
            hint=f"mlcycle deploy swap, to serve {target.subject} instead",
        )
    return launch(
        workspace,
        target,
        name,
        host=declared.host,
        port=declared.port if port is None else port,
        seen=seen,
        action="deploy start",
        lives_with_parent=lives_with_parent,
    )
