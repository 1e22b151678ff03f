"""Counting a window's values in the bins of a profile: the SQL for it, and how its answer is read."""

from __future__ import annotations

import struct
from collections.abc import Mapping

from mlcycle.engines.local import literal, quote
from mlcycle.monitor.model import Profile

__all__ = ["count_sql", "counts", "feature_sql", "is_numeric", "names", "reference"]


def is_numeric(profile: Profile) -> bool:
    """Return whether the profile's values are compared as numbers, and so as float32."""
    return profile.kind == "quantiles" or all(
        isinstance(edge, int | float) and not isinstance(edge, bool) for edge in profile.edges
    )


def feature_sql(subject: str) -> str:
    """Return the SQL of one logged feature of a prediction, as a VARIANT."""
    return f"features.{quote(subject)}"


def count_sql(profile: Profile, value: str) -> str:
    """Return an aggregate that counts a value per bin, as a map from bin to rows; NULLs do not count.

    Parameters
    ----------
    profile
        Whose bins.
    value
        SQL of the value, of any type.
    """
    if not is_numeric(profile):
        # The engine collects what is in no bin under '': a prefix keeps a real empty text apart.
        edges = literal(["=" + _text(edge) for edge in profile.edges]) if profile.edges else "['=']"
        return f"histogram_exact('=' || TRY_CAST({value} AS VARCHAR), {edges})"
    # Float32 because that is what the model was given, and what the reference was profiled in.
    number = f"TRY_CAST({value} AS FLOAT)"
    function = "histogram" if profile.kind == "quantiles" else "histogram_exact"
    edges = f"{literal([float(edge) for edge in profile.edges])}::FLOAT[]"
    return f"{function}(CASE WHEN isfinite({number}) THEN {number} END, {edges})"


def counts(profile: Profile, found: Mapping[object, int] | None) -> list[int]:
    """Return rows per bin, the bins in the profile's order and all others last.

    Parameters
    ----------
    found
        The answer of `count_sql`; None when no row had a value.
    """
    found = dict(found or {})
    total = sum(found.values())
    if is_numeric(profile):
        # Keys come back as float32, edges were written as such: equal after the same rounding.
        known = [found.get(edge, 0) for edge in _rounded(profile)]
    else:
        known = [found.get("=" + _text(edge), 0) for edge in profile.edges]
    return [*known, total - sum(known)]


def names(profile: Profile) -> list[str]:
    """Return a name for each bin in the order of `counts`, unlike any other of the same profile."""
    if profile.kind == "quantiles":
        return [*(f"<={float(edge)!r}" for edge in profile.edges), "above"]
    if is_numeric(profile):
        return [*(f"={float(edge)!r}" for edge in profile.edges), "other"]
    return [*("=" + _text(edge) for edge in profile.edges), "other"]


def reference(profile: Profile) -> list[int]:
    """Return the reference's rows per bin, the last bin holding all others."""
    missing = len(profile.edges) + 1 - len(profile.counts)
    return [*profile.counts, *([0] * missing)]


def _rounded(profile: Profile) -> list[float]:
    return [struct.unpack("f", struct.pack("f", float(edge)))[0] for edge in profile.edges]


def _text(edge: object) -> str:
    if isinstance(edge, bool):
        return "true" if edge else "false"
    return str(edge)
