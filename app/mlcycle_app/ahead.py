"""What a command will meet in this workspace, known before it runs: for the question that is asked before it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlcycle_app.gateway import Gateway

__all__ = ["Ahead", "ahead_of", "looks_ahead"]

JUDGED = """SELECT outcome, reasons FROM decisions WHERE kind = 'gate' AND subject = ?
ORDER BY ts DESC, decision_id DESC LIMIT 1"""
CHAMPION = "SELECT model || ':' || version AS name FROM aliases WHERE alias = 'champion' AND model = ?"


@dataclass(frozen=True)
class Ahead:
    """What lies ahead of a command."""

    question: str = ""
    """Asked where the command has no question of its own."""
    says: str = ""
    """What there is to know, below the question."""
    why_not: str = ""
    """Why there is nothing to be done; then nothing is asked."""


def looks_ahead(words: str) -> bool:
    """Tell whether anything can be known before this command."""
    return words in _LOOKS


def ahead_of(gateway: Gateway, words: str, filled: Mapping[str, str]) -> Ahead:
    """Return what lies ahead of a command.

    Parameters
    ----------
    gateway
        The workspace it will act on.
    words
        As typed after `mlcycle`.
    filled
        Its parameters' values.

    Raises
    ------
    MlcycleError
        If it cannot be known; running the command will say why.
    """
    return _LOOKS[words](gateway, filled)


def _start(gateway: Gateway, filled: Mapping[str, str]) -> Ahead:
    meant = gateway.do("deploy.which.which", filled.get("model") or None)
    found = gateway.rows(JUDGED, [meant.subject])
    if not found or found[0]["outcome"] != "refused":
        return Ahead()
    because = "".join(f"\n  {reason}" for reason in found[0]["reasons"] or ())
    return Ahead(f"Let {meant.subject} serve all the same?", f"The gate refused it:{because}")


def _roll_back(gateway: Gateway, filled: Mapping[str, str]) -> Ahead:
    model = filled.get("model") or _declared(gateway)
    found = gateway.rows(CHAMPION, [model]) if model else []
    if not model or not found:
        return Ahead(why_not="there is no champion yet, and so none before it to bring back")
    before = gateway.do("models.records.champions_before", model)
    if not before:
        return Ahead(
            why_not=f"{found[0]['name']} is the first champion: there is none before it to bring back"
        )
    return Ahead(says=f"champion: {found[0]['name']} -> {model}:{before[-1]}")


def _declared(gateway: Gateway) -> str | None:
    """Return the model that is meant where none is said."""
    training = gateway.do("declare.load").training
    return None if training is None else str(training.model)


_LOOKS: Mapping[str, Callable[[Gateway, Mapping[str, str]], Ahead]] = {
    "deploy start": _start,
    "models rollback": _roll_back,
}
