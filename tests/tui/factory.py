"""A small product in a real store, and a gateway whose reads can be held up or broken on purpose."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import threading
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from mlcycle import clock
from mlcycle.board import Board
from mlcycle.errors import Busy
from mlcycle.monitor.model import Panel
from mlcycle.store import Store, Transaction
from mlcycle.workspace import Workspace
from mlcycle_app.gateway import Gateway, NotMet, free
from mlcycle_app.pages import Page

NOW = datetime(2026, 3, 10, 12, 0)
"""When every test plays, by the story's clock and by the wall's."""
MADE = datetime(2026, 3, 8, 9, 30)
"""When the product of rented flats was made."""
WINDOW = datetime(2026, 3, 9)
FEATURES = ("distance_km", "hour_of_day", "courier_age_days")


def empty(folder: Path) -> Workspace:
    """Make a workspace in which nothing has happened."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "mlcycle.yaml").write_text("name: parcels\n")
    workspace = Workspace(folder)
    Store.create(workspace)
    return workspace


def full(folder: Path) -> Workspace:
    """Make a workspace that has been round the cycle once: a model serves, one feature drifts, a requirement breaks."""
    workspace = empty(folder)
    with Store(workspace).transaction("seed") as tx:
        for fill in (_design, _batches, _checks, _features, _runs, _models, _serving, _windows, _alerts):
            fill(tx)
    return workspace


def flats(folder: Path) -> Workspace:
    """Make a small product from a table of rented flats, by the verbs behind the commands.

    Two models became champion one after the other, a third was refused, and a second batch broke some rules.
    """
    file = folder / "flats.csv"
    lines = ["flat,rooms,metres,floor,town,rent"]
    for number in range(400):
        rooms, metres, floor = 1 + number % 5, 20 + (number * 37) % 90, (number * 7) % 6
        town = ("Essen", "Trier", "Ulm")[number % 3]
        lines.append(
            f"{number},{rooms},{metres},{floor},{town},{200 + 9 * metres + 40 * rooms + (number * 13) % 50}"
        )
    lines[7] = lines[7].replace(",Ulm,", ",,").replace(",Trier,", ",,").replace(",Essen,", ",,")
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    root = folder / "flats"
    free("design.init", root, from_file=file, target="rent", key="flat")
    gateway = Gateway.open(root)
    minutes = itertools.count()

    def do(verb: str, *given: Any, **more: Any) -> Any:
        os.environ[clock.VARIABLE] = (MADE + timedelta(minutes=next(minutes))).isoformat()
        return gateway.do(verb, *given, **more)

    for verb in ("data.ingest", "quality.check", "features.build", "experiments.train"):
        do(verb)
    for name in ("trees", "linear"):
        version = do("models.register", name).version
        do("deploy.promote", f"flats_model:{version}")
    design = root / "design.yaml"
    design.write_text(
        design.read_text(encoding="utf-8").replace("value: 0.1", "value: 0.9999"), encoding="utf-8"
    )
    with contextlib.suppress(NotMet):
        do("deploy.promote", "flats_model:1")
    later = folder / "later.csv"
    later.write_text(
        f"{lines[0]}\n900,2,50,1,Ulm,-5\n901,2,50,1,Ulm,700\n901,2,50,1,Ulm,700\n902,,50,1,Atlantis,700\n"
    )
    do("data.ingest", later, source="flats")
    do("quality.check")
    return gateway.workspace


@dataclass
class Stage:
    """What becomes of the next reads."""

    mode: str = "open"
    """`open` reads, `held` waits until it is let go, `broken` fails, `defect` is a mistake in the program."""
    go: threading.Event = field(default_factory=threading.Event)
    reads: Counter[str] = field(default_factory=Counter)

    def let_go(self) -> None:
        """Let the reads that wait end, and the next ones pass."""
        self.mode = "open"
        self.go.set()

    def enter(self, what: str) -> None:
        """Count a read and do to it what the mode says."""
        self.reads[what] += 1
        if self.mode == "held":
            self.go.wait(timeout=30)
        elif self.mode == "broken":
            raise Busy(
                "pid 7798 (duckdb) has held the store for longer than 10 s",
                hint="wait for it, or end it: kill 7798",
            )
        elif self.mode == "defect":
            raise ZeroDivisionError("planted")


@dataclass(frozen=True)
class Staged(Gateway):
    """A gateway to a real store, behind a stage."""

    stage: Stage

    def rows(self, sql: str, params: list[Any] | None = None) -> list[dict[str, Any]]:
        self.stage.enter("rows")
        return super().rows(sql, params)

    def page(self, name: str, **asked: Any) -> Page:
        self.stage.enter(f"page of {name}")
        return Gateway(self.workspace).page(name, **asked)

    def board(self) -> Board:
        self.stage.enter("board")
        return super().board()

    def panel(self) -> Panel:
        self.stage.enter("panel")
        return super().panel()


def _id(number: int) -> str:
    return str(UUID(int=0x01A2_0000_7000_8000_0000_0000_0000_0000 // 2**16 + number))


def _ago(days: float) -> datetime:
    return NOW - timedelta(days=days)


def _design(tx: Transaction) -> None:
    kept = (
        ("punctual", "business", "auc", ">=", 0.78, ["gate", "monitor", "retrain"]),
        ("quick", "operations", "latency_p95", "<=", 50, ["gate", "monitor"]),
        ("frugal", "business", "contact_cost", "<=", 1200, ["gate"]),
    )
    names = ("requirement_id", "role", "metric", "comparison", "value", "phases")
    rows = [
        {**dict(zip(names, row, strict=True)), "version": 1, "owner": "dana", "since": _ago(60)}
        for row in kept
    ]
    tx.insert("requirement", rows)


def _batches(tx: Transaction) -> None:
    tx.insert(
        "batch",
        [
            {
                "batch_id": _id(number),
                "source": source,
                "path": f"inbox/{source}.csv",
                "sha256": f"{number:064x}",
                "bytes": 9_000,
                "rows": rows,
                "malformed": 0,
                "raw_part": "",
                "set_aside": aside,
                "mended": mended,
                "state": state,
                "as_of": _ago(days),
                "arrived_at": _ago(days),
                "trained": state == "admitted",
            }
            for number, source, rows, aside, mended, state, days in (
                (1, "couriers", 310, 0, 2, "admitted", 40),
                (2, "parcels", 24_120, 3, 12, "admitted", 40),
                (3, "parcels", 1_450, 0, 0, "refused", 2),
            )
        ],
    )
    tx.insert(
        "dataset_version",
        [
            {
                "dataset": dataset,
                "dataset_version": f"{number:016x}",
                "number": 1,
                "rows": rows,
                "fingerprint": f"{rows}-{number:016x}",
                "columns": "{}",
                "created_at": _ago(40),
            }
            for number, dataset, rows in ((1, "couriers", 310), (2, "parcels", 24_117))
        ],
    )


def _checks(tx: Transaction) -> None:
    checks = (
        ("parcels_weight_positive", "parcels", "accuracy", "critical", "fail", 71),
        ("parcels_fresh", "parcels", "timeliness", "warning", "warn", 1),
        ("parcels_id_unique", "parcels", "consistency", "critical", "pass", 0),
        ("couriers_name_given", "couriers", "completeness", "info", "pass", 0),
    )
    tx.insert(
        "check_definition",
        [
            {
                "check_id": name,
                "name": name,
                "dataset": dataset,
                "dimension": dimension,
                "severity": severity,
                "kind": "rule",
                "definition": "{}",
                "since": _ago(60),
            }
            for name, dataset, dimension, severity, _, _ in checks
        ],
    )
    tx.insert(
        "check_result",
        [
            {
                "quality_run_id": _id(20),
                "check_id": name,
                "batch_id": _id(3),
                "verdict": verdict,
                "considered": 1_450,
                "bad_rows": bad,
                "ts": _ago(2),
            }
            for name, _, _, _, verdict, bad in checks
        ],
    )
    tx.insert(
        "quarantined",
        [
            {
                "dataset": "parcels",
                "batch_id": _id(2),
                "row_number": number,
                "row_key": str(1000 + number),
                "reason": "parcels_weight_positive",
                "check_id": "parcels_weight_positive",
            }
            for number in (17, 203, 204)
        ],
    )


def _features(tx: Transaction) -> None:
    row = {
        "training_set_id": _id(30),
        "name": "default",
        "rows": 19_370,
        "train_rows": 16_120,
        "validation_rows": 3_250,
        "fingerprint": "19370-0",
        "sha256": "0" * 64,
        "as_of": _ago(30),
        "features": list(FEATURES),
        "views": "{}",
        "dataset_versions": "{}",
        "created_at": _ago(30),
    }
    tx.insert("training_set_version", [row])


def _runs(tx: Transaction) -> None:
    for number, (name, status, auc) in enumerate(
        (("rule", "finished", 0.71), ("linear", "failed", None), ("trees", "finished", 0.8475)), start=40
    ):
        at = _ago(29) + timedelta(minutes=number)
        tx.insert(
            "run_start",
            [
                {
                    "run_id": _id(number),
                    "name": name,
                    "experiment": "late-parcels",
                    "started_at": at,
                    "git_commit": "a1b2c3d4e5",
                }
            ],
        )
        tx.insert(
            "run_end", [{"run_id": _id(number), "status": status, "ended_at": at + timedelta(seconds=4.5)}]
        )
        if auc is not None:
            point = {"run_id": _id(number), "key": "auc", "step": 0, "ts": at, "value": auc}
            tx.insert("metric", [point])
            tx.insert("metric_last", [point | {"lo": auc, "hi": auc, "n": 1}])


def _models(tx: Transaction) -> None:
    tx.insert(
        "model_version",
        [
            {
                "model": "late",
                "version": version,
                "run_id": _id(42),
                "sha256": f"{version:064x}",
                "bytes": 67_760 + version,
                "format": "onnx",
                "task": "binary",
                "parity": 3.6e-7,
                "signature": "{}",
                "created_at": _ago(29 - version),
            }
            for version in (1, 2)
        ],
    )
    tx.insert("alias", [{"model": "late", "alias": "champion", "version": 2, "since": _ago(27), "rev": 1}])
    tx.insert(
        "decision",
        [
            {
                "decision_id": _id(50 + place),
                "kind": kind,
                "subject": subject,
                "outcome": outcome,
                "reasons": reasons,
                "evidence": json.dumps({"requirements": []}),
                "decided_by": "dana",
                "ts": _ago(28 - place),
            }
            for place, (kind, subject, outcome, reasons) in enumerate(
                (
                    (
                        "gate",
                        "late:1",
                        "refused",
                        ["punctual: auc is 0.71, the limit is >= 0.78 (n = 3,250)"],
                    ),
                    ("gate", "late:2", "approved", []),
                )
            )
        ],
    )


def _serving(tx: Transaction) -> None:
    tx.insert(
        "deployment",
        [
            {
                "deployment": "local",
                "model": "late",
                "version": 2,
                "kind": "process",
                "state": "running",
                "url": "http://127.0.0.1:8901",
                "since": _ago(1),
                "rev": 1,
            }
        ],
    )
    tx.insert(
        "prediction",
        [
            {
                "prediction_id": _id(1000 + number),
                "ts": NOW - timedelta(seconds=30 + 20 * number),
                "as_of": WINDOW,
                "deployment": "local",
                "model": "late",
                "version": 2,
                "entity": str(number),
                "score": number / 40,
                "latency_ms": 0.5 + number / 100,
                "status": 200 if number else 422,
            }
            for number in range(30)
        ],
    )
    tx.insert(
        "resource_sample",
        [{"ts": NOW - timedelta(seconds=10), "deployment": "local", "cpu_pct": 4.2, "rss_mb": 71}],
    )


def _windows(tx: Transaction) -> None:
    lines = (
        ("predictions", None, 29, 29.0, None, "ok", None),
        ("labels", None, 12, 12.0, None, "ok", None),
        ("psi", "distance_km", 29, 0.41, 0.2, "alert", None),
        ("psi", "hour_of_day", 29, 0.13, 0.2, "watch", None),
        ("psi", "courier_age_days", 29, 0.0004, 0.2, "ok", None),
        ("auc", "punctual", 12, 0.615, 0.78, "alert", "punctual"),
        ("latency_p95", "quick", 29, 0.8, 50.0, "ok", "quick"),
        ("contact_cost", "frugal", 3, None, 1200.0, "too few", "frugal"),
    )
    place = {"deployment": "local", "model": "late", "version": 2, "starts": WINDOW, "ends": WINDOW}
    names = ("metric", "subject", "n", "value", "limit", "verdict", "requirement_id")
    tx.insert(
        "window_metric",
        [
            {
                **place,
                **dict(zip(names, line, strict=True)),
                "window_id": _id(60),
                "requirement_version": 1 if line[-1] else None,
                "computed_at": NOW,
            }
            for line in lines
        ],
    )


def _alerts(tx: Transaction) -> None:
    tx.insert(
        "alert",
        [
            {
                "alert_id": _id(70 + number),
                "deployment": "local",
                "metric": metric,
                "subject": subject,
                "kind": kind,
                "window_start": WINDOW,
                "window_end": WINDOW,
                "severity": "warning",
                "value": value,
                "limit": limit,
                "state": "open",
                "opened_at": _ago(1),
            }
            for number, (metric, subject, kind, value, limit) in enumerate(
                (("psi", "distance_km", "drift", 0.41, 0.2), ("auc", "punctual", "requirement", 0.615, 0.78))
            )
        ],
    )
    evidence = {"alerts": [{"alert_id": _id(71)}], "batches": []}
    tx.insert(
        "retrain_trigger",
        [
            {
                "trigger_id": _id(80),
                "reason": "requirement",
                "evidence": json.dumps(evidence),
                "state": "open",
                "ts": _ago(1),
            }
        ],
    )
