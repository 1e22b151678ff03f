"""Latency out of the one-minute roll-ups: quantiles of a histogram of 16 buckets a doubling."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["UNKNOWN", "quantiles"]

UNKNOWN = -32768
"""The bucket of requests whose latency is not known."""
A_DOUBLING = 16


def quantiles(buckets: Sequence[tuple[int, int]], shares: Sequence[float]) -> list[float | None]:
    """Return quantiles in milliseconds, each within 2.2 % (a factor of 2**(1/32)) of the value at its rank.

    The bucket of a latency is round(16 log2(ms)), so bucket b stands for 2**(b/16) ms. The rank of share p among
    n values is p (n - 1), rounded down: the lower one of the two that `quantile_cont` draws its line between.

    Parameters
    ----------
    buckets
        Bucket and requests in it, in any order; `UNKNOWN` is passed over.
    shares
        From 0 to 1.

    Returns
    -------
    list
        None for each where there is no request.
    """
    known = sorted((bucket, n) for bucket, n in buckets if bucket != UNKNOWN and n > 0)
    total = sum(n for _, n in known)
    found: list[float | None] = []
    for share in shares:
        rank, before, value = int(share * (total - 1)), 0, None
        for bucket, n in known:
            before += n
            if rank < before:
                value = 2.0 ** (bucket / A_DOUBLING)
                break
        found.append(value)
    return found
