"""One check explained: what it asks, what it said last, and the rows that broke it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Any

from mlcycle import declare
from mlcycle.data import records as batches
from mlcycle.data.manifest import verify_parts
from mlcycle.data.model import ROW, Batch, DatasetVersion
from mlcycle.declare.model import keys_of
from mlcycle.declare.names import suggestion
from mlcycle.engines.local import Session, quote, session
from mlcycle.errors import DataError, DeclarationError, NotFoundError
from mlcycle.quality import records
from mlcycle.quality.admit import LINES
from mlcycle.quality.compile import BATCH
from mlcycle.quality.model import Explained, FailingRow, HistoryPoint
from mlcycle.quality.rules import WHOLE_BATCH, Rule, bound_rules, rules_of
from mlcycle.quality.scan import FLAGS, mark, measure, row_json
from mlcycle.quality.scene import Dataset, set_scene
from mlcycle.quality.words import consequence, in_words
from mlcycle.store import Store
from mlcycle.workspace import Workspace

__all__ = ["MOST", "explain"]

MOST = 1000
"""Rows shown."""


def explain(workspace: Workspace, check: str, *, batch: str | None = None) -> Explained:
    """Explain a check, with the rows that broke it.

    The rows are found by asking the rule again of the batch as it arrived, beside the clean rows of that time; so
    they are there whether they were set aside, mended or left.

    Parameters
    ----------
    check
        Its name or id, or the first characters of its id.
    batch
        Id of the batch, or its last characters; the batch of the newest result unless said.

    Raises
    ------
    NotFoundError
        If no check carries the name, or it never judged that batch.
    """
    store = Store(workspace)
    declarations = declare.load(workspace)
    rule, declared = _find(store, declarations, check)
    history = records.history(store, rule.check_id)
    result = _result(history, rule, batch)
    found = Explained(
        check_id=rule.check_id,
        name=rule.name,
        dataset=rule.dataset,
        dimension=rule.dimension,
        kind=rule.kind,
        severity=rule.severity,
        columns=rule.columns,
        mostly=rule.mostly,
        asks=in_words(rule),
        then=consequence(rule),
        declared=_place(declarations, rule) if declared else None,
        result=result,
        file=None,
        history=tuple(history),
        failing=0,
        rows=(),
        note="" if result else "it has judged no batch yet: mlcycle quality check",
    )
    return found if result is None else _with_rows(workspace, store, declarations, rule, found, result)


def _find(store: Store, declarations: declare.Declarations, wanted: str) -> tuple[Rule, bool]:
    """Return a rule as it is declared, or as it was when it ran last; and whether it is declared."""
    rules = []
    for name, source in declarations.data.sources.items():
        own = rules_of(declarations.checks[name]) if name in declarations.checks else []
        rules += own + bound_rules(declarations.design.requirements, name, source, own)
    known = {rule.check_id for rule in rules}
    old = [rule for rule in records.defined(store) if rule.check_id not in known]
    for group in (rules, old):
        for rule in group:
            if wanted in (rule.name, rule.check_id):
                return rule, group is rules
    near = [rule for rule in (*rules, *old) if len(wanted) >= 4 and rule.check_id.startswith(wanted)]
    if len(near) == 1:
        return near[0], near[0] in rules
    names = [rule.name for rule in (*rules, *old)]
    raise NotFoundError(
        f"no check is called `{wanted}`{suggestion(wanted, names, what='checks')}",
        hint="mlcycle quality history",
    )


def _place(declarations: declare.Declarations, rule: Rule) -> str:
    if rule.requirement:
        place = declarations.place("design.yaml", ("requirements", rule.index))
    else:
        file = declarations.checks_files.get(rule.dataset, f"checks/{rule.dataset}.yaml")
        place = declarations.place(file, (rule.dimension, rule.index))
    return f"{place.file.as_posix()}:{place.line}"


def _result(history: list[HistoryPoint], rule: Rule, batch: str | None) -> HistoryPoint | None:
    if batch is None:
        return history[-1] if history else None
    found = [point for point in history if str(point.batch_id).endswith(batch)]
    if not found:
        raise NotFoundError(f"{rule.name} has judged no batch {batch}", hint="mlcycle quality history")
    return found[-1]


def _with_rows(
    workspace: Workspace,
    store: Store,
    declarations: declare.Declarations,
    rule: Rule,
    found: Explained,
    result: HistoryPoint,
) -> Explained:
    batch = next(one for one in batches.batches(store) if one.batch_id == str(result.batch_id))
    total, rows, note = result.bad_rows, list[FailingRow](), ""
    if rule.kind in ("fresh", "rows"):
        total, note = 0, "it is about the batch as a whole: no row breaks it alone"
    elif rule.dataset not in declarations.data.sources:
        rows, note = (
            _kept(store, rule, batch),
            f"{rule.dataset} is not declared any more; these rows were kept",
        )
    elif result.verdict == "error":
        note = result.observed or "it could not be measured"
    elif total:
        try:
            with session(workspace) as engine:
                rows = _rows(workspace, store, engine, declarations, rule, batch, result.ts)
        except (DataError, DeclarationError) as error:
            rows = _kept(store, rule, batch)
            note = f"{error.message}; these are the rows kept when it was judged"
    if total == 0 and not note:
        older = next((point for point in reversed(found.history) if point.bad_rows), None)
        if older is not None:
            note = (
                f"{older.bad_rows:,} rows of batch {str(older.batch_id)[-8:]} broke it, {older.ts:%Y-%m-%d}"
            )
    if not note and len(rows) < total:
        note = f"the first {len(rows):,} of {total:,}"
    values = {**vars(found), "file": batch.path, "failing": total, "rows": tuple(rows), "note": note}
    return Explained(**values)


def _rows(
    workspace: Workspace,
    store: Store,
    engine: Session,
    declarations: declare.Declarations,
    rule: Rule,
    batch: Batch,
    then: datetime,
) -> list[FailingRow]:
    if rule.kind == "readable":
        return _unreadable(workspace, engine, batch)
    state = _state(workspace, store, declarations, rule, batch, then)
    before = batches.batch_numbers(store)[batch.batch_id][1]
    scene = set_scene(workspace, engine, batch, state, before)
    measured = measure(engine, [rule], scene, found=batch.rows, malformed=batch.malformed)
    if not mark(engine, measured):
        return []
    key = [f"b.{quote(column)}::VARCHAR" for column in keys_of(state[batch.source].source.key)]
    shown = engine.rows(
        f"SELECT f.{quote(ROW)} AS row_number, nullif(concat_ws(', ', {', '.join(key)}), '') AS row_key, f.l0 AS "
        f"leaves, {row_json(scene.columns, 'b')} AS content FROM {quote(FLAGS)} AS f JOIN {quote(BATCH)} AS b "
        f"USING ({quote(ROW)}) WHERE f.b0 ORDER BY 1 LIMIT {MOST}"
    )
    aside = records.set_aside(store, batch.batch_id)
    return [
        FailingRow(row["row_number"], row["row_key"], row["row_number"] in aside, json.loads(row["content"]))
        for row in shown
    ]


def _unreadable(workspace: Workspace, engine: Session, batch: Batch) -> list[FailingRow]:
    if batch.malformed_part is None:
        return []
    part = workspace.part(batch.malformed_part)
    verify_parts([part], f"a batch of {batch.source}")
    engine.table(LINES, [part])
    rows = engine.rows(f"SELECT * FROM {quote(LINES)} ORDER BY {quote(ROW)} LIMIT {MOST}")
    return [
        FailingRow(row[ROW], None, True, {name: row[name] for name in ("line", "raw", "reason")})
        for row in rows
    ]


def _state(
    workspace: Workspace,
    store: Store,
    declarations: declare.Declarations,
    rule: Rule,
    batch: Batch,
    then: datetime,
) -> Mapping[str, Dataset]:
    """Return the datasets as they were when the batch was judged: its own without it."""
    newest: dict[str, DatasetVersion] = {}
    for version in batches.versions(store, workspace, as_of=then):
        if version.dataset != batch.source:
            newest[version.dataset] = version
    own = {
        version.dataset_version: version
        for version in batches.versions(store, workspace, dataset=batch.source)
    }
    if batch.dataset_version in own:
        parent = own[batch.dataset_version].parent
        if parent in own:
            newest[batch.source] = own[parent]
    else:
        for version in own.values():
            if version.created_at <= then:
                newest[batch.source] = version
    locate: Any = partial(lambda found, one: found.place(f"checks/{one.dataset}.yaml"), declarations)
    return {
        name: Dataset(name, source, [rule] if name == batch.source else [], newest.get(name), [], locate)
        for name, source in declarations.data.sources.items()
    }


def _kept(store: Store, rule: Rule, batch: Batch) -> list[FailingRow]:
    """Return what the store itself has of the rows: those set aside under the rule, or the examples."""
    aside = [
        FailingRow(row.row_number, row.row_key, True, row.content)
        for row in records.quarantined_rows(store, batch.source)
        if row.batch_id == batch.batch_id and row.check_id == rule.check_id
    ]
    if aside or rule.kind in WHOLE_BATCH:
        return aside[:MOST]
    return [
        FailingRow(int(row.pop("row_number", 0)), None, False, row)
        for row in records.examples(store, rule.check_id, batch.batch_id)
    ]
