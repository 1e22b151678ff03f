"""Ends deployments. Stopping what does not run is no error."""

from __future__ import annotations

from dataclasses import replace

from mlcycle import clock
from mlcycle.deploy import processes, records
from mlcycle.deploy.listing import as_it_is, deployment_name, runs_elsewhere, unknown
from mlcycle.deploy.model import Deployment
from mlcycle.errors import EngineError, UsageError
from mlcycle.workspace import Workspace

__all__ = ["stop", "stop_all"]


def stop(workspace: Workspace, name: str | None = None) -> Deployment:
    """End a deployment's server: requests in flight are finished, its journal is closed.

    Parameters
    ----------
    name
        Name of the deployment; `deployment` of deploy.yaml unless said.

    Raises
    ------
    NotFoundError
        If there is no deployment of that name.
    EngineError
        If the server was started where the workspace no longer is, or for the workspace that this is a copy of.
    """
    from mlcycle.store import Store

    name = deployment_name(workspace, name)
    seen = records.deployment(workspace, name)
    if seen is None:
        raise unknown(name)
    now = as_it_is(workspace, seen)
    if now.kind != "process":
        raise UsageError(f"deployment {now.deployment!r} is a {now.kind}, which is not ended from here")
    if now.state == "stopped":
        return seen
    elsewhere = runs_elsewhere(workspace, seen)
    if elsewhere is not None:
        copied = Workspace(elsewhere).database.exists()
        raise EngineError(
            f"a server of {elsewhere} still runs: pid {seen.pid}",
            hint=f"mlcycle -w {elsewhere} deploy stop {name}" if copied else f"kill {seen.pid}",
        )
    # Only while it is ours: the same id may belong to somebody else's process by now.
    if now.state == "running" and now.pid is not None:
        processes.end(now.pid)
    new = replace(now, state="stopped", url=None, pid=None, why=None, since=clock.now())
    with Store(workspace).transaction("deploy stop") as transaction:
        return records.save_deployment(transaction, new, seen=seen)


def stop_all(workspace: Workspace) -> list[Deployment]:
    """End every deployment of the workspace that is not stopped."""
    rows = records.deployments(workspace)
    return [
        stop(workspace, row.deployment) for row in rows if row.kind == "process" and row.state != "stopped"
    ]
