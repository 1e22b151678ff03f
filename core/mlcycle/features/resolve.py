"""Feature declarations against the tables that really exist: what kind each view is, and how it meets the spine.

`declare` has judged the text against the declared sources, with line and column. What is left shows only here: a
table nobody has brought in, a column that the data lacks, keys whose types do not meet.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mlcycle.declare.model import FUNCTIONS, Data, Features, View, Window, keys_of, seconds_of
from mlcycle.declare.names import suggestion
from mlcycle.errors import DeclarationError, UsageError

__all__ = [
    "FILE",
    "Catalog",
    "Kind",
    "ResolvedView",
    "function_of",
    "microseconds",
    "resolve",
    "resolve_view",
]

Catalog = Mapping[str, Mapping[str, str]]
"""Table to column to DuckDB type."""

Kind = Literal["events", "timeless", "own row", "sql"]

FILE = Path("features.yaml")


@dataclass(frozen=True)
class ResolvedView:
    """A view with everything said that its declaration left to defaults."""

    name: str
    kind: Kind
    view: View
    table: str
    """Empty for an SQL view."""
    keys: tuple[tuple[str, str], ...] = ()
    """Pairs of spine key and the table's column."""
    time: str | None = None
    known: str | None = None


def microseconds(duration: str) -> int:
    """Return a declared duration such as `30d` in microseconds; a day has 24 hours."""
    return seconds_of(duration) * 1_000_000


def function_of(view: str, feature: str, window: Window) -> tuple[str, str]:
    """Return the only function of a window and its argument.

    Raises
    ------
    DeclarationError
        If there is none or more than one.
    """
    given = [(name, str(getattr(window, name))) for name in FUNCTIONS if getattr(window, name) is not None]
    if len(given) != 1:
        what = " and ".join(name for name, _ in given) or "none"
        message = f"view {view}, feature {feature}: exactly one function is needed, {what} given"
        raise DeclarationError(message, file=FILE, hint=f"one of {', '.join(FUNCTIONS)}")
    return given[0]


def resolve(features: Features, data: Data, catalog: Catalog) -> list[ResolvedView]:
    """Return the views in declared order, checked against the tables that exist.

    Raises
    ------
    DeclarationError
        For a column that a table lacks, or keys whose types do not meet.
    UsageError
        For a table of which no clean row exists yet.
    """
    spine = features.spine
    _check(
        "spine",
        spine.table,
        [("key", key) for key in keys_of(spine.key)] + [("time", spine.time), ("known", spine.known)],
        catalog,
    )
    views = [resolve_view(name, view, features, data) for name, view in features.views.items()]
    for view in views:
        if view.kind == "sql":
            continue
        keys = [("key", column) for _, column in view.keys]
        _check(f"view {view.name}", view.table, [*keys, ("time", view.time), ("known", view.known)], catalog)
        _check_key_types(view, features, catalog)
        for feature, window in view.view.windows.items():
            function_of(view.name, feature, window)
    return views


def resolve_view(name: str, view: View, features: Features, data: Data) -> ResolvedView:
    """Return one view with its defaults: kind, keys, event time and known time."""
    if view.sql is not None:
        return ResolvedView(name, "sql", view, "")
    spine, table = features.spine, view.table or ""
    asked = keys_of(spine.key)
    keys = asked if view.key is None else keys_of(view.key)
    # by name where the names are the spine's, else by position
    pairs = (
        tuple((key, key) for key in keys)
        if set(keys) <= set(asked)
        else tuple(zip(asked, keys, strict=False))
    )
    own = table == spine.table
    if own and not view.windows and view.time is None and set(keys) == set(asked):
        return ResolvedView(name, "own row", view, table, pairs)
    source = data.sources.get(table)
    time = view.time or (source.time if source else None) or (spine.time if own else None)
    known = view.known or (source.known if source else None) or (spine.known if own else None)
    time = None if view.timeless else time
    if view.windows and time is None:
        message = f"view {name}: windows need an event time"
        raise DeclarationError(message, file=FILE, hint=f"add time: to the view or to the source {table}")
    return ResolvedView(name, "timeless" if time is None else "events", view, table, pairs, time, known)


def _check(what: str, table: str, named: list[tuple[str, str | None]], catalog: Catalog) -> None:
    if table not in catalog:
        raise UsageError(
            f"{what}: no clean row of {table} is there yet",
            hint="mlcycle data ingest, then mlcycle quality check",
        )
    for role, column in named:
        if column is not None and column not in catalog[table]:
            hint = suggestion(column, catalog[table], what="columns").removeprefix("; ")
            raise DeclarationError(f"{what}: {role} {column} is no column of {table}", file=FILE, hint=hint)


def _check_key_types(view: ResolvedView, features: Features, catalog: Catalog) -> None:
    asked, columns = catalog[features.spine.table], catalog[view.table]
    for key, column in view.keys:
        if (asked[key] == "VARCHAR") != (columns[column] == "VARCHAR"):
            raise DeclarationError(
                f"view {view.name}: key {column} of {view.table} is {columns[column]}, the spine's is {asked[key]}",
                file=FILE,
                hint="give both the same type in data.yaml",
            )
