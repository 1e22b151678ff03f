"""Tells deployments as they are: what was written down, held against the process that is or is not there."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from mlcycle.declare import load
from mlcycle.deploy import processes, records
from mlcycle.deploy.model import Deployment
from mlcycle.errors import NotFoundError, UsageError
from mlcycle.workspace import Workspace

__all__ = ["as_it_is", "deployment_name", "find", "list_deployments", "runs_elsewhere", "unknown"]

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


def list_deployments(workspace: Workspace) -> list[Deployment]:
    """Return every deployment by name, `failed` where the server is gone without having been stopped."""
    return [as_it_is(workspace, row) for row in records.deployments(workspace)]


def find(workspace: Workspace, name: str) -> Deployment:
    """Return one deployment as it is.

    Raises
    ------
    NotFoundError
        If there is none of that name.
    """
    row = records.deployment(workspace, name)
    if row is None:
        raise unknown(name)
    return as_it_is(workspace, row)


def unknown(name: str) -> NotFoundError:
    """Return the error for a name that no deployment carries."""
    return NotFoundError(
        f"there is no deployment {name!r}", hint="mlcycle deploy list, or mlcycle deploy start"
    )


def deployment_name(workspace: Workspace, given: str | None) -> str:
    """Return the name given, else the declared one.

    Raises
    ------
    UsageError
        If it cannot be the name of a deployment.
    """
    name = given or load(workspace).deploy.deployment
    if not NAME.fullmatch(name):
        raise UsageError(f"{name!r} is not a name for a deployment: letters, digits, '.', '_' and '-' only")
    return name


def as_it_is(workspace: Workspace, row: Deployment) -> Deployment:
    """Return the deployment with the state its process has now."""
    if row.state != "running" or processes.is_ours(row.pid, row.deployment, workspace.journal):
        return row
    elsewhere = runs_elsewhere(workspace, row)
    why = (
        f"a server of {elsewhere} still runs: pid {row.pid}"
        if elsewhere
        else f"its process {row.pid} is gone"
    )
    return replace(row, state="failed", why=why)


def runs_elsewhere(workspace: Workspace, row: Deployment) -> Path | None:
    """Return the folder that the row's process serves for, if it is another one than the workspace's.

    So it is after a workspace was moved, or copied, while it served.
    """
    journal = processes.journal_of(row.pid, row.deployment)
    return None if journal in (None, str(workspace.journal)) else Path(str(journal)).parent.parent
