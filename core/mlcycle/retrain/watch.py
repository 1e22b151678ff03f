"""The watchdog: new data in the inbox is ingested, checked and flagged as untrained.

The library's observer only wakes us; what is taken is decided by looking at the files themselves, so that
events lost, doubled or merged change nothing.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace

from mlcycle import data, monitor, quality
from mlcycle.errors import CouldNot, DataError, MlcycleError
from mlcycle.retrain import inbox, records, trigger
from mlcycle.retrain.inbox import Drop
from mlcycle.retrain.model import Taken, TakenBatch, Trigger
from mlcycle.store import Store
from mlcycle.workspace import Workspace

__all__ = ["SETTLE_S", "scan", "watch"]

AGAIN = "mlcycle quality history says why; mend the file, or the rule and then: mlcycle quality check --again"
"""What to do about a refused batch."""

SETTLE_S = 1.0
"""How long a drop must be left alone before it is taken."""
RETAIN_EVERY_S = 3600.0
LOOK_AGAIN_S = 5.0
"""At most this long between two looks, whatever the observer says."""


@dataclass
class _Memory:
    """What one watch has dealt with, so that it is not dealt with again until its bytes change."""

    signatures: dict[str, object] = field(default_factory=dict)
    contents: dict[str, str] = field(default_factory=dict)
    waiting: dict[str, str] = field(default_factory=dict)
    """What each drop waits for, as it was said."""
    unchecked: dict[str, Taken] = field(default_factory=dict)
    """Drops that were ingested while the checks could not run."""
    retain_at: float = 0.0
    """When the retention of predictions is looked at next, on the process's own clock."""


def scan(workspace: Workspace, *, settle_s: float = SETTLE_S) -> list[Taken]:
    """Take what lies in the inbox, once.

    Drops that changed within `settle_s` seconds are looked at a second time after as long; those that are
    still being written then are reported as waiting.
    """
    memory = _Memory()
    found = _look(workspace, memory, settle_s)
    waiting = [taken for taken in found if taken.outcome == "waiting"]
    if not waiting:
        return found
    threading.Event().wait(settle_s)
    memory.waiting.clear()
    return [taken for taken in found if taken.outcome != "waiting"] + _look(workspace, memory, settle_s)


def watch(
    workspace: Workspace,
    *,
    on_event: Callable[[Taken], None] | None = None,
    stop: threading.Event | None = None,
    settle_s: float = SETTLE_S,
) -> None:
    """Take every drop in the inbox, those that lie there already first, until told to stop.

    Parameters
    ----------
    on_event
        Called in this thread with what became of each drop, `waiting` once a drop; not with drops that lay there
        at the start and were known.
    stop
        Ends the watch within half a second; without it only an interrupt does.
    settle_s
        How long a drop must be left alone, seconds.
    """
    stop, memory = stop or threading.Event(), _Memory()
    workspace.inbox.mkdir(exist_ok=True)
    starting = True
    with _observer(workspace) as woken:
        while not stop.is_set():
            woken.clear()
            for taken in _look(workspace, memory, settle_s):
                # What an earlier watch took is no news; the same bytes dropped now are.
                if on_event is not None and not (starting and taken.outcome == "known"):
                    on_event(taken)
            starting = False
            _keep_up(workspace, memory)
            until = time.monotonic() + (settle_s if memory.waiting else LOOK_AGAIN_S)
            while not stop.is_set() and not woken.is_set() and time.monotonic() < until:
                stop.wait(min(0.25, max(settle_s, 0.02)))


def _keep_up(workspace: Workspace, memory: _Memory) -> None:
    """Fold what scripts and servers wrote, and move old predictions as declared, though nobody looks."""
    with suppress(MlcycleError):  # busy, or no room: the journal keeps what it has, and doctor says so
        Store(workspace).fold()
        if time.monotonic() >= memory.retain_at:
            memory.retain_at = time.monotonic() + RETAIN_EVERY_S
            monitor.retain(workspace)


@contextmanager
def _observer(workspace: Workspace) -> Iterator[threading.Event]:
    from watchdog.events import FileSystemEvent, FileSystemEventHandler
    from watchdog.observers import Observer
    from watchdog.observers.polling import PollingObserver

    woken = threading.Event()

    class Handler(FileSystemEventHandler):
        def on_any_event(self, event: FileSystemEvent) -> None:
            # Our own reading of a drop must not wake us.
            if event.event_type not in ("opened", "closed_no_write"):
                woken.set()

    observer = Observer()
    observer.schedule(Handler(), str(workspace.inbox), recursive=True)
    try:
        observer.start()
    except OSError:
        # The system has no watches left to give, or the file system has none.
        observer = PollingObserver()
        observer.schedule(Handler(), str(workspace.inbox), recursive=True)
        observer.start()
    try:
        yield woken
    finally:
        observer.stop()
        observer.join()


def _look(workspace: Workspace, memory: _Memory, settle_s: float) -> list[Taken]:
    found: list[Taken] = []
    ready: list[Drop] = []
    now = time.time()
    present = inbox.drops(workspace.inbox)
    still_there = {drop.name for drop in present} | memory.unchecked.keys()
    memory.waiting = {name: why for name, why in memory.waiting.items() if name in still_there}
    for drop in present:
        if memory.signatures.get(drop.name) == drop.signature and not drop.problem:
            continue
        if drop.problem:
            if memory.signatures.get(drop.name) != drop.problem:
                memory.signatures[drop.name] = drop.problem
                found.append(
                    Taken(drop.name, "refused", why=drop.problem, hint="copy the data itself into the inbox")
                )
        elif drop.files and (not inbox.is_still(drop, now, settle_s) or inbox.is_written(drop.files)):
            found += _waits(memory, drop.name, f"{drop.name} is still being written")
        elif drop.files:
            ready.append(drop)
    return found + _take(workspace, memory, ready)


def _take(workspace: Workspace, memory: _Memory, ready: Sequence[Drop]) -> list[Taken]:
    found = list(memory.unchecked.values())
    waiting: list[Taken] = []
    for drop in ready:
        try:
            content = inbox.content_of(drop)
            if memory.contents.get(drop.name) != content:
                seen = {batch.batch_id for taken in found for batch in taken.batches}
                found.append(_ingest(workspace, drop, seen))
        except MlcycleError as error:
            if _passes(error):
                waiting += _waits(memory, drop.name, error.message, error.hint)
                continue
            found.append(Taken(drop.name, "refused", why=error.message, hint=error.hint))
        except OSError as error:
            found.append(
                Taken(drop.name, "refused", why=f"{drop.name} cannot be read: {error.strerror or error}")
            )
            content = ""
        # Only what is settled is remembered: taken, known, or the drop's own fault.
        memory.waiting.pop(drop.name, None)
        memory.signatures[drop.name], memory.contents[drop.name] = drop.signature, content
    if any(taken.batches for taken in found):
        found = _check(workspace, memory, found)
    return waiting + found


def _passes(error: MlcycleError) -> bool:
    """Return whether the drop had no part in an error, so that the next look may do better."""
    return isinstance(error, CouldNot) and not isinstance(error, DataError)


def _waits(memory: _Memory, name: str, why: str, hint: str = "") -> list[Taken]:
    if memory.waiting.get(name) == why:
        return []
    memory.waiting[name] = why
    return [Taken(name, "waiting", why=why, hint=hint)]


def _ingest(workspace: Workspace, drop: Drop, seen: Collection[str]) -> Taken:
    batches = tuple(records.as_taken(batch) for batch in data.ingest(workspace, drop.path))
    fresh = tuple(batch for batch in batches if batch.state == "arrived" and batch.batch_id not in seen)
    return Taken(drop.name, "taken" if fresh else "known", fresh or batches)


def _check(workspace: Workspace, memory: _Memory, found: Sequence[Taken]) -> list[Taken]:
    # All drops of a look are ingested before any is judged: their tables refer to each other.
    ids = [batch.batch_id for taken in found for batch in taken.batches]
    try:
        why, hint, opened = _judge(workspace, found)
        states = records.batches(Store(workspace), ids)
    except MlcycleError as error:
        memory.unchecked = {taken.name: taken for taken in found if taken.outcome == "taken"}
        said = [taken for taken in found if taken.outcome != "taken"]
        for name in memory.unchecked:
            said += _waits(memory, name, f"ingested, but not checked: {error.message}", error.hint)
        return said
    for name in memory.unchecked:
        memory.waiting.pop(name, None)
    memory.unchecked = {}
    return [_checked(taken, states, why, hint, opened) for taken in found]


def _judge(workspace: Workspace, found: Sequence[Taken]) -> tuple[str, str, Trigger | None]:
    try:
        if any(taken.outcome == "taken" for taken in found):
            quality.check(workspace)
        return "", "", trigger.propose(workspace)
    except MlcycleError as error:
        if _passes(error):
            raise
        return f"ingested, but not checked: {error.message}", error.hint, None


def _checked(
    taken: Taken, states: Mapping[str, TakenBatch], why: str, hint: str, opened: Trigger | None
) -> Taken:
    if taken.outcome != "taken":
        return taken
    batches = tuple(states[batch.batch_id] for batch in taken.batches)
    refused = [batch.source for batch in batches if batch.state == "refused"]
    if refused and not why:
        why, hint = f"the quality checks refused {', '.join(refused)}", AGAIN
    return replace(taken, batches=batches, why=why, hint=hint, trigger=opened)
