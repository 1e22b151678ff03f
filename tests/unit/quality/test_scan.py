"""The counts of one SELECT against a row-by-row evaluation in Python."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlcycle.declare.model import Check, Checks
from mlcycle.engines.local import Session, literal, session
from mlcycle.quality.compile import EARLIER, Parent, Scene
from mlcycle.quality.rules import Rule, rules_of
from mlcycle.quality.scan import mark, measure

AS_OF = datetime(2025, 1, 10)
TYPES = {"a": "BIGINT", "x": "DOUBLE", "s": "VARCHAR", "t": "TIMESTAMP", "u": "TIMESTAMP"}
Row = dict[str, Any]

moments = st.one_of(st.none(), st.integers(0, 20).map(lambda day: datetime(2025, 1, 1) + timedelta(days=day)))
rows_of = st.lists(
    st.fixed_dictionaries(
        {
            "a": st.one_of(st.none(), st.integers(-3, 3)),
            "x": st.one_of(st.none(), st.sampled_from([math.nan, -1.5, 0.0, 1.0, 2.5])),
            "s": st.one_of(st.none(), st.sampled_from(["", "a", "b", "it's", "AB-1"])),
            "t": moments,
            "u": moments,
        }
    ),
    max_size=12,
)
wheres = st.sampled_from([None, "a > 0", "s = 'a' OR x < 1", "t <= as_of"])
KINDS: list[dict[str, Any]] = [
    {"not_null": "a"},
    {"not_null": "x"},
    {"unique": "a"},
    {"unique": "x"},
    {"unique": ["a", "s"]},
    {"unique": ["x", "t"]},
    {"in_set": {"s": ["a", "it's"]}},
    {"in_set": {"a": [0, 1, None]}},
    {"between": {"a": [None, 1.5]}},
    {"between": {"a": [-1.0, 1.0]}},
    {"between": {"x": [-1.5, None]}},
    {"between": {"x": [0.0, 1.0]}},
    {"between": {"t": ["2025-01-03", None]}},
    {"matches": {"s": "^[A-Z]{2}-[0-9]$"}},
    {"exists_in": {"a": "parents.a"}},
    {"not_after": {"t": "as_of"}},
    {"not_after": {"t": "u"}},
    {"holds": "a <= x"},
]
wheres_of = st.lists(wheres, min_size=len(KINDS), max_size=len(KINDS))


@pytest.fixture(scope="module")
def engine() -> Iterator[Session]:
    with session() as opened:
        yield opened


@settings(max_examples=40, deadline=None)
@given(rows=rows_of, earlier=st.none() | rows_of, parents=st.sets(st.integers(-3, 3)), wheres=wheres_of)
def test_one_scan_counts_what_a_row_by_row_evaluation_counts(
    engine: Session, rows: list[Row], earlier: list[Row] | None, parents: set[int], wheres: list[str | None]
) -> None:
    checks = [Check(**kind, where=where) for kind, where in zip(KINDS, wheres, strict=True)]
    rules = rules_of(Checks(table="things", consistency=checks))
    _fill(engine, "__batch", rows)
    _fill(engine, EARLIER, earlier or [])
    engine.execute("CREATE OR REPLACE TABLE parents(a BIGINT)")
    for parent in parents:
        engine.execute(f"INSERT INTO parents VALUES ({parent})")
    scene = Scene(
        TYPES,
        AS_OF,
        {("parents", "a"): Parent("parents", "BIGINT")},
        frozenset(TYPES) if earlier is not None else frozenset(),
    )
    measured = measure(engine, rules, scene, found=len(rows), malformed=0)
    marked = mark(engine, measured)
    for one in measured:
        considered, bad, surplus = _evaluate(one.rule, rows, earlier or [], parents)
        assert (one.considered, one.bad) == (considered, len(bad)), one.rule
        assert one.surplus == (len(surplus) if one.rule.kind == "unique" else None), one.rule
        if bad:
            assert marked
            found = engine.rows(f"SELECT __row, l{one.position} AS leaves FROM __flags WHERE b{one.position}")
            assert {row["__row"] for row in found} == bad
            assert {row["__row"] for row in found if row["leaves"]} == surplus


def _fill(engine: Session, table: str, rows: list[Row]) -> None:
    columns = ", ".join(f"{name} {kind}" for name, kind in TYPES.items())
    engine.execute(f"CREATE OR REPLACE TABLE {table}(__row BIGINT, {columns})")
    for number, row in enumerate(rows, start=1):
        values = ", ".join(literal(row[name]) for name in TYPES)
        engine.execute(f"INSERT INTO {table} VALUES ({number}, {values})")


def _missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _less(one: Any, other: Any) -> bool | None:
    """Order as DuckDB's: NaN is greater than every number."""
    if one is None or other is None:
        return None
    if isinstance(other, float) and math.isnan(other):
        return not (isinstance(one, float) and math.isnan(one))
    return bool(one < other)


def _where(rule: Rule, row: Row) -> bool:
    if rule.where is None:
        return True
    if rule.where == "a > 0":
        return row["a"] is not None and row["a"] > 0
    if rule.where == "t <= as_of":
        return row["t"] is not None and row["t"] <= AS_OF
    return row["s"] == "a" or _less(row["x"], 1) is True


def _evaluate(
    rule: Rule, rows: list[Row], earlier: list[Row], parents: set[int]
) -> tuple[int, set[int], set[int]]:
    """Return the rows considered, and the numbers of those that are bad and that would leave."""
    numbered = [(number, row) for number, row in enumerate(rows, start=1) if _where(rule, row)]
    if rule.kind == "unique":
        return _repeated(rule, numbered, [row for row in earlier if _where(rule, row)])
    bad, considered = set(), 0
    for number, row in numbered:
        verdict = _bad(rule, row, parents)
        considered += verdict is not None
        if verdict:
            bad.add(number)
    return considered, bad, bad


def _bad(rule: Rule, row: Row, parents: set[int]) -> bool | None:
    """Return whether a row is bad, None if it is not considered."""
    if rule.kind == "holds":
        if row["a"] is None or row["x"] is None:
            return None
        return not (math.isnan(row["x"]) or row["a"] <= row["x"])
    value = row[rule.columns[0]]
    if rule.kind == "not_null":
        return _missing(value)
    if _missing(value):
        return None
    if rule.kind == "in_set":
        return value not in rule.value
    if rule.kind == "between":
        low, high = (datetime.fromisoformat(one) if isinstance(one, str) else one for one in rule.value)
        return (low is not None and value < low) or (high is not None and value > high)
    if rule.kind == "matches":
        return re.search(rule.value, value) is None
    if rule.kind == "exists_in":
        return value not in parents
    bound = AS_OF if rule.value == "as_of" else row["u"]
    return None if bound is None else value > bound


def _repeated(
    rule: Rule, numbered: list[tuple[int, Row]], earlier: list[Row]
) -> tuple[int, set[int], set[int]]:
    def key(row: Row) -> tuple[Any, ...] | None:
        values = tuple(None if _missing(row[column]) else row[column] for column in rule.columns)
        return None if all(value is None for value in values) else values

    keyed = [(number, key(row)) for number, row in numbered if key(row) is not None]
    counts = Counter(value for _, value in keyed)
    there = {key(row) for row in earlier}
    first: dict[tuple[Any, ...] | None, int] = {}
    for number, value in keyed:
        first.setdefault(value, number)
    bad = {number for number, value in keyed if counts[value] > 1 or value in there}
    surplus = {number for number, value in keyed if value in there or number > first[value]}
    return len(keyed), bad, surplus
