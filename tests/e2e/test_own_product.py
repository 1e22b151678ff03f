"""Anybody's data goes the whole way: a table from a file, through every phase, by the commands the board names."""

from __future__ import annotations

import csv
import json
import random
from pathlib import Path

import pytest
from tests.e2e.conftest import mlcycle

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


def ok(folder: Path, *words: str | Path) -> str:
    done = mlcycle(*words, folder=folder)
    assert done.returncode == 0, (words, done.stdout, done.stderr)
    return done.stdout


def whole_way(folder: Path, file: Path, *, more: Path, model_metric: str, later: Path | None = None) -> None:
    """Take a workspace from its file through the cycle, a second batch and a rollback included."""
    ok(folder, "design", "check")
    ok(folder, "data", "ingest")
    ok(folder, "quality", "check")
    ok(folder, "features", "build")
    ok(folder, "features", "lint")
    ok(folder, "train")
    sweep = json.loads(ok(folder, "sweep", "--json"))
    assert (
        sweep["best"]["metrics"][sweep["metric"]]
        == json.loads(ok(folder, "runs", "best", "--json"))["metrics"][sweep["metric"]]
    )
    registered = json.loads(ok(folder, "models", "register", "--json"))
    assert (registered["version"], registered["run_id"]) == (1, sweep["best"]["run_id"])
    ok(folder, "models", "promote")
    image = mlcycle("images", "build", "--json", folder=folder)
    told = json.loads(image.stdout)
    assert told["built"] or told["why_not"]
    ok(folder, "deploy", "start")
    try:
        scored = json.loads(ok(folder, "predict", file, "--json"))
        assert len(scored) > 100
        mlcycle("monitor", "run", folder=folder)
        assert json.loads(ok(folder, "monitor", "windows", "--json"))
        (folder / "inbox").mkdir(exist_ok=True)
        (folder / "inbox" / file.name).write_bytes(more.read_bytes())
        taken = json.loads(ok(folder, "watch", "--once", "--json"))
        assert taken
        [trigger] = [
            row
            for row in json.loads(ok(folder, "sql", "--json", "SELECT * FROM triggers"))
            if row["state"] == "open"
        ]
        assert trigger["reason"] == "untrained data"
        ok(folder, "retrain", "run")
        judged = mlcycle("retrain", "judge", "--json", folder=folder)
        if later is not None:
            # It learnt from every day there is, so it waits for days it has not seen.
            assert json.loads(judged.stdout)["outcome"] == "not measured"
            (folder / "inbox" / file.name).write_bytes(later.read_bytes())
            ok(folder, "watch", "--once")
            judged = mlcycle("retrain", "judge", "--json", folder=folder)
        assert judged.returncode in (0, 1), judged.stderr
        assert json.loads(judged.stdout)["outcome"] in ("approved", "refused")
        if judged.returncode == 0:
            ok(folder, "models", "rollback")
    finally:
        ok(folder, "deploy", "stop")
    phases = json.loads(ok(folder, "status", "--json"))["phases"]
    assert {phase["phase"]: phase["state"] for phase in phases}["Data"] == "ok"
    assert mlcycle("doctor", folder=folder).returncode == 0
    rows = json.loads(
        ok(folder, "sql", "--json", f"SELECT count(*) AS n FROM latest_metrics WHERE key = '{model_metric}'")
    )
    assert rows[0]["n"] >= 2


def test_a_regression_table_without_time_goes_through_every_phase(tmp_path: Path) -> None:
    file = write_flats(tmp_path / "flats.csv", seed=1, first=0, rows=900)
    more = write_flats(tmp_path / "more.csv", seed=2, first=900, rows=300)
    done = mlcycle("init", tmp_path / "flats", "--from", file, "--target", "rent", "--key", "flat")
    assert done.returncode == 0, done.stderr
    whole_way(tmp_path / "flats", file, more=more, model_metric="rmse")


def test_a_table_of_three_classes_goes_through_every_phase(tmp_path: Path) -> None:
    file = write_flats(tmp_path / "flats.csv", seed=1, first=0, rows=900)
    more = write_flats(tmp_path / "more.csv", seed=2, first=900, rows=300)
    done = mlcycle("init", tmp_path / "flats", "--from", file, "--target", "demand")
    assert done.returncode == 0, done.stderr
    whole_way(tmp_path / "flats", file, more=more, model_metric="accuracy")


def test_a_binary_table_with_a_time_column_goes_through_every_phase(tmp_path: Path) -> None:
    file = write_visits(tmp_path / "visits.csv", seed=1, first=1, days=20)
    more = write_visits(tmp_path / "more.csv", seed=2, first=21, days=6)
    later = write_visits(tmp_path / "later.csv", seed=3, first=27, days=6)
    done = mlcycle(
        "init", tmp_path / "visits", "--from", file, "--target", "bought", "--time", "day", "--key", "visitor"
    )
    assert done.returncode == 0, done.stderr
    whole_way(tmp_path / "visits", file, more=more, later=later, model_metric="auc")


def write_flats(path: Path, *, seed: int, first: int, rows: int) -> Path:
    """A rental list: awkward names and gaps, a number and a three-way class that can be learnt."""
    chance = random.Random(seed)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["flat", "size in m²", "rooms", "district", "has.lift", "rent", "demand"])
        for n in range(first, first + rows):
            size, rooms = chance.uniform(20, 140), chance.randint(1, 6)
            district = chance.choice(["Harbour", "Old Town", "Hill"])
            rent = (
                200
                + 9 * size
                + 40 * rooms
                + {"Harbour": 150, "Old Town": 60, "Hill": 0}[district]
                + chance.gauss(0, 40)
            )
            demand = "high" if rent < 750 else "normal" if rent < 1200 else "low"
            writer.writerow(
                [
                    n,
                    round(size, 1),
                    rooms if n % 17 else "",
                    district,
                    chance.random() < 0.4,
                    round(rent, 2),
                    demand,
                ]
            )
    return path


def write_visits(path: Path, *, seed: int, first: int, days: int) -> Path:
    """Daily visitors of a shop, one row a visitor and day."""
    chance = random.Random(seed)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["visitor", "day", "pages", "from", "bought"])
        for day in range(first, first + days):
            for visitor in range(60):
                pages = chance.randint(1, 20)
                origin = chance.choice(["mail", "search", "friend"])
                likely = pages / 25 + (0.2 if origin == "friend" else 0)
                writer.writerow(
                    [
                        f"v{visitor}",
                        f"2026-{1 + (day - 1) // 28:02d}-{1 + (day - 1) % 28:02d}",
                        pages,
                        origin,
                        int(chance.random() < likely),
                    ]
                )
    return path
