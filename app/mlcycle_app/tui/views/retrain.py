"""7 Retrain: what asks for it, how the challenger did beside the champion, and what was decided."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from textual.binding import Binding, BindingType

from mlcycle_app.gateway import Gateway, MlcycleError
from mlcycle_app.tui.ages import moment
from mlcycle_app.tui.card import Card, Facts, Listing, Part, Words
from mlcycle_app.tui.decided import decision_card, decision_parts
from mlcycle_app.tui.keys import keyed, offered, written_key
from mlcycle_app.tui.selection import Selection
from mlcycle_app.tui.views.base import PhaseView

__all__ = ["RetrainView"]

ALIASES = """SELECT alias, model, model || ':' || version AS name FROM aliases
WHERE alias IN ('champion', 'challenger') ORDER BY since, model, version"""
TRIGGER = "SELECT * FROM triggers WHERE right(trigger_id::VARCHAR, 8) = ?"
MADE = "SELECT model || ':' || version AS name FROM model_versions WHERE run_id = ? ORDER BY version DESC LIMIT 1"
ALIAS = "SELECT string_agg(alias, ', ') AS alias FROM aliases WHERE model || ':' || version = ?"
DECIDED = """SELECT decision_id, kind, subject, outcome, reasons, evidence, decided_by, ts FROM decisions
WHERE subject = ? AND kind <> 'what-if' ORDER BY ts DESC, decision_id DESC LIMIT 1"""


class RetrainView(PhaseView):
    """The Retrain screen."""

    number: ClassVar[int] = 7
    tables: ClassVar[tuple[str, ...]] = ("triggers", "decisions")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "B",
            "app.command('models rollback')",
            "rollback",
            id="retrain.rollback",
            tooltip="bring the previous champion back",
        )
    ]

    def __init__(self, gateway: Gateway) -> None:
        super().__init__(gateway)
        self._aliases: dict[str, str] = {}

    def read(self) -> Any:
        """Read the tables, and who is champion and challenger."""
        with self.gateway.one_state():
            data = super().read()
            rows = self.gateway.rows(ALIASES)
        self._aliases = {row["alias"]: row["name"] for row in rows}
        if rows:
            self._aliases["model name"] = rows[-1]["model"]  # as the two names beside it: the newest
        return data

    @property
    def selected(self) -> Selection:
        """The row under the cursor; commands here act on the champion or the challenger, wherever it is."""
        found = super().selected
        return (
            replace(found, row={**(found.row or {}), **self._aliases})
            if found.row or self._aliases
            else found
        )

    def read_card(self, name: str, row: Mapping[str, Any]) -> Card:
        """Return a trigger with its evidence and its challenger, or the evidence of a decision."""
        if "id" not in row:
            return Card("retrain", [Words("nothing asks for retraining")])
        with self.gateway.one_state():
            if name == "decisions":
                return decision_card(self.gateway, str(row["id"]))
            return _trigger_card(self.gateway, str(row["id"]))


def _trigger_card(gateway: Gateway, short: str) -> Card:
    found = gateway.rows(TRIGGER, [short])
    if not found:
        return Card("trigger", [Words("it is not there any more")])
    row = found[0]
    evidence = json.loads(row["evidence"] or "{}")
    made = gateway.rows(MADE, [row["run_id"]]) if row["run_id"] else []
    facts: list[tuple[str, object]] = [
        ("state", row["state"]),
        ("asks because of", row["reason"]),
        ("since", row["ts"]),
        ("run", str(row["run_id"])[-8:] if row["run_id"] else None),
        ("challenger", made[0]["name"] if made else None),
    ]
    parts: list[Part] = [Facts([fact for fact in facts if fact[1]])]
    if row["state"] in ("open", "running"):
        parts.append(_next(gateway))
    if alerts := evidence.get("alerts"):
        parts.append(Listing("alerts", [_alert(one) for one in alerts], most=12))
    if batches := evidence.get("batches"):
        shown = [
            {"source": one.get("source"), "rows": one.get("rows"), "file": one.get("path")} for one in batches
        ]
        parts.append(Listing("data no champion has learnt from", shown, most=12))
    decided = gateway.rows(DECIDED, [made[0]["name"]]) if made else []
    if decided:
        parts += decision_parts(gateway, decided[0])
    elif made:
        words = f"it has not been judged yet: {written_key('retrain.judge')} (mlcycle retrain judge)"
        parts.append(Words(words, "champion and challenger"))
    alias = gateway.rows(ALIAS, [made[0]["name"]])[0]["alias"] if made else None
    return Card(f"trigger {short}", parts, _can(row["state"], alias or "", judged=bool(decided)))


def _can(state: str, alias: str, *, judged: bool) -> str:
    """Return what can be done to a trigger in its state, and to the challenger that it led to."""
    if state == "open":
        return offered(("retrain.run", "run"), ("retrain.reject", "reject"))
    if state == "running":
        return f"{written_key('jobs')} jobs"
    if "challenger" in alias:
        decide = (("retrain.approve", "approve"), ("retrain.reject", "reject"))
        return offered(*decide) if judged else offered(("retrain.judge", "judge"), *decide)
    return offered(("retrain.rollback", "roll back", "B")) if "champion" in alias else ""


def _alert(one: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "metric": one.get("metric"),
        "subject": one.get("subject"),
        "value": one.get("value"),
        "limit": one.get("limit"),
        "window": str(one.get("window_start", ""))[:16].removesuffix(" 00:00") or None,
    }


def _next(gateway: Gateway) -> Part:
    try:
        status = gateway.do("retrain.status")
    except MlcycleError as error:
        return Words(error.message)
    if status.next:
        return Words(keyed(f"next: {status.next}", 7))
    if status.waits_for is not None:
        return Words(
            f"next: wait for the labels of {moment(status.waits_for)}; they will judge the challenger"
        )
    return Words("next: nothing to be done")
