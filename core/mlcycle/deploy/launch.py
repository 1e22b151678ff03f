"""Brings a server up for a deployment and writes it down, in an order that leaves no server nobody knows of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlcycle import clock
from mlcycle.deploy import processes, records
from mlcycle.deploy.logs import log_file
from mlcycle.deploy.model import Deployment
from mlcycle.deploy.processes import Place
from mlcycle.workspace import Workspace

if TYPE_CHECKING:
    from mlcycle.models import ModelVersion

__all__ = ["KIND", "launch", "serves"]

KIND = "process"


def launch(
    workspace: Workspace,
    version: ModelVersion,
    name: str,
    *,
    host: str,
    port: int,
    seen: Deployment | None,
    action: str,
    lives_with_parent: bool,
) -> Deployment:
    """Start a server, record it, and only then let go of it.

    Parameters
    ----------
    seen
        The deployment as it was read, if there is one; it must not have changed meanwhile.

    Raises
    ------
    EngineError
        If the server does not come up.
    Busy
        If another process changed the deployment meanwhile; the new server is ended.
    """
    place = Place(
        package=workspace.artifact(version.sha256),
        sha256=version.sha256,
        deployment=name,
        journal=workspace.journal,
        log=log_file(workspace, name),
        host=host,
        port=port,
    )
    started = processes.spawn(place)
    new = Deployment(
        deployment=name,
        model=version.model,
        version=version.version,
        kind=KIND,
        state="running",
        url=started.url,
        pid=started.pid,
        why=None,
        since=clock.now(),
        rev=0,
    )
    try:
        saved = _record(workspace, action, new, seen)
        # Until here the server ends with this process; from here on it is known, and may stay.
        if not lives_with_parent:
            started.keep()
    except BaseException:
        processes.end(started.pid)
        raise
    return saved


def serves(deployment: Deployment, version: ModelVersion) -> bool:
    """Whether the deployment is of that version."""
    return (deployment.model, deployment.version) == (version.model, version.version)


def _record(workspace: Workspace, action: str, new: Deployment, seen: Deployment | None) -> Deployment:
    from mlcycle.store import Store

    with Store(workspace).transaction(action) as transaction:
        return records.save_deployment(transaction, new, seen=seen)
