"""From rules to SQL over one batch: which rows a rule considers, and which of those break it.

All row rules of a batch are counted in one SELECT over one relation, `__judged`: the batch's rows and `as_of`, each
parent of an `exists_in` joined on its distinct keys, each `unique` joined to the few rows whose value is repeated.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from mlcycle.data.model import ROW
from mlcycle.declare.model import seconds_of
from mlcycle.declare.names import suggestion
from mlcycle.engines.local import Session, SqlError, literal, quote
from mlcycle.errors import DeclarationError
from mlcycle.quality.rules import Rule

__all__ = ["BATCH", "JUDGED", "Compiled", "Scene", "compile_rule", "expression", "judged_sql", "missing", "unique_sql", "wrong"]

BATCH = "__batch"
JUDGED = "__judged"
FLOATS = ("DOUBLE", "FLOAT")


@dataclass(frozen=True)
class Scene:
    """What rules are judged on."""

    columns: Mapping[str, str]
    """Column of the batch to its DuckDB type."""
    as_of: datetime
    parents: Mapping[tuple[str, str], str]
    """(table, column) of an `exists_in` to the relation, quoted, that holds its values."""
    earlier: str | None
    """Quoted relation of the clean rows so far, if a value that stands there already is a repetition."""
    file: Path | None = None
    """Where the rules are declared."""


@dataclass(frozen=True)
class Compiled:
    """One rule as SQL over `__judged`."""

    rule: Rule
    considered: str
    bad: str
    """Of a considered row; NULL is not bad."""
    surplus: str | None = None
    """`unique` only: of a considered row, whether it comes after the first."""

    @property
    def broken(self) -> str:
        """Condition of the rows that break the rule."""
        return f"coalesce(({self.considered}) AND ({self.bad}), FALSE)"

    @property
    def leaving(self) -> str:
        """Condition of the rows that `set_aside` takes."""
        return self.broken if self.surplus is None else f"coalesce(({self.considered}) AND ({self.surplus}), FALSE)"


def compile_rule(rule: Rule, scene: Scene, position: int) -> Compiled:
    """Return a row rule as SQL; `position` names what it joins.

    Raises
    ------
    DeclarationError
        If it names a column that the batch does not have.
    """
    for column in rule.columns:
        _known(rule, column, scene)
    where = f"({rule.where}\n)" if rule.where else "TRUE"
    if rule.kind == "holds":
        return Compiled(rule, f"{where} AND ({rule.value}\n) IS NOT NULL", f"NOT ({rule.value}\n)")
    if rule.kind == "not_null":
        return Compiled(rule, where, missing(rule.columns[0], scene.columns))
    if rule.kind == "unique":
        present = f"{where} AND NOT ({_all_missing(rule, scene)})"
        flag = quote(f"__repeats_{position}")
        return Compiled(rule, present, f"{flag} IS NOT NULL", f"coalesce({flag}, FALSE)")
    column, kind = quote(rule.columns[0]), scene.columns[rule.columns[0]]
    present = f"{where} AND NOT ({missing(rule.columns[0], scene.columns)})"
    if rule.kind == "not_after":
        bound = "as_of" if rule.value == "as_of" else _known(rule, rule.value, scene)
        if rule.value != "as_of":
            present += f" AND NOT ({missing(rule.value, scene.columns)})"
        return Compiled(rule, present, f"{column} > {bound}")
    return Compiled(rule, present, _bad(rule, column, kind, position))


def _bad(rule: Rule, column: str, kind: str, position: int) -> str:
    if rule.kind == "in_set":
        values = [f"CAST({literal(value)} AS {kind})" for value in rule.value if value is not None]
        return f"{column} NOT IN ({', '.join(values)})" if values else "TRUE"
    if rule.kind == "between":
        low, high = rule.value
        sides = [f"{column} {sign} CAST({literal(side)} AS {_comparable(kind, side)})" for sign, side in ((">=", low), ("<=", high)) if side is not None]
        return f"NOT ({' AND '.join(sides)})" if sides else "FALSE"
    if rule.kind == "matches":
        return f"NOT regexp_matches(CAST({column} AS VARCHAR), {literal(rule.value)})"
    if rule.kind == "exists_in":
        return quote(f"__orphan_{position}")
    raise DeclarationError(f"check {rule.name}: {rule.kind} is no rule about rows")


def _comparable(kind: str, side: object) -> str:
    # A fraction as the border of an integer column must not be rounded: 1 is not between 1.5 and 3.
    return "DOUBLE" if kind == "BIGINT" and isinstance(side, float) else kind


def missing(column: str, columns: Mapping[str, str]) -> str:
    """Return the condition that a value is missing: NULL, or NaN in a column of numbers."""
    name = quote(column)
    return f"{name} IS NULL OR isnan({name})" if columns[column] in FLOATS else f"{name} IS NULL"


def _all_missing(rule: Rule, scene: Scene) -> str:
    return " AND ".join(f"({missing(column, scene.columns)})" for column in rule.columns)


def unique_sql(compiled: Compiled, scene: Scene) -> str:
    """Return the SELECT of the rows whose value is repeated: `__row`, and whether the row comes after the first.

    A value that stands in the clean rows so far makes every row of the batch that has it a repetition. Where
    several columns are unique together a missing part is a value like any other.
    """
    rule = compiled.rule
    names = [f"k{position}" for position in range(len(rule.columns))]
    keys = [
        f"CASE WHEN NOT ({missing(column, scene.columns)}) THEN {quote(column)} END AS {name}"
        for column, name in zip(rule.columns, names, strict=True)
    ]
    same = " AND ".join(f"v.{name} IS NOT DISTINCT FROM d.{name}" for name in names)
    listed = ", ".join(names)
    values = f"v AS (SELECT {quote(ROW)} AS n, {', '.join(keys)} FROM {quote(JUDGED)} WHERE {compiled.considered})"
    repeated = f"SELECT {listed}, min(n) AS first FROM v GROUP BY {listed} HAVING count(*) > 1"
    if scene.earlier is not None:
        there = ", ".join(f"{quote(column)} AS {name}" for column, name in zip(rule.columns, names, strict=True))
        # Row 0 stands for the row that came with an earlier batch.
        repeated += f" UNION ALL SELECT DISTINCT {listed}, 0 AS first FROM (SELECT {there} FROM {scene.earlier}) AS v"
        repeated = f"SELECT {listed}, min(first) AS first FROM ({repeated}) GROUP BY {listed}"
    return (
        f"WITH {values}, d AS ({repeated}) SELECT v.n AS {quote(ROW)}, v.n > d.first AS surplus "
        f"FROM v JOIN d ON {same}"
    )


def judged_sql(rules: Sequence[Rule], scene: Scene, repeats: Mapping[int, str]) -> str:
    """Return the SELECT behind `__judged`.

    Parameters
    ----------
    repeats
        Position of a `unique` rule to the table with its repeated rows, as `unique_sql` makes it.
    """
    as_of = "" if "as_of" in scene.columns else f", {literal(scene.as_of)} AS as_of"
    selected, joined = [f"b.*{as_of}"], [f"FROM {quote(BATCH)} AS b"]
    for position, rule in enumerate(rules):
        if rule.kind == "exists_in":
            parent, key = scene.parents[rule.value[0], rule.value[1]], quote(rule.value[1])
            column = quote(rule.columns[0])
            selected.append(f"p{position}.k IS NULL AS {quote(f'__orphan_{position}')}")
            joined.append(
                f"LEFT JOIN (SELECT DISTINCT {key}::VARCHAR AS k FROM {parent} WHERE {key} IS NOT NULL) AS p{position} "
                f"ON b.{column}::VARCHAR = p{position}.k"
            )
        elif rule.kind == "unique":
            flag = quote(f"__repeats_{position}")
            if position in repeats:
                selected.append(f"u{position}.surplus AS {flag}")
                joined.append(f"LEFT JOIN {quote(repeats[position])} AS u{position} ON u{position}.{quote(ROW)} = b.{quote(ROW)}")
            else:
                selected.append(f"NULL::BOOLEAN AS {flag}")
    return f"SELECT {', '.join(selected)} {' '.join(joined)}"


def expression(session: Session, rule: Rule, text: str, scene: Scene) -> None:
    """Refuse workspace SQL that is not one expression over the batch's columns.

    Raises
    ------
    DeclarationError
        With DuckDB's message, or the nearest column where one is unknown.
    """
    probe = f"SELECT ({text}\n)"
    parsed = json.loads(session.one("SELECT json_serialize_sql(?::VARCHAR)::VARCHAR AS tree", [probe])["tree"])
    if parsed["error"]:
        raise wrong(rule, parsed.get("error_message", "it is not SQL"), scene)
    if len(parsed["statements"]) != 1:
        raise wrong(rule, "it is more than one expression", scene)
    try:
        session.execute(f"{probe} FROM {quote(JUDGED)} LIMIT 0")
    except SqlError as error:
        raise wrong(rule, error.message, scene) from error


def wrong(rule: Rule, message: str, scene: Scene) -> DeclarationError:
    """Return the error for a rule that DuckDB refuses; names the nearest column where one is unknown."""
    first = message.strip().splitlines()[0]
    unknown = re.search(r'(?:column|Table) (?:named )?"([^"]+)" (?:not found|does not exist)', first)
    if unknown:
        first = f"no column `{unknown[1]}`{suggestion(unknown[1], [*scene.columns, 'as_of'], what='its columns')}"
    return DeclarationError(f"check {rule.name} of {rule.dataset}: {first}", file=scene.file, hint="correct it in the check file")


def _known(rule: Rule, column: str, scene: Scene) -> str:
    if column not in scene.columns:
        near = suggestion(column, scene.columns, what="its columns")
        raise DeclarationError(
            f"check {rule.name} of {rule.dataset}: no column `{column}`{near}", file=scene.file, hint="correct it in the check file"
        )
    return quote(column)


def fresh_sql(rule: Rule, scene: Scene) -> str:
    """Return the SELECT of a freshness rule: the newest value, and whether it is young enough at `as_of`."""
    column, where = quote(rule.columns[0]), f"({rule.where}\n)" if rule.where else "TRUE"
    limit = f"to_seconds({seconds_of(rule.value)})"
    return (
        f"SELECT max({column}) FILTER (WHERE {where})::TIMESTAMP AS newest, "
        f"max({column}) FILTER (WHERE {where})::TIMESTAMP >= {literal(scene.as_of)} - {limit} AS good FROM {quote(JUDGED)}"
    )
