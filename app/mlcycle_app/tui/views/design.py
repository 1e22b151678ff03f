"""1 Design: what the product must do, how it has fared since, and what was decided by it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, ClassVar

from textual.app import ComposeResult

from mlcycle_app.gateway import Gateway
from mlcycle_app.tui.card import Card, Curve, Curves, Facts, Listing, Part, Words
from mlcycle_app.tui.cells import harmless
from mlcycle_app.tui.decided import decision_card, met
from mlcycle_app.tui.keys import keyed, offered, written_key
from mlcycle_app.tui.selection import Selection
from mlcycle_app.tui.views.base import PhaseView
from mlcycle_app.tui.widgets.notice import Notice

__all__ = ["DesignView"]

VERSIONS = """SELECT version, comparison || ' ' || printf('%g', value) AS "limit",
  array_to_string(phases, ', ') AS binds, owner, since, until, role, metric, statement, params,
  budget, comparison, value
FROM requirements WHERE requirement_id = ? ORDER BY version DESC"""
DECISIONS = """SELECT ts, kind, subject, evidence FROM decisions
WHERE list_contains(json_extract_string(evidence, '$.requirements[*].id'), ?)
ORDER BY ts DESC, decision_id DESC LIMIT 50"""
WINDOWS = """SELECT verdict, "end" AS "window", value, "limit", n, model || ':' || version AS model, deployment
FROM windows WHERE requirement_id = ? ORDER BY "end" DESC, deployment LIMIT 500"""
CHECKS = """SELECT CASE verdict WHEN 'pass' THEN 'ok' ELSE verdict END AS verdict, c.dataset, observed, r.ts AS "when"
FROM check_results r JOIN checks c USING (check_id) WHERE c.name = ? ORDER BY r.ts DESC LIMIT 10"""
ALERTS = """SELECT state, window_end AS "window", value, "limit", model || ':' || version AS model FROM alerts
WHERE subject = ? AND kind = 'requirement' ORDER BY window_end DESC LIMIT 20"""
CITED = """SELECT id, coalesce([one FOR one IN named IF one[2] = 'false'][1][1], named[1][1]) AS requirement FROM (
  SELECT right(decision_id::VARCHAR, 8) AS id, ts, list_zip(json_extract_string(evidence, '$.requirements[*].id'),
    json_extract_string(evidence, '$.requirements[*].met')) AS named FROM decisions)
WHERE len(named) > 0 ORDER BY ts DESC LIMIT 2000"""
"""Of the requirements that a decision cites the first that was not met, else the first."""
EXACT = """SELECT requirement_id AS requirement, comparison, value::VARCHAR AS value,
  array_to_string(phases, ',') AS phases, owner, metric, role, budget::VARCHAR AS budget, statement
FROM requirements WHERE until IS NULL"""


class DesignView(PhaseView):
    """The Design screen."""

    number: ClassVar[int] = 1
    tables: ClassVar[tuple[str, ...]] = ("requirements", "decisions")
    declares: ClassVar[bool] = True

    def __init__(self, gateway: Gateway) -> None:
        super().__init__(gateway)
        self._exact: Mapping[str, Mapping[str, Any]] = {}
        self._cited: Mapping[str, str] = {}
        """Decision to the requirement that it turned on."""

    def compose(self) -> ComposeResult:
        """What is wrong with the file, the lists, and the card."""
        yield Notice()
        yield from super().compose()

    def read(self) -> Any:
        """Read the tables, and each requirement to the last digit, for the form that edits it."""
        with self.gateway.one_state():
            data = super().read()
            rows, cited = self.gateway.rows(EXACT), self.gateway.rows(CITED)
        self._cited = {row["id"]: row["requirement"] for row in cited}
        self._exact = {
            row["requirement"]: {**row, "statement": " ".join((row["statement"] or "").split())}
            for row in rows
        }
        return data

    @property
    def selected(self) -> Selection:
        """The row under the cursor; a requirement with all that a form can change, a decision with its."""
        found = super().selected
        if found.row is None:
            return found
        if found.table == "decisions":
            return replace(found, also=self._exact.get(self._cited.get(str(found.row["id"]), ""), {}))
        return replace(found, row={**found.row, **self._exact.get(str(found.row["requirement"]), {})})

    def lacks(self, words: str) -> str:
        """Say where nothing is under the cursor that could be edited."""
        found = self.selected
        if words != "design edit" or found.names("requirement"):
            return ""
        if found.table == "decisions" and found.row is not None:
            return "this decision is about no requirement in force"
        return f"no requirement is selected here; {written_key('design.add')} writes one"

    def read_card(self, name: str, row: Mapping[str, Any]) -> Card:
        """Return the thread of a requirement, or the evidence of a decision."""
        if name == "decisions":
            return decision_card(self.gateway, str(row["id"]))
        with self.gateway.one_state():
            return _requirement_card(self.gateway, str(row["requirement"]))


def _requirement_card(gateway: Gateway, name: str) -> Card:
    versions = gateway.rows(VERSIONS, [name])
    if not versions:
        return Card(name, [Words("it is not there any more")])
    now = versions[0]
    decided = [
        {**row, "seen": seen}
        for row in gateway.rows(DECISIONS, [name])
        for seen in json.loads(row["evidence"])["requirements"]
        if seen["id"] == name
    ]
    windows = gateway.rows(WINDOWS, [name])
    parts: list[Part] = [Words(harmless(now["statement"]))] if now["statement"] else []
    parts.append(_facts(now))
    if windows:
        parts.append(_curves(windows, now))
        shown = [{key: row[key] for key in row if key != "deployment"} for row in windows]
        parts.append(Listing("live windows", shown, most=8))
    elif "monitor" in now["binds"]:
        parts.append(Words(keyed("not measured yet: mlcycle monitor run", 1), "live windows"))
    under = [_decided(row) for row in decided]
    parts.append(Listing("decisions under it", under, aged="when", empty="none yet", most=8))
    for title, sql in (("checks that ask it", CHECKS), ("alerts", ALERTS)):
        if rows := gateway.rows(sql, [name]):
            parts.append(Listing(title, rows, most=8))
    kept = ("version", "limit", "binds", "owner", "since", "until")
    parts.append(Listing("versions", [{key: row[key] for key in kept} for row in versions]))
    keys = (("design.edit", "edit"), ("design.add", "new"), ("design.check", "check"))
    return Card(name, parts, offered(*keys))


def _facts(now: Mapping[str, Any]) -> Facts:
    params = json.loads(now["params"] or "{}")
    said = ", ".join(f"{key} {value}" for key, value in params.items())
    rows: list[tuple[str, object]] = [
        ("asks", f"{now['metric']} {now['limit']}" + (f" ({said})" if said else "")),
        ("binds", now["binds"]),
        ("role", now["role"]),
        ("owner", now["owner"] or "nobody yet"),
        ("budget", now["budget"]),
        ("in force", "until now" if now["until"] is None else f"until {now['until']:%Y-%m-%d}"),
    ]
    return Facts([row for row in rows if row[1] is not None])


def _curves(windows: Sequence[Mapping[str, Any]], now: Mapping[str, Any]) -> Curves:
    lines: dict[str, tuple[list[float], list[float]]] = {}
    for row in reversed(windows):
        x, y = lines.setdefault(row["deployment"], ([], []))
        x.append(_seconds(row["window"]))
        y.append(float("nan") if row["value"] is None else row["value"])
    return Curves(
        f"{now['metric']} in live windows",
        [Curve(name, x, y) for name, (x, y) in lines.items()],
        limit=now["value"],
        sign=now["comparison"],
        y_label=now["metric"],
        times=True,
    )


def _seconds(when: datetime) -> float:
    return when.replace(tzinfo=UTC).timestamp()


def _decided(row: Mapping[str, Any]) -> dict[str, Any]:
    seen = row["seen"]
    return {
        "verdict": met(seen),
        "observed": seen.get("observed"),
        "limit": f"{seen['comparison']} {seen['limit']:g}",
        "n": seen.get("n"),
        "of": row["subject"] if row["kind"] == "gate" else f"{row['subject']} {row['kind']}",
        "when": row["ts"],
    }
