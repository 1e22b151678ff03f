"""Feature rows of the spine: those of one moment to be scored, and labelled ones to judge by or to learn from."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from mlcycle import clock
from mlcycle.engines.local import Session, literal, quote
from mlcycle.errors import NotFoundError
from mlcycle.features.compile import Compiled, declared_errors
from mlcycle.features.model import Feature, FeatureRows
from mlcycle.features.tables import Opened, opened
from mlcycle.workspace import Workspace

if TYPE_CHECKING:
    import numpy as np

__all__ = ["fetch", "known_at", "labelled", "read_rows", "rows_at"]


def rows_at(workspace: Workspace, moment: datetime | None = None) -> FeatureRows:
    """Return the feature rows of all spine rows of one time, whether their target is known or not.

    Parameters
    ----------
    workspace
        Where.
    moment
        The spine time; the newest up to now unless said. For a spine without time: the moment its rows are asked
        about, now unless said.

    Raises
    ------
    NotFoundError
        If the spine has no row of that time; names the newest it has.
    """
    with opened(workspace) as tables:
        spine, at = tables.features.spine, moment or clock.now()
        if spine.time is None:
            return fetch(tables, tables.compile(as_of=at))
        time = f"CAST({quote(spine.time)} AS TIMESTAMP)"
        newest = f"(SELECT max({time}) FROM {quote(spine.table)} WHERE {time} <= {literal(clock.now())})"
        rows = fetch(
            tables, tables.compile(as_of=at, where=f"__as_of = {literal(moment) if moment else newest}")
        )
        if not rows:
            raise _no_rows(tables, time, at)
        return rows


def labelled(
    workspace: Workspace, start: datetime | None, end: datetime | None, *, known_by: datetime
) -> FeatureRows:
    """Return the feature rows with their targets, of spine times from `start` to `end`, both included.

    Parameters
    ----------
    workspace
        Where.
    start, end
        Spine times; None leaves a side open. A spine without time has no part in this: give None twice.
    known_by
        Rows whose target was not known by then are left out.

    Returns
    -------
    FeatureRows
        With `target` and `known_at`; `as_of` tells which rows are the newest. Empty if there is none.
    """
    where = [known_at(known_by), f"__as_of <= {literal(known_by)}"]
    where += [f"__as_of >= {literal(start)}"] if start else []
    where += [f"__as_of <= {literal(end)}"] if end else []
    with opened(workspace) as tables:
        return fetch(tables, tables.compile(as_of=known_by, where=" AND ".join(where)), targets=True)


def known_at(moment: datetime) -> str:
    """Return the condition on spine rows that their target was known at a moment; no known time is the row's own."""
    return f"__target IS NOT NULL AND coalesce(__known, __as_of, {literal(moment)}) <= {literal(moment)}"


def fetch(tables: Opened, compiled: Compiled, *, targets: bool = False) -> FeatureRows:
    """Run a compiled relation and return its rows, with targets if they are asked for."""
    with declared_errors():
        return read_rows(
            tables.session,
            f"({compiled.sql})",
            compiled.features,
            compiled.keys,
            compiled.number,
            targets=targets,
        )


def read_rows(
    session: Session,
    relation: str,
    features: tuple[Feature, ...],
    keys: tuple[str, ...],
    order: str,
    *,
    targets: bool,
) -> FeatureRows:
    """Return a relation of keys, as_of and features, and of target and split where there are any, column by column."""
    types = {
        row["column_name"]: row["column_type"] for row in session.rows(f"DESCRIBE SELECT * FROM {relation}")
    }
    # numpy has no date: as text it is spelt like the date that Python would print
    dates = [f"CAST({quote(key)} AS VARCHAR) AS {quote(key)}" for key in keys if types[key] == "DATE"]
    star = f"* REPLACE ({', '.join(dates)})" if dates else "*"
    columns = session.columns(f"SELECT {star} FROM {relation} ORDER BY {order}")
    split = columns.get("split")
    return FeatureRows(
        columns=features,
        keys={key: _values(columns[key]) for key in keys},
        as_of=_values(columns["as_of"]),
        features={feature.name: _feature(columns[feature.name], feature) for feature in features},
        target=_target(columns["target"]) if targets else None,
        known_at=_values(columns["known_at"]) if targets else None,
        split=split if split is None else split.astype(str),
    )


def _values(column: Any) -> list[Any]:
    found: list[Any] = column.tolist()  # a masked value becomes None
    return found


def _feature(column: Any, feature: Feature) -> np.ndarray[Any, Any]:
    import numpy as np

    if feature.type == "number":
        return np.asarray(np.ma.filled(column.astype(np.float64), np.nan))
    return np.array(_values(column), dtype=object)


def _target(column: Any) -> np.ndarray[Any, Any]:
    import numpy as np

    return np.asarray(np.ma.getdata(column))  # rows without a target are not asked for


def _no_rows(tables: Opened, time: str, moment: datetime) -> NotFoundError:
    spine = tables.features.spine
    newest = tables.session.one(f"SELECT max({time}) AS newest FROM {quote(spine.table)}")["newest"]
    hint = f"the newest is {newest}" if newest else "mlcycle data ingest, then mlcycle quality check"
    return NotFoundError(f"{spine.table} has no row of {moment}", hint=hint)
