"""One more requirement at the end of `design.yaml`; every other character of the file stays as it was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mlcycle.declare import load, scalar
from mlcycle.declare.document import parse
from mlcycle.declare.model import Scalar
from mlcycle.design.model import Requirement
from mlcycle.design.rewrite import File, alone, append, mapping
from mlcycle.design.sync import one_in_force, sync
from mlcycle.workspace import Workspace

__all__ = ["add"]

FILE = "design.yaml"


def add(
    workspace: Workspace,
    requirement_id: str,
    *,
    role: str,
    metric: str,
    comparison: str,
    value: float,
    phases: Sequence[str],
    statement: str = "",
    params: Mapping[str, Scalar] | None = None,
    owner: str = "",
    budget: float | None = None,
) -> Requirement:
    """Write a requirement into `design.yaml` and take it over.

    Returns
    -------
    Requirement
        As the store has it now.

    Raises
    ------
    Busy
        If another process, or an editor, changes the file at the same time; then nothing is written.
    DeclarationError
        If it does not fit what is declared; then nothing is written.
    """
    said: dict[str, str] = {
        "id": scalar(requirement_id),
        "role": scalar(role),
        "statement": scalar(statement) if statement else "",
        "metric": scalar(metric),
        "params": mapping(params) if params else "",
        "comparison": f'"{comparison}"',
        "value": scalar(value),
        "budget": "" if budget is None else scalar(budget),
        "phases": f"[{', '.join(scalar(phase) for phase in phases)}]",
        "owner": scalar(owner) if owner else "",
    }
    item = {name: written for name, written in said.items() if written}
    with alone(workspace):
        file = File.of(workspace.root, FILE)
        parse(file.text, file.name)
        grown = append(file.text, "requirements", item, apart=True)
        load(workspace, unsaved={FILE: grown})
        file.write(grown)
    sync(workspace)
    return one_in_force(workspace, requirement_id)
