"""Names: the nearest valid one, for error messages, and what a feature may be called."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = ["SCORE", "nearest", "plain_name", "suggestion"]

SCORE = "score"
"""The model's own score in profiles, drift and alerts, so no feature's name."""
LISTED = 12
"""So many names are listed when none is near."""


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known name most like the word, whatever the case, or None if none is near."""
    folded: dict[str, str] = {}
    for name in known:
        folded.setdefault(name.casefold(), name)
    found = difflib.get_close_matches(word.casefold(), folded, n=1, cutoff=0.6)
    return folded[found[0]] if found else None


def suggestion(word: str, known: Iterable[str], *, what: str = "known") -> str:
    """Return `; did you mean ...?`, or the list of what is valid if nothing is near."""
    names = list(known)
    near = nearest(word, names)
    if near is not None:
        return f"; did you mean `{near}`?"
    if not names:
        return ""
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return f"; {what}: {', '.join(names[:LISTED])}{more}"


def plain_name(name: str) -> str:
    """Return a feature's name without what the model server refuses in one: quotes, backslashes, control signs."""
    return "".join("_" if sign in '"\\' or sign < " " else sign for sign in name)
