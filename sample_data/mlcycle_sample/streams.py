"""Random numbers that stay the same for ever: SplitMix64 over counters, no generator with a hidden position.

A number is named by its keys, such as (seed, customer, month, purpose), so rows can be made in any order and
a new purpose changes none of the old numbers. Library generators are not used: their streams may change
between versions.
"""

from __future__ import annotations

import math

__all__ = ["advance", "normal", "poisson", "uniform"]

_MASK = (1 << 64) - 1
_MOST_EVENTS = 200


def advance(state: int, *keys: int) -> int:
    """Mix small integers into a 64-bit state, one after the other.

    Parameters
    ----------
    state
        The seed, or the state of a prefix of the keys: ``advance(advance(s, a), b) == advance(s, a, b)``.
        Hot loops keep the prefix, which makes one number cost one step instead of four.
    keys
        Non-negative integers that name the number.

    Returns
    -------
    int
        The next state, in [0, 2**64).

    Notes
    -----
    The finaliser of SplitMix64: Steele, Lea and Flood, "Fast splittable pseudorandom number generators",
    OOPSLA 2014.
    """
    for key in keys:
        z = (state + 0x9E3779B97F4A7C15 * (key + 1)) & _MASK
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
        state = z ^ (z >> 31)
    return state


def uniform(state: int, *keys: int) -> float:
    """Return the number in [0, 1) that `keys` name, from the upper 53 bits."""
    return (advance(state, *keys) >> 11) / float(1 << 53)


def normal(state: int, *keys: int) -> float:
    """Return a standard normal number by Box and Muller's transform of the keys' uniforms 1 and 2."""
    base = advance(state, *keys)
    return math.sqrt(-2 * math.log(1 - uniform(base, 1))) * math.cos(2 * math.pi * uniform(base, 2))


def poisson(rate: float, state: int, *keys: int) -> int:
    """Return a Poisson count by Knuth's product of uniforms; at most 200 events."""
    base = advance(state, *keys)
    limit, product, events = math.exp(-rate), uniform(base, 0), 0
    while product > limit and events < _MOST_EVENTS:
        events += 1
        product *= uniform(base, events)
    return events
