"""From declarations to one relation: the spine's rows, each exactly once, with every feature as of its own moment.

A row of a table counts for a spine row only when its event time and the time it became known are both at or before
the cutoff, which is the spine row's moment; a set built to look ahead on purpose moves the cutoff and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from mlcycle.declare.model import OWN_COLUMNS, Data, Features, Spine, keys_of
from mlcycle.declare.names import SCORE, plain_name, suggestion
from mlcycle.engines.local import Session, SqlError, literal, quote
from mlcycle.errors import DeclarationError
from mlcycle.features.model import Feature, FeatureType
from mlcycle.features.resolve import FILE, Catalog, ResolvedView, function_of, microseconds, resolve
from mlcycle.features.windows import (
    MANY_ROWS,
    ViewSql,
    as_sql,
    epoch,
    event_view,
    own_view,
    sql_view,
    timeless_view,
    user_sql,
)

__all__ = [
    "Compiled",
    "catalog_of",
    "columns_of",
    "compile_features",
    "declared_errors",
    "number_of",
    "spine_sql",
]

NUMBERS = frozenset(
    [
        "FLOAT",
        "DOUBLE",
        "BOOLEAN",
        *(f"{u}{i}INT" for u in ("", "U") for i in ("TINY", "SMALL", "BIG", "HUGE")),
    ]
)
NUMBERS |= {"INTEGER", "UINTEGER"}
TEXTS = frozenset(["VARCHAR", "UUID"])


@dataclass(frozen=True)
class Compiled:
    """One SELECT and what its columns are."""

    sql: str
    """Columns: row_id, the keys, as_of, target, known_at, then the features; in the order of row_id."""
    features: tuple[Feature, ...]
    keys: tuple[str, ...]

    @property
    def number(self) -> str:
        """The column that counts the rows: row_id, or a name that no key has."""
        return number_of(self.keys)


@dataclass(frozen=True)
class _Frame:
    """What a compilation is about."""

    session: Session
    features: Features
    catalog: Catalog
    spine_columns: Mapping[str, str]
    head: str
    """The WITH clause up to the views: spine, and tables cut short."""

    @property
    def keys(self) -> list[str]:
        return keys_of(self.features.spine.key)


def catalog_of(session: Session, tables: Iterable[str]) -> dict[str, dict[str, str]]:
    """Return the columns and types of tables registered in a session."""
    return {table: columns_of(session, quote(table)) for table in tables}


def columns_of(session: Session, relation: str) -> dict[str, str]:
    """Return the columns of a relation with their DuckDB types."""
    return {
        row["column_name"]: row["column_type"] for row in session.rows(f"DESCRIBE SELECT * FROM {relation}")
    }


def number_of(keys: Sequence[str]) -> str:
    """Return the name of the column that counts the rows of a relation with these keys."""
    return "__rid" if "row_id" in keys else "row_id"


def spine_sql(
    spine: Spine,
    columns: Mapping[str, str],
    *,
    as_of: datetime,
    look_ahead: str | None = None,
    where: str = "TRUE",
    relation: str | None = None,
    order: str | None = None,
) -> str:
    """Return the SELECT behind `__spine`.

    Parameters
    ----------
    spine
        The declaration.
    columns
        Columns and types of the relation; without the time's it is `as_of`, without the target's NULL.
    as_of
        The moment of a spine without time.
    look_ahead
        How far the cutoff lies behind `as_of`, such as `30d`.
    where
        Which rows, over `__as_of`, `__target`, `__known` and the table's own columns.
    relation
        What stands for the spine's table: quoted SQL.
    order
        ORDER BY list that numbers the rows; by time and keys unless said.
    """

    def moment(column: str | None) -> str:
        return (
            f"CAST({quote(column)} AS TIMESTAMP)"
            if column and column in columns
            else "CAST(NULL AS TIMESTAMP)"
        )

    at = moment(spine.time) if spine.time and spine.time in columns else literal(as_of)
    target = quote(spine.target) if spine.target in columns else "NULL"
    if columns.get(spine.target) == "BOOLEAN":
        target = f"CAST({target} AS INTEGER)"
    late = microseconds(look_ahead) if look_ahead else 0
    order = order or ", ".join(
        ["__as_of", *(quote(key) for key in keys_of(spine.key)), "__target", "__known"]
    )
    base = f"SELECT *, {at} AS __as_of, {target} AS __target, {moment(spine.known)} AS __known"
    now = epoch("__as_of")
    times = f"{now} AS __t, {now} + {late} AS __hi, __as_of + to_microseconds({late}) AS __cutoff"
    kept = f"SELECT *, {times} FROM ({base} FROM {relation or quote(spine.table)}) WHERE {where}"
    return f"SELECT *, row_number() OVER (ORDER BY {order}) AS __rid FROM ({kept})"


def compile_features(
    session: Session,
    features: Features,
    data: Data,
    catalog: Catalog,
    spine: str,
    *,
    spine_columns: Mapping[str, str] | None = None,
    cut: Mapping[str, str] | None = None,
) -> Compiled:
    """Compile every view over a spine.

    Parameters
    ----------
    session
        Where the tables are registered; only bound against, nothing is computed.
    features, data
        The declarations of views, and of the sources whose times they inherit.
    catalog
        Columns and types of the registered tables.
    spine
        What `spine_sql` returned.
    spine_columns
        Columns and types of the spine's rows, if they do not come from its table.
    cut
        Table to the SELECT that stands for it in the views; the spine sees the table itself.

    Raises
    ------
    DeclarationError
        For whatever is wrong in `features.yaml`, naming view, feature and the nearest column.
    UsageError
        For a table of which no clean row is there yet.
    """
    resolved = resolve(features, data, catalog)
    head = [f"__spine AS MATERIALIZED ({spine})"]
    head += [f"{quote(table)} AS ({select})" for table, select in (cut or {}).items()]
    columns = catalog[features.spine.table] if spine_columns is None else spine_columns
    frame = _Frame(session, features, catalog, columns, "WITH " + ", ".join(head))
    views = [_view_sql(frame, view, number) for number, view in enumerate(resolved)]
    try:
        types = _types(frame, views)
    except SqlError as error:
        for view, resolved_view in zip(views, resolved, strict=True):
            _blame(frame, view, resolved_view)
        raise DeclarationError(_first_line(error), file=FILE) from error
    return Compiled(
        sql=_assemble(frame, views, types),
        features=tuple(Feature(name, types[name], view.view) for view in views for name in view.features),
        keys=tuple(frame.keys),
    )


@contextmanager
def declared_errors() -> Iterator[None]:
    """Turn what a compiled relation says while it runs into an error of the declaration."""
    try:
        yield
    except SqlError as error:
        if MANY_ROWS in error.message:
            line = next(line for line in error.message.splitlines() if MANY_ROWS in line)
            hint = "GROUP BY row_id, or aggregate"
            raise DeclarationError(line.partition("Error: ")[2] or line, file=FILE, hint=hint) from error
        raise


def _view_sql(frame: _Frame, view: ResolvedView, number: int) -> ViewSql:
    spine = frame.features.spine
    if view.kind == "sql":
        return sql_view(view, frame.keys, _columns_of_user_sql(frame, view), number)
    if view.kind == "own row":
        hidden = (spine.target, spine.known) if spine.known else None
        if hidden and not set(hidden) <= set(frame.spine_columns):
            hidden = None
        return own_view(view, frame.spine_columns, number, hidden)
    if view.kind == "timeless":
        return timeless_view(view, frame.catalog, number)
    return event_view(view, frame.catalog, number)


def _columns_of_user_sql(frame: _Frame, view: ResolvedView) -> list[str]:
    try:
        described = frame.session.rows(f"DESCRIBE {frame.head} SELECT * FROM ({user_sql(view, frame.keys)})")
    except SqlError as error:
        raise _unbound(f"view {view.name}", error, _all_columns(frame)) from error
    columns = [row["column_name"] for row in described]
    if "row_id" not in columns:
        raise DeclarationError(
            f"view {view.name}: its sql returns no row_id",
            file=FILE,
            hint="SELECT s.row_id, ... FROM spine s ...",
        )
    found = [column for column in columns if column != "row_id" and column not in frame.keys]
    if unknown := [name for name in view.view.fills if name not in found]:
        raise DeclarationError(
            f"view {view.name}: fills {unknown[0]}, which its sql does not return", file=FILE
        )
    return found


def _types(frame: _Frame, views: list[ViewSql]) -> dict[str, FeatureType]:
    _check_unique(frame, views)
    positions = [(view, name) for view in views for name in view.features]
    listed = ", ".join(f"{view.features[name]} AS __c{i}" for i, (view, name) in enumerate(positions))
    described = frame.session.rows(
        f"DESCRIBE {_with(frame, views)} SELECT s.__rid, {listed} FROM {_from(views)}"
    )
    types = {row["column_name"]: row["column_type"] for row in described}
    return {name: _type_of(view.view, name, types[f"__c{i}"]) for i, (view, name) in enumerate(positions)}


def _type_of(view: str, feature: str, kind: str) -> FeatureType:
    if kind in NUMBERS or kind.startswith("DECIMAL") or kind == '"NULL"':
        return "number"
    if kind in TEXTS or kind.startswith("ENUM"):
        return "category"
    raise DeclarationError(
        f"view {view}, feature {feature}: a {kind} is neither a number nor a text",
        file=FILE,
        hint="for a date write date_diff('day', column, as_of); for anything else cast it",
    )


def _check_unique(frame: _Frame, views: list[ViewSql]) -> None:
    taken = {name.lower(): "a column of every training set or a key" for name in (*OWN_COLUMNS, *frame.keys)}
    taken[SCORE] = "what profiles and alerts call the model's own score"
    for view in views:
        for name in view.features:
            if plain_name(name) != name:
                message = (
                    f"view {view.view}: the model server takes no quotes or backslashes in the name {name!r}"
                )
                raise DeclarationError(message, file=FILE, hint=f"call it {plain_name(name)}")
            if name.lower() in taken:
                message = f"view {view.view}: feature {name} is also {taken[name.lower()]}"
                raise DeclarationError(message, file=FILE, hint="give it another name")
            taken[name.lower()] = f"a feature of view {view.view}"


def _assemble(frame: _Frame, views: list[ViewSql], types: Mapping[str, FeatureType]) -> str:
    columns = [f"s.__rid AS {number_of(frame.keys)}"]
    columns += [f"s.{quote(key)}" for key in frame.keys]
    columns += ["s.__as_of AS as_of", "s.__target AS target", "s.__known AS known_at"]
    for view in views:
        for name, expression in view.features.items():
            kind = "DOUBLE" if types[name] == "number" else "VARCHAR"
            value = f"CAST({expression} AS {kind})"
            if name in view.fills:
                value = f"coalesce({value}, CAST({literal(view.fills[name])} AS {kind}))"
            columns.append(f"{value} AS {quote(name)}")
    return f"{_with(frame, views)} SELECT {', '.join(columns)} FROM {_from(views)} ORDER BY s.__rid"


def _with(frame: _Frame, views: list[ViewSql]) -> str:
    return ", ".join(
        [frame.head, *(f"{name} AS ({query})" for view in views for name, query in view.tables.items())]
    )


def _from(views: list[ViewSql]) -> str:
    return "__spine s" + "".join(
        f" LEFT JOIN {name} ON {name}.__rid = s.__rid" for view in views for name in view.joins
    )


def _blame(frame: _Frame, view: ViewSql, resolved: ResolvedView) -> None:
    """Bind a view's expressions one by one and raise for the first that does not."""
    table = frame.catalog.get(resolved.table, {})
    columns = list(dict.fromkeys([*table, "as_of"]))
    moment = "" if "as_of" in table else ", CAST(NULL AS TIMESTAMP) AS as_of"
    for name, text in _texts(resolved):
        query = f"SELECT {as_sql(text, table)} FROM (SELECT *{moment} FROM {quote(resolved.table)})"
        try:
            frame.session.rows(f"DESCRIBE {query}")
        except SqlError as error:
            raise _unbound(f"view {view.view}, feature {name}", error, columns) from error
    try:
        _types(frame, [view])
    except SqlError as error:
        raise _unbound(f"view {view.view}", error, columns) from error


def _texts(resolved: ResolvedView) -> list[tuple[str, str]]:
    found = list(resolved.view.features.items())
    for name, window in resolved.view.windows.items():
        argument = function_of(resolved.name, name, window)[1]
        found += [(name, text) for text in (argument, window.where) if text is not None and text != "*"]
    return found


def _unbound(what: str, error: SqlError, columns: list[str]) -> DeclarationError:
    missing = re.search(r'(?:column "|column named ")([^"]+)"', error.message)
    if missing and "not" in error.message:
        name = missing.group(1)
        return DeclarationError(
            f"{what}: there is no column {name}",
            file=FILE,
            hint=suggestion(name, columns, what="columns").removeprefix("; "),
        )
    return DeclarationError(f"{what}: {_first_line(error)}", file=FILE, hint="it is SQL as DuckDB reads it")


def _first_line(error: SqlError) -> str:
    return error.message.splitlines()[0]


def _all_columns(frame: _Frame) -> list[str]:
    spine = ["row_id", "as_of", "cutoff", *frame.keys]
    return list(dict.fromkeys([*spine, *(name for columns in frame.catalog.values() for name in columns)]))
