"""The run: what is open for logging. Everything goes to the journal: no DuckDB, no lock, no other process."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from mlcycle.clock import wall
from mlcycle.errors import CouldNot, UsageError
from mlcycle.experiments import exits, stack
from mlcycle.experiments.artifacts import BY_HASH, Kept, keep_bytes, keep_file, long_value
from mlcycle.experiments.environment import command_line, environment, git_state
from mlcycle.experiments.hints import with_hint
from mlcycle.experiments.limits import (
    items,
    journal_number,
    journal_text,
    valid_key,
    valid_path,
    whole_step,
)
from mlcycle.hashing import sha256_bytes
from mlcycle.workspace import Workspace

if TYPE_CHECKING:
    from mlcycle.store import Store

__all__ = ["LONGEST_VALUE", "Run"]

LONGEST_VALUE = 64 << 10
"""Bytes of a param or tag that are kept in the table; a longer one becomes an artifact."""
LONGEST_COMMAND = 16 << 10
"""Characters of a command that are kept: with a program in it a record would be too long for the journal."""
STATES = ("finished", "failed", "killed")

_warned: set[str] = set()


class Run:
    """One training execution, open for logging. Made by `start_run`; a context manager.

    Safe in threads. A forked process logs to it too, into a segment of its own, and leaves its end to who began it.
    """

    def __init__(
        self,
        workspace: Workspace,
        run_id: str,
        name: str,
        *,
        experiment: str,
        parent_run_id: str | None = None,
        outer: Run | None = None,
    ) -> None:
        from mlcycle.store import Store

        self.workspace = workspace
        self.run_id = run_id
        self.name = name
        self.experiment = experiment
        self.parent_run_id = parent_run_id
        self.status = "running"
        self.outer = outer
        """The active run it was begun inside."""
        self.thread = threading.get_ident()
        self.pid = os.getpid()
        self._store: Store = Store(workspace)
        self._began = wall()
        self._unsaid: list[dict[str, object]] = []
        self._params: dict[str, str] = {}
        self._outdated: dict[str, str] = {}
        self._last_metric: dict[str, object] | None = None
        self._end_kept = False

    @with_hint
    def log_metrics(self, metrics: Mapping[str, Any], step: int = 0) -> bool:
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
            for key, value in (metrics.items() if type(metrics) is dict else items("metrics", metrics))
        ]
        if records:
            self._last_metric = records[-1]
        return self._append("metric", records)

    def log_metric(self, key: str, value: Any, step: int = 0) -> bool:
        """Log one number at a step."""
        return self.log_metrics({key: value}, step)

    @with_hint
    def log_params(self, params: Mapping[str, object]) -> bool:
        """Log params: what was chosen, once.

        Raises
        ------
        UsageError
            If a param of that name was given with another value before; nothing of the call is kept. Another
            process cannot be asked: of two values the first one kept wins, the other stays as a conflict.
        """
        texts = {valid_key(key): journal_text(value) for key, value in items("params", params)}
        values = {key: _value(text) for key, text in texts.items()}
        with stack.lock():
            for key, text in values.items():
                known = self._params.get(key, text)
                if known != text:
                    raise UsageError(
                        f"param {key!r} of run {self.name!r} is {_shown(known)} already,"
                        f" so it cannot become {_shown(text)}",
                        hint="start another run, nested=True, for another value",
                    )
            fresh = {key: text for key, text in texts.items() if key not in self._params}
            kept = self._log_texts("param", fresh)
            if kept:
                self._params.update(values)
        return kept

    def log_param(self, key: str, value: object) -> bool:
        """Log one param."""
        return self.log_params({key: value})

    @with_hint
    def set_tags(self, tags: Mapping[str, object]) -> bool:
        """Set tags; of two values of one tag the later holds."""
        texts = {valid_key(key): journal_text(value) for key, value in items("tags", tags)}
        return self._log_texts("tag", texts)

    def set_tag(self, key: str, value: object) -> bool:
        """Set one tag."""
        return self.set_tags({key: value})

    @with_hint
    def log_artifact(self, path: str | os.PathLike[str], artifact_path: str | None = None) -> bool:
        """Keep a copy of a file, or of every file of a folder, under the folder `artifact_path` of the run.

        The copy is whole, on disk and named by its content before the record says so.

        Raises
        ------
        UsageError
            If there is no such file, or `artifact_path` leads out of the run; nothing of the call is kept.
        """
        source, under = Path(path), f"{artifact_path}/" if artifact_path else ""
        if source.is_dir():
            files = sorted(file for file in source.rglob("*") if file.is_file())
            root = source.resolve().name
            named = {f"{under}{root}/{file.relative_to(source).as_posix()}": file for file in files}
        else:
            named = {f"{under}{source.name}": source}
        for name in named:
            valid_path(name)
        try:
            kept = [(name, keep_file(self.workspace, file)) for name, file in named.items()]
        except CouldNot as error:
            return _refused(error)
        return self._append("run", [self._artifact(name, *one) for name, one in kept])

    def log_text(self, text: str, artifact_file: str) -> bool:
        """Keep a text as the artifact `artifact_file` of the run."""
        return self.log_content(text.encode("utf-8", "replace"), artifact_file)

    def log_dict(self, dictionary: object, artifact_file: str) -> bool:
        """Keep a mapping or list as a JSON artifact of the run; what JSON lacks is kept as its text."""
        text = json.dumps(dictionary, indent=2, ensure_ascii=False, default=str)
        return self.log_content(text.encode("utf-8", "replace"), artifact_file)

    @with_hint
    def log_content(self, content: bytes, name: str) -> bool:
        """Keep bytes as an artifact of the run under a name; False, and said once, if there is no room."""
        place = valid_path(name)
        try:
            kept: Kept = keep_bytes(self.workspace, content)
        except CouldNot as error:
            return _refused(error)
        return self._append("run", [self._artifact(place, *kept)])

    @with_hint
    def log_bytes(self, content: bytes, name: str) -> str:
        """Keep bytes as an artifact of the run under a name; returns their hash.

        Raises
        ------
        CouldNot
            If they cannot be kept.
        """
        place = valid_path(name)
        sha256, size = keep_bytes(self.workspace, content)
        if not self._append("run", [self._artifact(place, sha256, size)]):
            raise CouldNot(f"the artifact {name} was not kept", hint="look for free disk space")
        return sha256

    @with_hint
    def log_model(self, model: object, name: str = "model", **how: Any) -> str:
        """Keep a fitted model as a model package of the run; see `mlcycle.log_model`."""
        from mlcycle.experiments.log_model import log_model

        return log_model(self, model, name, **how)

    def log_input(self, kind: str, reference: str) -> bool:
        """Note what the run read, such as a `training_set` or a `dataset_version`, by its id."""
        record = {"kind": "input", "run_id": self.run_id, "type": kind, "reference": reference, "ts": wall()}
        return self._append("run", [record])

    @with_hint
    def end(self, status: str = "finished", *, error: BaseException | None = None) -> bool:
        """End the run, and before it those begun inside it; waits until the disk has all of it.

        Ending twice changes nothing, but that an end which was not kept is tried again. In a forked process, which
        only has a copy, it ends nothing.

        Parameters
        ----------
        status
            `finished`, `failed` or `killed`.
        error
            What made it fail: its line becomes the tag `mlcycle.error`. What a run that was gone on with had failed
            of before is emptied.
        """
        status = status.lower()  # other tools' hands write FINISHED
        if status not in STATES:
            raise UsageError(f"a run cannot end as {status!r}", hint=f"one of {', '.join(STATES)}")
        for inner in stack.drop(self):
            inner.end(status, error=error)
        if self.pid != os.getpid():
            return True
        with stack.lock():
            if self._end_kept:
                return True
            if self.status == "running":
                self.status = status
            synced = True
            if self._last_metric is not None:
                # Metrics lie in a segment of their own; an append can wait for the disk, an equal point counts once.
                synced = self._append("metric", [self._last_metric], sync=True)
            # Times order beginning and end of a run, so a clock that was set back must not turn them round.
            ended = max(wall(), self._began)
            last = {"kind": "end", "run_id": self.run_id, "status": self.status, "ended_at": ended}
            facts = self._outdated | exits.facts(error)
            tags = [self._text("tag", key, text, ended) for key, text in facts.items()]
            self._end_kept = self._append("run", [*tags, last], sync=True)
        return self._end_kept and synced

    def __enter__(self) -> Run:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end(exits.status_of(error), error=error)

    def begin(self, source: Path | None) -> None:
        """Write what makes it a run: its start, with what is noted of the process."""
        git, records = git_state(self.workspace.root), []
        sha256: str | None = None
        try:
            if source is not None:
                sha256, size = keep_file(self.workspace, source)
                records.append(self._artifact(f"script/{source.name}", sha256, size))
            if git.diff:
                records.append(self._artifact("git/diff.patch", *keep_bytes(self.workspace, git.diff)))
        except CouldNot as error:
            _refused(error)
        start: dict[str, object] = {
            "kind": "start",
            "run_id": self.run_id,
            "name": self.name,
            "experiment": self.experiment,
            "parent_run_id": self.parent_run_id,
            "started_at": self._began,
            "command": command_line(self.workspace.root)[:LONGEST_COMMAND],
            "script_sha256": sha256,
            "git_commit": git.commit,
            "git_dirty": git.dirty,
            "environment": environment(),
        }
        self._unsaid = [start, *records]
        self._say()

    def resume(self, params: Mapping[str, str] | None = None, tags: Mapping[str, str] | None = None) -> None:
        """Write that this process logs to a run that another began, or that had ended; it has these by now."""
        self._params.update(params or {})
        self._outdated = {key: "" for key in exits.FACTS if (tags or {}).get(key)}
        self._unsaid = [{"kind": "resume", "run_id": self.run_id, "ts": self._began}]
        self._say()

    def _say(self) -> None:
        # Said again before each record until it is kept: without it nobody would see what is logged.
        if self.pid == os.getpid() and self._store.append("run", self._unsaid):
            self._unsaid = []

    def _append(self, stream: str, records: Sequence[Mapping[str, object]], *, sync: bool = False) -> bool:
        if self._unsaid:
            self._say()
        return self._store.append(stream, records, sync=sync)

    def _log_texts(self, kind: str, texts: Mapping[str, str]) -> bool:
        now, records = wall(), []
        for key, text in texts.items():
            value = _value(text)
            if value is not text:
                try:
                    kept = keep_bytes(self.workspace, text.encode("utf-8", "replace"))
                except CouldNot as error:
                    return _refused(error)
                records.append(self._artifact(long_value(kind, key), *kept))
            records.append(self._text(kind, key, value, now))
        return self._append("run", records)

    def _artifact(self, path: str, sha256: str, size: int) -> dict[str, object]:
        return {
            "kind": "artifact",
            "run_id": self.run_id,
            "path": path,
            "sha256": sha256,
            "bytes": size,
            "ts": wall(),
        }

    def _text(self, kind: str, key: str, value: str, ts: datetime) -> dict[str, object]:
        return {"kind": kind, "run_id": self.run_id, "key": key, "value": value, "ts": ts}


def _refused(error: CouldNot) -> bool:
    """Say once on stderr that artifacts are not kept: a training loop must not die of a full disk."""
    if error.message not in _warned and sys.stderr is not None:
        _warned.add(error.message)
        sys.stderr.write(f"mlcycle: {error.message}\n")
    return False


def _value(text: str) -> str:
    """Return what the table keeps of a text: itself, or the hash of one that is long."""
    if len(text) * 4 <= LONGEST_VALUE:  # no character takes more bytes
        return text
    content = text.encode("utf-8", "replace")
    return text if len(content) <= LONGEST_VALUE else BY_HASH + sha256_bytes(content)


def _shown(text: str) -> str:
    return repr(text if len(text) <= 80 else text[:77] + "...")


def _wall_text() -> str:
    second, rest = divmod(time.time_ns(), 1_000_000_000)
    return f"{_second_text(second)}.{rest // 1000:06d}"


@lru_cache(maxsize=1)
def _second_text(second: int) -> str:
    # A metric's time is `wall()`; writing it whole costs 2 us of the 20 that logging one may cost.
    return datetime.fromtimestamp(second, UTC).replace(tzinfo=None).isoformat()
