"""How far a window's values have moved from the reference: pure numbers, no store, no engine.

The formulas, with r and c the counts per bin of the reference and of the window, n and m their
sums, B the number of bins that hold a row on either side:

    p = (r + 0.5) / (n + 0.5 B)    q = (c + 0.5) / (m + 0.5 B)
    PSI    = sum (q - p) ln(q / p)
    null95 = chi2_0.95(B - 1) * (1/n + 1/m)

PSI above `null95` happens in one window of twenty when nothing drifted, whatever the sample sizes
(Yurdakul and Naranjo 2020, "Statistical properties of the population stability index"); the
constant 0.5 keeps an empty bin finite.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

from mlcycle.monitor.model import Drift, Missing, Verdict

__all__ = ["LEAST_ROWS", "chi2_quantile", "judge", "missing_test", "null95", "psi"]

LEAST_ROWS = 30
"""Rows on a side below which a distance says nothing."""
SMOOTHING = 0.5
LEAST_CHANGE = 0.02
"""Change of a share of missing values, 0 to 1, that is worth a look however sure it is."""


def psi(reference: Sequence[int], current: Sequence[int]) -> float:
    """Return the population stability index of two histograms over the same bins.

    Parameters
    ----------
    reference, current
        Rows per bin; bins empty on both sides do not count.

    Returns
    -------
    float
        0 for equal shapes, unbounded above; 0 when either side has no row at all.
    """
    pairs = _used(reference, current)
    n, m = sum(reference), sum(current)
    if not n or not m:
        return 0.0
    added = SMOOTHING * len(pairs)
    total = 0.0
    for r, c in pairs:
        p, q = (r + SMOOTHING) / (n + added), (c + SMOOTHING) / (m + added)
        total += (q - p) * math.log(q / p)
    return max(total, 0.0)


def null95(bins: int, n: int, m: int) -> float:
    """Return the PSI that chance alone exceeds in one window of twenty.

    Parameters
    ----------
    bins
        Bins that hold a row on either side.
    n, m
        Rows of the reference and of the window, both at least 1.
    """
    return chi2_quantile(bins - 1) * (1 / n + 1 / m)


def judge(
    reference: Sequence[int],
    current: Sequence[int],
    *,
    watch: float = 0.1,
    alert: float = 0.2,
    too_few: int = LEAST_ROWS,
) -> Drift:
    """Return the PSI of a window with its verdict.

    `alert` above the alert limit, `watch` above the watch limit, both only if chance does not
    explain it; `too few` when a side has fewer than `too_few` rows, which is never `ok`.
    """
    n, m = sum(reference), sum(current)
    if not n or not m:
        return Drift(None, None, "too few", n, m)
    value = psi(reference, current)
    chance = null95(len(_used(reference, current)), n, m)
    verdict: Verdict = "ok"
    if min(n, m) < too_few:
        verdict = "too few"
    elif value > alert and value > chance:
        verdict = "alert"
    elif value > watch and value > chance:
        verdict = "watch"
    return Drift(value, chance, verdict, n, m)


def missing_test(
    missing: int, rows: int, missing_now: int, rows_now: int, *, tests: int = 1, too_few: int = LEAST_ROWS
) -> Missing:
    """Compare the share of missing values by the two-proportion z test with the pooled share.

    Parameters
    ----------
    missing, rows
        Missing values and all rows of the reference.
    missing_now, rows_now
        The same of the window.
    tests
        How many columns are tested together; the level 0.05 is divided by it (Bonferroni).

    Returns
    -------
    Missing
        `alert` only when a column that had values has none left: no distance can see that;
        `watch` when the share changed beyond chance and by at least `LEAST_CHANGE`.
    """
    if not rows or not rows_now:
        return Missing(None, 1.0, "too few")
    share = missing_now / rows_now
    pooled = (missing + missing_now) / (rows + rows_now)
    error = math.sqrt(pooled * (1 - pooled) * (1 / rows + 1 / rows_now))
    z = (share - missing / rows) / error if error else 0.0
    p_value = math.erfc(abs(z) / math.sqrt(2))
    changed = p_value < 0.05 / max(tests, 1) and abs(share - missing / rows) >= LEAST_CHANGE
    verdict: Verdict = "ok"
    if min(rows, rows_now) < too_few:
        verdict = "too few"
    elif changed and missing_now == rows_now:
        verdict = "alert"
    elif changed:
        verdict = "watch"
    return Missing(share, p_value, verdict)


@lru_cache(maxsize=1024)
def chi2_quantile(dof: int, probability: float = 0.95) -> float:
    """Return the value a chi-squared variable stays below with that probability; 0 without freedom."""
    if dof <= 0:
        return 0.0
    low, high = 0.0, 10.0 * dof + 40.0
    while high - low > 1e-12 * high:
        middle = (low + high) / 2
        if _chi2_tail(middle, dof) > 1 - probability:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _chi2_tail(x: float, dof: int) -> float:
    # For whole degrees of freedom the upper incomplete gamma function is a finite sum:
    # Q(a + 1, y) = Q(a, y) + y^a e^-y / gamma(a + 1), from Q(1/2, y) = erfc(sqrt y) or Q(0, y) = 0.
    y = x / 2
    if y <= 0:
        return 1.0
    odd = dof % 2
    tail = math.erfc(math.sqrt(y)) if odd else 0.0
    for step in range(dof // 2):
        a = step + odd / 2
        tail += math.exp(a * math.log(y) - y - math.lgamma(a + 1))
    return tail


def _used(reference: Sequence[int], current: Sequence[int]) -> list[tuple[int, int]]:
    return [(r, c) for r, c in zip(reference, current, strict=True) if r or c]
