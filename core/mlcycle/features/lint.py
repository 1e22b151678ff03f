"""Looks for features that see the label or the future: by reading the declarations, and by proof.

The proof computes every view twice for some moments of the spine, once from all rows and once from the rows alone
that existed and were known at the moment. A feature that differs has looked ahead.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

from mlcycle import clock
from mlcycle.declare.model import Features, View
from mlcycle.engines.local import literal, quote
from mlcycle.features import records
from mlcycle.features.compile import Compiled, declared_errors
from mlcycle.features.model import Feature, Finding
from mlcycle.features.resolve import ResolvedView
from mlcycle.features.tables import Opened, opened
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
        message = f"training set {row['name']} ({str(row['training_set_id'])[-8:]}) was built to look {row['look_ahead']} ahead"
        found.append(Finding("", "", "look ahead", f"{message}: what learns from it cannot keep its promise"))
    return found


def _read(view: ResolvedView, features: Features, compiled: Sequence[Feature]) -> list[Finding]:
    target = features.spine.target
    found = [
        Finding(view.name, feature.name, "target", f"{feature.name} has the name of the target")
        for feature in compiled
        if feature.view == view.name and feature.name.lower() == target.lower()
    ]
    if view.kind == "sql":
        return found + _read_sql(view.name, view.view)
    # windows over past labels are honest where the spine says when a label became known
    if view.table != features.spine.table or (view.kind == "events" and view.known is not None):
        return found
    named = {feature.name for feature in compiled} & {one.feature for one in found}
    texts = {name: (text,) for name, text in view.view.features.items()}
    texts |= {name: _texts(window) for name, window in view.view.windows.items()}
    found += [
        Finding(view.name, name, "target", f"{name} is made from {target}, the target of the row that is asked about")
        for name, parts in texts.items()
        if name not in named and any(_mentions(part, target) for part in parts)
    ]
    return found
'''
'''
