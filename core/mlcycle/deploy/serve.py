"""Serves in front: the server lives as long as the call, and the light process that waits for it folds its journal."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable

from mlcycle.deploy.listing import as_it_is, find
from mlcycle.deploy.model import Deployment
from mlcycle.deploy.start import start
from mlcycle.deploy.stop import stop
from mlcycle.errors import CouldNot, EngineError
from mlcycle.workspace import Workspace

__all__ = ["serve"]

FOLD_EVERY_S = 2.0


def serve(
    workspace: Workspace,
    model: str | None = None,
    *,
    version: int | None = None,
    name: str | None = None,
    port: int | None = None,
    on_ready: Callable[[Deployment], None] | None = None,
    until: threading.Event | None = None,
) -> Deployment:
    """Serve until `until` is set or the user interrupts, then stop the server.

    Parameters
    ----------
    on_ready
        Called once with the deployment when it answers.
    until
        Ends serving when set; without one only KeyboardInterrupt does.

    Raises
    ------
    UsageError
        If the deployment runs already: its server belongs to somebody else, who would find it stopped.
    EngineError
        If the server does not come up, or ends by itself.
    """
    from mlcycle.store import Store

    running = start(
        workspace, model, version=version, name=name, port=port, lives_with_parent=True, adopt=False
    )
    known = running
    leave = until or threading.Event()
    try:
        if on_ready is not None:
            on_ready(running)
        while not leave.wait(FOLD_EVERY_S):
            # A store that is busy or a disk that is full now is no reason to end: it is tried two seconds later.
            with contextlib.suppress(CouldNot):
                Store(workspace).fold()
            with contextlib.suppress(CouldNot):
                known = find(workspace, running.deployment)
            now = as_it_is(workspace, known)
            if now.state != "running":
                raise EngineError(
                    f"deployment {now.deployment!r} is no longer running: {now.why or now.state}"
                )
    except KeyboardInterrupt:
        pass
    return stop(workspace, running.deployment)
