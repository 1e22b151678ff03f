"""Declared requirements into the store, as versions: what a decision was made under can always be read again."""

from __future__ import annotations

from mlcycle import clock
from mlcycle.declare import load
from mlcycle.design import records
from mlcycle.design.model import Change, Requirement
from mlcycle.errors import Busy
from mlcycle.store import Store
from mlcycle.workspace import Workspace

__all__ = ["active", "holds", "list_requirements", "one_in_force", "sync"]


def sync(workspace: Workspace) -> tuple[Change, ...]:
    """Make the `requirement` table say what `design.yaml` says.

    A changed text becomes a new version, a requirement that is gone keeps its rows and gets an end. Nothing is
    written when nothing changed.

    Returns
    -------
    tuple of Change
        Empty if the table said so already.

    Raises
    ------
    DeclarationError
        If a declaration is wrong.
    """
    wanted = load(workspace).design.requirements
    store = Store(workspace)
    if not records.changes(wanted, records.current(store)):
        return ()
    with store.transaction("design sync") as tx:
        # Somebody else may have written between the look and the lock: the store, and the file before it.
        wanted = load(workspace).design.requirements
        found = records.changes(wanted, records.current(store))
        records.write(tx, wanted, clock.now(), found)
    return tuple(found)


def active(where: Workspace | Store, phase: str) -> list[Requirement]:
    """Return the requirements in force that bind a phase, by name.

    Parameters
    ----------
    where
        A workspace, whose declarations are taken over first, or a store, which is read as it is.
    phase
        `data`, `gate`, `monitor` or `retrain`.
    """
    if isinstance(where, Workspace):
        sync(where)
        where = Store(where)
    return [requirement for requirement in records.every(where) if phase in requirement.phases]


def list_requirements(workspace: Workspace, *, history: bool = False) -> list[Requirement]:
    """Return the requirements in force as the store has them, or with all former versions."""
    return records.every(Store(workspace), history=history)


def one_in_force(workspace: Workspace, requirement_id: str) -> Requirement:
    """Return a requirement that was just taken over.

    Raises
    ------
    Busy
        If somebody else took it out again meanwhile.
    """
    for one in list_requirements(workspace):
        if one.requirement_id == requirement_id:
            return one
    raise Busy(f"{requirement_id} was taken out by somebody else meanwhile", hint="mlcycle design list")


def holds(requirement: Requirement, observed: float | None) -> bool:
    """Tell whether an observed value meets a requirement; what was not measured does not."""
    return requirement.holds(observed)
