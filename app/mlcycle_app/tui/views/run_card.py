"""All about one run, as a card: what went wrong first, then what was chosen, how it did, and what it left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.text import Text

from mlcycle_app.gateway import Gateway, MlcycleError, free
from mlcycle_app.tui.card import Card, Facts, Listing, Part, Words
from mlcycle_app.tui.cells import harmless
from mlcycle_app.tui.comparing import SEVERAL
from mlcycle_app.tui.dialogs.compare import curves_of
from mlcycle_app.tui.keys import offered

if TYPE_CHECKING:
    from mlcycle.experiments.model import RunCurve, RunDetails

__all__ = ["log_card", "run_card"]

LAST = (
    f"SELECT key, value, lo, hi, {SEVERAL} AS several FROM latest_metrics WHERE run_id = ?::UUID ORDER BY key"
)
MODELS = "SELECT model || ':' || version AS model FROM model_versions WHERE run_id = ?::UUID ORDER BY version"
PARENT = "SELECT coalesce(name, right(run_id::VARCHAR, 8)) AS name FROM runs WHERE run_id = ?::UUID"
TRIALS = """SELECT status, coalesce(r.name, right(r.run_id::VARCHAR, 8)) AS run, m.value FROM runs r
LEFT JOIN latest_metrics m ON m.run_id = r.run_id AND m.key = ? WHERE r.parent_run_id = ?::UUID
ORDER BY CASE WHEN ? THEN m.value ELSE -m.value END NULLS LAST, r.run_id LIMIT 200"""
LINES = 20
"""Last lines of a failed run's output in its card; `l` shows all that was kept."""
CHARTS = 4
"""Metrics of several steps that are drawn."""
LISTED = 30
"""Metrics that are listed; how many more there are is said."""
SAID = ("command", "exit_code", "mlcycle.error", "mlcycle.name")
"""Tags that the card says elsewhere."""
OUTPUT = ("output/stderr.txt", "output/stdout.txt")


def run_card(gateway: Gateway, run: str) -> Card:
    """Return the card of a run, from one state of the store."""
    with gateway.one_state():
        found: RunDetails = gateway.do("experiments.show", run)
        last = gateway.rows(LAST, [found.run_id])
        models = [row["model"] for row in gateway.rows(MODELS, [found.run_id])]
        parent = gateway.rows(PARENT, [found.parent_run_id]) if found.parent_run_id else []
        curves = _curves(gateway, found, last)
        trials = _trials(gateway, found)
    parts: list[Part] = _why(gateway, found) if found.status in ("failed", "killed") else []
    parts.append(Facts(_first(found)))
    parts.append(
        Listing("metrics", [_metric(row, curves) for row in last], most=LISTED, empty="it logged no metric")
    )
    parts += [curves_of(key, [curve], height=9) for key, curve in list(curves.items())[:CHARTS]]
    if found.conflicts:
        rows = [
            {"param": one.key, "holds": one.value, "also given": one.other, "when": one.ts}
            for one in found.conflicts
        ]
        parts.append(Listing("params given two values", rows))
    params = [(key, value) for key, value in found.params.items()]
    parts.append(Facts(params, "params") if params else Words("it logged no param", "params"))
    parts += trials
    parts.append(Facts(_facts(found, models, parent), "where it comes from"))
    parts += _left(found)
    return Card(found.name or found.run_id[-8:], parts, _keys(found))


def log_card(gateway: Gateway, run: str) -> Card:
    """Return what was kept of a run's output, whole."""
    found: RunDetails = gateway.do("experiments.show", run)
    parts: list[Part] = []
    for path in OUTPUT[::-1]:
        text = _output(gateway, found, path)
        if text:
            parts.append(
                Words(Text(harmless(text)), f"{path.partition('/')[2].removesuffix('.txt')}, its last 64 kB")
            )
    if not parts:
        parts = [
            Words(
                "Nothing was kept of its output: that is done for scripts run by mlcycle run -- python train.py"
            )
        ]
    return Card(f"log of {found.name}", parts, "esc closes   j k scroll   g G first, last line")


def _first(found: RunDetails) -> list[tuple[str, object]]:
    took = None if found.ended_at is None else (found.ended_at - found.started_at).total_seconds()
    return [("status", found.status), *([] if took is None else [("took", f"{took:,.2f} s")])]


def _facts(found: RunDetails, models: Sequence[str], parent: Sequence[Any]) -> list[tuple[str, object]]:
    dirty = {True: ", changed since", False: ", unchanged", None: ""}[found.git_dirty]
    facts: list[tuple[str, object]] = [
        ("model", ", ".join(models) or None),
        ("experiment", found.experiment),
        ("part of", parent[0]["name"] if parent else None),
        ("began", found.started_at),
        *((f"read {kind.replace('_', ' ')}", reference) for kind, reference in found.inputs.items()),
        ("git", None if found.git_commit is None else f"{found.git_commit[:8]}{dirty}"),
        ("command", found.tags.get("command") or found.command or None),
        ("id", found.run_id),
        *((key, value) for key, value in found.tags.items() if value and key not in SAID),
    ]
    return [fact for fact in facts if fact[1] is not None]


def _curves(gateway: Gateway, found: RunDetails, last: Sequence[Mapping[str, Any]]) -> dict[str, RunCurve]:
    """Return the metrics of several steps that are listed, by one question; none is asked where there is none."""
    several = [row["key"] for row in last if row["several"]][:LISTED]
    if not several:
        return {}
    curves: dict[str, RunCurve] = gateway.do("experiments.run_curves", found, several)
    return {key: curve for key, curve in curves.items() if curve.points > 1}


def _why(gateway: Gateway, found: RunDetails) -> list[Part]:
    """Return what is known of why a run did not finish."""
    code, error = found.tags.get("exit_code"), found.tags.get("mlcycle.error")
    words = Text(f"it was {found.status}" if found.status == "killed" else "it failed", style="bold red")
    if code:
        words.append(f" with exit code {code}")
    if error:
        words.append(f"\n{harmless(error)}", style="default")
    parts: list[Part] = [Words(words)]
    text = _output(gateway, found, OUTPUT[0]) or _output(gateway, found, OUTPUT[1])
    if text:
        lines = text.rstrip().split("\n")
        parts.append(
            Words(Text(harmless("\n".join(lines[-LINES:]))), f"its last {min(len(lines), LINES)} lines")
        )
    return parts


def _output(gateway: Gateway, found: RunDetails, path: str) -> str:
    kept = next((one for one in found.artifacts if one.path == path), None)
    if kept is None:
        return ""
    try:
        content: bytes = gateway.do("experiments.read_artifact", kept.sha256)
    except MlcycleError as error:
        return error.message
    return content.decode("utf-8", "replace")


def _metric(row: Mapping[str, Any], curves: Mapping[str, RunCurve]) -> dict[str, Any]:
    shown = {"metric": row["key"], "last": row["value"]}
    if not curves:
        return shown
    curve = curves.get(row["key"])
    least, greatest = (None, None) if curve is None else (row["lo"], row["hi"])
    # Of several steps whose values are not numbers it is not known how many there were.
    steps = curve.points if curve is not None else None if row["several"] else 1
    return shown | {"least": least, "greatest": greatest, "steps": steps}


def _trials(gateway: Gateway, found: RunDetails) -> list[Part]:
    metric = found.params.get("choose")
    if metric is None or "best_run" not in found.tags:
        return []
    lower = free("experiments.metrics.lower_is_better", metric)
    rows = gateway.rows(TRIALS, [metric, found.run_id, lower])
    column = metric if metric not in ("run", "status") else f"metric {metric}"
    return [
        Listing(
            "its trials, best first",
            [{"run": row["run"], column: row["value"], "status": row["status"]} for row in rows],
        )
    ]


def _left(found: RunDetails) -> list[Part]:
    kept = [{"artifact": one.path, "bytes": one.bytes, "sha256": one.sha256[:8]} for one in found.artifacts]
    return [Listing("artifacts", kept, empty="it kept no file")]


def _keys(found: RunDetails) -> str:
    keys: list[tuple[str, ...]] = [
        ("mark", "marks"),
        ("runs.side_by_side", "compares", "c"),
        ("runs.log", "log", "l"),
    ]
    if found.status == "running":
        keys.insert(0, ("runs.stop", "stops"))
    elif any(one.path == "model.zip" for one in found.artifacts):
        keys.insert(0, ("runs.register", "registers", "R"))
    return offered(*keys)
