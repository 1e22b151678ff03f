"""The gate."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta

import pytest
from tests.unit.experiments import product

from mlcycle import models
from mlcycle.errors import NotFoundError, UsageError
from mlcycle.models.judge import judge
from mlcycle.store import Store
from mlcycle.workspace import Workspace

UNKNOWN = product.month(5) + timedelta(days=14)
"""By then the labels of month 5 are not known."""
Require = Callable[[str], None]
LATER = product.NOW + timedelta(days=60)
"""By then the labels of month 5 are known too."""


def requirement(metric: str, comparison: str, value: float, extra: str = "") -> str:
    """Return a requirement that binds the gate."""
    return (
        f"  - {{id: {metric}, role: business, metric: {metric}, comparison: '{comparison}', value: {value}, "
        f"phases: [gate]{extra}}}\n"
    )


def test_a_version_that_meets_every_requirement_is_approved_with_evidence(machines: Workspace) -> None:
    models.register(machines, "linear")
    found = models.gate(machines)
    assert (found.kind, found.subject, found.outcome, found.reasons) == ("gate", "failures:1", "approved", ())
    assert {(row["id"], row["version"], row["n"], row["met"]) for row in found.requirements} == {
        ("ranking", 1, 120, True),
        ("fair", 1, 120, True),
    }
    [row] = Store(machines).read("SELECT * FROM decisions")
    assert json.loads(row["evidence"])["judged_on"]["what"] == "validation"
    assert (row["outcome"], row["ts"]) == ("approved", product.NOW)
    assert models.decision(machines, found.decision_id) == found
    assert models.list_decisions(machines, "failures:1") == [found]


def test_a_limit_that_is_missed_is_refused_by_name(machines: Workspace, require: Require) -> None:
    models.register(machines, "weak")
    require("requirements:\n" + requirement("auc", ">=", 0.99) + requirement("recall_at_20", ">=", 0.1))
    found = models.gate(machines)
    assert found.outcome == "refused"
    [reason] = found.reasons
    assert reason.startswith("auc is 0.")
    assert "the limit is >= 0.99 (n = 120)" in reason
    assert reason in found.describe()


def test_what_is_not_measured_is_not_met(machines: Workspace, require: Require) -> None:
    models.register(machines, "linear")
    require("requirements:\n" + requirement("latency_p95", "<=", 50) + requirement("predictions", ">=", 1))
    found = models.gate(machines)
    assert found.outcome == "refused"
    assert [row["observed"] for row in found.requirements] == [None, None]
    assert "latency_p95 was not measured: no server was asked" in found.reasons
    assert any(reason.startswith("predictions was not measured") for reason in found.reasons)


def test_latency_is_the_percentile_of_a_smoke_test_of_the_very_package(
    machines: Workspace, require: Require
) -> None:
    version = models.register(machines, "linear")
    require("requirements:\n" + requirement("latency_p95", "<=", 50))
    seen: list[bytes] = []

    def smoke(package: bytes) -> list[float]:
        seen.append(package)
        return [float(value) for value in range(1, 101)]

    found = models.gate(machines, latency=smoke)
    assert seen == [machines.artifact(version.sha256).read_bytes()]
    [row] = found.requirements
    assert (row["observed"], row["n"], row["met"]) == (pytest.approx(95.05), 100, False)


def test_a_what_if_asks_about_its_own_limits_and_leaves_no_requirement(machines: Workspace) -> None:
    models.register(machines, "linear")
    before = Store(machines).read("SELECT * FROM requirements")
    found = models.gate(machines, kind="what-if", overrides={"auc": (">=", 0.999)})
    assert (found.kind, found.outcome) == ("what-if", "refused")
    assert [(row["id"], row["limit"]) for row in found.requirements] == [("ranking", 0.999)]
    assert models.gate(machines, kind="what-if", overrides={"brier": ("<=", 1)}).approved
    assert len(Store(machines).read("SELECT * FROM requirements")) == max(2, len(before))
    with pytest.raises(UsageError, match="no comparison"):
        models.gate(machines, kind="what-if", overrides={"auc": ("=>", 0.5)})


def test_a_what_if_about_an_unknown_metric_is_refused_and_writes_nothing(machines: Workspace) -> None:
    models.register(machines, "linear")
    with pytest.raises(UsageError, match="did you mean `recall_at_20`"):
        models.gate(machines, kind="what-if", overrides={"recal_at_20": (">=", 0.5)})
    assert models.list_decisions(machines) == []


def test_a_model_that_learnt_from_the_future_is_refused_by_name(machines: Workspace) -> None:
    models.register(machines, "leaky")
    found = models.gate(machines)
    assert found.outcome == "refused"
    assert all(row["met"] for row in found.requirements)
    assert "'leaky', whose features look 30d into the future" in found.reasons[0]


def test_a_model_is_not_judged_on_rows_it_learnt_from(machines: Workspace) -> None:
    models.register(machines, "whole")
    early = models.gate(machines, now=UNKNOWN)
    assert early.reasons[0] == (
        "failures:1 learnt from 120 of the 120 rows it is judged on: there is no labelled row it has not learnt from"
    )
    late = models.gate(machines, on=product.month(5), now=LATER)
    assert late.evidence["judged_on"]["rows"] == 120
    assert not any("learnt from" in reason for reason in late.reasons)


def test_a_model_that_learnt_from_its_validation_rows_is_judged_on_newer_ones_where_there_are_any(
    machines: Workspace,
) -> None:
    models.register(machines, "whole")
    found = models.gate(machines)
    assert found.evidence["judged_on"]["start"] == product.month(5).isoformat()
    assert found.evidence["judged_on"]["rows"] == 120
    assert not any("learnt from" in reason for reason in found.reasons)


def test_a_model_is_not_compared_with_a_champion_on_rows_the_champion_learnt_from(
    machines: Workspace, require: Require
) -> None:
    require("requirements: []\n")
    models.register(machines, "linear")
    models.register(machines, "whole")
    assert models.promote(machines, "failures:2").approved
    found = models.gate(machines, "failures:1", now=UNKNOWN)
    assert found.outcome == "refused"
    assert found.evidence["judged_on"]["what"] == "validation"
    [reason, *_] = found.reasons
    assert "the champion learnt from 120 of these rows, so the comparison says nothing" in reason
    named = models.gate(machines, "failures:1", on=product.month(4))
    assert "the champion learnt from 120 of these rows" in named.reasons[0]


def test_beside_another_champion_a_model_is_judged_on_rows_newer_than_either_learnt_from(
    machines: Workspace, require: Require
) -> None:
    require("requirements: []\n")
    models.register(machines, "linear")
    models.register(machines, "whole")
    models.promote(machines, "failures:2")
    found = models.promote(machines, "failures:1")
    judged = found.evidence["judged_on"]
    assert (judged["start"], judged["end"]) == (product.month(5).isoformat(), product.month(5).isoformat())
    assert found.evidence["champion"]["n"] == 120


def test_a_challenger_is_judged_on_every_labelled_moment_after_those_either_was_fitted_on(
    machines: Workspace,
) -> None:
    models.register(machines, "linear")
    models.promote(machines)
    models.register(machines, "weak")
    judged = models.gate(machines).evidence["judged_on"]
    assert (judged["start"], judged["rows"]) == (product.month(3).isoformat(), 360)


def test_labels_known_later_than_the_decision_do_not_count(machines: Workspace) -> None:
    models.register(machines, "linear")
    with pytest.raises(NotFoundError, match="no labelled row"):
        models.gate(machines, on=product.month(5), now=product.month(5) + timedelta(days=14))
    both = models.gate(machines, on=(product.month(4), product.month(5)), now=LATER)
    assert both.evidence["judged_on"]["rows"] == 240


def test_a_challenger_must_be_better_than_the_champion_on_the_same_rows(machines: Workspace) -> None:
    models.register(machines, "linear")
    models.promote(machines)
    models.register(machines, "weak")
    found = models.gate(machines, on="validation")
    assert found.outcome == "refused"
    assert found.reasons[0].startswith("it is worse than the champion failures:1: auc -0.")
    against = found.evidence["champion"]
    assert (against["version"], against["n"], against["verdict"]) == (1, 120, "worse")
    assert against["low"] <= against["difference"] <= against["high"] < 0
    assert models.gate(machines, on="validation", champion_paired=False).approved


def test_the_champion_is_not_compared_with_itself(machines: Workspace) -> None:
    models.register(machines, "linear")
    models.promote(machines)
    again = models.gate(machines)
    assert again.approved
    assert again.evidence["champion"] is None


def test_without_requirements_the_gate_says_that_nothing_binds_it(
    machines: Workspace, require: Require
) -> None:
    models.register(machines, "linear")
    require("requirements: []\n")
    found = models.gate(machines)
    assert (found.outcome, found.requirements) == ("approved", [])
    assert "no requirement binds the gate" in found.reasons[0]


def test_a_version_is_measured_without_a_decision(machines: Workspace) -> None:
    linear = models.register(machines, "linear")
    found = models.measure(machines, linear, ["auc", "contact_cost"], params={"top": 20, "cost": 3})
    assert found["contact_cost"].value == 3 * 24
    late = models.measure(machines, linear, ["auc"], on=product.month(5), now=LATER)
    assert (late["auc"].value or 1) < 0.5 < (found["auc"].value or 0)
    assert models.list_decisions(machines) == []


def test_judged_rows_and_scores_lie_side_by_side(machines: Workspace) -> None:
    version = models.register(machines, "linear")
    judged = judge(machines, version, (product.month(3), product.month(4)), product.NOW)
    assert len(judged.rows) == len(judged.y) == len(judged.scores.values) == 240
    assert judged.on["left_out"] == 0
