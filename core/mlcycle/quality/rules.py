"""From declared checks to rules: one column or expression each, with an id that survives reordering and renaming."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from mlcycle.declare.model import Check, Checks, Mend, Requirement, Severity, Source, kinds_of
from mlcycle.errors import DeclarationError
from mlcycle.hashing import sha256_value
from mlcycle.quality.model import DIMENSIONS, Dimension

__all__ = ["WHOLE_BATCH", "Rule", "bound_rules", "parents_of", "rule_from", "rules_of"]

WHOLE_BATCH = ("readable", "fresh", "rows")
"""Kinds that look at the batch, not at its readable rows one by one."""
BY_COLUMN = ("in_set", "between", "matches", "exists_in", "not_after", "fresh")
"""Kinds written as a mapping from column to what holds for it: a rule a column."""
SHOWN = 60


@dataclass(frozen=True)
class Rule:
    """One quality rule, ready to compile."""

    check_id: str
    """First 16 hex digits of the hash of what is asked: not of name, severity or consequence."""
    name: str
    dataset: str
    dimension: Dimension
    kind: str
    columns: tuple[str, ...]
    """Columns it is about; empty for `holds`, `readable` and `rows`."""
    value: Any
    """What the kind says of them."""
    where: str | None
    mostly: float
    severity: Severity
    set_aside: bool
    mend: Mend | None
    index: int
    """Position among the checks of its dimension, or among the requirements, to find it in the file."""
    requirement: bool = False
    """Whether a requirement that binds the data phase asks it, and no check file."""

    @property
    def handled(self) -> bool:
        """Whether something happens to bad rows."""
        return self.set_aside or self.mend is not None

    @property
    def definition(self) -> dict[str, Any]:
        """The rule as JSON, for the store."""
        value = list(self.columns) if self.kind in ("not_null", "unique") else self.value
        then = "set_aside" if self.set_aside else msgspec.to_builtins(self.mend) if self.mend else None
        said = {
            "kind": self.kind,
            "columns": list(self.columns),
            "value": value,
            "where": self.where,
            "mostly": self.mostly,
            "severity": self.severity,
            "then": then,
        }
        return {key: one for key, one in said.items() if one is not None}


def rules_of(checks: Checks) -> list[Rule]:
    """Return a table's rules in the order of the dimensions, then of the file.

    Raises
    ------
    DeclarationError
        If the same rule is stated twice in one dimension.
    """
    rules: list[Rule] = []
    seen: dict[str, str] = {}
    for dimension in DIMENSIONS:
        for index, check in enumerate(getattr(checks, dimension)):
            for rule in _split(checks.table, dimension, check, index):
                if rule.check_id in seen:
                    raise DeclarationError(
                        f"checks of {checks.table}: {rule.name} asks the same as {seen[rule.check_id]}",
                        hint="take one of the two away",
                    )
                seen[rule.check_id] = rule.name
                rules.append(rule)
    return rules


def bound_rules(
    requirements: Sequence[Requirement], dataset: str, source: Source, beside: Sequence[Rule]
) -> list[Rule]:
    """Return the rules that requirements binding the data phase ask of a source, those already there left out.

    Only freshness can be measured when a batch arrives: its limit, in days, becomes a rule over the event time.
    """
    asked = {rule.check_id for rule in beside}
    rules = []
    for index, requirement in enumerate(requirements):
        binds = "data" in requirement.phases and requirement.metric == "freshness"
        if binds and requirement.params.get("source") == dataset and source.time is not None:
            check = Check(name=requirement.id, fresh={source.time: f"{round(requirement.value * 86400)}s"})
            [rule] = _split(dataset, "timeliness", check, index)
            if rule.check_id not in asked:
                rules.append(replace(rule, requirement=True))
    return rules


def rule_from(
    check_id: str, name: str, dataset: str, dimension: Dimension, definition: dict[str, Any]
) -> Rule:
    """Return a rule from its `definition`: for one that is not declared any more."""
    then = definition.get("then")
    return Rule(
        check_id=check_id,
        name=name,
        dataset=dataset,
        dimension=dimension,
        kind=str(definition.get("kind", "holds")),
        columns=tuple(definition.get("columns", ())),
        value=definition.get("value"),
        where=definition.get("where"),
        mostly=float(definition.get("mostly", 1.0)),
        severity=definition.get("severity", "critical"),
        set_aside=then == "set_aside",
        mend=Mend(**then) if isinstance(then, dict) else None,
        index=0,
    )


def parents_of(rules: list[Rule]) -> set[str]:
    """Return the tables that `exists_in` rules look into, the rules' own one left out."""
    return {rule.value[0] for rule in rules if rule.kind == "exists_in"} - {rule.dataset for rule in rules}


def _split(dataset: str, dimension: Dimension, check: Check, index: int) -> Iterator[Rule]:
    (kind,) = kinds_of(check)
    declared = getattr(check, kind)
    if kind in BY_COLUMN:
        many = len(declared) > 1
        for column, value in declared.items():
            name = f"{check.name} ({column})" if check.name and many else check.name
            yield _rule(dataset, dimension, check, index, (column,), _value(kind, value), name)
    elif kind in ("not_null", "unique"):
        columns = (declared,) if isinstance(declared, str) else tuple(declared)
        yield _rule(dataset, dimension, check, index, columns, None, check.name)
    else:
        yield _rule(dataset, dimension, check, index, (), declared, check.name)


def _value(kind: str, value: Any) -> Any:
    if kind == "exists_in":
        table, _, column = value.partition(".")
        return [table, column]
    return value


def _rule(
    dataset: str,
    dimension: Dimension,
    check: Check,
    index: int,
    columns: tuple[str, ...],
    value: Any,
    name: str | None,
) -> Rule:
    (kind,) = kinds_of(check)
    asked = [dataset, dimension, kind, list(columns), value, check.where, check.mostly]
    return Rule(
        check_id=sha256_value(asked)[:16],
        name=name or _default_name(dataset, kind, columns, value),
        dataset=dataset,
        dimension=dimension,
        kind=kind,
        columns=columns,
        value=value,
        where=check.where,
        mostly=check.mostly,
        severity=check.severity,
        set_aside=check.then == "set_aside",
        mend=check.then if isinstance(check.then, Mend) else None,
        index=index,
    )


def _default_name(dataset: str, kind: str, columns: tuple[str, ...], value: Any) -> str:
    if kind == "holds":
        return f"{dataset} holds {str(value)[:SHOWN]}"
    subject = f"{dataset}.{'+'.join(columns)}" if columns else dataset
    return f"{subject} {kind.replace('_', ' ')}"
