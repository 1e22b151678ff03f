"""Another seed: every count equals that seed's manifest, and the document equals what the store says."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from tests.e2e.conftest import Played, play

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

SEED = 7
MOMENTS = {"december": "2026-01-01", "january": "2026-02-01", "february": "2026-03-01"}


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Played:
    return play(tmp_path_factory.mktemp("other") / "demo", "--seed", str(SEED))


@pytest.fixture(scope="module")
def manifest(other: Played) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((other.folder / "data" / "manifest.json").read_text(encoding="utf-8"))
    return found


def test_counts_equal_the_manifest(other: Played, manifest: dict[str, Any]) -> None:
    assert other.document["seed"] == SEED
    for drop, tables in other.document["sources"].items():
        assert tables == {name: manifest[drop][name] for name in tables}
    assert other.document["quality"]["defects"] == manifest["history"]["defects"]
    assert other.document["quality"]["quarantined"] == manifest["history"]["quarantined"]


def test_batches_in_the_store_equal_the_manifest(other: Played, manifest: dict[str, Any]) -> None:
    rows = other.ask("SELECT source, rows, set_aside FROM batches ORDER BY arrived_at, source")
    history = rows[:5]
    assert {row["source"]: row["rows"] for row in history} == {
        name: manifest["history"][name] for name in ("customers", "labels", "payments", "sessions", "tickets")
    }
    assert {row["source"]: row["set_aside"] for row in history if row["set_aside"]} == manifest["history"][
        "quarantined"
    ]


@pytest.mark.parametrize("month", MOMENTS)
def test_auc_recomputed_from_predictions_and_labels_equals_the_document(other: Played, month: str) -> None:
    rows = other.ask(
        f"""SELECT p.score, l.value FROM predictions p JOIN labels l USING (prediction_id)
            WHERE p.as_of = '{MOMENTS[month]}' AND p.status = 200"""
    )
    assert len(rows) == other.document["scored"][month]
    assert auc([row["value"] for row in rows], [row["score"] for row in rows]) == pytest.approx(
        other.document["auc"][month], abs=1e-6
    )


@pytest.mark.parametrize("month", ["december", "january"])
def test_alerts_in_the_store_equal_the_document(other: Played, month: str) -> None:
    rows = other.ask(
        f"SELECT kind, subject FROM alerts WHERE window_start = '{MOMENTS[month]}' ORDER BY subject"
    )
    document = other.document["alerts"][month]
    assert [row["subject"] for row in rows if row["kind"] == "drift"] == sorted(document["drift"])
    assert [row["subject"] for row in rows if row["kind"] == "requirement"] == sorted(
        document["requirements"]
    )


def test_decisions_in_the_store_equal_the_document(other: Played) -> None:
    rows = other.ask(
        "SELECT kind, subject, outcome FROM decisions WHERE kind IN ('gate', 'what-if') ORDER BY ts, decision_id"
    )
    told = [
        (gate["kind"], f"{gate['model']}:{gate['version']}", gate["outcome"])
        for gate in other.document["gates"]
    ]
    assert [(row["kind"], row["subject"], row["outcome"]) for row in rows] == told


def test_the_champion_alias_is_where_the_document_says(other: Played) -> None:
    [row] = other.ask("SELECT version FROM aliases WHERE alias = 'champion'")
    assert row["version"] == other.document["aliases"]["after"]["champion"]


def auc(values: Sequence[float], scores: Sequence[float]) -> float:
    """Return the share of (positive, negative) pairs in the right order, ties half, counted by ranks."""
    order = sorted(range(len(scores)), key=scores.__getitem__)
    ranks = [0.0] * len(scores)
    at = 0
    while at < len(order):
        end = at
        while end + 1 < len(order) and scores[order[end + 1]] == scores[order[at]]:
            end += 1
        for place in order[at : end + 1]:
            ranks[place] = (at + end) / 2 + 1
        at = end + 1
    positives = [rank for rank, value in zip(ranks, values, strict=True) if value == 1]
    n, m = len(positives), len(values) - len(positives)
    return (sum(positives) - n * (n + 1) / 2) / (n * m)
