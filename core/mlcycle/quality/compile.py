"""From rules to SQL over one batch: which rows a rule considers, and which of those break it.

All row rules of a batch are counted in one SELECT over one relation, `__judged`: the batch's rows and `as_of`, each
parent of an `exists_in` joined on its distinct keys, each `unique` joined to the few rows whose value is repeated.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from mlcycle.data.model import ROW
from mlcycle.declare import Place
from mlcycle.declare.model import seconds_of
from mlcycle.declare.names import suggestion
from mlcycle.engines.local import Session, SqlError, literal, quote
from mlcycle.errors import DeclarationError
from mlcycle.quality.rules import Rule

__all__ = [
    "BATCH",
    "EARLIER",
    "JUDGED",
    "Compiled",
    "Parent",
    "Scene",
    "compile_rule",
    "expression",
    "fresh_sql",
    "judged_sql",
    "missing",
    "unique_sql",
    "wrong",
]

BATCH = "__batch"
EARLIER = "__earlier"
JUDGED = "__judged"
FLOATS = ("DOUBLE", "FLOAT")


@dataclass(frozen=True)
class Parent:
    """Where an `exists_in` looks."""

    relation: str
    """Quoted SQL that can stand after FROM."""
    type: str
    """DuckDB type of the column."""


@dataclass(frozen=True)
class Scene:
    """What rules are judged on."""

    columns: Mapping[str, str]
    """Column of the batch to its DuckDB type."""
    as_of: datetime
    parents: Mapping[tuple[str, str], Parent]
    """(table, column) of an `exists_in` to where its values are."""
    earlier: frozenset[str] = frozenset()
    """Columns of `__earlier`, the clean rows so far, if a value that stands there already is a repetition."""
    locate: Callable[[Rule], Place] | None = None
    """Where a rule is declared."""


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
        return (
            self.broken
            if self.surplus is None
            else f"coalesce(({self.considered}) AND ({self.surplus}), FALSE)"
        )


def compile_rule(rule: Rule, scene: Scene, position: int) -> Compiled:
    """Return a row rule as SQL; `position` names what it joins.

    Raises
    ------
    DeclarationError
        If it names a column that the batch does not have.
    """
    for column in (*rule.columns, *([rule.mend.column] if rule.mend else [])):
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
    return Compiled(rule, present, _bad(rule, column, kind, position, scene))


def _bad(rule: Rule, column: str, kind: str, position: int, scene: Scene) -> str:
    if rule.kind == "in_set":
        values = [f"CAST({literal(value)} AS {kind})" for value in rule.value if value is not None]
        return f"{column} NOT IN ({', '.join(values)})" if values else "TRUE"
    if rule.kind == "between":
        low, high = (_border(rule, side, kind, scene) for side in rule.value)
        sides = [f"{column} {sign} {side}" for sign, side in ((">=", low), ("<=", high)) if side is not None]
        return f"NOT ({' AND '.join(sides)})" if sides else "FALSE"
    if rule.kind == "matches":
        return f"NOT regexp_matches(CAST({column} AS VARCHAR), {literal(rule.value)})"
    if rule.kind == "exists_in":
        return quote(f"__orphan_{position}")
    raise DeclarationError(f"check {rule.name}: {rule.kind} is no rule about rows")


def _border(rule: Rule, side: float | str | None, kind: str, scene: Scene) -> str | None:
    if side is None:
        return None
    if kind == "VARCHAR" and not isinstance(side, str):
        raise _error(
            rule,
            f"`{rule.columns[0]}` is text, {side:g} is a number",
            scene,
            hint="declare the column as a number in data.yaml, or quote the border to compare as text",
        )
    # A fraction as the border of an integer column must not be rounded: 1 is not between 1.5 and 3.
    fraction = kind == "BIGINT" and isinstance(side, float) and not side.is_integer()
    return f"CAST({literal(side)} AS {'DOUBLE' if fraction else kind})"


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
    listed = ", ".join(names)
    keys = ", ".join(
        f"CASE WHEN NOT ({missing(column, scene.columns)}) THEN {quote(column)} END AS {name}"
        for column, name in zip(rule.columns, names, strict=True)
    )
    values = f"SELECT {quote(ROW)} AS n, {keys} FROM {quote(JUDGED)} WHERE {compiled.considered}"
    first = f"SELECT {listed}, min(n) AS first FROM v GROUP BY {listed} HAVING count(*) > 1"
    if scene.earlier.issuperset(rule.columns):
        there = f"(SELECT *{_as_of(scene)} FROM {quote(EARLIER)})"
        # Row 0 stands for the row that came with an earlier batch.
        seen = f"SELECT DISTINCT {keys}, 0 AS first FROM {there} WHERE {compiled.considered}"
        first = f"SELECT {listed}, min(first) AS first FROM ({first} UNION ALL {seen}) GROUP BY {listed}"
    same = " AND ".join(f"v.{name} IS NOT DISTINCT FROM d.{name}" for name in names)
    later = f"SELECT v.n AS {quote(ROW)}, v.n > d.first AS surplus FROM v JOIN d ON {same}"
    return f"WITH v AS ({values}), d AS ({first}) {later}"


def _as_of(scene: Scene) -> str:
    return "" if "as_of" in scene.columns else f", {literal(scene.as_of)} AS as_of"


def judged_sql(rules: Sequence[Rule], scene: Scene, repeats: Mapping[int, str]) -> str:
    """Return the SELECT behind `__judged`.

    Parameters
    ----------
    repeats
        Position of a `unique` rule to the table with its repeated rows, as `unique_sql` makes it.
    """
    selected, joined = [f"b.*{_as_of(scene)}"], [f"FROM {quote(BATCH)} AS b"]
    for position, rule in enumerate(rules):
        if rule.kind == "exists_in":
            parent, key = scene.parents[rule.value[0], rule.value[1]], quote(rule.value[1])
            cast = "" if _alike(parent.type, scene.columns[rule.columns[0]]) else "::VARCHAR"
            selected.append(f"p{position}.k IS NULL AS {quote(f'__orphan_{position}')}")
            joined.append(
                f"LEFT JOIN (SELECT DISTINCT {key}{cast} AS k FROM {parent.relation} WHERE {key} IS NOT NULL) "
                f"AS p{position} ON b.{quote(rule.columns[0])}{cast} = p{position}.k"
            )
        elif rule.kind == "unique":
            flag = quote(f"__repeats_{position}")
            if position in repeats:
                selected.append(f"u{position}.surplus AS {flag}")
                joined.append(
                    f"LEFT JOIN {quote(repeats[position])} AS u{position} ON u{position}.{quote(ROW)} = b.{quote(ROW)}"
                )
            else:
                selected.append(f"NULL::BOOLEAN AS {flag}")
    return f"SELECT {', '.join(selected)} {' '.join(joined)}"


def _alike(one: str, other: str) -> bool:
    return any({one, other} <= family for family in ({"BIGINT", "DOUBLE"}, {"DATE", "TIMESTAMP"}, {one}))


def expression(session: Session, rule: Rule, text: str, scene: Scene) -> None:
    """Refuse workspace SQL that is not one expression over the batch's columns.

    Raises
    ------
    DeclarationError
        With DuckDB's message, or the nearest column where one is unknown.
    """
    probe = f"SELECT ({text}\n)"
    parsed = json.loads(
        session.one("SELECT json_serialize_sql(?::VARCHAR)::VARCHAR AS tree", [probe])["tree"]
    )
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
        first = (
            f"no column `{unknown[1]}`{suggestion(unknown[1], [*scene.columns, 'as_of'], what='its columns')}"
        )
    return _error(rule, first, scene, hint="correct the check")


def _error(rule: Rule, message: str, scene: Scene, *, hint: str) -> DeclarationError:
    place = scene.locate(rule) if scene.locate else None
    return DeclarationError(
        f"check {rule.name}: {message}",
        file=place.file if place else None,
        line=place.line if place else None,
        column=place.column if place else None,
        hint=hint,
    )


def _known(rule: Rule, column: str, scene: Scene) -> str:
    if column not in scene.columns:
        near = suggestion(column, scene.columns, what="its columns")
        raise _error(rule, f"no column `{column}`{near}", scene, hint="correct the check")
    return quote(column)


def fresh_sql(rule: Rule, scene: Scene) -> str:
    """Return the SELECT of a freshness rule: the newest value, and whether it is young enough at `as_of`."""
    column, where = _known(rule, rule.columns[0], scene), f"({rule.where}\n)" if rule.where else "TRUE"
    oldest = f"{literal(scene.as_of)} - to_seconds({seconds_of(rule.value)})"
    newest = f"max({column}) FILTER (WHERE {where})::TIMESTAMP"
    return f"SELECT {newest} AS newest, {newest} >= {oldest} AS good FROM {quote(JUDGED)}"
