"""The processes that torture a workspace: each works until its stdin ends, and says what was acknowledged.

Run as `python roles.py ROLE WORKSPACE NAME SEED`. A line is written only after the call that it reports has returned,
so whatever a line says must be found in the end. Anything on stderr is a failure.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path
from random import Random
from uuid import NAMESPACE_OID, uuid5

import mlcycle
from mlcycle import retrain
from mlcycle.clock import wall
from mlcycle.journal import SegmentWriter
from mlcycle.retrain import Taken
from mlcycle.store import Store
from mlcycle.workspace import Workspace
from mlcycle_app.gateway import Gateway

__all__ = ["BATCH", "prediction_id", "value"]

BATCH = 20
"""Most predictions of one append."""
PAUSE_S = 0.01
"""Between two appends: nine processes share a machine, and reading and folding are to get their part of it."""
ROTATE_AT = 60_000
"""Bytes of a segment of predictions: small, so that segments end and are deleted all the time."""
ONE_STATE = """
SELECT (SELECT count(*) FROM predictions) AS predictions, (SELECT coalesce(sum(n), 0) FROM rollup_1m) AS rolled,
    (SELECT count(*) FROM meta WHERE key LIKE 'pair-%') AS halves, (SELECT count(*) FROM metrics) AS metrics
"""

_stop = threading.Event()


def value(step: int) -> float:
    """Return what is logged at a step."""
    return step / 7


def prediction_id(entity: str, number: int) -> str:
    """Return the id of a writer's n-th prediction."""
    return str(uuid5(NAMESPACE_OID, f"{entity}/{number}"))


def say(*words: object) -> None:
    """Acknowledge to the controller: one line, in one write."""
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


def metrics(workspace: Workspace, name: str, chance: Random) -> None:
    """Log run after run, as a training script does."""
    while not _stop.is_set():
        run = mlcycle.start_run(name, workspace=workspace)
        say("start", run.run_id)
        for step in range(chance.randrange(20, 600)):
            if _stop.is_set():
                break
            if mlcycle.log_metrics({"loss": value(step)}, step):
                say("metric", run.run_id, step)
            if step % 40 == 3 and mlcycle.log_params({f"p{step}": step}):
                say("param", run.run_id, f"p{step}")
            if step % 80 == 5:
                path = workspace.root / f"{name}.txt"
                path.write_text(f"{run.run_id} {step}")
                if mlcycle.log_artifact(path, f"at/{step}"):
                    say("artifact", run.run_id, f"at/{step}/{name}.txt")
            time.sleep(PAUSE_S)
        if mlcycle.end_run():
            say("end", run.run_id)


def predictions(workspace: Workspace, name: str, chance: Random) -> None:
    """Journal predictions, as a model server does: its own segment, no database."""
    number = 0
    with SegmentWriter(workspace.journal, "prediction", rotate_at=ROTATE_AT) as writer:
        while not _stop.is_set():
            count = chance.randrange(1, BATCH)
            if writer.append([_prediction(name, number + i) for i in range(count)]):
                say("prediction", name, number, count)
            number += count
            time.sleep(PAUSE_S)


def _prediction(entity: str, number: int) -> dict[str, object]:
    return {
        "prediction_id": prediction_id(entity, number),
        "ts": wall(),
        "as_of": wall(),
        "deployment": "torture",
        "model": "m",
        "version": number,
        "entity": entity,
        "score": value(number),
        "latency_ms": 1 + number % 50,
        "status": 200,
        "features": {"number": number},
    }


def watch(workspace: Workspace, name: str, chance: Random) -> None:
    """Take in what is dropped, as `mlcycle watch` does."""

    def told(taken: Taken) -> None:
        if taken.outcome in ("taken", "known"):
            say("taken", taken.name)

    retrain.watch(workspace, on_event=told, stop=_stop, settle_s=0.05)


def read(workspace: Workspace, name: str, chance: Random) -> None:
    """Look at everything about once a second, as the terminal UI does; what was seen must not go away again."""
    gateway = Gateway(workspace)
    seen = dict.fromkeys(("predictions", "metrics", "halves"), 0)
    while not _stop.wait(chance.uniform(0.5, 1.5)):
        with Store(workspace).reading():  # one screen, one state
            gateway.do("board.board")
            for table in ("runs", "batches", "models", "deployments"):
                gateway.table(table)
            (state,) = gateway.rows(ONE_STATE)
        if state["predictions"] != state["rolled"] or state["halves"] % 2:
            raise SystemExit(f"half a fold or half a transaction was seen: {state}")
        if any(state[what] < before for what, before in seen.items()):
            raise SystemExit(f"rows went away: {seen}, then {state}")
        seen = {what: state[what] for what in seen}
        say("read", state["predictions"])


def change(workspace: Workspace, name: str, chance: Random) -> None:
    """Fold, and change two rows that belong together in one transaction."""
    store, number = Store(workspace), 0
    while not _stop.wait(chance.uniform(0, 0.3)):
        store.fold(5)
        keys = [f"pair-{name}-{number}-{half}" for half in "ab"]
        with store.transaction("torture") as transaction:
            transaction.insert("meta", [{"key": key, "value": "kept"} for key in keys])
        say("change", *keys)
        number += 1


ROLES = {"metrics": metrics, "predictions": predictions, "watch": watch, "read": read, "change": change}


def main() -> None:
    """Play one role until stdin ends: the controller closed it, or is gone."""
    role, root, name, seed = sys.argv[1:]

    def listen() -> None:
        while os.read(sys.stdin.fileno(), 1024):
            pass
        _stop.set()

    threading.Thread(target=listen, daemon=True).start()
    ROLES[role](Workspace(Path(root)), name, Random(seed))


if __name__ == "__main__":
    main()
