"""Logging for scripts: `start_run`, `log_metrics` and their kin, on the run that is active.

Everything goes to the journal, so it needs neither DuckDB nor a lock nor another process. What returned True is on
its way to the disk and survives the process; the end of a run waits until the disk has it.
"""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlcycle.errors import UsageError
from mlcycle.experiments import exits, stack
from mlcycle.experiments.environment import script
from mlcycle.experiments.hints import with_hint
from mlcycle.experiments.limits import items, run_uuid, valid_key, valid_name
from mlcycle.experiments.run import Run
from mlcycle.ids import new_id, short
from mlcycle.workspace import Workspace

if TYPE_CHECKING:
    from mlcycle.experiments.model import RunDetails

__all__ = [
    "RUN_VARIABLE",
    "Run",
    "active_run",
    "end_run",
    "get_run",
    "log_artifact",
    "log_dict",
    "log_metric",
    "log_metrics",
    "log_model",
    "log_param",
    "log_params",
    "log_text",
    "set_tag",
    "set_tags",
    "start_run",
]

RUN_VARIABLE = "MLCYCLE_RUN_ID"
"""The run that a child process's first `start_run` joins."""

_joined: set[str] = set()
"""Runs named by the environment that a first `start_run` here has joined; later ones become their children."""
_own: set[str] = set()
"""Runs begun here: a script that names one in the environment means its workers, not itself."""
_watched: set[int] = set()
"""Ids of the processes in which what is left open is ended."""


@with_hint
def start_run(
    name: str | None = None,
    *,
    experiment: str = "default",
    nested: bool = False,
    run_id: str | None = None,
    workspace: Workspace | str | os.PathLike[str] | None = None,
    tags: Mapping[str, object] | None = None,
    source: Path | None = None,
) -> Run:
    """Start a run and make it the active one; use it with `with`, or end it with `end_run`.

    Parameters
    ----------
    name
        Kept as given; made up if None. Names need not be unique.
    experiment
        The named group of runs it belongs to.
    nested
        Whether it may be a child of the active run, or of the one that `MLCYCLE_RUN_ID` names; without, a second
        run is an error, and the first one of a process is the one that is named.
    run_id
        A run to go on logging to, instead of a new one: its id, the id's last digits, or its name (the newest).
    workspace
        The workspace; found as every command finds it if None.
    source
        The file to keep as the run's script; the one Python was asked to run if None.

    Raises
    ------
    WorkspaceError
        Outside a workspace.
    UsageError
        If a run is active and `nested` is not set, or a name is none.
    NotFoundError
        If there is no run of that id.
    """
    for key, _ in items("tags", tags or {}):  # before there is a run that a bad one would leave active
        valid_key(key)
    with stack.lock():
        outer = stack.outer()
        if outer is not None and not nested:
            raise UsageError(
                f"run {outer.name!r} is still active", hint="end_run() first, or start_run(..., nested=True)"
            )
        place = _workspace(workspace, outer)
        inherited = _inherited() if outer is None and run_id is None else None
        if inherited and not nested and inherited not in _joined:
            run = _join(place, inherited, name, experiment)
        elif run_id is not None:
            run = _resume(place, run_id, name, outer)
        else:
            run = _new(place, name, experiment, outer, inherited)
            run.begin(source or script())
        stack.push(run)
        _end_at_exit()
    if tags:
        run.set_tags(tags)
    return run


def active_run() -> Run | None:
    """Return the run that logging goes to, if one is active."""
    return stack.current()


def end_run(status: str = "finished") -> bool:
    """End the active run, and what was begun inside it; does nothing without one."""
    run = stack.current()
    return True if run is None else run.end(status)


@with_hint
def get_run(run: str, *, workspace: Workspace | str | os.PathLike[str] | None = None) -> RunDetails:
    """Return all that is known of a run, long values whole, as `mlcycle runs show --json` does.

    Its params, last metrics and tags; its artifacts, what it read, its command and commit; and the params that two
    processes gave two values.

    Parameters
    ----------
    run
        Its id, the id's last digits, or its name (the newest of that name).

    Raises
    ------
    NotFoundError
        If there is none.
    """
    from mlcycle.experiments.comparison import show

    return show(_workspace(workspace, stack.current()), run)


def log_metrics(metrics: Mapping[str, Any], step: int = 0) -> bool:
    """Log numbers to the active run, starting one if there is none."""
    return _current().log_metrics(metrics, step)


def log_metric(key: str, value: Any, step: int = 0) -> bool:
    """Log one number to the active run, starting one if there is none."""
    return _current().log_metrics({key: value}, step)


def log_params(params: Mapping[str, object]) -> bool:
    """Log params to the active run, starting one if there is none."""
    return _current().log_params(params)


def log_param(key: str, value: object) -> bool:
    """Log one param to the active run, starting one if there is none."""
    return _current().log_params({key: value})


def log_artifact(path: str | os.PathLike[str], artifact_path: str | None = None) -> bool:
    """Keep a copy of a file or folder with the active run, starting one if there is none."""
    return _current().log_artifact(path, artifact_path)


def log_text(text: str, artifact_file: str) -> bool:
    """Keep a text as an artifact of the active run, starting one if there is none."""
    return _current().log_text(text, artifact_file)


def log_dict(dictionary: object, artifact_file: str) -> bool:
    """Keep a mapping or list as a JSON artifact of the active run, starting one if there is none."""
    return _current().log_dict(dictionary, artifact_file)


def log_model(model: object, name: str = "model", **how: Any) -> str:
    """Keep a fitted model with the active run, starting one if there is none; returns its hash.

    A scikit-learn estimator becomes a model package: ONNX where that provably scores alike on the example rows and at
    the edges of its trees, else skops of known types. `mlcycle models register RUN` makes it a version.

    Parameters
    ----------
    model
        A fitted scikit-learn estimator; or ONNX, as bytes or the path of a file.
    name
        Of the model, for the registry too. A run keeps one to register; with another name than `model` it is that one.
    **how
        `example`: rows to compare on, as a matrix, a data frame or columns by name. `features`: names in order, or
        names with the categories that become one 0/1 column each (None: a number). `key`: columns that name an
        entity. `task`, `classes`: for ONNX, which does not tell. `allow_pickle`: a reason, to keep as a pickle what
        nothing else can hold: it cannot be registered, and nothing here ever loads it.

    Raises
    ------
    UsageError
        If it cannot be kept that way; the message says why, the hint what would do.
    """
    return _current().log_model(model, name, **how)


def set_tags(tags: Mapping[str, object]) -> bool:
    """Set tags of the active run, starting one if there is none."""
    return _current().set_tags(tags)


def set_tag(key: str, value: object) -> bool:
    """Set one tag of the active run, starting one if there is none."""
    return _current().set_tags({key: value})


def _current() -> Run:
    run = stack.current()
    if run is None:
        with stack.lock():
            run = stack.current() or start_run()
    return run


def _workspace(given: Workspace | str | os.PathLike[str] | None, outer: Run | None) -> Workspace:
    if isinstance(given, Workspace):
        return given
    if given is None and outer is not None:
        return outer.workspace
    return Workspace.find(given)


def _inherited() -> str | None:
    """Return the run that the environment names, unless it was begun here."""
    named = os.environ.get(RUN_VARIABLE)
    if not named:
        return None
    try:
        run_id = run_uuid(named)
    except UsageError as error:
        raise UsageError(f"{RUN_VARIABLE}: {error.message}", hint=f"unset {RUN_VARIABLE}") from error
    return None if run_id in _own else run_id


def _join(workspace: Workspace, run_id: str, name: str | None, experiment: str) -> Run:
    _joined.add(run_id)
    run = Run(workspace, run_id, name or f"run-{short(run_id)}", experiment=experiment)
    run.resume()
    _rename(run, name)
    return run


def _resume(workspace: Workspace, run_id: str, name: str | None, outer: Run | None) -> Run:
    from mlcycle.experiments import records

    found = records.run(workspace, run_id)
    if any(run.run_id == found.run_id for run in stack.every()):
        raise UsageError(f"run {found.name!r} is active here already", hint="log to it: mlcycle.active_run()")
    run = Run(
        workspace,
        found.run_id,
        found.name if name is None else name,
        experiment=found.experiment,
        parent_run_id=found.parent_run_id,
        outer=outer,
    )
    run.resume(found.params, found.tags)
    _rename(run, None if name == found.name else name)
    return run


def _rename(run: Run, name: str | None) -> None:
    if name is not None:
        run.set_tags({"mlcycle.name": valid_name("run", name)})


def _new(
    workspace: Workspace, name: str | None, experiment: str, outer: Run | None, parent_run_id: str | None
) -> Run:
    fresh = new_id()
    _own.add(fresh)
    return Run(
        workspace,
        fresh,
        f"run-{short(fresh)}" if name is None else valid_name("run", name),
        experiment=valid_name("experiment", experiment),
        parent_run_id=outer.run_id if outer else parent_run_id,
        outer=outer,
    )


def _end_at_exit() -> None:
    if os.getpid() in _watched:
        return
    _watched.add(os.getpid())
    exits.watch()
    # Asked for only now, after the store is imported: what is registered last runs first, and it needs the journal.
    atexit.register(_end_all)
    util = sys.modules.get("multiprocessing.util")
    if util is not None and sys.modules["multiprocessing.process"].parent_process() is not None:
        # Its forked workers leave without a word to atexit.
        util.Finalize(None, _end_all, exitpriority=100)


def _end_all() -> None:
    """End what a script left open, as what ended the program says."""
    error = exits.at_exit()
    for run in stack.every():
        if run.pid == os.getpid():  # a forked child leaves its parent's runs alone
            run.end(exits.status_of(error), error=error)
