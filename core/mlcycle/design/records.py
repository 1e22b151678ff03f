"""The `requirement` table: the only place that reads and writes it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from mlcycle.declare import model as declared
from mlcycle.design.model import Change, Requirement
from mlcycle.store import Store, Transaction

__all__ = ["changes", "current", "every", "write"]

COLUMNS = (
    "requirement_id, version, role, statement, metric, comparison, value, params, budget, phases, owner, "
    "since, until"
)
NEWEST = (
    f"SELECT {COLUMNS} FROM requirement "
    "QUALIFY row_number() OVER (PARTITION BY requirement_id ORDER BY version DESC) = 1"
)
"""One row a requirement: its newest version, in force or not."""


def every(store: Store, *, history: bool = False) -> list[Requirement]:
    """Return the requirements in force, or all versions there ever were."""
    where = "" if history else "WHERE until IS NULL"
    rows = store.read(f"SELECT {COLUMNS} FROM requirement {where} ORDER BY requirement_id, version")
    return [_requirement(row) for row in rows]


def current(store: Store) -> dict[str, Requirement]:
    """Return the newest version of every requirement, those that were taken away included."""
    return {row["requirement_id"]: _requirement(row) for row in store.read(NEWEST)}


def changes(wanted: Sequence[declared.Requirement], known: Mapping[str, Requirement]) -> list[Change]:
    """Return what must be written so that the table says what is declared."""
    found: list[Change] = []
    for requirement in wanted:
        before = known.get(requirement.id)
        if before is None:
            found.append(Change(requirement.id, 1, "added"))
        elif before.until is not None:
            found.append(Change(requirement.id, before.version + 1, "added"))
        elif _said(requirement) != _kept(before):
            found.append(Change(requirement.id, before.version + 1, "changed"))
    asked = {requirement.id for requirement in wanted}
    gone = [old for old in known.values() if old.until is None and old.requirement_id not in asked]
    return found + [Change(old.requirement_id, old.version, "removed") for old in gone]


def write(
    tx: Transaction, wanted: Sequence[declared.Requirement], now: datetime, found: Sequence[Change]
) -> None:
    """Write the changes, each with its audit row."""
    by_id = {requirement.id: requirement for requirement in wanted}
    for change in found:
        before = tx.one(
            "SELECT version, metric, comparison, value FROM requirement WHERE requirement_id = ? AND until IS NULL",
            [change.requirement_id],
        )
        tx.execute(
            "UPDATE requirement SET until = ? WHERE requirement_id = ? AND until IS NULL",
            [now, change.requirement_id],
        )
        after = None
        if change.kind != "removed":
            after = _said(by_id[change.requirement_id])
            row = {
                "requirement_id": change.requirement_id,
                "version": change.version,
                "since": now,
                "until": None,
            }
            tx.insert("requirement", [{**row, **after, "params": json.dumps(after["params"])}])
        tx.audit(f"requirement {change.requirement_id} version {change.version}", before=before, after=after)


def _said(requirement: declared.Requirement) -> dict[str, Any]:
    return {
        "role": requirement.role,
        "statement": requirement.statement,
        "metric": requirement.metric,
        "comparison": requirement.comparison,
        "value": float(requirement.value),
        "params": dict(requirement.params),
        "budget": requirement.budget,
        "phases": list(requirement.phases),
        "owner": requirement.owner,
    }


def _kept(requirement: Requirement) -> dict[str, Any]:
    return {
        "role": requirement.role,
        "statement": requirement.statement,
        "metric": requirement.metric,
        "comparison": requirement.comparison,
        "value": requirement.value,
        "params": dict(requirement.params),
        "budget": requirement.budget,
        "phases": list(requirement.phases),
        "owner": requirement.owner,
    }


def _requirement(row: Mapping[str, Any]) -> Requirement:
    return Requirement(
        requirement_id=row["requirement_id"],
        version=row["version"],
        role=row["role"],
        statement=row["statement"] or "",
        metric=row["metric"],
        comparison=row["comparison"],
        value=row["value"],
        params=json.loads(row["params"]) if row["params"] else {},
        budget=row["budget"],
        phases=tuple(row["phases"]),
        owner=row["owner"] or "",
        since=row["since"],
        until=row["until"],
    )
