"""What the feature declarations say about the sources. The features room judges expressions."""

from __future__ import annotations

from collections.abc import Mapping

from mlcycle.declare.document import Document, Where
from mlcycle.declare.model import (
    FUNCTIONS,
    OWN_COLUMNS,
    Data,
    Features,
    Source,
    Spine,
    View,
    Window,
    all_columns,
    keys_of,
    seconds_of,
)
from mlcycle.declare.names import SCORE, plain_name, suggestion
from mlcycle.declare.verify_data import column, moment, table

__all__ = ["feature_names", "unknown_feature", "verify_features"]

NUMERIC = ("integer", "number", "boolean")
ADDS_UP = ("sum", "avg")


def feature_names(features: Features) -> list[str] | None:
    """Return every feature's name in declared order, or None if an SQL view hides some."""
    if any(view.sql is not None for view in features.views.values()):
        return None
    return [name for view in features.views.values() for name in (*view.features, *view.windows)]


def verify_features(document: Document, features: Features, data: Data) -> None:
    """Refuse a spine or a view that does not fit the sources, and names given twice."""
    _verify_spine(document, features.spine, data)
    if not features.views:
        raise document.error(("views",), "`views` is empty; a model needs at least one feature")
    for name, view in features.views.items():
        _verify_view(document, ("views", name), view, features.spine, data)
    _verify_names(document, features)


def _verify_spine(document: Document, spine: Spine, data: Data) -> None:
    columns = all_columns(table(document, ("spine", "table"), spine.table, data))
    for position, key in enumerate(keys_of(spine.key)):
        at: Where = ("spine", "key") if isinstance(spine.key, str) else ("spine", "key", position)
        column(document, at, key, columns, spine.table)
        if key.casefold() in OWN_COLUMNS[1:]:
            raise document.error(
                at, f"no key may be called `{key}`: training sets have a column of that name"
            )
    if not keys_of(spine.key):
        raise document.error(("spine", "key"), "`key` is empty")
    column(document, ("spine", "target"), spine.target, columns, spine.table)
    if spine.target in keys_of(spine.key):
        raise document.error(("spine", "target"), f"`{spine.target}` is the key; it cannot be the target too")
    for role in ("time", "known"):
        named = getattr(spine, role)
        if named is not None:
            moment(document, ("spine", role), named, columns, spine.table)
            if named == spine.target:
                raise document.error(("spine", role), f"`{named}` is the target; it cannot be the {role} too")


def _verify_view(document: Document, where: Where, view: View, spine: Spine, data: Data) -> None:
    if view.sql is not None:
        for role in ("table", "features", "windows", "time", "known"):
            if getattr(view, role):
                raise document.error(
                    (*where, role), f"an SQL view stands alone: `{role}` says nothing beside `sql`", key=True
                )
        if not view.sql.strip():
            raise document.error((*where, "sql"), "`sql` is empty")
        return
    if not view.features and not view.windows:
        raise document.error(
            where, f"view `{where[-1]}` declares no feature", hint="give it `windows`, `features` or `sql`"
        )
    if view.table is None:
        raise document.error(where, f"view `{where[-1]}` lacks `table`")
    if view.fills:
        raise document.error(
            (*where, "fills"), "`fills` is for SQL views; a window has its own `fill`", key=True
        )
    source = table(document, (*where, "table"), view.table, data)
    columns = all_columns(source)
    _verify_view_keys(document, where, view, spine, columns)
    for role in ("time", "known"):
        named = getattr(view, role)
        if named is not None:
            moment(document, (*where, role), named, columns, view.table)
    if view.windows:
        _verify_moment(document, where, view, source, spine)
    for name, window in view.windows.items():
        _verify_window(document, (*where, "windows", name), window, columns, view.table)
    for name, expression in view.features.items():
        if not expression.strip():
            raise document.error((*where, "features", name), f"feature `{name}` has an empty expression")


def _verify_view_keys(
    document: Document, where: Where, view: View, spine: Spine, columns: Mapping[str, str]
) -> None:
    asked = keys_of(spine.key)
    keys = asked if view.key is None else keys_of(view.key)
    at: Where = (*where, "key") if view.key is not None else where
    for key in keys:
        column(document, at, key, columns, str(view.table))
    if not keys or (not set(keys) <= set(asked) and len(keys) != len(asked)):
        raise document.error(
            at,
            f"key {', '.join(keys) or '[]'} does not fit the spine's {', '.join(asked)}",
            hint="name some of the spine's key columns, or as many columns as it has",
        )


def _verify_moment(document: Document, where: Where, view: View, source: Source, spine: Spine) -> None:
    own = view.table == spine.table and spine.time is not None
    if view.timeless:
        raise document.error(
            (*where, "timeless"), "windows need an event time; this view is timeless", key=True
        )
    if view.time is None and source.time is None and not own:
        raise document.error(
            where,
            f"windows need an event time; `{view.table}` declares none",
            hint="add `time: COLUMN` to the view or to the source",
        )
    if spine.time is None:
        raise document.error(
            (*where, "windows"),
            "windows end at the spine's time; the spine declares none",
            key=True,
            hint="add `time: COLUMN` to the spine, or use `features` or `sql`",
        )


def _verify_window(
    document: Document, where: Where, window: Window, columns: Mapping[str, str], owner: str
) -> None:
    given = [function for function in FUNCTIONS if getattr(window, function) is not None]
    if len(given) != 1:
        said = " and ".join(f"`{one}`" for one in given) or "none"
        raise document.error(
            where,
            f"window `{where[-1]}` needs exactly one function, found {said}",
            hint=f"one of {', '.join(FUNCTIONS)}",
        )
    function = given[0]
    named = getattr(window, function)
    if not (function == "count" and named == "*"):
        kind = column(document, (*where, function), named, columns, owner)
        if function in ADDS_UP and kind not in NUMERIC:
            raise document.error(
                (*where, function), f"`{named}` is declared as {kind}; {function} needs numbers"
            )
        if function == "days_since":
            moment(document, (*where, function), named, columns, owner)
    if window.over and window.until and seconds_of(window.until) >= seconds_of(window.over):
        raise document.error(
            (*where, "until"),
            f"nothing lies between over {window.over} and until {window.until}",
            hint="over must reach further back than until",
        )


def _verify_names(document: Document, features: Features) -> None:
    taken = dict.fromkeys(OWN_COLUMNS, "a column of every training set")
    taken[SCORE] = "what profiles and alerts call the model's own score"
    taken |= {key.casefold(): "a key" for key in keys_of(features.spine.key)}
    for view_name, view in features.views.items():
        for part in ("features", "windows"):
            for name in getattr(view, part):
                if plain_name(name) != name:
                    raise document.error(
                        ("views", view_name, part, name),
                        f"no feature may be called `{name}`: the model server takes no quotes or backslashes in a name",
                        hint=f"call it {plain_name(name)}",
                        key=True,
                    )
                if name.casefold() in taken:
                    raise document.error(
                        ("views", view_name, part, name),
                        f"feature `{name}` is also {taken[name.casefold()]}",
                        hint="give it another name",
                        key=True,
                    )
                taken[name.casefold()] = f"a feature of view `{view_name}`"


def unknown_feature(name: str, known: list[str]) -> str:
    """Return the message for a feature that no view declares."""
    return f"unknown feature `{name}`{suggestion(name, known, what='declared features')}"
