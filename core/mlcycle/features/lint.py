"""Looks for features that see the label or the future: by reading the declarations, and by proof.

The proof computes every view twice for some moments of the spine, once from all rows and once from the rows alone
that existed and were known at the moment. A feature that differs has looked ahead.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

from mlcycle import clock
from mlcycle.declare.model import Features, Window
from mlcycle.engines.local import literal, quote
from mlcycle.features import records
from mlcycle.features.compile import declared_errors
from mlcycle.features.model import Feature, Finding
from mlcycle.features.resolve import ResolvedView, function_of
from mlcycle.features.tables import Opened, opened
from mlcycle.ids import short
from mlcycle.store import Store
from mlcycle.workspace import Workspace

__all__ = ["lint"]

MOMENTS = 3
"""Spine times at which the proof is tried: the oldest, the newest and the one in the middle."""


def lint(workspace: Workspace) -> list[Finding]:
    """Return what is to be distrusted; nothing found is an empty list.

    Rules
    -----
    target
        A feature has the target's name, or is made from the target of its own row.
    cutoff
        An SQL view never mentions `cutoff`.
    look ahead
        A training set was built to look ahead on purpose.
    leak
        The proof found other values when the rows after the moment, or not known yet, were taken away.

    Raises
    ------
    DeclarationError
        If the declarations do not compile.
    """
    found: list[Finding] = []
    with opened(workspace) as tables:
        compiled = tables.compile(as_of=clock.now())
        for view in tables.resolved:
            found += _read(view, tables.features, compiled.features)
        for moment in _moments(tables):
            known = {(one.view, one.feature) for one in found if one.rule == "leak"}
            found += [one for one in _prove(tables, moment) if (one.view, one.feature) not in known]
    for row in records.looking_ahead(Store(workspace)):
        named = f"training set {row['name']} ({short(row['training_set_id'])})"
        message = f"{named} looks {row['look_ahead']} ahead: what learns from it cannot keep its promise"
        found.append(Finding("", "", "look ahead", message))
    return found


def _read(view: ResolvedView, features: Features, compiled: Sequence[Feature]) -> list[Finding]:
    target = features.spine.target
    named = [
        feature.name
        for feature in compiled
        if feature.view == view.name and feature.name.lower() == target.lower()
    ]
    found = [Finding(view.name, name, "target", f"{name} has the name of the target") for name in named]
    if view.kind == "sql":
        if not _mentions(view.view.sql or "", "cutoff"):
            message = "its sql never mentions cutoff, so nothing keeps rows after the moment out"
            found.append(Finding(view.name, "", "cutoff", message))
        return found
    if view.table != features.spine.table or (view.kind == "events" and view.known is not None):
        return found  # windows over past labels are honest where the spine says when a label became known
    texts: dict[str, tuple[str, ...]] = {name: (text,) for name, text in view.view.features.items()}
    texts |= {name: _texts_of(view.name, name, window) for name, window in view.view.windows.items()}
    found += [
        Finding(
            view.name,
            name,
            "target",
            f"{name} is made from {target}, the target of the row that is asked about",
        )
        for name, parts in texts.items()
        if name not in named and any(_mentions(part, target) for part in parts)
    ]
    return found


def _texts_of(view: str, name: str, window: Window) -> tuple[str, ...]:
    return (function_of(view, name, window)[1], window.where or "")


def _mentions(sql: str, name: str) -> bool:
    """Tell whether SQL uses an identifier; comments and text in quotes do not count."""
    code = re.sub(r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'", " ", sql, flags=re.DOTALL)
    return re.search(rf"(?<!\w){re.escape(name)}(?!\w)", code, flags=re.IGNORECASE) is not None


def _moments(tables: Opened) -> list[datetime]:
    spine, now = tables.features.spine, clock.now()
    if spine.time is None:
        return [now]
    time = f"CAST({quote(spine.time)} AS TIMESTAMP)"
    rows = tables.session.rows(
        f"SELECT DISTINCT {time} AS t FROM {quote(spine.table)} WHERE {time} <= {literal(now)} ORDER BY t"
    )
    times = [row["t"] for row in rows]
    return (
        sorted({times[round(i * (len(times) - 1) / (MOMENTS - 1))] for i in range(MOMENTS)}) if times else []
    )


def _prove(tables: Opened, moment: datetime) -> list[Finding]:
    where = f"__as_of = {literal(moment)}"
    full = tables.compile(as_of=moment, where=where)
    cut = tables.compile(as_of=moment, where=where, cut=_cuts(tables, moment))
    judged = {
        view.name for view in tables.resolved if view.kind != "own row" and not _other_clock(tables, view)
    }
    features = [feature for feature in full.features if feature.view in judged]
    if not features:
        return []
    for name, compiled in (("__full", full), ("__cut", cut)):
        with declared_errors():
            tables.session.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS {compiled.sql}")
    counted = ", ".join(
        f"count(*) FILTER ({_differs(feature)}) AS c{i}" for i, feature in enumerate(features)
    )
    counts = tables.session.one(
        f"SELECT count(*) AS n, {counted} FROM __full f JOIN __cut c USING ({full.number})"
    )
    return [
        Finding(
            feature.view,
            feature.name,
            "leak",
            f"{counts[f'c{i}']:,} of {counts['n']:,} values as of {moment:%Y-%m-%d} change without the rows of later",
        )
        for i, feature in enumerate(features)
        if counts[f"c{i}"]
    ]


def _differs(feature: Feature) -> str:
    full, cut = (f"{side}.{quote(feature.name)}" for side in "fc")
    if feature.type == "category":
        return f"{full} IS DISTINCT FROM {cut}"
    near = f"abs({full} - {cut}) <= 1e-9 * greatest(abs({full}), abs({cut}), 1)"
    return f"{full} IS DISTINCT FROM {cut} AND NOT coalesce({near}, FALSE)"


def _cuts(tables: Opened, moment: datetime) -> dict[str, str]:
    """Return each table as it was at a moment, as a SELECT; without times nothing can be taken away."""
    cuts = {}
    for table, (time, known) in _clocks(tables).items():
        at = literal(moment)
        kept = [
            f"coalesce(CAST({quote(column)} AS TIMESTAMP) <= {at}, TRUE)"
            for column in (time, known)
            if column
        ]
        if kept:
            cuts[table] = f"SELECT * FROM {quote(table)} WHERE {' AND '.join(kept)}"
    spine = tables.features.spine
    if spine.known is not None and spine.table in tables.catalog:  # hides the value, never the row
        late = f"CASE WHEN CAST({quote(spine.known)} AS TIMESTAMP) <= {literal(moment)} THEN {quote(spine.target)} END"
        kept_rows = (
            f"coalesce(CAST({quote(spine.time)} AS TIMESTAMP) <= {literal(moment)}, TRUE)"
            if spine.time
            else "TRUE"
        )
        cuts[spine.table] = (
            f"SELECT * REPLACE ({late} AS {quote(spine.target)}) FROM {quote(spine.table)} WHERE {kept_rows}"
        )
    return cuts


def _clocks(tables: Opened) -> dict[str, tuple[str | None, str | None]]:
    spine = tables.features.spine
    found: dict[str, tuple[str | None, str | None]] = {}
    for table in tables.catalog:
        source = tables.declarations.data.sources.get(table)
        time, known = (source.time, source.known) if source else (None, None)
        found[table] = (time or (spine.time if table == spine.table else None), known)
    return found


def _other_clock(tables: Opened, view: ResolvedView) -> bool:
    """Tell whether a view reads other times than its source declares, which the proof then cannot judge."""
    own = (view.time, view.known)
    return view.kind == "events" and any(
        a != b for a, b in zip(own, _clocks(tables)[view.table], strict=True) if b
    )
