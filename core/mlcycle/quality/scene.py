"""What a batch is judged on: its own rows, the clean rows so far, and the tables its rules look into."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from mlcycle.data.manifest import register, verify_parts
from mlcycle.data.model import ROW, Batch, DatasetVersion
from mlcycle.declare import Place
from mlcycle.declare.model import ROW_NUMBER, Source, generates_key
from mlcycle.engines.local import Part, Session, quote
from mlcycle.quality.admit import LINES
from mlcycle.quality.compile import BATCH, EARLIER, Parent, Scene
from mlcycle.quality.rules import Rule
from mlcycle.workspace import Workspace

__all__ = ["Dataset", "set_scene"]


@dataclass
class Dataset:
    """A dataset while it is being checked: its rules, and its newest version, which grows batch by batch."""

    name: str
    source: Source
    rules: list[Rule]
    version: DatasetVersion | None
    parts: list[Part]
    locate: Callable[[Rule], Place]
    """Where a rule of its is declared."""


def set_scene(
    workspace: Workspace, engine: Session, batch: Batch, state: Mapping[str, Dataset], before: int
) -> Scene:
    """Make a batch's rows readable as the rules will see them, with the clean rows so far and its parents' rows.

    Parameters
    ----------
    before
        Rows found in the source's earlier files; a generated key goes on counting there.

    Raises
    ------
    DataError
        If a part has been removed, or does not hold what was written.
    """
    dataset = state[batch.source]
    raw = workspace.part(batch.raw_part)
    lost = workspace.part(batch.malformed_part) if batch.malformed_part else None
    verify_parts([part for part in (raw, lost) if part is not None], f"a batch of {batch.source}")
    engine.table("__raw", [raw])
    if lost is not None:
        engine.table(LINES, [lost])
    # A generated key goes on counting where the batch before ended, so that it stays unique over all batches.
    counted = f", {quote(ROW)} + {before} AS {quote(ROW_NUMBER)}" if generates_key(dataset.source) else ""
    engine.execute(f'CREATE OR REPLACE VIEW {quote(BATCH)} AS SELECT *{counted} FROM "__raw"')
    columns = _columns(engine, BATCH)
    del columns[ROW]
    earlier = frozenset[str]()
    if dataset.version is not None:
        register(engine, EARLIER, dataset.version)
        if dataset.source.time is not None:
            earlier = frozenset(_columns(engine, EARLIER))
    parents = _parents(engine, dataset, state, columns)
    return Scene(columns, batch.as_of, parents, earlier, dataset.locate)


def _parents(
    engine: Session, dataset: Dataset, state: Mapping[str, Dataset], columns: Mapping[str, str]
) -> dict[tuple[str, str], Parent]:
    found = {}
    for table, column in {tuple(rule.value) for rule in dataset.rules if rule.kind == "exists_in"}:
        version = state[table].version
        if table == dataset.name:  # a table that looks into itself also sees the rows that come with it
            there = f"SELECT {quote(column)} FROM {quote(BATCH)}"
            if version is not None:
                there += f" UNION ALL SELECT {quote(column)} FROM {quote(EARLIER)}"
            found[table, column] = Parent(f"({there})", columns.get(column, "VARCHAR"))
        elif version is not None:
            view = f"__parent_{table}"
            register(engine, view, version)
            found[table, column] = Parent(quote(view), _columns(engine, view).get(column, "VARCHAR"))
    return found


def _columns(engine: Session, relation: str) -> dict[str, str]:
    return {row["column_name"]: row["column_type"] for row in engine.rows(f"DESCRIBE {quote(relation)}")}
