"""What must hold in the end, each as a function that returns what does not."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from tests.torture.roles import prediction_id, value
from tests.torture.runner import Child, Torture

from mlcycle import quality, retrain
from mlcycle.hashing import sha256_file
from mlcycle.store import Store, restore
from mlcycle.workspace import Workspace

__all__ = ["problems"]

NEVER = re.compile(r"\block|conflict|busy|has held|Traceback|unexpected|IO Error|leaked", re.IGNORECASE)
"""Words that nobody should ever have to read."""


def problems(torture: Torture) -> list[str]:
    """Return all that is wrong: with what the processes said, with the store, and in doctor's eyes."""
    found = [*torture.problems, *_complaints(torture.children), *_answers(torture.children)]
    store = Store(torture.workspace)
    before = _rows(store)  # the tables and the journal's tail together
    store.fold(30)
    store.fold(30)
    after = _rows(store)
    found += [
        f"{what} differ before and after the last fold" for what in before if before[what] != after[what]
    ]
    health = store.health()
    if health.segments or health.backlog_bytes or health.refused:
        found.append(f"the journal is not empty: {health}")
    for look in (_runs, _metrics, _texts, _predictions, _changes):
        found += look(torture.children, after)
    found += [*_files(torture, store), *_sums(store)]
    return [*found, *_doctor(torture), *_rebuilt(torture, _rows(store))]


def _rows(store: Store) -> dict[str, list[dict[str, Any]]]:
    return {
        "runs": store.read("SELECT run_id, name, status FROM runs ORDER BY run_id"),
        "metrics": store.read("SELECT run_id, key, step, value FROM metrics ORDER BY ALL"),
        "params": store.read("SELECT run_id, key, value FROM params ORDER BY ALL"),
        "artifacts": store.read("SELECT run_id, path FROM artifacts ORDER BY ALL"),
        "predictions": store.read(
            "SELECT prediction_id, entity, version, score, features.number::BIGINT AS number FROM predictions"
            " ORDER BY ALL"
        ),
        "meta": store.read("SELECT key FROM meta WHERE key LIKE 'pair-%' ORDER BY key"),
    }


def _said(children: list[Child], what: str) -> Iterator[list[str]]:
    for child in children:
        if not child.words:
            yield from (line.split()[1:] for line in child.said if line.split()[0] == what)


def _complaints(children: list[Child]) -> Iterator[str]:
    for child in children:
        # A command may have words for its user, a process of ours has none; nobody may speak of locks.
        if child.complaint and (not child.words or NEVER.search(child.complaint)):
            yield f"{child.name} {child.words} said on stderr: {child.complaint}"


def _answers(children: list[Child]) -> Iterator[str]:
    for child in children:
        if child.words and not child.killed and child.process.returncode in (0, 1):
            answer = json.loads("\n".join(child.said))
            if child.words.startswith("doctor"):
                damaged = [one for one in answer["findings"] if one["level"] == "damaged"]
                yield from (f"{child.name} found damage while others worked: {one}" for one in damaged)


def _runs(children: list[Child], rows: dict[str, list[dict[str, Any]]]) -> Iterator[str]:
    status = {row["run_id"]: row["status"] for row in rows["runs"]}
    ended = {run_id for (run_id,) in _said(children, "end")}
    for (run_id,) in _said(children, "start"):
        if run_id not in status:
            yield f"run {run_id} was begun and is not there"
    for run_id, state in status.items():
        if run_id in ended and state != "finished":
            yield f"run {run_id} was ended and reads {state}"
    yield from _killed(children, status, ended)


def _metrics(children: list[Child], rows: dict[str, list[dict[str, Any]]]) -> Iterator[str]:
    steps: dict[str, list[int]] = defaultdict(list)
    for row in rows["metrics"]:
        steps[row["run_id"]].append(row["step"])
        if row["value"] != value(row["step"]):
            yield f"step {row['step']} of run {row['run_id']} holds {row['value']}"
    last: dict[str, int] = {}
    for run_id, step in _said(children, "metric"):
        last[run_id] = int(step)
    for run_id, there in steps.items():
        # At most one record was on its way when its writer was killed.
        if there != list(range(len(there))) or len(there) - 1 not in (
            last.get(run_id, -1),
            last.get(run_id, -1) + 1,
        ):
            yield f"run {run_id} was acknowledged up to step {last.get(run_id)}, there are {len(there)}: {there[-3:]}"
    for run_id in last.keys() - steps.keys():
        yield f"no metric of run {run_id} is there, though {last[run_id] + 1} were acknowledged"


def _texts(children: list[Child], rows: dict[str, list[dict[str, Any]]]) -> Iterator[str]:
    params = {(row["run_id"], row["key"]): row["value"] for row in rows["params"]}
    for run_id, key in _said(children, "param"):
        if params.get((run_id, key)) != key[1:]:
            yield f"param {key} of run {run_id} reads {params.get((run_id, key))}"
    artifacts = {(row["run_id"], row["path"]) for row in rows["artifacts"]}
    for run_id, path in _said(children, "artifact"):
        if (run_id, path) not in artifacts:
            yield f"artifact {path} of run {run_id} is not there"


def _killed(children: list[Child], status: dict[str, str], ended: set[str]) -> Iterator[str]:
    for child in children:
        if child.role == "metrics" and child.killed:
            begun = [run_id for (run_id,) in _said([child], "start")]
            left = [run_id for run_id in begun if run_id not in ended]
            # The last words of a killed process may not have been heard: its run may have ended all the same.
            for run_id in left:
                if status.get(run_id) not in ("killed", "finished"):
                    yield f"run {run_id} of the killed {child.name} reads {status.get(run_id)}"
            if len(left) > 1:
                yield f"{child.name} left {len(left)} runs open"


def _predictions(children: list[Child], rows: dict[str, list[dict[str, Any]]]) -> Iterator[str]:
    there: dict[str, list[int]] = defaultdict(list)
    for row in rows["predictions"]:
        entity, number = row["entity"], row["version"]
        there[entity].append(number)
        same = (prediction_id(entity, number), value(number), number)
        if (row["prediction_id"], row["score"], row["number"]) != same:
            yield f"prediction {number} of {entity} was changed: {row}"
    kept: dict[str, int] = defaultdict(int)
    for entity, first, count in _said(children, "prediction"):
        kept[entity] = int(first) + int(count)
    for entity in there.keys() | kept.keys():
        got = sorted(there[entity])
        if got != list(range(len(got))):
            yield f"predictions of {entity} have holes or doubles: {len(got)} rows, {len(set(got))} of them different"
        if not 0 <= len(got) - kept[entity] <= 20:
            yield f"{kept[entity]} predictions of {entity} were acknowledged, {len(got)} are there"


def _changes(children: list[Child], rows: dict[str, list[dict[str, Any]]]) -> Iterator[str]:
    keys = {row["key"] for row in rows["meta"]}
    for pair in _said(children, "change"):
        if not keys.issuperset(pair):
            yield f"transaction {pair} was acknowledged and is not there"
    for key in keys:
        if key[:-1] + "ab"[key[-1] == "a"] not in keys:
            yield f"half a transaction is there: {key}"


def _files(torture: Torture, store: Store) -> Iterator[str]:
    taken = [name for (name,) in _said(torture.children, "taken")]
    early = {row["sha256"]: row["rows"] for row in store.read("SELECT sha256, rows FROM batches")}
    ingested = [
        child.words.split()[-1].rpartition("/")[2]
        for child in torture.children
        if child.words.startswith("data ingest") and child.process.returncode == 0
    ]
    for name in [*taken, *ingested]:
        if sha256_file(torture.files[name]) not in early:
            yield f"{name} was acknowledged and is not there"
    retrain.scan(torture.workspace, settle_s=0)
    quality.check(torture.workspace)
    batches = store.read("SELECT sha256, rows, state FROM batches")
    if len(batches) != len({row["sha256"] for row in batches}):
        yield "the same bytes were taken in twice"
    yield from (f"a batch still reads {row['state']}" for row in batches if row["state"] != "admitted")
    (clean,) = store.read("SELECT max(rows) AS rows FROM dataset_versions")
    wanted = sum(row["rows"] for row in batches)
    if clean["rows"] != wanted:
        yield f"{wanted} rows came in, the dataset has {clean['rows']}"


def _sums(store: Store) -> Iterator[str]:
    ordered = {
        "metrics": "SELECT run_id::VARCHAR AS writer, step AS n FROM store.main.metric ORDER BY rowid",
        "predictions": "SELECT entity AS writer, version AS n FROM store.main.prediction ORDER BY rowid",
    }
    for what, query in ordered.items():
        last: dict[str, int] = {}
        for row in store.read(query):
            # The end of a run writes its last point a second time.
            if row["n"] < last.get(row["writer"], -1):
                yield f"{what} of {row['writer']} are out of order at {row['n']}"
            last[row["writer"]] = row["n"]
    for what, query in {
        "rollup_1m": "SELECT (SELECT sum(n) FROM rollup_1m) = (SELECT count(*) FROM predictions) AS ok",
        "metric_last": "SELECT (SELECT count(*) FROM (SELECT run_id, key, max(step) AS step FROM metrics GROUP BY ALL))"
        " = (SELECT count(*) FROM latest_metrics) AND NOT EXISTS (FROM latest_metrics AS l WHERE l.step <>"
        " (SELECT max(step) FROM metrics AS m WHERE m.run_id = l.run_id AND m.key = l.key)) AS ok",
        "run_end": "SELECT count(*) = count(DISTINCT run_id) AS ok FROM run_end",
        "run_start": "SELECT count(*) = count(DISTINCT run_id) AS ok FROM run_start",
        "artifact": "SELECT count(*) = count(DISTINCT (run_id, path)) AS ok FROM artifact",
        "param": "SELECT count(*) = count(DISTINCT (run_id, key)) AS ok FROM param",
        "prediction": "SELECT count(*) = count(DISTINCT prediction_id) AS ok FROM prediction",
    }.items():
        if not store.read(query)[0]["ok"]:
            yield f"{what} does not agree with what it was made from"


def _doctor(torture: Torture) -> Iterator[str]:
    for words in (["doctor", "--mend"], ["doctor"]):
        line = [sys.executable, "-m", "mlcycle_app", *words, "-w", str(torture.workspace.root), "--json"]
        done = subprocess.run(line, capture_output=True, text=True)
    left = json.loads(done.stdout)["findings"]
    yield from (f"doctor finds after mending: {one}" for one in left if one["level"] != "note")
    if done.returncode or done.stderr:
        yield f"doctor ended with {done.returncode}: {done.stderr}"


def _rebuilt(torture: Torture, rows: dict[str, list[dict[str, Any]]]) -> Iterator[str]:
    """Lose the main file of a copy, and build it again from backup, logs and journal."""
    root = torture.folder / "copy"
    shutil.copytree(torture.workspace.root, root)
    copy = Workspace(root)
    copy.database.unlink()
    done = restore(copy)
    yield from (f"{one} is missing from the store that was built again" for one in done.missing)
    again = _rows(Store(copy))
    yield from (f"{what} are not built again as they were" for what in rows if rows[what] != again[what])
    for table in ("batches", "dataset_versions", "quality_runs", "audit WHERE action <> 'restore'", "tags"):
        first, second = (Store(one).read(f"FROM {table} ORDER BY ALL") for one in (torture.workspace, copy))
        if first != second:
            yield f"{table} is not built again as it was: {len(first)} rows, {len(second)} now"
