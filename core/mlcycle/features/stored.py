"""Training sets and views as the store knows them: find one, read its rows, list what is declared."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from mlcycle import clock, declare
from mlcycle.data.manifest import verify_parts
from mlcycle.engines import local
from mlcycle.errors import NotFoundError
from mlcycle.features import records
from mlcycle.features.build import definitions
from mlcycle.features.compile import number_of
from mlcycle.features.model import FeatureRows, TrainingSet, ViewInfo, entity_of
from mlcycle.features.resolve import Kind, resolve_view
from mlcycle.features.rows import read_rows
from mlcycle.features.tables import opened
from mlcycle.quality.columns import BEFORE, NOW
from mlcycle.quality.columns import spread as column_spread
from mlcycle.quality.model import ColumnSpread
from mlcycle.store import Store
from mlcycle.workspace import Workspace

__all__ = ["example", "find", "list_training_sets", "list_views", "load", "spread"]


def list_training_sets(workspace: Workspace) -> list[TrainingSet]:
    """Return all training sets, the newest first."""
    return records.training_sets(Store(workspace), workspace)


def find(workspace: Workspace, training_set: str | None = None) -> TrainingSet:
    """Return a training set by its id, the end of its id, or its name (then the newest of it).

    Without any, the newest that was built without looking ahead.

    Raises
    ------
    NotFoundError
        If there is none.
    """
    known = list_training_sets(workspace)
    if training_set is None:
        found = [one for one in known if one.look_ahead is None]
    else:
        wanted = training_set.lower()
        found = [one for one in known if one.training_set_id == wanted]
        found = found or [one for one in known if len(wanted) >= 4 and one.training_set_id.endswith(wanted)]
        found = found or [one for one in known if one.name == training_set]
    if not found:
        what = f"no training set is called {training_set}" if training_set else "there is no training set yet"
        raise NotFoundError(what, hint="mlcycle features build")
    return found[0]


def load(
    workspace: Workspace,
    training_set: str | None = None,
    *,
    split: Literal["train", "validation"] | None = None,
) -> FeatureRows:
    """Return the rows of a training set with their targets and their split, in the file's order.

    Parameters
    ----------
    workspace
        Where.
    training_set
        As `find` takes it.
    split
        Only these rows; all unless said.

    Raises
    ------
    NotFoundError
        If there is no such training set.
    DataError
        If its file is gone, or does not hold what was written.
    """
    made = find(workspace, training_set)
    verify_parts([made.path], f"training set {made.name}")
    with local.session(workspace) as session:
        session.table("rows", [made.path])
        where = f" WHERE split = {local.literal(split)}" if split else ""
        return read_rows(
            session, f"(FROM rows{where})", made.features, made.keys, number_of(made.keys), targets=True
        )


def example(workspace: Workspace) -> tuple[str, datetime | None] | None:
    """Return an entity and a moment that the newest training set has a row of, preferably to validate with.

    None without a training set.
    """
    try:
        made = find(workspace)
    except NotFoundError:
        return None
    verify_parts([made.path], f"training set {made.name}")
    with local.session(workspace) as session:
        session.table("rows", [made.path])
        keys = ", ".join(f"{local.quote(key)}::VARCHAR AS __key{i}" for i, key in enumerate(made.keys))
        row = session.rows(
            f"SELECT {keys}, as_of FROM rows ORDER BY split = 'validation' DESC, {number_of(made.keys)} LIMIT 1"
        )[0]
    return entity_of([row[f"__key{i}"] for i in range(len(made.keys))]), row["as_of"]


def spread(
    workspace: Workspace, training_set: str | None = None, *, view: str | None = None
) -> list[ColumnSpread]:
    """Return how the features of a training set are spread over the rows that validate, beside those that train.

    Parameters
    ----------
    workspace
        Where.
    training_set
        As `find` takes it.
    view
        Only the features of this view.

    Returns
    -------
    list of ColumnSpread
        In the set's order; `before` counts the rows that train, in the same bins.

    Raises
    ------
    NotFoundError
        If there is no such training set.
    DataError
        If its file is gone, or does not hold what was written.
    """
    made = find(workspace, training_set)
    verify_parts([made.path], f"training set {made.name}")
    with local.session(workspace) as session:
        session.table("rows", [made.path])
        for name, split in ((NOW, "validation"), (BEFORE, "train")):
            session.execute(
                f"CREATE VIEW {local.quote(name)} AS FROM rows WHERE split = {local.literal(split)}"
            )
        return [
            column_spread(session, feature.name, "DOUBLE" if feature.type == "number" else "VARCHAR", True)
            for feature in made.features
            if view in (None, feature.view)
        ]


def list_views(workspace: Workspace) -> list[ViewInfo]:
    """Return the declared views in their order.

    The features of an SQL view are known once its tables have clean rows; until then it lists none.
    """
    declarations = declare.load(workspace)
    if declarations.features is None:
        return []
    features = declarations.features
    versions = records.view_versions(Store(workspace))
    defined = definitions(features)
    hidden = _features_of_sql(workspace) if any(view.sql for view in features.views.values()) else {}
    found = []
    for name, view in features.views.items():
        resolved = resolve_view(name, view, features, declarations.data)
        version, sha256 = versions.get(name, (None, ""))
        found.append(
            ViewInfo(
                name=name,
                kind=_kind(resolved.kind, windows=bool(view.windows)),
                table=view.table,
                time=resolved.time,
                known=resolved.known,
                features=(*view.features, *view.windows) or hidden.get(name, ()),
                version=version,
                changed=version is not None and sha256 != defined[name][0],
                description=view.description,
                owner=view.owner,
                tags=tuple(view.tags),
            )
        )
    return found


def _kind(kind: Kind, *, windows: bool) -> Literal["windows", "newest row", "timeless", "own row", "sql"]:
    if kind == "events":
        return "windows" if windows else "newest row"
    return kind


def _features_of_sql(workspace: Workspace) -> dict[str, tuple[str, ...]]:
    with opened(workspace) as tables:
        if not tables.complete:
            return {}
        found: dict[str, tuple[str, ...]] = {}
        for feature in tables.compile(as_of=clock.now()).features:
            found[feature.view] = (*found.get(feature.view, ()), feature.name)
        return found
