"""Brings a model version up as a server process, and changes which version answers."""

from __future__ import annotations

import re
from collections.abc import Callable

from mlcycle import clock
from mlcycle.declare import load
from mlcycle.declare.model import Deploy
from mlcycle.deploy import processes, records
from mlcycle.deploy.listing import as_it_is
from mlcycle.deploy.model import Deployment
from mlcycle.deploy.processes import Place, Started
from mlcycle.errors import EngineError, MlcycleError, NotFoundError, UsageError
from mlcycle.workspace import Workspace

__all__ = ["resolve_version", "start", "swap"]

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
KIND = "process"


def start(
    workspace: Workspace,
    *,
    model: str | None = None,
    version: int | None = None,
    name: str | None = None,
    port: int | None = None,
    lives_with_parent: bool = False,
) -> Deployment:
    """Start a model server and return once it answers; what already runs is returned as it is.

    Parameters
    ----------
    model
        The declared model, or the only one with a champion, unless said.
    version
        The champion unless said.
    name
        Name of the deployment; `deployment` of deploy.yaml unless said.
    port
        Port on the declared host; 0 lets the system choose; `port` of deploy.yaml unless said.
    lives_with_parent
        End the server when the calling process ends; otherwise it runs until `stop`.

    Raises
    ------
    NotFoundError
        If there is no such model or version, or no champion.
    UsageError
        If the deployment runs another version.
    EngineError
        If the server does not come up; the message carries what it said.
    """
    declared = load(workspace).deploy
    name = _name(name or declared.deployment)
    model, version = resolve_version(workspace, model, version)
    seen = records.deployment(workspace, name)
    if seen is not None and as_it_is(workspace, seen).state == "running":
        if (seen.model, seen.version) == (model, version):
            return seen
        raise UsageError(
            f"deployment {name!r} already serves {seen.model}:{seen.version}",
            hint=f"mlcycle deploy swap, to serve {model}:{version} instead",
        )
    place = _place(workspace, declared, name, model, version, port)
    return _bring_up(workspace, place, (model, version), seen, lives_with_parent=lives_with_parent)


def swap(
    workspace: Workspace,
    *,
    model: str | None = None,
    version: int | None = None,
    name: str | None = None,
    lives_with_parent: bool = False,
) -> Deployment:
    """Let a deployment serve another version, the champion unless said; what was not running is started.

    The new server answers before the old one is ended, so a version that cannot serve changes nothing. Only a
    port fixed in deploy.yaml has to be freed first; the old version then comes back if the new one fails.

    Raises
    ------
    NotFoundError
        If there is no such model or version, or no champion.
    EngineError
        If the new server does not come up.
    """
    declared = load(workspace).deploy
    name = _name(name or declared.deployment)
    seen = records.deployment(workspace, name)
    if model is None and seen is not None:
        model = seen.model
    model, version = resolve_version(workspace, model, version)
    place = _place(workspace, declared, name, model, version, None)
    if seen is None or as_it_is(workspace, seen).state != "running":
        return _bring_up(workspace, place, (model, version), seen, lives_with_parent=lives_with_parent)
    if (seen.model, seen.version) == (model, version):
        return seen
    if declared.port:
        return _swap_in_place(
            workspace, declared, seen, (model, version), lives_with_parent=lives_with_parent
        )
    new = _bring_up(workspace, place, (model, version), seen, lives_with_parent=lives_with_parent)
    _end(seen)
    return new


def resolve_version(workspace: Workspace, model: str | None, version: int | None) -> tuple[str, int]:
    """Return the model and version that are meant: the declared model, and its champion, unless said.

    Raises
    ------
    NotFoundError
        If nothing was named and there is no champion to take.
    """
    if model is None:
        training = load(workspace).training
        model = training.model if training is not None else None
    if model is not None and version is not None:
        return model, version
    champions = records.champions(workspace)
    if model is None and len(champions) == 1:
        model = next(iter(champions))
    if model is None or model not in champions:
        what = "no model has a champion" if model is None else f"model {model!r} has no champion"
        raise NotFoundError(
            f"{what} that could be served", hint="mlcycle models promote, or name MODEL:VERSION"
        )
    return model, champions[model] if version is None else version


def _bring_up(
    workspace: Workspace,
    place: Place,
    what: tuple[str, int],
    seen: Deployment | None,
    *,
    lives_with_parent: bool,
) -> Deployment:
    """Start, record, and only then let go: who dies in between leaves no server that nobody knows of."""
    from mlcycle.store import Store

    started = processes.spawn(place)
    new = Deployment(
        place.deployment,
        *what,
        KIND,
        "running",
        started.url,
        started.pid,
        None,
        clock.now(),
        seen.rev if seen else 0,
    )
    action = "deploy swap" if seen is not None and seen.state == "running" else "deploy start"

    def record() -> Deployment:
        with Store(workspace).transaction(action) as transaction:
            return records.save_deployment(transaction, new, seen=seen)

    return _or_end(started, record, keep=not lives_with_parent)


def _or_end(started: Started, record: Callable[[], Deployment], *, keep: bool) -> Deployment:
    try:
        saved = record()
        if keep:
            started.keep()
    except BaseException:
        processes.end(started.pid)
        raise
    return saved


def _swap_in_place(
    workspace: Workspace,
    declared: Deploy,
    seen: Deployment,
    what: tuple[str, int],
    *,
    lives_with_parent: bool,
) -> Deployment:
    place = _place(workspace, declared, seen.deployment, *what, None)
    old = _place(workspace, declared, seen.deployment, seen.model, seen.version, None)
    _end(seen)
    try:
        return _bring_up(workspace, place, what, seen, lives_with_parent=lives_with_parent)
    except MlcycleError as error:
        _bring_up(workspace, old, (seen.model, seen.version), seen, lives_with_parent=lives_with_parent)
        raise EngineError(
            f"{error.message}; {seen.model}:{seen.version} serves again", hint=error.hint
        ) from error


def _place(
    workspace: Workspace, declared: Deploy, name: str, model: str, version: int, port: int | None
) -> Place:
    found = records.model_version(workspace, model, version)
    return Place(
        workspace.artifact(found["sha256"]),
        found["sha256"],
        name,
        workspace.journal,
        workspace.home / "logs" / f"{name}.log",
        declared.host,
        declared.port if port is None else port,
    )


def _end(seen: Deployment) -> None:
    if seen.pid is not None:
        processes.end(seen.pid)


def _name(text: str) -> str:
    if not NAME.fullmatch(text):
        raise UsageError(f"{text!r} is not a name for a deployment: letters, digits, '.', '_' and '-' only")
    return text
