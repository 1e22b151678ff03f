"""A rule said in words, for people who have not read the file that declares it."""

from __future__ import annotations

from typing import Any

from mlcycle.quality.rules import Rule

__all__ = ["consequence", "in_words"]

LISTED = 12
"""So many allowed values are named; the rest is counted."""


def in_words(rule: Rule) -> str:
    """Return what a rule asks, as one sentence."""
    said = _asked(rule)
    if rule.where:
        said += f", of the rows where {rule.where}"
    if rule.mostly < 1 and rule.kind not in ("fresh", "rows"):
        said += f"; true of at least {rule.mostly * 100:g} % of the rows"
    return said[0].upper() + said[1:]


def consequence(rule: Rule) -> str:
    """Return what happens to the rows that break a rule, or to their batch."""
    if rule.set_aside:
        return "rows that break it are set aside"
    if rule.mend is not None:
        to = "emptied" if rule.mend.to is None else f"replaced by {rule.mend.to}"
        return f"`{rule.mend.column}` is {to} in rows that break it"
    if rule.severity == "critical":
        return "a batch that breaks it is refused"
    return "rows that break it stay; the batch is admitted with a warning"


def _asked(rule: Rule) -> str:
    value = rule.value
    named = " and ".join(f"`{column}`" for column in rule.columns)
    if rule.kind == "readable":
        return "every line of the file can be read as declared"
    if rule.kind == "not_null":
        return f"{named} is never missing"
    if rule.kind == "unique":
        return f"no two rows have the same {named}"
    if rule.kind == "in_set":
        return f"{named} is one of {_listed(value)}"
    if rule.kind == "between":
        return f"{named} {_range(*value)}"
    if rule.kind == "matches":
        return f"{named} matches the pattern {value}"
    if rule.kind == "exists_in":
        return f"{named} stands in `{value[1]}` of {value[0]}"
    if rule.kind == "not_after":
        other = "the time of the batch" if value == "as_of" else f"`{value}`"
        return f"{named} is not after {other}"
    if rule.kind == "fresh":
        return f"the newest {named} is at most {value} older than the batch"
    if rule.kind == "rows":
        return f"the number of rows in the batch {_range(*value)}"
    return f"every row fulfils {value}" if value is not None else "what it asked was not kept"


def _listed(values: list[Any]) -> str:
    shown = ", ".join(str(value) for value in values[:LISTED])
    return shown if len(values) <= LISTED else f"{shown} and {len(values) - LISTED} more"


def _range(low: Any, high: Any) -> str:
    if low is None and high is None:
        return "may be anything"
    if low is None:
        return f"is at most {_side(high)}"
    if high is None:
        return f"is at least {_side(low)}"
    return f"lies between {_side(low)} and {_side(high)}, both allowed"


def _side(value: Any) -> str:
    return f"{value:.12g}" if isinstance(value, float) else str(value)
