"""The registry."""

from __future__ import annotations

import json
import sys

import pytest

from mlcycle import experiments, models
from mlcycle.errors import DataError, NotFoundError, UsageError
from mlcycle.experiments.package import Package, read_package
from mlcycle.models import ProfileRow
from mlcycle.store import Store
from mlcycle.workspace import Workspace

register_verb = sys.modules["mlcycle.models.register"]
"""The module: its name in the room is the verb."""


def test_versions_are_integers_in_order_and_carry_their_number(machines: Workspace) -> None:
    first, second = models.register(machines, "linear"), models.register(machines, "weak")
    assert (first.subject, second.subject) == ("failures:1", "failures:2")
    package = models.read_version(machines, second)
    assert (package.description["version"], package.description["model"]) == (2, "failures")
    assert package.model == read_package(experiments.run_package(machines, "weak")[1]).model
    assert [version.version for version in models.list_versions(machines)] == [2, 1]


def test_a_run_is_registered_once(machines: Workspace) -> None:
    assert models.register(machines, "linear") == models.register(machines, "linear")
    assert len(models.list_versions(machines)) == 1
    assert models.register(machines, "linear", model="other").subject == "other:1"


def test_a_run_that_another_command_registers_meanwhile_is_still_registered_once(
    machines: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    profiles = register_verb._first_profiles

    def meanwhile(workspace: Workspace, package: Package) -> list[ProfileRow]:
        monkeypatch.setattr(register_verb, "_first_profiles", profiles)
        models.register(workspace, "linear")
        found: list[ProfileRow] = profiles(workspace, package)
        return found

    monkeypatch.setattr(register_verb, "_first_profiles", meanwhile)
    assert models.register(machines, "linear").subject == "failures:1"
    assert len(models.list_versions(machines)) == 1


def test_the_validation_rows_are_the_first_drift_reference(machines: Workspace) -> None:
    models.register(machines, "linear")
    rows = Store(machines).read("SELECT * FROM profile ORDER BY subject")
    assert [(row["subject"], row["kind"], row["rows"]) for row in rows] == [
        ("hall", "values", 120),
        ("hours", "values", 120),
        ("load", "quantiles", 120),
        ("score", "quantiles", 120),
    ]
    assert json.loads(rows[0]["edges"]) == ["A", "B", "C"]
    assert rows[2]["missing"] == 8
    assert sum(rows[2]["counts"]) == 112


def test_a_model_that_learnt_from_all_rows_has_no_reference_until_it_is_judged(machines: Workspace) -> None:
    models.register(machines, "whole")
    assert Store(machines).read("SELECT * FROM profile") == []


def test_a_run_without_a_package_cannot_be_registered(machines: Workspace) -> None:
    with pytest.raises(NotFoundError, match="kept no model package"):
        models.register(machines, "flat")
    with pytest.raises(NotFoundError, match="'nothing'"):
        models.register(machines, "nothing")
    with pytest.raises(UsageError):
        models.register(machines, "linear", model="a:b")


def test_a_version_is_found_by_number_by_alias_or_as_the_newest(machines: Workspace) -> None:
    models.register(machines, "linear")
    second = models.register(machines, "weak")
    moved = models.set_alias(machines, "failures:1", "shadow")
    assert (moved.version, moved.rev) == (1, 1)
    assert models.show(machines) == second
    assert models.show(machines, "failures") == second
    assert models.show(machines, "failures:1").version == 1
    assert models.show(machines, "failures@shadow").aliases == ("shadow",)
    assert models.set_alias(machines, "failures:2", "shadow").rev == 2


@pytest.mark.parametrize("alias", ["champion", "latest", "v1", "1", "a b", ""])
def test_some_names_are_no_alias(machines: Workspace, alias: str) -> None:
    models.register(machines, "linear")
    with pytest.raises(UsageError):
        models.set_alias(machines, "failures:1", alias)


def test_a_missing_model_is_answered_with_those_there_are(machines: Workspace) -> None:
    with pytest.raises(NotFoundError, match="nothing is registered yet"):
        models.show(machines)
    models.register(machines, "linear")
    for named in ("nobody", "failures:9", "failures@champion", "failures:x"):
        with pytest.raises(NotFoundError, match="there is failures:1") as caught:
            models.show(machines, named)
        assert caught.value.hint == "mlcycle models list"


def test_a_damaged_package_is_not_used(machines: Workspace) -> None:
    version = models.register(machines, "linear")
    machines.artifact(version.sha256).write_bytes(b"something else")
    with pytest.raises(DataError, match="damaged"):
        models.gate(machines)
