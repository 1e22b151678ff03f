"""What commands act on: the row under the cursor of a list, and the rows that are marked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Selection"]

ALL = "*"
"""Ends a kind that takes every marked row."""


@dataclass(frozen=True)
class Selection:
    """Rows of one table."""

    table: str = ""
    """Name in `tables.TABLES`."""
    kind: str = ""
    """What its rows are: run, model, alert, ..."""
    id: str = ""
    """The column that commands take."""
    row: Mapping[str, Any] | None = None
    """Under the cursor."""
    marked: Sequence[Mapping[str, Any]] = ()
    also: Mapping[str, Any] = field(default_factory=dict)
    """What commands can be given besides: what the row is about, which is not said in it."""

    def names(self, kind: str) -> list[str]:
        """Return what a command that takes things of this kind is given; empty if nothing here is one.

        Parameters
        ----------
        kind
            Such as `run`; `run*` takes all marked ones, or the one under the cursor when none is marked. A row names
            other things too: a column called like the kind.
        """
        many, kind = kind.endswith(ALL), kind.removesuffix(ALL)
        column = self.id if kind == self.kind else kind
        rows = self.marked if many and self.marked and kind == self.kind else [self.row] if self.row else []
        found = [str(row[column]) for row in rows if row.get(column) is not None]
        if not found and kind != self.kind and self.also.get(column) is not None:
            return [str(self.also[column])]
        return found
