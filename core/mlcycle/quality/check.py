"""Judge the batches that have arrived, mend and set aside what the rules say, and admit the rest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from graphlib import CycleError, TopologicalSorter
from typing import Any

from mlcycle import clock, declare, progress
from mlcycle.data import records as batches
from mlcycle.data.manifest import next_version
from mlcycle.data.model import ROW, SQL_TYPES, Batch, DatasetVersion
from mlcycle.declare.model import ColumnType, keys_of
from mlcycle.engines.local import Part, Session, add_fingerprints, fingerprint, quote, session
from mlcycle.errors import Busy, DeclarationError
from mlcycle.ids import new_id
from mlcycle.quality import records, score
from mlcycle.quality.admit import LINES, Admitted, admit
from mlcycle.quality.compile import Scene
from mlcycle.quality.model import CheckResult, QualityReport, Verdict
from mlcycle.quality.rules import Rule, bound_rules, parents_of, rules_of
from mlcycle.quality.scan import EXAMPLES, Measured, examples, mark, measure
from mlcycle.quality.scene import Dataset, set_scene
from mlcycle.store import Store
from mlcycle.workspace import Workspace

__all__ = ["check"]

TYPE_NAMES: dict[str, ColumnType] = {sql: name for name, sql in SQL_TYPES.items()}


@dataclass(frozen=True)
class _Outcome:
    """One judged batch, to be recorded."""

    batch: Batch
    report: QualityReport
    rules: Sequence[Rule]
    version: DatasetVersion | None = None
    parts: Sequence[Part] = ()
    quarantined: Sequence[dict[str, Any]] = field(default_factory=tuple)


def check(workspace: Workspace, dataset: str | None = None, *, again: bool = False) -> list[QualityReport]:
    """Judge each batch that waits, in the order of arrival, parents of `exists_in` rules before their children.

    A batch with a failed check is refused whole: no version is made, and the report names the check. Any other is
    admitted: rows that a rule sets aside go to quarantine, values that a rule mends are replaced, and the rest is a
    further part of the dataset's next version. Files are written first; one store transaction then records all of it.

    Parameters
    ----------
    dataset
        Only this one, and those its rules look into.
    again
        Judge refused batches anew, after rules have changed.

    Returns
    -------
    list of QualityReport
        One a batch; empty if none waited. A batch whose rules look into a table without any clean row gets the
        verdict `error` and goes on waiting.

    Raises
    ------
    NotFoundError
        If no source carries the name.
    DeclarationError
        If a rule's SQL is wrong, or it names a column the batch does not have.
    Busy
        If another process judged the same batches meanwhile.
    """
    declarations = declare.load(workspace)
    if dataset is not None:
        declarations.source(dataset)
    store = Store(workspace)
    waiting = batches.batches(store, states=["arrived", "refused"] if again else ["arrived"])
    if not waiting:
        return []
    state = _load(workspace, store, declarations)
    numbers = batches.batch_numbers(store)
    outcomes: list[_Outcome] = []
    with session(workspace) as engine:
        order = _order(state, dataset)
        total = sum(batch.source in order for batch in waiting)
        for name in order:
            for batch in waiting:
                if batch.source == name:
                    progress.tell("check batches", len(outcomes), total)
                    outcome = _judge(workspace, engine, batch, state, numbers[batch.batch_id])
                    outcomes.append(outcome)
                    if outcome.version is not None:
                        state[name].version, state[name].parts = outcome.version, list(outcome.parts)
    progress.tell("check batches", total, total)
    _record(store, outcomes)
    return [outcome.report for outcome in outcomes]


def _load(workspace: Workspace, store: Store, declarations: declare.Declarations) -> dict[str, Dataset]:
    newest = {version.dataset: version for version in batches.versions(store, workspace)}
    state = {}
    for name, source in declarations.data.sources.items():
        version = newest.get(name)
        parts = batches.part_hashes(store, version.dataset_version) if version else []
        rules = rules_of(declarations.checks[name]) if name in declarations.checks else []
        rules += bound_rules(declarations.design.requirements, name, source, rules)
        state[name] = Dataset(name, source, rules, version, parts, partial(_place, declarations))
    return state


def _place(declarations: declare.Declarations, rule: Rule) -> declare.Place:
    if rule.requirement:
        return declarations.place("design.yaml", ("requirements", rule.index))
    file = declarations.checks_files.get(rule.dataset, f"checks/{rule.dataset}.yaml")
    return declarations.place(file, (rule.dimension, rule.index))


def _order(state: Mapping[str, Dataset], wanted: str | None) -> list[str]:
    parents = {name: sorted(parents_of(one.rules)) for name, one in state.items()}
    try:
        order = list(TopologicalSorter(parents).static_order())
    except CycleError as error:
        circle = " -> ".join(error.args[1])
        raise DeclarationError(
            f"the checks of these tables wait for each other: {circle}",
            hint="take one of their exists_in rules away",
        ) from error
    if wanted is None:
        return order
    needed, open_ends = set[str](), [wanted]
    while open_ends:
        name = open_ends.pop()
        if name not in needed:
            needed.add(name)
            open_ends += parents[name]
    return [name for name in order if name in needed]


def _judge(
    workspace: Workspace, engine: Session, batch: Batch, state: Mapping[str, Dataset], place: tuple[int, int]
) -> _Outcome:
    dataset, (number, before) = state[batch.source], place
    blocked = [name for name in sorted(parents_of(dataset.rules)) if state[name].version is None]
    if blocked:
        return _Outcome(batch, _blocked(batch, dataset, blocked), dataset.rules)
    scene = set_scene(workspace, engine, batch, state, before)
    measured = measure(engine, dataset.rules, scene, found=batch.rows, malformed=batch.malformed)
    marked = mark(engine, measured)
    results = [_result(engine, one, scene, batch) for one in measured]
    verdicts: list[Verdict] = [result.verdict for result in results]
    if batch.malformed and not any(rule.kind == "readable" for rule in dataset.rules):
        verdicts.append("warn")  # rows are lost that no rule speaks of
    verdict = score.batch_verdict(verdicts)
    if verdict == "fail":
        return _Outcome(batch, _report(batch, dataset, results, verdict), dataset.rules)
    admitted = admit(
        engine,
        measured,
        scene,
        marked=marked,
        key=keys_of(dataset.source.key),
        number=number,
        malformed=batch.malformed > 0,
    )
    version, parts = _grow(workspace, engine, dataset, scene, admitted)
    report = _report(batch, dataset, results, verdict, version=version, admitted=admitted)
    return _Outcome(batch, report, dataset.rules, version, parts, admitted.quarantined)


def _result(engine: Session, one: Measured, scene: Scene, batch: Batch) -> CheckResult:
    rule = one.rule
    verdict = score.verdict_of(good=one.good, handled=rule.handled, severity=rule.severity)
    if batch.rows == batch.malformed and rule.kind not in ("readable", "rows"):
        verdict = "not measured"
    shown = examples(engine, one, scene.columns)
    if rule.kind == "readable" and batch.malformed:
        lines = engine.rows(
            f"SELECT line, raw, reason FROM {quote(LINES)} ORDER BY {quote(ROW)} LIMIT {EXAMPLES}"
        )
        shown = tuple(lines)
    return CheckResult(
        check_id=rule.check_id,
        name=rule.name,
        dimension=rule.dimension,
        kind=rule.kind,
        severity=rule.severity,
        verdict=verdict,
        considered=one.considered,
        bad_rows=one.bad,
        surplus=one.surplus,
        observed=one.observed,
        examples=shown,
    )


def _report(
    batch: Batch,
    dataset: Dataset,
    results: Sequence[CheckResult],
    verdict: Verdict,
    *,
    version: DatasetVersion | None = None,
    admitted: Admitted | None = None,
) -> QualityReport:
    dimensions = score.dimension_scores(results)
    return QualityReport(
        quality_run_id=new_id(),
        dataset=dataset.name,
        batch_id=batch.batch_id,
        dataset_version=version.dataset_version if version else None,
        rows=batch.rows,
        set_aside=len(admitted.quarantined) if admitted else 0,
        mended=admitted.mended if admitted else 0,
        verdict=verdict,
        score=score.overall(dimensions),
        dimensions=dimensions,
        results=tuple(results),
        ts=clock.now(),
    )


def _blocked(batch: Batch, dataset: Dataset, parents: Sequence[str]) -> QualityReport:
    results = []
    for rule in dataset.rules:
        error = rule.kind == "exists_in" and rule.value[0] in parents
        results.append(
            CheckResult(
                check_id=rule.check_id,
                name=rule.name,
                dimension=rule.dimension,
                kind=rule.kind,
                severity=rule.severity,
                verdict="error" if error else "not measured",
                considered=0,
                bad_rows=0,
                surplus=None,
                observed=f"{rule.value[0]} has no checked version yet" if error else None,
                examples=(),
            )
        )
    return _report(batch, dataset, results, "error")


def _grow(
    workspace: Workspace, engine: Session, dataset: Dataset, scene: Scene, admitted: Admitted
) -> tuple[DatasetVersion, list[Part]]:
    parent, parts = dataset.version, [*dataset.parts, admitted.part]
    own: dict[str, ColumnType] = {column: TYPE_NAMES[kind] for column, kind in scene.columns.items()}
    columns = (parent.columns if parent else {}) | own
    if parent is None or columns == parent.columns == own:
        content = _fingerprint(workspace, engine, [admitted.part], columns)
        if parent is not None:
            content = add_fingerprints(parent.fingerprint, content)
    else:  # rows of the older parts have a further column now, a missing value in each
        content = _fingerprint(workspace, engine, parts, columns)
    version = next_version(
        workspace, dataset.name, parent, parts, fingerprint=content, columns=columns, created_at=clock.now()
    )
    return version, parts


def _fingerprint(workspace: Workspace, engine: Session, parts: Sequence[Part], columns: Iterable[str]) -> str:
    engine.table("__clean", [workspace.part(part.sha256) for part in parts])
    return fingerprint(engine, f'(SELECT {", ".join(map(quote, columns))} FROM "__clean")')


def _record(store: Store, outcomes: Sequence[_Outcome]) -> None:
    now = clock.now()
    with store.transaction("quality check") as transaction:
        for outcome in outcomes:
            batch, report = outcome.batch, outcome.report
            if records.state_of(transaction, batch.batch_id) != batch.state:
                raise _overtaken(batch)
            records.insert_report(transaction, report)
            if report.verdict == "error":
                continue
            after = {"state": "refused", "verdict": report.verdict}
            if outcome.version is None:
                batches.refuse_batch(transaction, batch.batch_id)
            else:
                if batches.newest_number(transaction, batch.source) != outcome.version.number - 1:
                    raise _overtaken(batch)
                batches.insert_version(transaction, outcome.version, outcome.parts)
                batches.admit_batch(
                    transaction,
                    batch.batch_id,
                    outcome.version.dataset_version,
                    report.set_aside,
                    report.mended,
                )
                records.quarantine(transaction, batch.source, batch.batch_id, outcome.quarantined)
                after = {
                    "state": "admitted",
                    "verdict": report.verdict,
                    "dataset_version": outcome.version.dataset_version,
                }
            transaction.audit(f"batch {batch.batch_id}", before={"state": batch.state}, after=after)
        asked = {rule.check_id: rule for outcome in outcomes for rule in outcome.rules}
        records.define(transaction, list(asked.values()), now)


def _overtaken(batch: Batch) -> Busy:
    return Busy(f"another process judged {batch.source} meanwhile", hint="mlcycle quality check")
