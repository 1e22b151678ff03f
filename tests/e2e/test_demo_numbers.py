"""The demo's document against the reference numbers of the sample product."""

from __future__ import annotations

import pytest
from tests.e2e.conftest import Played

from mlcycle_sample import expected

pytestmark = pytest.mark.e2e

KEYS = {
    "seed",
    "sources",
    "quality",
    "training",
    "scored",
    "auc",
    "value",
    "gates",
    "psi",
    "alerts",
    "aliases",
    "serving",
    "image",
    "cpu_s",
}
BUDGET_CPU_S = 60
GATE_IDS = {"auc", "recall_at_20", "region_gap", "latency_p95", "contact_budget"}


def test_the_document_has_the_agreed_keys(played: Played) -> None:
    assert set(played.document) >= KEYS


def test_rows_are_counted_as_a_reader_finds_them(played: Played) -> None:
    assert played.document["sources"] == expected.SOURCES


def test_every_injected_defect_is_found_exactly(played: Played) -> None:
    assert played.document["quality"]["defects"] == expected.DEFECTS


def test_what_cannot_be_mended_is_set_aside_once(played: Played) -> None:
    assert played.document["quality"]["quarantined"] == expected.QUARANTINED


def test_the_training_set_holds_what_was_known_and_nothing_else(played: Played) -> None:
    assert played.document["training"] == expected.TRAINING
    assert played.document["scored"] == expected.SCORED


@pytest.mark.parametrize("name", [name for name in expected.AUC if name != "retrained"])
def test_scores_agree_with_the_reference(played: Played, name: str) -> None:
    assert played.document["auc"][name] == pytest.approx(expected.AUC[name], abs=expected.AUC_TOLERANCE)


def test_retraining_pays(played: Played) -> None:
    assert played.document["auc"]["retrained"] >= expected.RETRAINED_AUC_AT_LEAST
    assert played.document["value"]["february"] == pytest.approx(expected.VALUE["february"], abs=150)
    assert played.document["value"]["retrained"] >= expected.RETRAINED_VALUE_AT_LEAST


def test_december_is_silent_and_january_alarms_on_exactly_five(played: Played) -> None:
    alerts = played.document["alerts"]
    assert alerts["december"] == {"drift": [], "requirements": []}
    assert sorted(alerts["january"]["drift"]) == expected.ALERTS["january"]
    assert sorted(alerts["january"]["requirements"]) == ["auc", "recall_at_20"]


@pytest.mark.parametrize("month", ["december", "january"])
def test_distances_agree_with_the_reference(played: Played, month: str) -> None:
    found = played.document["psi"][month]
    for subject, value in expected.PSI[month].items():
        assert found[subject] == pytest.approx(value, rel=0.1, abs=0.015), subject


def test_the_features_served_in_december_add_up(played: Played) -> None:
    [row] = played.ask(
        "SELECT sum(features.sessions_30d::DOUBLE)::BIGINT AS total FROM predictions WHERE as_of = '2026-01-01'"
    )
    assert row["total"] == expected.SUM_SESSIONS_30D["december"]


def test_champion_and_challenger_meet_the_five_requirements_of_the_gate(played: Played) -> None:
    gates = [gate for gate in played.document["gates"] if gate["kind"] == "gate"]
    assert [gate["outcome"] for gate in gates] == ["approved", "approved"]
    for gate in gates:
        assert {line["id"] for line in gate["requirements"]} == GATE_IDS
        assert all(line["met"] and line["n"] > 0 for line in gate["requirements"])


def test_a_stricter_limit_would_refuse_by_name_and_leaves_no_requirement(played: Played) -> None:
    [what_if] = [gate for gate in played.document["gates"] if gate["kind"] == "what-if"]
    assert what_if["outcome"] == "refused"
    assert [line["id"] for line in what_if["requirements"] if not line["met"]] == ["auc"]
    assert played.ask("SELECT count(*) AS n FROM requirements")[0]["n"] == 6
    [row] = played.ask("SELECT array_to_string(reasons, ' ') AS why FROM decisions WHERE kind = 'what-if'")
    assert "auc" in row["why"]


def test_the_champion_changed(played: Played) -> None:
    aliases = played.document["aliases"]
    assert aliases["before"]["champion"] < aliases["after"]["champion"]


def test_every_scored_row_went_through_the_server(played: Played) -> None:
    serving = played.document["serving"]
    assert serving["predictions"] == sum(expected.SCORED.values())
    assert 0 < serving["latency_ms"]["p50"] <= serving["latency_ms"]["p95"] <= serving["latency_ms"]["p99"]


def test_an_image_was_built_or_the_reason_is_plain(played: Played) -> None:
    image = played.document["image"]
    assert image["digest"] if image["built"] else len(image["why_not"]) > 20


def test_the_whole_story_stays_in_its_budget_of_cpu(played: Played) -> None:
    # CPU and no wall time: a busy machine stretches only the latter.
    assert played.cpu_s <= BUDGET_CPU_S
    assert played.document["cpu_s"]["total"] <= BUDGET_CPU_S


def test_the_document_tells_the_cpu_that_the_kernel_counted(played: Played) -> None:
    cpu = played.document["cpu_s"]
    phases = sum(value for name, value in cpu.items() if name != "total")
    assert cpu["total"] == pytest.approx(phases, abs=0.01)
    # The document is made before the command ends: what comes after is not in it, nothing else may be missing.
    assert 0.8 * played.cpu_s <= cpu["total"] <= 1.02 * played.cpu_s + 0.1


def test_nothing_is_left_running(played: Played) -> None:
    assert (
        played.ask("SELECT count(*) AS n FROM deployments WHERE state IN ('running', 'starting')")[0]["n"]
        == 0
    )
    assert played.ask("SELECT count(*) AS n FROM runs WHERE status = 'running'")[0]["n"] == 0
