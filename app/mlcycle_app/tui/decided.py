"""The card of a decision: each requirement with its limit and what was seen, and the champion beside the challenger."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from rich.text import Text

from mlcycle_app.gateway import Gateway
from mlcycle_app.tui.card import Card, Facts, Listing, Part, Words
from mlcycle_app.tui.cells import harmless, number
from mlcycle_app.tui.glyphs import glyph, style_of

__all__ = ["decision_card", "decision_parts", "judged_on", "met"]

DECISION = """SELECT decision_id, kind, subject, outcome, reasons, evidence, decided_by, ts FROM decisions
WHERE right(decision_id::VARCHAR, 8) = ?"""
CHAMPIONS = """SELECT evidence FROM decisions WHERE subject = ? AND kind = 'gate' AND outcome = 'approved' AND ts <= ?
ORDER BY ts DESC, decision_id DESC LIMIT 1"""


def decision_card(gateway: Gateway, short: str) -> Card:
    """Return all about one decision.

    Parameters
    ----------
    short
        The last eight characters of its id.
    """
    found = gateway.rows(DECISION, [short])
    if not found:
        return Card("decision", [Words("it is not there any more")])
    row = found[0]
    return Card(f"{row['kind']} of {row['subject']}", decision_parts(gateway, row))


def decision_parts(gateway: Gateway, row: Mapping[str, Any], title: str = "") -> list[Part]:
    """Return a decision as parts of a card; the title stands above the first one."""
    evidence: dict[str, Any] = json.loads(row["evidence"] or "{}")
    facts: list[tuple[str, object]] = [
        ("outcome", row["outcome"]),
        ("of", row["subject"]),
        ("judged on", judged_on(evidence.get("judged_on"))),
        ("decided by", row["decided_by"]),
        ("when", row["ts"]),
    ]
    parts: list[Part] = [Facts([fact for fact in facts if fact[1]], title)]
    if row["reasons"]:
        parts.append(_reasons(row["reasons"], refused=row["outcome"] == "refused"))
    if seen := evidence.get("requirements"):
        parts.append(Facts([(str(one.get("id")), _requirement(one)) for one in seen], "requirements"))
    if paired := evidence.get("champion"):
        parts += _paired(paired, row["subject"])
        if then := _champion(gateway, row, paired):
            before = f"when {paired['subject']} was judged, on other rows"
            parts.append(Facts([(str(one.get("id")), _requirement(one)) for one in then], before))
    if metrics := evidence.get("metrics"):
        others = [{"metric": name, "value": value} for name, value in metrics.items()]
        parts.append(Listing("all metrics on these rows", others, most=40))
    return parts


def judged_on(said: Mapping[str, Any] | None) -> str:
    """Return in words which rows a model was judged on."""
    if not said:
        return ""
    rows = f"{said.get('rows', 0):,} rows"
    if said.get("what") != "moments":
        return f"{rows} set apart for validation"
    start, end = (str(said.get(name))[:10] for name in ("start", "end"))
    over = start if start == end else f"{start} to {end}"
    return f"{rows} of {over}, labels known by {str(said.get('known_by'))[:10]}"


def met(one: Mapping[str, Any]) -> str:
    """Return whether a requirement was met, as a word that lists give glyph and colour."""
    return "not measured" if one.get("observed") is None else "ok" if one.get("met") else "fail"


def _reasons(reasons: Sequence[str], *, refused: bool) -> Words:
    text = Text()
    for reason in reasons:
        if refused:
            text.append(f"{glyph('failed')} ", style=style_of("failed"))
        text.append(f"{harmless(reason)}\n")
    text.rstrip()
    return Words(text, "why it was refused" if refused else "worth knowing")


def _requirement(one: Mapping[str, Any]) -> Text:
    seen = one.get("observed")
    kind, word = ("ok", "met") if one.get("met") else ("failed", "not met")
    if seen is None:
        kind, word = "none", "not measured"
    text = Text(f"{glyph(kind)} {word}", style=style_of(kind))
    metric = "" if one.get("metric") in (None, one.get("id")) else f"{one['metric']} "
    measured = "" if seen is None else f"  {metric}{number(float(seen))}"
    text.append(f"{measured}, limit {one.get('comparison', '')} {one.get('limit', 0):g}", "default")
    text.append(f", n {one['n']:,}" if one.get("n") is not None else "", "default")
    return text.append(f", {harmless(str(one['why']))}" if one.get("why") else "", "default")


def _champion(
    gateway: Gateway, row: Mapping[str, Any], paired: Mapping[str, Any]
) -> Sequence[Mapping[str, Any]]:
    """Return what the champion's own gate had seen; it saw other rows, so it is no comparison."""
    if not paired.get("subject"):
        return []
    found = gateway.rows(CHAMPIONS, [paired["subject"], row["ts"]])
    return list(json.loads(found[0]["evidence"]).get("requirements", [])) if found else []


def _paired(paired: Mapping[str, Any], subject: str) -> list[Part]:
    metric = paired.get("metric")
    rows: list[tuple[str, object]] = [
        (f"{subject} {metric}", paired.get("challenger")),
        (f"{paired.get('subject')} {metric}", paired.get("champion")),
        ("difference", _signed(paired.get("difference"))),
    ]
    if paired.get("low") is not None and paired.get("high") is not None:
        rows.append(("95 % interval", f"{_signed(paired['low'])} to {_signed(paired['high'])}"))
    if paired.get("p_better") is not None:
        rows.append(("better in", f"{paired['p_better']:.0%} of {paired.get('resamples', 0):,} resamples"))
    rows += [
        ("n", paired.get("n")),
        ("so it is", paired.get("verdict")),
        ("because", paired.get("why") or None),
    ]
    return [Facts([one for one in rows if one[1] is not None], "both on the same rows")]


def _signed(value: float | None) -> str | None:
    return None if value is None else f"{value:+.4f}"
