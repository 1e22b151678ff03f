"""Drift over any days, those too whose predictions are gone: then from the histograms that stayed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING

from mlcycle.monitor import bins, drift, histogram, records
from mlcycle.monitor.model import DriftOver, Line, Profile, Span
from mlcycle.store import Store
from mlcycle.store.archive import KEPT
from mlcycle.workspace import Workspace

if TYPE_CHECKING:
    from mlcycle.declare.model import Metric, Monitor

__all__ = ["drift_lines", "drift_over", "limits_of"]

Place = tuple[str, str, int]


def drift_over(
    workspace: Workspace, first: date, last: date, *, deployment: str | None = None
) -> list[DriftOver]:
    """Measure how far the predictions about some days have moved from the reference of their model version.

    Parameters
    ----------
    first, last
        Days (UTC) that the predictions are about, both included.
    deployment
        Only this one; all unless given.

    Returns
    -------
    list of DriftOver
        One a deployment, model and version that has a reference, in this order. Days whose rows can all be
        read are counted from them; else archived rows from `prediction_histogram`, and the others from the table.
    """
    from mlcycle.declare import load  # the live panel imports this package, and reads no declaration

    store, monitor = Store(workspace), load(workspace).monitor
    start, end = datetime.combine(first, time()), datetime.combine(last, time()) + timedelta(days=1)
    found = []
    with store.reading():
        stayed, gone = histogram.read(store, first, last, deployment), records.gone(store)
        for place in sorted({*stayed, *records.places(store, start, end, deployment)}):
            profiles = records.profiles(store, place[1], place[2])
            if not profiles:
                continue
            lost = any(first <= day <= last for day in gone.get(place, ()))
            source = KEPT if lost else "predictions"
            rows, counts = histogram.of_table(store, source, place, (start, end), profiles)
            if lost:
                counts, rows = _with(stayed.get(place, {}), profiles, counts, rows)
            if not rows:
                continue
            span = Span(*place, start, end - timedelta(microseconds=1))
            lines = drift_lines(profiles, counts, rows, monitor)
            found.append(DriftOver(span, rows, tuple(lines), from_histograms=lost))
    return found


def drift_lines(
    profiles: Sequence[Profile], counts: Sequence[list[int]], rows: int, monitor: Monitor
) -> list[Line]:
    """Return the lines `psi` and `missing_share` of each profile.

    Parameters
    ----------
    profiles
        The reference.
    counts
        Rows per bin of each profile, all others last.
    rows
        Rows that were counted, those without a value included.
    monitor
        Whose limits.
    """
    lines: list[Line] = []
    for profile, current in zip(profiles, counts, strict=True):
        limits, too_few = limits_of(monitor, profile.subject), monitor.too_few
        moved = drift.judge(
            bins.reference(profile), current, watch=limits.watch, alert=limits.alert, too_few=too_few
        )
        gone = drift.missing_test(
            profile.missing, profile.rows, rows - moved.m, rows, tests=len(profiles), too_few=too_few
        )
        lines += [
            Line("psi", profile.subject, moved.m, moved.value, limits.alert, moved.verdict),
            Line("missing_share", profile.subject, rows, gone.share, None, gone.verdict),
        ]
    return lines


def limits_of(monitor: Monitor, subject: str) -> Metric:
    """Return the limits of a drift subject: its own, or those of all."""
    return monitor.subjects.get(subject, monitor.psi)


def _with(
    stayed: dict[str, dict[str, int]], profiles: Sequence[Profile], counts: list[list[int]], rows: int
) -> tuple[list[list[int]], int]:
    """Add the archived rows per bin to those counted, and how many they are to the rows."""
    added = []
    for profile, current in zip(profiles, counts, strict=True):
        named = stayed.get(profile.subject, {})
        added.append([n + named.get(name, 0) for n, name in zip(current, bins.names(profile), strict=True)])
    # Every subject counts every row, in a bin or as missing.
    return added, rows + max((sum(named.values()) for named in stayed.values()), default=0)
