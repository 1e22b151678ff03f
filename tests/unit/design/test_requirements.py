"""Requirements: declared text becomes versions in the store, and what was in force stays readable."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlcycle import design
from mlcycle.clock import set_now
from mlcycle.declare import load
from mlcycle.declare.model import Comparison
from mlcycle.design.model import Requirement
from mlcycle.errors import DeclarationError
from mlcycle.store import Store
from mlcycle.workspace import Workspace

AUC = """\
requirements:
  # the first one
  - id: auc
    role: data scientist
    metric: auc
    comparison: ">="
    value: 0.7
    phases: [gate, monitor]
"""


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    (tmp_path / "mlcycle.yaml").write_text("name: p\n")
    (tmp_path / "design.yaml").write_text(AUC)
    found = Workspace(tmp_path)
    Store.create(found)
    return found


def write(workspace: Workspace, text: str) -> None:
    (workspace.root / "design.yaml").write_text(text)


def test_a_declared_requirement_is_taken_over_with_an_audit_row(workspace: Workspace) -> None:
    assert design.sync(workspace) == (design.Change("auc", 1, "added"),)
    (found,) = design.list_requirements(workspace)
    assert (found.id, found.version, found.limit, found.phases) == ("auc", 1, ">= 0.7", ("gate", "monitor"))
    (audit,) = Store(workspace).read("SELECT * FROM audit")
    assert audit["action"] == "design sync"
    assert audit["object"] == "requirement auc version 1"
    assert json.loads(audit["after"])["value"] == 0.7


def test_syncing_again_writes_nothing(workspace: Workspace) -> None:
    design.sync(workspace)
    write(workspace, AUC.replace("# the first one", "# said differently"))
    before = workspace.database.stat().st_mtime_ns
    assert design.sync(workspace) == ()
    assert workspace.database.stat().st_mtime_ns == before
    assert Store(workspace).read("SELECT count(*) AS n FROM audit") == [{"n": 1}]


def test_a_changed_text_is_a_new_version_and_the_old_one_is_kept(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLCYCLE_NOW", raising=False)
    first, second = datetime(2026, 1, 1), datetime(2026, 2, 1)
    try:
        set_now(first)
        design.sync(workspace)
        set_now(second)
        write(workspace, AUC.replace("0.7", "0.8"))
        assert design.sync(workspace) == (design.Change("auc", 2, "changed"),)
    finally:
        set_now(None)
    old, new = design.list_requirements(workspace, history=True)
    assert (old.value, old.since, old.until) == (0.7, first, second)
    assert (new.value, new.since, new.until) == (0.8, second, None)
    assert [one.version for one in design.active(workspace, "gate")] == [2]


def test_a_requirement_that_is_gone_ends_and_may_come_back(workspace: Workspace) -> None:
    design.sync(workspace)
    write(workspace, "requirements: []\n")
    assert design.sync(workspace) == (design.Change("auc", 1, "removed"),)
    assert design.list_requirements(workspace) == []
    write(workspace, AUC)
    assert design.sync(workspace) == (design.Change("auc", 2, "added"),)
    assert [one.version for one in design.list_requirements(workspace)] == [2]


def test_only_requirements_that_bind_a_phase_are_active_in_it(workspace: Workspace) -> None:
    assert [one.id for one in design.active(workspace, "monitor")] == ["auc"]
    assert design.active(workspace, "retrain") == []
    assert [one.id for one in design.active(Store(workspace), "gate")] == ["auc"]


def test_asking_by_workspace_takes_the_newest_text_over_first(workspace: Workspace) -> None:
    design.sync(workspace)
    write(workspace, AUC.replace("0.7", "0.9"))
    assert design.active(Store(workspace), "gate")[0].value == 0.7
    assert design.active(workspace, "gate")[0].value == 0.9


def test_a_wrong_declaration_changes_nothing(workspace: Workspace) -> None:
    design.sync(workspace)
    write(workspace, AUC.replace("metric: auc", "metric: aucc"))
    with pytest.raises(DeclarationError, match="unknown metric `aucc`"):
        design.sync(workspace)
    assert design.list_requirements(workspace)[0].metric == "auc"


@given(
    comparison=st.sampled_from([">=", "<=", ">", "<"]),
    limit=st.floats(-10, 10),
    observed=st.one_of(st.none(), st.just(float("nan")), st.floats(-10, 10)),
)
def test_a_limit_holds_exactly_as_it_is_written_and_never_for_what_is_not_measured(
    comparison: Comparison, limit: float, observed: float | None
) -> None:
    requirement = Requirement(
        requirement_id="r",
        version=1,
        role="business",
        statement="",
        metric="auc",
        comparison=comparison,
        value=limit,
        params={},
        budget=None,
        phases=("gate",),
        owner="",
        since=datetime(2026, 1, 1),
    )
    if observed is None or observed != observed:
        assert not design.holds(requirement, observed)
    else:
        wanted = {
            ">=": observed >= limit,
            "<=": observed <= limit,
            ">": observed > limit,
            "<": observed < limit,
        }
        assert design.holds(requirement, observed) is wanted[comparison]


def test_check_says_what_binds_where(workspace: Workspace) -> None:
    report = design.check(workspace)
    assert report.product == "p"
    assert report.binds == {
        "data": [],
        "gate": ["auc: auc >= 0.7"],
        "monitor": ["auc: auc >= 0.7"],
        "retrain": [],
    }
    assert report.changes == (design.Change("auc", 1, "added"),)
    assert "data.yaml declares nothing yet" in report.notes
    assert design.check(workspace).changes == ()


def add(workspace: Workspace, name: str = "speed") -> Requirement:
    return design.add(
        workspace,
        name,
        role="operations",
        metric="latency_p95",
        comparison="<=",
        value=50,
        phases=["gate"],
        statement="Nobody waits: 50 ms at most.",
        owner="platform: team",
    )


@pytest.mark.parametrize(
    "text",
    [
        AUC,
        AUC.replace("\n", "\r\n"),
        AUC.removesuffix("\n"),
        AUC + "\n# a last word\n",
        "# nothing yet\nrequirements: [] # none\n",
        "requirements:\n",
        "requirements:\n#  - id: example\n",
        "# only a comment\n",
        "",
        AUC.replace("  - ", "- ").replace("    ", "  "),
    ],
)
def test_add_appends_and_leaves_every_other_line_as_it_was(workspace: Workspace, text: str) -> None:
    (workspace.root / "design.yaml").write_bytes(text.encode())
    before = [one.id for one in load(workspace).design.requirements]
    added = add(workspace)
    assert (added.id, added.value, added.owner, added.version) == ("speed", 50.0, "platform: team", 1)
    assert [one.id for one in load(workspace).design.requirements] == [*before, "speed"]
    after = (workspace.root / "design.yaml").read_bytes().decode()
    kept = [line for line in text.splitlines() if line.strip() and "[]" not in line]
    assert [line for line in after.splitlines() if line in kept] == kept
    assert ("\r\n" in after) == ("\r\n" in text)


def test_add_makes_the_file_when_there_is_none(workspace: Workspace) -> None:
    (workspace.root / "design.yaml").unlink()
    add(workspace)
    assert [one.id for one in design.list_requirements(workspace)] == ["speed"]


def test_add_writes_nothing_that_would_not_load(workspace: Workspace) -> None:
    with pytest.raises(DeclarationError, match="requirement `auc` is declared twice"):
        add(workspace, "auc")
    assert (workspace.root / "design.yaml").read_text() == AUC


def test_add_goes_on_in_one_line_where_the_list_is_in_one_line(workspace: Workspace) -> None:
    text = "requirements: [{id: a, role: business, metric: auc, comparison: '>', value: 0, phases: [gate]}] # all\n"
    write(workspace, text)
    add(workspace)
    after = (workspace.root / "design.yaml").read_text()
    assert after.startswith(text.removesuffix("] # all\n") + ", {id: speed, ") and after.endswith(
        "}] # all\n"
    )
    assert [one.id for one in load(workspace).design.requirements] == ["a", "speed"]
