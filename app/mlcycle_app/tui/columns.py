"""Which columns of a list fit a width, and how wide each may be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["GAP", "LEAST", "TELLING", "Column", "fit"]

GAP = 2
"""Cells between two columns."""
LEAST, SHARE = 14, 0.3
"""A stretching column is cut to 14 cells, or this share of the room, before others lose their place."""
TELLING = 4
"""Columns for which it is cut to 14 cells even where its share is more: the most telling ones."""


@dataclass(frozen=True)
class Column:
    """One column, wished for in the order of importance."""

    label: str
    width: int
    """What its widest cell needs."""
    right: bool = False
    stretch: bool = False
    """Whether it may be cut to let others stand beside it, and takes what is left."""


def fit(columns: Sequence[Column], room: int) -> list[tuple[int, int]]:
    """Return the columns that fit as (index, width), in order: whole ones, but for words that may be cut.

    Parameters
    ----------
    room
        Cells there are.
    """
    taken: dict[int, int] = {}
    left = room + GAP

    def take(index: int) -> bool:
        nonlocal left
        column = columns[index]
        least = min(column.width, max(LEAST, int(room * SHARE))) if column.stretch else column.width
        if least + GAP > left and len(taken) < TELLING:
            for other, width in taken.items():
                if columns[other].stretch and width > LEAST and least + GAP <= left + width - LEAST:
                    left += width - LEAST
                    taken[other] = LEAST
        if least + GAP > left:
            return False
        taken[index] = least
        left -= least + GAP
        return True

    wished = list(range(len(columns)))
    while wished and take(wished[0]):
        wished.pop(0)
    if taken and wished and wished[0] < TELLING - 1 and not columns[wished[0]].right and left - GAP >= LEAST:
        # One that tells much is rather cut than left out for others that tell less.
        taken[wished.pop(0)] = left - GAP
        left = 0
    if columns and not taken:
        return [(0, max(1, room))]
    for index, width in taken.items():
        if columns[index].stretch:
            more = min(left, columns[index].width - width)
            taken[index] += more
            left -= more
    for index in wished:
        take(index)
    return sorted(taken.items())
