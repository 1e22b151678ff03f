"""The counters' random numbers: pinned for ever, and close to the distributions they claim."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mlcycle_sample.streams import advance, normal, poisson, uniform

_key = st.integers(min_value=0, max_value=1 << 20)


def test_numbers_are_the_same_for_ever() -> None:
    assert advance(20250101, 1, 2, 3) == 11486540243430577480
    assert uniform(7, 11) == 0.9598740765730915


@given(st.integers(min_value=0, max_value=(1 << 64) - 1), st.lists(_key, min_size=1, max_size=5))
def test_a_kept_prefix_gives_the_same_number(seed: int, keys: list[int]) -> None:
    state = seed
    for key in keys:
        state = advance(state, key)
    assert state == advance(seed, *keys)
    assert 0.0 <= uniform(seed, *keys) < 1.0


def test_normal_and_poisson_have_their_mean_and_variance() -> None:
    count = 20_000
    normals = [normal(1, number) for number in range(count)]
    mean = sum(normals) / count
    assert abs(mean) < 0.03
    assert abs(sum((value - mean) ** 2 for value in normals) / count - 1) < 0.05
    counts = [poisson(3.5, 2, number) for number in range(count)]
    mean = sum(counts) / count
    assert abs(mean - 3.5) < 0.06
    assert abs(sum((value - mean) ** 2 for value in counts) / count - 3.5) < 0.2
