"""What happens to the rows of a judged batch: some are set aside, some are mended, the rest stays as it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlcycle.data.model import BATCH_NUMBER, ROW
from mlcycle.engines.local import Part, Session, SqlError, literal, quote
from mlcycle.quality.compile import BATCH, JUDGED, Scene, wrong
from mlcycle.quality.scan import FLAGS, Measured, row_json

__all__ = ["UNREADABLE", "Admitted", "admit"]

UNREADABLE = "unreadable"
"""Check id of malformed rows where no `readable` check is declared."""
LINES = "__lines"


@dataclass(frozen=True)
class Admitted:
    """The clean part of a batch and what is left of it."""

    part: Part
    quarantined: list[dict[str, Any]]
    """`row_number`, `row_key`, `reason`, `check_id`, `content` of each row set aside."""
    mended: int


def admit(
    session: Session,
    measured: Sequence[Measured],
    scene: Scene,
    *,
    marked: bool,
    key: Sequence[str],
    number: int,
    malformed: bool,
) -> Admitted:
    """Write the clean part of a batch.

    Values are judged as found: what is set aside is decided first, each row once, under the first check that takes
    it; then the other bad values are replaced. Where two checks mend one column of a row the first one does.

    Parameters
    ----------
    marked
        Whether `scan.mark` found any row.
    key
        The source's key.
    number
        The batch's number among its source's.
    malformed
        Whether the session has rows that could not be read, under `__lines`.

    Raises
    ------
    DeclarationError
        If a replacement's SQL fails.
    """
    broken = [one for one in measured if one.compiled is not None and one.bad] if marked else []
    leaving = [one for one in broken if one.rule.set_aside]
    mending = [one for one in broken if one.rule.mend is not None]
    quarantined = _unreadable(session, measured) if malformed else []
    quarantined += _set_aside(session, leaving, scene.columns, key)
    mended = _mend(session, mending, leaving, scene)
    part = session.write_part(_clean(scene.columns, leaving, mending, number))
    return Admitted(part, quarantined, mended)


def _unreadable(session: Session, measured: Sequence[Measured]) -> list[dict[str, Any]]:
    rule = next((one.rule for one in measured if one.rule.kind == "readable"), None)
    rows = session.rows(
        f"SELECT {quote(ROW)} AS row_number, NULL AS row_key, reason, to_json({{'line': line, 'raw': raw}})::VARCHAR "
        f"AS content FROM {quote(LINES)} ORDER BY 1"
    )
    return [{**row, "check_id": rule.check_id if rule else UNREADABLE} for row in rows]


def _set_aside(
    session: Session, leaving: Sequence[Measured], columns: Mapping[str, str], key: Sequence[str]
) -> list[dict[str, Any]]:
    if not leaving:
        return []
    reasons = ", ".join(f"CASE WHEN l{one.position} THEN {literal(one.rule.name)} END" for one in leaving)
    checks = " ".join(f"WHEN l{one.position} THEN {literal(one.rule.check_id)}" for one in leaving)
    named = ", ".join(f"b.{quote(column)}::VARCHAR" for column in key)
    return session.rows(
        f"SELECT f.{quote(ROW)} AS row_number, nullif(concat_ws(', ', {named}), '') AS row_key, "
        f"concat_ws('; ', {reasons}) AS reason, CASE {checks} END AS check_id, {row_json(columns, 'b')} AS content "
        f"FROM {quote(FLAGS)} AS f JOIN {quote(BATCH)} AS b USING ({quote(ROW)}) WHERE {_leaves(leaving)} ORDER BY 1"
    )


def _leaves(leaving: Sequence[Measured]) -> str:
    return " OR ".join(f"l{one.position}" for one in leaving) or "FALSE"


def _mend(session: Session, mending: Sequence[Measured], leaving: Sequence[Measured], scene: Scene) -> int:
    """Fill `__mended` with the new values of each row that stays and has a bad one; return the rows that change."""
    if not mending:
        return 0
    for one in mending:
        _replace(session, [one], leaving, scene)
    _replace(session, mending, leaving, scene)
    columns = dict.fromkeys(one.rule.mend.column for one in mending if one.rule.mend)
    changed = " OR ".join(f"{_new(column, mending)} IS DISTINCT FROM m.{quote(column)}" for column in columns)
    return int(session.one(f'SELECT count(*) FILTER (WHERE {changed}) AS n FROM "__mended" AS m')["n"])


def _replace(
    session: Session, mending: Sequence[Measured], leaving: Sequence[Measured], scene: Scene
) -> None:
    values = []
    for one in mending:
        if one.rule.mend is not None:
            kind = scene.columns[one.rule.mend.column]
            to = one.rule.mend.to if one.rule.mend.to is not None else "NULL"
            values.append(f"CASE WHEN b{one.position} THEN CAST(({to}\n) AS {kind}) END AS to{one.position}")
    try:
        session.execute(
            f'CREATE OR REPLACE TABLE "__mended" AS SELECT *, {", ".join(values)} FROM {quote(JUDGED)} '
            f"JOIN {quote(FLAGS)} USING ({quote(ROW)}) WHERE NOT ({_leaves(leaving)})"
        )
    except SqlError as error:
        raise wrong(mending[0].rule, error.message, scene) from error


def _new(column: str, mending: Sequence[Measured]) -> str:
    cases = [
        f"WHEN m.b{one.position} THEN m.to{one.position}"
        for one in mending
        if one.rule.mend is not None and one.rule.mend.column == column
    ]
    return f"CASE {' '.join(cases)} ELSE m.{quote(column)} END"


def _clean(
    columns: Mapping[str, str], leaving: Sequence[Measured], mending: Sequence[Measured], number: int
) -> str:
    mended = {one.rule.mend.column for one in mending if one.rule.mend is not None}
    kept = [
        f"CASE WHEN m.{quote(ROW)} IS NULL THEN b.{quote(column)} ELSE {_new(column, mending)} END AS {quote(column)}"
        if column in mended
        else f"b.{quote(column)}"
        for column in columns
    ]
    sql = f"SELECT {', '.join(kept)}, {number}::INTEGER AS {quote(BATCH_NUMBER)} FROM {quote(BATCH)} AS b"
    if mended:
        sql += f' LEFT JOIN "__mended" AS m ON m.{quote(ROW)} = b.{quote(ROW)}'
    if leaving:
        gone = f"SELECT {quote(ROW)} FROM {quote(FLAGS)} WHERE {_leaves(leaving)}"
        sql += f" WHERE b.{quote(ROW)} NOT IN ({gone})"
    return f"{sql} ORDER BY b.{quote(ROW)}"
