"""Features for rows that the spine does not hold: one entity at any moment, or the rows of a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from mlcycle import clock
from mlcycle.data.model import BATCH_NUMBER
from mlcycle.engines.local import SqlError, literal, quote
from mlcycle.errors import DataError, NotFoundError
from mlcycle.features.file import LINE, TABLE, load_file
from mlcycle.features.model import Feature, FeatureRows, values_of
from mlcycle.features.rows import fetch, read_rows
from mlcycle.features.tables import Opened, opened
from mlcycle.workspace import Workspace

__all__ = ["from_file", "get", "one_row"]


def get(workspace: Workspace, key: str | Sequence[Any], as_of: datetime | None = None) -> dict[str, Any]:
    """Return one entity's features at a moment: entity, as_of and features, as the model server takes them.

    Parameters
    ----------
    workspace
        Where.
    key
        The entity as predictions carry it (several keys joined by `|`), or the key values in their order.
    as_of
        The moment, now unless said. Features of the spine's own row come from its newest one up to then.

    Raises
    ------
    NotFoundError
        If no table knows the entity, or the spine has no row of it yet that a feature needs.
    """
    moment = as_of or clock.now()
    with opened(workspace) as tables:
        relation = one_row(tables, key, moment)
        return next(fetch(tables, tables.compile(as_of=moment, relation=relation)).instances())


def one_row(tables: Opened, key: str | Sequence[Any], moment: datetime, *, table: str | None = None) -> str:
    """Return a relation of the one spine row that an entity has at a moment: quoted SQL.

    It is the newest real one if features are made from it, else one made up. `table` stands for the spine's table:
    the same rows with further columns.

    Raises
    ------
    NotFoundError
        As `get` says.
    """
    asked = _asked(tables, key)
    if not _known(tables, asked):
        raise NotFoundError(
            f"no table knows the entity {key}", hint=f"one is named by {', '.join(tables.keys)}"
        )
    relation = _one_row(tables, asked, moment, table or tables.features.spine.table)
    if not tables.session.one(f"SELECT count(*) AS n FROM {relation}")["n"]:
        table = tables.features.spine.table
        raise NotFoundError(
            f"{table} has no row of {key} up to {moment}", hint="say a later time with --as-of"
        )
    return relation


def from_file(workspace: Workspace, path: Path, *, as_of: datetime | None = None) -> FeatureRows:
    """Return the feature rows of a file, in the file's order.

    The file holds one of: the columns of the spine's table, if features are made from the spine's own row; every
    feature under its own name; or only the keys (and the spine's time), to look the features up.

    Parameters
    ----------
    workspace
        Where.
    path
        Of any format that a source may have.
    as_of
        The moment of rows that carry none, now unless said.

    Raises
    ------
    DataError
        If the file cannot be read, or lacks columns; names them.
    """
    path = path.expanduser().resolve()
    with opened(workspace, reads=[path]) as tables:
        try:
            return _from_file(tables, load_file(workspace, tables, path), as_of or clock.now())
        except SqlError as error:
            raise DataError(f"{path.name}: {error.message.splitlines()[0]}") from error


def _from_file(tables: Opened, present: Mapping[str, str], moment: datetime) -> FeatureRows:
    spine = tables.features.spine
    declared = tables.catalog.get(spine.table, {})
    extra = {spine.target, spine.time, spine.known, BATCH_NUMBER, *tables.keys}
    raw = [column for column in declared if column not in extra]
    features = tables.compile(as_of=moment).features
    own = any(view.kind == "own row" for view in tables.resolved)
    needed = raw if own else tables.keys
    given = {feature.name for feature in features} <= set(present)
    if (given and not own) or not set(needed) <= set(present):
        return _given(tables, features, present, moment, needed=needed)
    listed = [
        f"TRY_CAST({quote(name)} AS {kind}) AS {quote(name)}"
        for name, kind in declared.items()
        if name in present
    ]
    listed += [
        f"CAST({LINE} AS {declared[key]}) AS {quote(key)}" for key in tables.keys if key not in present
    ]
    relation = f"(SELECT {', '.join(listed)}, {LINE} FROM {TABLE})"
    return fetch(tables, tables.compile(as_of=moment, relation=relation, order=LINE))


def _given(
    tables: Opened,
    features: tuple[Feature, ...],
    present: Mapping[str, str],
    moment: datetime,
    *,
    needed: Sequence[str],
) -> FeatureRows:
    """Return rows whose features stand in the file under their own names."""
    missing = [feature.name for feature in features if feature.name not in present]
    if missing:
        lacks = [name for name in needed if name not in present]
        raise DataError(
            f"the file has neither the columns {', '.join(lacks)} nor the features {', '.join(missing)}",
            hint="features are computed from those columns, or taken from the file under their names",
        )
    time = tables.features.spine.time
    keys = tuple(key for key in tables.keys if key in present) or (LINE,)
    declared = tables.catalog.get(tables.features.spine.table, {})
    listed = [
        f"CAST({quote(key)} AS {declared.get(key, 'VARCHAR')}) AS {quote(key)}" for key in keys if key != LINE
    ]
    listed.append(
        f"{f'CAST({quote(time)} AS TIMESTAMP)' if time and time in present else literal(moment)} AS as_of"
    )
    for feature in features:
        kind = "DOUBLE" if feature.type == "number" else "VARCHAR"
        listed.append(f"CAST({quote(feature.name)} AS {kind}) AS {quote(feature.name)}")
    relation = f"(SELECT {', '.join(listed)}, {LINE} FROM {TABLE})"
    return read_rows(tables.session, relation, features, keys, LINE, targets=False)


def _asked(tables: Opened, key: str | Sequence[Any]) -> dict[str, str]:
    """Return each key column's value as SQL, in the column's type."""
    values: Sequence[Any] = key
    if isinstance(key, str):
        values = values_of(key) if len(tables.keys) > 1 else [key]
    if len(values) != len(tables.keys):
        raise NotFoundError(f"{key!r} names no entity", hint=f"give {'|'.join(tables.keys)}")
    columns = tables.catalog.get(tables.features.spine.table, {})
    return {
        column: f"TRY_CAST({literal(str(value))} AS {columns.get(column, 'VARCHAR')})"
        for column, value in zip(tables.keys, values, strict=True)
    }


def _known(tables: Opened, asked: Mapping[str, str]) -> bool:
    places = {tables.features.spine.table: {key: key for key in asked}}
    places |= {view.table: dict(view.keys) for view in tables.resolved if len(view.keys) == len(asked)}
    return any(
        tables.session.one(f"SELECT count(*) > 0 AS found FROM {quote(table)} WHERE {_same(asked, columns)}")[
            "found"
        ]
        for table, columns in places.items()
    )


def _same(asked: Mapping[str, str], columns: Mapping[str, str]) -> str:
    return " AND ".join(f"{quote(columns[key])} = {value}" for key, value in asked.items())


def _one_row(tables: Opened, asked: Mapping[str, str], moment: datetime, table: str) -> str:
    spine = tables.features.spine
    if any(view.kind == "own row" for view in tables.resolved):
        same = _same(asked, {key: key for key in asked})
        if spine.time is None:
            return f"(SELECT * FROM {quote(table)} WHERE {same} ORDER BY ALL DESC LIMIT 1)"
        time = f"CAST({quote(spine.time)} AS TIMESTAMP)"
        until = f"{same} AND {time} <= {literal(moment)}"
        return f"(SELECT * FROM {quote(table)} WHERE {until} ORDER BY {time} DESC LIMIT 1)"
    listed = [f"{value} AS {quote(key)}" for key, value in asked.items()]
    if spine.time is not None:
        listed.append(f"{literal(moment)} AS {quote(spine.time)}")
    return f"(SELECT {', '.join(listed)})"
