"""Changes which version a deployment serves, so that somebody always answers."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from mlcycle.declare import load
from mlcycle.deploy import processes, records
from mlcycle.deploy.launch import launch, serves
from mlcycle.deploy.listing import as_it_is, deployment_name
from mlcycle.deploy.model import Deployment
from mlcycle.deploy.which import which
from mlcycle.errors import Busy, EngineError, MlcycleError
from mlcycle.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Callable

    from mlcycle.models import ModelVersion

__all__ = ["swap"]


def swap(
    workspace: Workspace,
    name: str | None = None,
    *,
    model: str | None = None,
    version: int | None = None,
    lives_with_parent: bool = False,
) -> Deployment:
    """Let a deployment serve another version, the champion unless said; what was not running is started.

    The new server answers before the old one is ended, so a version that cannot serve changes nothing. Only a
    port fixed in deploy.yaml has to be freed first; the old version then comes back if the new one fails.

    Parameters
    ----------
    name
        Name of the deployment; `deployment` of deploy.yaml unless said.
    model, version
        See `which`; the champion of the model it serves unless said.
    lives_with_parent
        As for `start`.

    Raises
    ------
    NotFoundError
        If there is no such model or version, or no champion.
    EngineError
        If the new server does not come up.
    """
    declared = load(workspace).deploy
    name = deployment_name(workspace, name)
    seen = records.deployment(workspace, name)
    target = which(workspace, model or (seen.model if seen else None), version)
    bring_up = partial(
        launch,
        workspace,
        name=name,
        host=declared.host,
        port=declared.port,
        action="deploy swap",
        lives_with_parent=lives_with_parent,
    )
    if seen is None or as_it_is(workspace, seen).state != "running":
        return bring_up(target, seen=seen)
    if serves(seen, target):
        return seen
    if declared.port:
        return _in_place(workspace, seen, which(workspace, seen.model, seen.version), target, bring_up)
    new = bring_up(target, seen=seen)
    _end(seen)
    return new


def _in_place(
    workspace: Workspace,
    seen: Deployment,
    old: ModelVersion,
    new: ModelVersion,
    bring_up: Callable[..., Deployment],
) -> Deployment:
    _end(seen)
    try:
        return bring_up(new, seen=seen)
    except MlcycleError as error:
        says = _bring_back(workspace, seen.deployment, old, bring_up)
        raise EngineError(f"{error.message}; {says}", hint=error.hint) from error


def _bring_back(
    workspace: Workspace, name: str, old: ModelVersion, bring_up: Callable[..., Deployment]
) -> str:
    """Let the old version serve again, unless somebody else has decided meanwhile; say what is so now."""
    for last in (False, True):
        try:
            row = records.deployment(workspace, name)
            now = None if row is None else as_it_is(workspace, row)
            if now is not None and now.state == "running":
                return f"another process started {now.model}:{now.version} meanwhile"
            if now is not None and now.state == "stopped":
                return "another process stopped the deployment meanwhile"
            bring_up(old, seen=row)
        except Busy:
            if last:
                raise
        else:
            break
    return f"{old.subject} serves again"


def _end(seen: Deployment) -> None:
    if seen.pid is not None:
        processes.end(seen.pid)
