"""Logging runs: `start_run`, `log_metrics` and their kin, for scripts and for our own commands.

Everything goes to the journal, so it needs neither DuckDB nor a lock nor another process. What returned True is on
its way to the disk and survives the process; the end of a run waits until the disk has it.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from mlcycle.clock import wall
from mlcycle.errors import UsageError
from mlcycle.experiments.artifacts import keep_bytes, keep_file
from mlcycle.experiments.environment import command_line, environment, git_state, script
from mlcycle.experiments.limits import (
    journal_number,
    journal_text,
    run_uuid,
    valid_key,
    valid_name,
    valid_path,
    whole_step,
)
from mlcycle.ids import new_id, short
from mlcycle.workspace import Workspace

if TYPE_CHECKING:
    from mlcycle.store import Store

__all__ = [
    "RUN_VARIABLE",
    "Run",
    "active_run",
    "end_run",
    "log_artifact",
    "log_metric",
    "log_metrics",
    "log_param",
    "log_params",
    "set_tags",
    "start_run",
]

RUN_VARIABLE = "MLCYCLE_RUN_ID"
"""The run that a child process's first `start_run` joins."""
LONGEST_VALUE = 64 << 10
"""Bytes of a param or tag that are kept in the table; a longer one becomes an artifact."""
STATES = ("finished", "failed", "killed")

_active: list[Run] = []
_joined: set[str] = set()
"""Runs of a parent process that a first `start_run` here has joined; later ones become their children."""
_lock = threading.RLock()


class Run:
    """One training execution, open for logging. Made by `start_run`; a context manager."""

    def __init__(
        self,
        workspace: Workspace,
        run_id: str,
        name: str,
        *,
        experiment: str,
        parent_run_id: str | None = None,
        joined: bool = False,
    ) -> None:
        from mlcycle.store import Store

        self.workspace = workspace
        self.run_id = run_id
        self.name = name
        self.experiment = experiment
        self.parent_run_id = parent_run_id
        self.status = "running"
        self._joined = joined
        self._store: Store = Store(workspace)
        self._params: dict[str, str] = {}
        self._last_metric: dict[str, object] | None = None
        self._pid = os.getpid()

    def log_metrics(self, metrics: Mapping[str, float], step: int = 0) -> bool:
        """Log numbers at a step; NaN and the infinities are kept. True when the journal has them.

        Raises
        ------
        UsageError
            If a key, a value or the step is none; nothing of the call is kept.
        """
        now, place, run_id = _wall_text(), whole_step(step), self.run_id
        records: list[dict[str, object]] = [
            {
                "run_id": run_id,
                "key": valid_key(key),
                "step": place,
                "ts": now,
                "value": journal_number(key, value),
            }
            for key, value in metrics.items()
        ]
        if records:
            self._last_metric = records[-1]
        return self._store.append("metric", records)

    def log_metric(self, key: str, value: float, step: int = 0) -> bool:
        """Log one number at a step."""
        return self.log_metrics({key: value}, step)

    def log_params(self, params: Mapping[str, object]) -> bool:
        """Log params: what was chosen, once.

        Raises
        ------
        UsageError
            If a param of that name was given with another value before; nothing of the call is kept. Another
            process cannot be asked: of two values the first one kept wins, the other stays as a conflict.
        """
        texts = {valid_key(key): journal_text(value) for key, value in params.items()}
        with _lock:
            for key, text in texts.items():
                known = self._params.get(key, text)
                if known != text:
                    raise UsageError(
                        f"param {key!r} of run {self.name!r} is {known!r} already, so it cannot become {text!r}",
                        hint="start another run, nested=True, for another value",
                    )
            fresh = {key: text for key, text in texts.items() if key not in self._params}
            self._params.update(fresh)
        return self._log_texts("param", fresh)

    def log_param(self, key: str, value: object) -> bool:
        """Log one param."""
        return self.log_params({key: value})

    def set_tags(self, tags: Mapping[str, object]) -> bool:
        """Set tags; of two values of one tag the later holds."""
        return self._log_texts("tag", {valid_key(key): journal_text(value) for key, value in tags.items()})

    def log_artifact(self, path: str | os.PathLike[str], artifact_path: str | None = None) -> bool:
        """Keep a copy of a file, or of every file of a folder, under the folder `artifact_path` of the run.

        The copy is whole, on disk and named by its content before the record says so.

        Raises
        ------
        UsageError
            If there is no such file, or `artifact_path` leads out of the run.
        """
        source = Path(path)
        if source.is_dir():
            files = sorted(file for file in source.rglob("*") if file.is_file())
            named = [(file, f"{source.name}/{file.relative_to(source).as_posix()}") for file in files]
        else:
            named = [(source, source.name)]
        records = []
        for file, name in named:
            place = valid_path(f"{artifact_path}/{name}" if artifact_path else name)
            records.append(self._artifact(place, *keep_file(self.workspace, file)))
        return self._store.append("run", records)

    def log_bytes(self, content: bytes, name: str) -> str:
        """Keep bytes as an artifact of the run under a name; returns their hash."""
        sha256, size = keep_bytes(self.workspace, content)
        self._store.append("run", [self._artifact(valid_path(name), sha256, size)])
        return sha256

    def log_input(self, kind: str, reference: str) -> bool:
        """Note what the run read, such as a `training_set` or a `dataset_version`, by its id."""
        record = {"kind": "input", "run_id": self.run_id, "type": kind, "reference": reference, "ts": wall()}
        return self._store.append("run", [record])

    def end(self, status: str = "finished") -> bool:
        """End the run; waits until the disk has all of it. Ending twice changes nothing."""
        if status not in STATES:
            raise UsageError(f"a run cannot end as {status!r}", hint=f"one of {', '.join(STATES)}")
        with _lock:
            if self in _active:
                _active.remove(self)
            if self.status != "running":
                return True
            self.status = status
        synced = True
        if self._last_metric is not None:
            # Metrics lie in a segment of their own; an append can wait for the disk, and an equal point counts once.
            synced = self._store.append("metric", [self._last_metric], sync=True)
        last = {"kind": "end", "run_id": self.run_id, "status": status, "ended_at": wall()}
        if self._joined:
            # Who started the run for us (mlcycle run) also ends it, with the exit code in hand.
            last = self._tag("mlcycle.child", status)
        return self._store.append("run", [last], sync=True) and synced

    def __enter__(self) -> Run:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end(_status_of(error))

    def _begin(self, started_at: datetime, source: Path | None) -> None:
        git = git_state(self.workspace.root)
        records: list[dict[str, object]] = []
        sha256: str | None = None
        if source is not None:
            sha256, size = keep_file(self.workspace, source)
            records.append(self._artifact(f"script/{source.name}", sha256, size))
        start: dict[str, object] = {
            "kind": "start",
            "run_id": self.run_id,
            "name": self.name,
            "experiment": self.experiment,
            "parent_run_id": self.parent_run_id,
            "started_at": started_at,
            "command": command_line(),
            "script_sha256": sha256,
            "git_commit": git.commit,
            "git_dirty": git.dirty,
            "environment": environment(),
        }
        self._store.append("run", [start, *records])

    def _log_texts(self, kind: str, texts: Mapping[str, str]) -> bool:
        now, records = wall(), []
        for key, text in texts.items():
            value = text
            if len(text.encode("utf-8", "replace")) > LONGEST_VALUE:
                sha256, size = keep_bytes(self.workspace, text.encode("utf-8", "replace"))
                records.append(self._artifact(f"{kind}s/{key}.txt", sha256, size))
                value = f"sha256:{sha256}"
            records.append({"kind": kind, "run_id": self.run_id, "key": key, "value": value, "ts": now})
        return self._store.append("run", records)

    def _artifact(self, path: str, sha256: str, size: int) -> dict[str, object]:
        return {
            "kind": "artifact",
            "run_id": self.run_id,
            "path": path,
            "sha256": sha256,
            "bytes": size,
            "ts": wall(),
        }

    def _tag(self, key: str, value: str) -> dict[str, object]:
        return {"kind": "tag", "run_id": self.run_id, "key": key, "value": value, "ts": wall()}


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
        Whether it may be a child of the active run; without, a second run is an error.
    run_id
        A run to go on logging to, instead of a new one.
    workspace
        The workspace; found as every command finds it if None.
    source
        The file to keep as the run's script; the one Python was asked to run if None.

    Raises
    ------
    UsageError
        If a run is active and `nested` is not set, or a name is none.
    NotFoundError
        If there is no run of that id.
    """
    with _lock:
        outer = active_run()
        if outer is not None and not nested:
            raise UsageError(
                f"run {outer.name!r} is still active", hint="end_run() first, or start_run(..., nested=True)"
            )
        place = _workspace(workspace, outer)
        inherited = os.environ.get(RUN_VARIABLE) if outer is None and run_id is None else None
        if inherited is not None and inherited not in _joined:
            run = _join(place, inherited, name, experiment)
        elif run_id is not None:
            run = _resume(place, run_id)
        else:
            run = _new(place, name, experiment, outer.run_id if outer else inherited)
            run._begin(wall(), source or script())
        _active.append(run)
        _end_at_exit()
    if tags:
        run.set_tags(tags)
    return run


def active_run() -> Run | None:
    """Return the run that logging goes to, if one is active."""
    return _active[-1] if _active else None


def end_run(status: str = "finished") -> bool:
    """End the active run; does nothing without one."""
    run = active_run()
    return True if run is None else run.end(status)


def log_metrics(metrics: Mapping[str, float], step: int = 0) -> bool:
    """Log numbers to the active run, starting one if there is none."""
    return _current().log_metrics(metrics, step)


def log_metric(key: str, value: float, step: int = 0) -> bool:
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


def set_tags(tags: Mapping[str, object]) -> bool:
    """Set tags of the active run, starting one if there is none."""
    return _current().set_tags(tags)


def _current() -> Run:
    with _lock:
        return _active[-1] if _active else start_run()


def _wall_text() -> str:
    second, rest = divmod(time.time_ns(), 1_000_000_000)
    return f"{_second_text(second)}.{rest // 1000:06d}"


@lru_cache(maxsize=1)
def _second_text(second: int) -> str:
    # A metric's time is `wall()`; writing it whole costs 2 us of the 20 that logging one may cost.
    return datetime.fromtimestamp(second, UTC).replace(tzinfo=None).isoformat()


def _workspace(given: Workspace | str | os.PathLike[str] | None, outer: Run | None) -> Workspace:
    if isinstance(given, Workspace):
        return given
    if given is None and outer is not None:
        return outer.workspace
    return Workspace.find(given)


def _join(workspace: Workspace, run_id: str, name: str | None, experiment: str) -> Run:
    _joined.add(run_id)
    run = Run(workspace, run_uuid(run_id), name or f"run-{short(run_id)}", experiment=experiment, joined=True)
    if name is not None:
        run.set_tags({"mlcycle.name": valid_name("run", name)})
    return run


def _new(workspace: Workspace, name: str | None, experiment: str, parent_run_id: str | None) -> Run:
    fresh = new_id()
    return Run(
        workspace,
        fresh,
        f"run-{short(fresh)}" if name is None else valid_name("run", name),
        experiment=valid_name("experiment", experiment),
        parent_run_id=parent_run_id,
    )


def _resume(workspace: Workspace, run_id: str) -> Run:
    from mlcycle.experiments import records

    found = records.run(workspace, run_uuid(run_id))
    run = Run(
        workspace, found.run_id, found.name, experiment=found.experiment, parent_run_id=found.parent_run_id
    )
    run._params.update(found.params)
    return run


def _status_of(error: BaseException | None) -> str:
    if error is None or (isinstance(error, SystemExit) and error.code in (None, 0)):
        return "finished"
    return "killed" if isinstance(error, KeyboardInterrupt) else "failed"


@lru_cache(maxsize=1)
def _end_at_exit() -> None:
    # Asked for only now, after the store is imported: what is registered last runs first, and it needs the journal.
    atexit.register(_end_all)


def _end_all() -> None:
    """End what a script left open: as failed if an exception ended the program, which the interpreter notes."""
    status = _status_of(getattr(sys, "last_value", None))
    for run in reversed(_active.copy()):
        if run._pid == os.getpid():  # a forked child leaves its parent's runs alone
            run.end(status)
