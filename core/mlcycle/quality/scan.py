"""One batch under its rules: one SELECT counts them all, a second marks the rows that break one."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlcycle.data.model import ROW
from mlcycle.engines.local import Session, SqlError, literal, quote
from mlcycle.quality.compile import (
    BATCH,
    JUDGED,
    Compiled,
    Scene,
    compile_rule,
    expression,
    fresh_sql,
    judged_sql,
    unique_sql,
    wrong,
)
from mlcycle.quality.rules import WHOLE_BATCH, Rule
from mlcycle.quality.score import tolerated

__all__ = ["EXAMPLES", "FLAGS", "Measured", "examples", "mark", "measure", "row_json"]

FLAGS = "__flags"
"""Table of the rows that break a rule: `__row`, and a column `b<position>` and `l<position>` a rule."""
EXAMPLES = 20


@dataclass(frozen=True)
class Measured:
    """What a rule found."""

    rule: Rule
    position: int
    considered: int
    bad: int
    surplus: int | None = None
    observed: str | None = None
    compiled: Compiled | None = None
    """None for a rule about the whole batch."""

    @property
    def good(self) -> bool:
        """Whether the rule is met within its tolerance."""
        return tolerated(self.considered, self.bad, self.rule.mostly)


def measure(
    session: Session, rules: Sequence[Rule], scene: Scene, *, found: int, malformed: int
) -> list[Measured]:
    """Count, for each rule, the rows considered and the rows that break it.

    Parameters
    ----------
    session
        Has the batch's readable rows under `compile.BATCH`, with `__row`.
    rules
        What to measure; parents of every `exists_in` are in the scene.
    found
        Rows in the file.
    malformed
        Those of them that could not be read.

    Raises
    ------
    DeclarationError
        If a rule's SQL is wrong; names the check and the nearest column.
    """
    compiled = _prepare(session, rules, scene)
    counts = _count(session, compiled, scene)
    measured = []
    for position, rule in enumerate(rules):
        if rule.kind == "readable":
            measured.append(Measured(rule, position, found, malformed))
        elif rule.kind == "fresh":
            measured.append(_fresh(session, rule, position, scene))
        elif rule.kind == "rows":
            lost = 0 if rule.where else malformed
            measured.append(_rows(session, rule, position, lost))
        else:
            considered, bad = counts[f"n{position}"], counts[f"b{position}"]
            measured.append(
                Measured(
                    rule, position, considered, bad, counts.get(f"s{position}"), compiled=compiled[position]
                )
            )
    return measured


def mark(session: Session, measured: Sequence[Measured]) -> bool:
    """Fill `FLAGS` with the rows that break a rule about rows; False if there is none."""
    broken = [one for one in measured if one.compiled is not None and one.bad]
    if not broken:
        return False
    flags = ", ".join(
        f"{one.compiled.broken} AS b{one.position}, {one.compiled.leaving} AS l{one.position}"
        for one in broken
        if one.compiled
    )
    either = " OR ".join(f"b{one.position}" for one in broken)
    session.execute(
        f"CREATE OR REPLACE TABLE {quote(FLAGS)} AS "
        f"FROM (SELECT {quote(ROW)}, {flags} FROM {quote(JUDGED)}) WHERE {either}"
    )
    return True


def examples(session: Session, one: Measured, columns: Mapping[str, str]) -> tuple[dict[str, Any], ...]:
    """Return up to 20 of the rows that break a rule, in the order of the file; `mark` has been called."""
    if one.compiled is None or not one.bad:
        return ()
    rows = session.rows(
        f"SELECT f.{quote(ROW)} AS row_number, {row_json(columns, 'b')} AS content FROM {quote(FLAGS)} AS f "
        f"JOIN {quote(BATCH)} AS b USING ({quote(ROW)}) WHERE f.b{one.position} ORDER BY 1 LIMIT {EXAMPLES}"
    )
    return tuple({"row_number": row["row_number"], **json.loads(row["content"])} for row in rows)


def row_json(columns: Mapping[str, str], alias: str) -> str:
    """Return SQL for a row as JSON text; NaN, which JSON lacks, becomes null."""
    pairs = []
    for column, kind in columns.items():
        value = f"{alias}.{quote(column)}"
        if kind in ("DOUBLE", "FLOAT"):
            value = f"CASE WHEN isfinite({value}) THEN {value} END"
        pairs.append(f"{literal(column)}: {value}")
    return f"to_json({{{', '.join(pairs)}}})::VARCHAR"


def _prepare(session: Session, rules: Sequence[Rule], scene: Scene) -> dict[int, Compiled]:
    session.execute(f"CREATE OR REPLACE VIEW {quote(JUDGED)} AS {judged_sql(rules, scene, {})}")
    for rule in rules:
        texts = [
            rule.where,
            rule.value if rule.kind == "holds" else None,
            rule.mend.to if rule.mend else None,
        ]
        for text in texts:
            if text is not None:
                expression(session, rule, text, scene)
    about_rows = {position: rule for position, rule in enumerate(rules) if rule.kind not in WHOLE_BATCH}
    compiled = {position: compile_rule(rule, scene, position) for position, rule in about_rows.items()}
    repeats = {}
    for position, one in compiled.items():
        if one.rule.kind == "unique":
            repeats[position] = f"__repeats_{position}"
            _run(
                session,
                f"CREATE OR REPLACE TABLE {quote(repeats[position])} AS {unique_sql(one, scene)}",
                one.rule,
                scene,
            )
    session.execute(f"CREATE OR REPLACE VIEW {quote(JUDGED)} AS {judged_sql(rules, scene, repeats)}")
    return compiled


def _count(session: Session, compiled: Mapping[int, Compiled], scene: Scene) -> dict[str, int]:
    counted = {position: _counts(position, one) for position, one in compiled.items()}
    try:
        return dict(
            session.one(f"SELECT {', '.join(['count(*) AS n', *counted.values()])} FROM {quote(JUDGED)}")
        )
    except SqlError:
        for position, one in compiled.items():
            _run(session, f"SELECT {counted[position]} FROM {quote(JUDGED)}", one.rule, scene)
        raise


def _counts(position: int, one: Compiled) -> str:
    counts = f"count(*) FILTER (WHERE {one.considered}) AS n{position}"
    counts += f", count(*) FILTER (WHERE {one.broken}) AS b{position}"
    if one.surplus is not None:
        counts += f", count(*) FILTER (WHERE {one.leaving}) AS s{position}"
    return counts


def _run(session: Session, sql: str, rule: Rule, scene: Scene) -> None:
    try:
        session.execute(sql)
    except SqlError as error:
        raise wrong(rule, error.message, scene) from error


def _fresh(session: Session, rule: Rule, position: int, scene: Scene) -> Measured:
    found = session.one(fresh_sql(rule, scene))
    if found["newest"] is None:
        return Measured(rule, position, 1, 1, observed="no value")
    observed = f"newest {found['newest']}, {scene.as_of - found['newest']} before {scene.as_of}"
    return Measured(rule, position, 1, 0 if found["good"] else 1, observed=observed)


def _rows(session: Session, rule: Rule, position: int, lost: int) -> Measured:
    where = f"WHERE ({rule.where}\n)" if rule.where else ""
    rows = int(session.one(f"SELECT count(*) AS n FROM {quote(JUDGED)} {where}")["n"]) + lost
    least, most = rule.value
    good = (least is None or rows >= least) and (most is None or rows <= most)
    return Measured(rule, position, 1, 0 if good else 1, observed=f"{rows} rows")
