"""Windows over predictions: which must be judged, what is in them, and the alerts they open."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from functools import cache, partial
from typing import Any

from mlcycle import design, progress
from mlcycle.declare import Declarations, load
from mlcycle.declare.model import Monitor
from mlcycle.design import Requirement
from mlcycle.hashing import sha256_value
from mlcycle.monitor import freshness, histogram, measure, records
from mlcycle.monitor.drift_over import drift_lines, limits_of
from mlcycle.monitor.model import Alert, Line, MonitorReport, Profile, Span, WindowResult
from mlcycle.monitor.scored import scored
from mlcycle.store import Store, Transaction
from mlcycle.workspace import Workspace

__all__ = ["judge_windows"]

DRIFT = ("psi", "missing_share")
CONSECUTIVE = {"batch": 1, "day": 1, "hour": 2}
"""Windows in a row that must cross a limit before an alert, unless declared."""


@dataclass(frozen=True)
class _Window:
    span: Span
    n: int
    labelled: int
    mean_score: float | None
    last_as_of: datetime
    stamp: str
    """What it would be computed from now; a kept window with the same stamp is up to date."""


def judge_windows(workspace: Workspace, *, deployment: str | None, force: bool) -> MonitorReport:
    """Judge windows; see `run`."""
    declared, store = load(workspace), Store(workspace)
    requirements = design.active(workspace, "monitor")
    monitor = declared.monitor
    kept = records.computed(store, deployment)
    windows, references = _windows(store, monitor, requirements, deployment)
    final = _final(kept.keys(), records.gone(store))
    due = [
        one
        for one in windows
        if not _overlaps(one.span, final) and (force or kept.get(_place(one.span)) != one.stamp)
    ]
    gone = _judged_elsewhere(store, kept.keys() - final, [window.span for window in windows])
    if not due:
        return MonitorReport((), len(windows), (), gone)
    ages = _ages(workspace, declared, requirements, [window.last_as_of for window in due])
    judge = _Judge(workspace, declared, requirements, references, ages)
    results, opened, closed = [], [], gone
    for done, window in enumerate(due):
        progress.tell("judge windows", done, len(due))
        # One short transaction a window: its reads share one opening of the store, and nobody waits for all of them.
        with store.transaction("monitor run") as tx:
            results.append(judge.window(window))
            new, ended = _record(tx, results[-1], monitor, window.stamp)
        opened += new
        closed += ended
    progress.tell("judge windows", len(due), len(due))
    return MonitorReport(tuple(results), len(windows) - len(due), tuple(opened), closed)


def _windows(
    store: Store, monitor: Monitor, requirements: Sequence[Requirement], deployment: str | None
) -> tuple[list[_Window], dict[tuple[str, int], list[Profile]]]:
    """Return the windows there are now, oldest first, and the reference of each model version among them."""
    rows = records.spans(store, monitor.window, deployment, monitor.too_few)
    references = {
        version: records.profiles(store, *version)
        for version in dict.fromkeys((row["model"], row["version"]) for row in rows)
    }
    batches: dict[tuple[object, ...], list[datetime]] = {}
    for row in rows:
        if row["live"] is False:
            batches.setdefault((row["deployment"], row["model"], row["version"]), []).append(row["starts"])
    windows = []
    for row in rows:
        version = (row["model"], row["version"])
        moments = batches.get((row["deployment"], *version), [])
        apart = tuple(one for one in moments if row["starts"] <= one <= row["ends"])
        span = Span(row["deployment"], *version, row["starts"], row["ends"], row["live"], apart)
        stamp = _stamp(row, monitor, requirements, references[version])
        windows.append(_Window(span, row["n"], row["labelled"], row["mean_score"], row["last_as_of"], stamp))
    return windows, references


def _stamp(
    row: Mapping[str, Any], monitor: Monitor, requirements: Sequence[Requirement], profiles: Sequence[Profile]
) -> str:
    return sha256_value(
        {
            "predictions": [row["n"], row["labelled"], row["content"]],
            "requirements": sorted([r.requirement_id, r.version] for r in requirements),
            "reference": [asdict(profile) for profile in profiles],
            "limits": [repr(limits_of(monitor, profile.subject)) for profile in profiles],
            "too few": monitor.too_few,
            "in a row": _in_a_row(monitor),
        }
    )


def _place(span: Span) -> tuple[Any, ...]:
    return (span.deployment, span.model, span.version, span.start, span.end)


def _final(
    kept: Collection[tuple[Any, ...]], gone: Mapping[tuple[str, str, int], Collection[date]]
) -> set[tuple[Any, ...]]:
    """Return the kept windows of which predictions are gone: what was judged of them stands.

    What is left of them may look like another window, so none that overlaps one is judged.
    """
    return {
        place
        for place in kept
        if any(place[3].date() <= day <= place[4].date() for day in gone.get(place[:3], ()))
    }


def _overlaps(span: Span, places: Collection[tuple[Any, ...]]) -> bool:
    here = _place(span)
    return any(place[:3] == here[:3] and span.start <= place[4] and place[3] <= span.end for place in places)


def _judged_elsewhere(store: Store, kept: Collection[tuple[Any, ...]], spans: Sequence[Span]) -> int:
    """Remove kept windows whose predictions are in other windows by now; returns how many alerts closed."""
    places = {_place(span) for span in spans}
    closed = 0
    for place in kept:
        named = dict(zip(records.PLACE, place, strict=True))
        moved = place not in places and any(_overlaps(span, [place]) for span in spans)
        if moved:
            with store.transaction("monitor run") as tx:
                closed += records.remove_window(tx, named)
                tx.audit(
                    f"window {place[0]} {place[3]} {place[1]}:{place[2]}", after="judged in other windows"
                )
    return closed


def _in_a_row(monitor: Monitor) -> int:
    return monitor.consecutive or CONSECUTIVE[monitor.window]


def _ages(
    workspace: Workspace, declared: Declarations, requirements: Sequence[Requirement], moments: list[datetime]
) -> dict[tuple[str, datetime], tuple[float, int]]:
    found = {}
    for source in {str(r.params.get("source")) for r in requirements if r.metric == "freshness"}:
        if source in declared.data.sources:
            ages = freshness.ages(workspace, source, declared.data.sources[source], sorted(set(moments)))
            found.update({(source, moment): age for moment, age in ages.items()})
    return found


class _Judge:
    """Computes one window after the other from what all of them share."""

    def __init__(
        self,
        workspace: Workspace,
        declared: Declarations,
        requirements: Sequence[Requirement],
        references: dict[tuple[str, int], list[Profile]],
        ages: dict[tuple[str, datetime], tuple[float, int]],
    ) -> None:
        self._workspace, self._store = workspace, Store(workspace)
        self._monitor = declared.monitor
        self._task = declared.require_training().task
        self._requirements, self._references, self._ages = requirements, references, ages

    def window(self, window: _Window) -> WindowResult:
        span = window.span
        lines = [
            Line("predictions", None, window.n, float(window.n), None, "ok"),
            Line(
                "labels",
                None,
                window.labelled,
                window.labelled / window.n,
                None,
                "ok" if window.labelled else "not measured",
            ),
            Line("mean_score", None, window.n, window.mean_score, None, "ok"),
        ]
        traffic = records.traffic(self._store, span, measure.quantiles(self._requirements))
        lines += _traffic_lines(
            traffic, records.resources(self._store, span.deployment, traffic["first_at"], traffic["last_at"])
        )
        lines += self._drift(span)
        lines += measure.lines(
            self._requirements, self._facts(window, traffic), too_few=self._monitor.too_few
        )
        return WindowResult(span, window.n, window.labelled, tuple(lines))

    def _facts(self, window: _Window, traffic: dict[str, Any]) -> measure.Facts:
        return measure.Facts(
            end=window.last_as_of,
            predictions=window.n,
            labelled=window.labelled,
            # Several requirements look at the same rows.
            scored=cache(partial(scored, self._workspace, window.span, self._task)),
            latency=traffic["latency"],
            timed=traffic["timed"],
            ages=self._ages,
        )

    def _drift(self, span: Span) -> list[Line]:
        profiles = self._references[span.model, span.version]
        if not profiles:
            return []
        found = records.histograms(self._store, span, histogram.aggregates(profiles))
        return drift_lines(profiles, histogram.counted(profiles, found), found["rows"], self._monitor)


def _traffic_lines(traffic: dict[str, Any], sampled: dict[str, Any]) -> list[Line]:
    lines = [Line("errors", None, traffic["n"], float(traffic["errors"]), None, "ok")]
    numbers = [
        (f"latency_p{percent}", traffic["timed"], value) for percent, value in traffic["latency"].items()
    ]
    numbers += [(name, sampled["n"], sampled[name]) for name in ("cpu_pct", "rss_mb")]
    for name, n, value in numbers:
        lines.append(Line(name, None, n, value, None, "not measured" if value is None else "ok"))
    return lines


def _record(tx: Transaction, result: WindowResult, monitor: Monitor, stamp: str) -> tuple[list[Alert], int]:
    """Write a window and bring its alerts up to date; returns those opened, and how many were closed."""
    span, opened, closed = result.span, [], 0
    before, alerts = records.kept_verdicts(tx, span), records.known_alerts(tx, span)
    records.replace_window(tx, span, result.lines, stamp)
    for line in result.lines:
        if line.metric not in DRIFT and line.requirement_id is None:
            continue
        subject = (line.metric, str(line.subject))
        alert_id, state = alerts.get(subject, ("", "closed"))
        if line.verdict != "alert":
            if state != "closed":
                records.set_alert_state(tx, alert_id, "closed")
                closed += 1
        elif state != "closed":
            records.update_alert(tx, alert_id, line)
        elif alert_id and before.get(subject) == "alert":
            pass  # it crossed its limit all along, and somebody closed the alert
        elif _lasting(tx, span, line, _in_a_row(monitor)):
            opened.append(
                records.open_alert(tx, span, line, "requirement" if line.requirement_id else "drift")
            )
    what = f"window {span.deployment} {span.start} {span.model}:{span.version}"
    tx.audit(
        what, after={"predictions": result.predictions, "alerts opened": len(opened), "alerts closed": closed}
    )
    return opened, closed


def _lasting(tx: Transaction, span: Span, line: Line, in_a_row: int) -> bool:
    if in_a_row == 1:
        return True
    verdicts = records.verdicts_before(tx, span, line, in_a_row)
    return len(verdicts) == in_a_row and set(verdicts) == {"alert"}
