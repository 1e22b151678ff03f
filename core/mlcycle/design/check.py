"""Every declaration read, the requirements synced, and what is bound where."""

from __future__ import annotations

from collections.abc import Iterator

from mlcycle.declare import FILES, Declarations, load
from mlcycle.declare.verify_data import DIMENSIONS
from mlcycle.design.model import CheckReport
from mlcycle.design.sync import sync
from mlcycle.workspace import Workspace

__all__ = ["PHASES", "check"]

PHASES = ("data", "gate", "monitor", "retrain")


def check(workspace: Workspace) -> CheckReport:
    """Load every declaration, take the requirements over, and say what binds which phase.

    Raises
    ------
    DeclarationError
        On the first thing that is wrong.
    """
    declared = load(workspace)
    changes = sync(workspace)
    requirements = declared.design.requirements
    binds = {
        phase: [
            f"{one.id}: {one.metric} {one.comparison} {one.value:g}"
            for one in requirements
            if phase in one.phases
        ]
        for phase in PHASES
    }
    spine = declared.features.spine if declared.features else None
    return CheckReport(
        product=declared.product.name,
        requirements=len(requirements),
        roles=len({one.role for one in requirements}),
        binds=binds,
        sources=tuple(declared.data.sources),
        checks={
            table: sum(len(getattr(checks, dimension)) for dimension in DIMENSIONS)
            for table, checks in declared.checks.items()
        },
        views=tuple(declared.features.views) if declared.features else (),
        target=f"{spine.table}.{spine.target}" if spine else None,
        task=declared.training.task if declared.training else None,
        models=tuple(declared.training.models) if declared.training else (),
        changes=changes,
        notes=tuple(_notes(declared)),
    )


def _notes(declared: Declarations) -> Iterator[str]:
    for file in FILES[1:5]:
        if file not in declared.documents or declared.documents[file].value is None:
            yield f"{file} declares nothing yet"
    unchecked = [name for name in declared.data.sources if name not in declared.checks]
    if unchecked:
        yield f"no quality checks for {', '.join(unchecked)}: every row is taken as it comes"
    requirements = declared.design.requirements
    if not requirements:
        yield "no requirement yet: write one into design.yaml, or see mlcycle design add --help"
    if not declared.data.sources:
        yield "no source yet: write one into data.yaml"
    if requirements and not any("gate" in one.phases for one in requirements):
        yield "no requirement binds the gate: any model may become champion"
