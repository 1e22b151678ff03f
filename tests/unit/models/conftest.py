"""Workspaces with trained models."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.unit.experiments import product

from mlcycle import clock, experiments
from mlcycle.workspace import Workspace


@pytest.fixture(autouse=True)
def now() -> Iterator[None]:
    """Let every test stand at the same simulated time."""
    clock.set_now(product.NOW)
    yield
    clock.set_now(None)


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a workspace with runs `linear`, `weak` (two stumps), `whole` (all of month 0 to 4) and `leaky`."""
    clock.set_now(product.NOW)
    root = tmp_path_factory.mktemp("template") / "w"
    workspace = product.make(root)
    product.build(workspace)
    experiments.train(workspace, models=["linear"])
    experiments.train(workspace, models=["trees"], params={"max_iter": 2, "max_leaf_nodes": 2}, name="weak")
    experiments.train(workspace, models=["flat"])
    leaky = product.build(workspace, name="leaky", look_ahead="30d")
    experiments.train(workspace, models=["linear"], training_set_id=leaky.training_set_id, name="leaky")
    product.build(workspace, until=5)
    experiments.train(workspace, models=["trees"], whole=True, name="whole")
    clock.set_now(None)
    return root


@pytest.fixture
def machines(template: Path, tmp_path: Path) -> Workspace:
    """Return a copy of the template that a test may change."""
    root = tmp_path / "w"
    shutil.copytree(template, root)
    return Workspace(root)


@pytest.fixture
def require(machines: Workspace) -> Callable[[str], None]:
    """Return a function that replaces the requirements."""

    def replace(text: str) -> None:
        (machines.root / "design.yaml").write_text(text)

    return replace
