"""Champions: made by the gate, replaced by a better one, and brought back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from tests.unit.experiments import product

from mlcycle import clock, models
from mlcycle.errors import CouldNot, NotFoundError, NotMet
from mlcycle.store import Store
from mlcycle.workspace import Workspace

LATER = product.NOW + timedelta(days=60)


def audit(workspace: Workspace) -> list[dict[str, Any]]:
    """Return the moves of the champion."""
    return Store(workspace).read(
        "SELECT action, before, after FROM audit WHERE object = 'failures@champion' ORDER BY ts"
    )


def test_an_approved_version_becomes_champion_with_an_audit_row(machines: Workspace) -> None:
    models.register(machines, "linear")
    models.set_alias(machines, "failures:1", "challenger")
    found = models.promote(machines)
    assert found.approved
    champion = models.champion(machines)
    assert champion is not None
    assert (champion.version, champion.aliases) == (1, ("champion",))
    [row] = audit(machines)
    assert (row["action"], row["before"]) == ("models promote", None)
    assert found.decision_id in row["after"]


def test_a_refused_version_changes_nothing_and_leaves_its_decision(machines: Workspace) -> None:
    models.register(machines, "linear")
    models.promote(machines)
    models.register(machines, "weak")
    assert not models.promote(machines).approved
    champion = models.champion(machines)
    assert champion is not None
    assert champion.version == 1
    assert [found.outcome for found in models.list_decisions(machines)] == ["refused", "approved"]


def test_promoting_the_champion_says_that_it_is_and_writes_nothing(machines: Workspace) -> None:
    models.register(machines, "whole")
    made = models.promote(machines, on=(product.month(5), product.month(5)), now=LATER)
    assert not made.approved
    models.register(machines, "linear")
    made = models.promote(machines, "failures:2")
    again = models.promote(machines, "failures:2")
    assert (again.outcome, again.decision_id) == ("approved", made.decision_id)
    assert "failures:2 already is the champion" in again.describe()
    assert len(models.list_decisions(machines, "failures:2")) == 1
    assert len(audit(machines)) == 1


def test_promoting_what_is_not_there_says_what_is(machines: Workspace) -> None:
    with pytest.raises(NotFoundError, match="nothing is registered yet") as caught:
        models.promote(machines, "failures:3")
    assert "mlcycle models register" in caught.value.hint


def test_the_rows_of_the_judgement_become_the_drift_reference(machines: Workspace) -> None:
    models.register(machines, "linear")
    models.promote(machines, on=(product.month(3), product.month(4)))
    rows = Store(machines).read("SELECT DISTINCT rows FROM profile")
    assert [row["rows"] for row in rows] == [240]


def test_rollback_walks_back_through_the_champions_there_were(
    machines: Workspace, require: Callable[[str], None]
) -> None:
    require("requirements: []\n")
    models.register(machines, "linear")
    models.register(machines, "weak")
    models.register(machines, "whole")
    for version in (1, 2, 3):
        moment = {"on": product.month(5), "now": LATER} if version == 3 else {}
        models.promote(machines, f"failures:{version}", champion_paired=False, **moment)  # type: ignore[arg-type]
    back = models.rollback(machines)
    assert (back.kind, back.subject, back.outcome) == ("rollback", "failures:2", "approved")
    assert models.rollback(machines, "failures").subject == "failures:1"
    with pytest.raises(NotMet, match="no earlier champion"):
        models.rollback(machines)
    champion = models.champion(machines)
    assert champion is not None
    assert champion.version == 1
    models.promote(machines, "failures:2", champion_paired=False)
    assert models.rollback(machines).subject == "failures:1"


def test_the_champion_is_not_moved_if_somebody_else_moved_it_meanwhile(
    machines: Workspace, require: Callable[[str], None]
) -> None:
    models.register(machines, "linear")
    models.register(machines, "weak")

    require(
        "requirements:\n  - {id: quick, role: operations, metric: latency_p50, comparison: '<=', value: 9,"
        " phases: [gate]}\n"
    )

    def meddle(_: bytes) -> list[float]:
        require("requirements: []\n")
        models.promote(machines, "failures:2", champion_paired=False)
        return [1.0]

    with pytest.raises(CouldNot, match="moved by somebody else"):
        models.promote(machines, "failures:1", latency=meddle)
    champion = models.champion(machines)
    assert champion is not None
    assert champion.version == 2
    assert [found.subject for found in models.list_decisions(machines)] == ["failures:2"]


def test_decisions_carry_the_simulated_time(machines: Workspace) -> None:
    models.register(machines, "linear")
    clock.set_now(LATER)
    assert models.promote(machines).ts == LATER
    [row] = Store(machines).read("SELECT since FROM aliases")
    assert row["since"] == LATER
