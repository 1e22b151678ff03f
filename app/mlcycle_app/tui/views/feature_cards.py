"""All about what models learn from, as cards: a feature view, a training set, a version of a dataset."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mlcycle_app.gateway import Gateway, MlcycleError
from mlcycle_app.tui.card import Bins, Card, Facts, Listing, Part, Words
from mlcycle_app.tui.keys import keyed, offered, written_key

if TYPE_CHECKING:
    from mlcycle.data import DatasetVersion
    from mlcycle.features import TrainingSet, ViewInfo
    from mlcycle.quality.model import ColumnSpread

__all__ = ["set_card", "version_card", "view_card"]

LEARNT = """SELECT DISTINCT coalesce(r.name, right(r.run_id::VARCHAR, 8)) AS run, r.status, r.started_at AS started,
  m.model || ':' || m.version AS model
FROM run_inputs i JOIN runs r USING (run_id) LEFT JOIN model_versions m USING (run_id)
WHERE i.kind = 'training_set' AND i.reference = ? ORDER BY r.started_at DESC LIMIT 200"""
BROUGHT = """SELECT state, path AS file, rows, set_aside, mended, arrived_at AS arrived FROM batches
WHERE source = ? AND state = 'admitted' ORDER BY arrived_at DESC, path LIMIT 200"""
CHARTS = 12
"""Features that are drawn; all are listed."""
BUILD, WHICH = ("features.build", "build"), ("features.preview", "which rows gave a value", "p")


def view_card(gateway: Gateway, name: str, *, stale: bool) -> Card:
    """Return the card of a declared feature view: what it computes, from what, and how its values are spread.

    `stale` says that its data are newer than the newest training set.
    """
    views: list[ViewInfo] = gateway.do("features.list_views")
    found = next((view for view in views if view.name == name), None)
    if found is None:
        return Card(name, [Words("it is not declared any more")])
    declared = gateway.do("declare.load").features.views[name]
    facts: list[tuple[str, object]] = [
        ("kind", found.kind),
        ("from", found.table or "its own SQL over the clean tables"),
        ("event time", found.time),
        ("known time", found.known),
        ("version", _version(found)),
        (
            "data",
            f"newer than the newest training set: {written_key('features.build')} builds one with them"
            if stale
            else None,
        ),
        ("owner", found.owner or None),
        ("tags", ", ".join(found.tags) or None),
    ]
    parts: list[Part] = [Words(found.description)] if found.description else []
    parts.append(Facts([fact for fact in facts if fact[1] is not None]))
    if declared.sql:
        parts.append(Words(declared.sql.strip(), "definition: SQL, row by row of the spine"))
    if declared.features:
        parts.append(Facts(list(declared.features.items()), "definition: expressions over the newest row"))
    if declared.windows:
        windows = [(feature, _window(window)) for feature, window in declared.windows.items()]
        parts.append(Facts(windows, "definition: windows that end at the row's moment"))
    parts += _spreads(gateway, None, name)
    return Card(name, parts, offered(WHICH, ("features.lint", "lint"), BUILD))


def set_card(gateway: Gateway, training_set: str) -> Card:
    """Return the card of a training set: what went in, who learnt from it, and how its columns are spread."""
    made: TrainingSet = gateway.do("features.find", training_set)
    facts: list[tuple[str, object]] = [
        ("id", made.training_set_id),
        ("rows", f"{made.rows:,}: {made.train_rows:,} train, {made.validation_rows:,} validate"),
        ("as of", made.as_of),
        ("target", made.target),
        ("keys", ", ".join(made.keys)),
        ("looks ahead", made.look_ahead and f"{made.look_ahead}, on purpose: the gate refuses its models"),
        ("built", made.created_at),
        ("fingerprint", made.fingerprint),
    ]
    views = [f"{name} v{version}" for name, version in made.views.items()]
    tables = [
        f"{name}@{version.partition('@')[2] or version}" for name, version in made.dataset_versions.items()
    ]
    lineage = [("datasets", ", ".join(tables)), ("feature views", ", ".join(views))]
    parts: list[Part] = [
        Facts([fact for fact in facts if fact[1]]),
        Facts(lineage, "made from"),
        Listing(
            "learnt from by",
            gateway.rows(LEARNT, [made.training_set_id]),
            aged="started",
            most=8,
            empty=keyed("no run has read it yet: mlcycle train", 3),
        ),
        *_spreads(gateway, made.training_set_id, None),
    ]
    return Card(f"{made.name}, {made.rows:,} rows", parts, offered(BUILD, WHICH, ("go.experiments", "train")))


def version_card(gateway: Gateway, dataset: str, version: str) -> Card:
    """Return the card of a dataset version: its columns, what brought it, and what was made from it."""
    versions: list[DatasetVersion] = gateway.do("data.list_versions", dataset)
    found = next((one for one in versions if one.dataset_version == version), None)
    if found is None:
        return Card(dataset, [Words("this version is not there any more")])
    before = next((one for one in versions if one.dataset_version == found.parent), None)
    sets: list[TrainingSet] = gateway.do("features.list_training_sets")
    used = [
        {"training set": one.name, "rows": one.rows, "built": one.created_at}
        for one in sets
        if one.dataset_versions.get(dataset) == version
    ]
    facts: list[tuple[str, object]] = [
        ("version", f"{found.dataset_version}, number {found.number} of {len(versions)}"),
        ("rows", f"{found.rows:,}" + (f", {found.rows - before.rows:+,}" if before else "")),
        ("created", found.created_at),
        ("parent", found.parent or "none, the first"),
        ("fingerprint", found.fingerprint),
    ]
    parts: list[Part] = [
        Facts(facts),
        Listing("used by", used, most=8, empty="no training set was built from it"),
        Listing(
            f"batches of {dataset} that were admitted",
            gateway.rows(BROUGHT, [dataset]),
            aged="arrived",
            most=8,
        ),
        Facts(list(found.columns.items()), "columns"),
    ]
    return Card(
        f"{dataset} version {found.number}", parts, offered(("go.data", "shows the batches and their checks"))
    )


def _version(found: ViewInfo) -> str:
    if found.version is None:
        return keyed("not built yet: mlcycle features build", 3)
    changed = f", and the declaration has changed since: {written_key('features.build')} builds"
    return f"{found.version}{changed if found.changed else ''}"


def _window(window: Any) -> str:
    given = {name: getattr(window, name) for name in window.__struct_fields__}
    return ", ".join(f"{name} {value}" for name, value in given.items() if value is not None)


def _spreads(gateway: Gateway, training_set: str | None, view: str | None) -> list[Part]:
    """Return what the values of a training set look like, or why that cannot be said."""
    try:
        found: list[ColumnSpread] = gateway.do("features.spread", training_set, view=view)
    except MlcycleError as error:
        return [Words(f"{error.message}: {error.hint}" if error.hint else error.message, "values")]
    if not found:
        return [Words(keyed("no training set has its values yet: mlcycle features build", 3), "values")]
    return [_listing(found), *(_bins(one) for one in found[:CHARTS] if len(one.labels) > 1)]


def _listing(found: Sequence[ColumnSpread]) -> Listing:
    rows = [
        {
            "feature": one.column,
            "type": "category" if one.type == "varchar" else "number",
            "missing": f"{100 * one.missing / one.rows:.1f} %" if one.rows else "-",
            "different": f"~{one.distinct:,}",
            "from": one.least,
            "to": one.greatest,
        }
        for one in found
    ]
    n = f"{found[0].rows:,} rows that validate, newest training set"
    return Listing(f"features, {n}", rows, right=("missing", "different"), most=60)


def _bins(one: ColumnSpread) -> Bins:
    return Bins(
        f"{one.column}: rows that validate beside those that train",
        one.labels,
        one.counts,
        one.before,
        n_now=sum(one.counts),
        n_reference=sum(one.before or ()),
    )
