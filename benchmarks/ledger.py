"""The lines a benchmark prints, and the clocks behind them: CPU time, since wall time tells more of the neighbours."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Ledger", "cpu", "median", "number", "wall"]

# An installed program is compiled once; whole processes would be charged with compiling themselves each time.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

UNITS = {"s": ((1e-3, 1e6, "us"), (1.0, 1e3, "ms"), (float("inf"), 1.0, "s"))}


@dataclass
class Ledger:
    """A table that grows line by line, and knows which promises were not kept."""

    head: str
    missed: list[str]
    began: bool = False

    def said(
        self,
        what: str,
        value: float,
        budget: float | None = None,
        floor: float | None = None,
        *,
        unit: str = "s",
        more_is_better: bool = False,
        note: str = "",
    ) -> None:
        """Print one line.

        Parameters
        ----------
        what
            What was measured.
        value
            In seconds, unless `unit` says otherwise.
        budget
            What was promised.
        floor
            What the least that does the same took.
        unit
            Of value, budget and floor.
        more_is_better
            Whether the budget is the least, as for a rate.
        note
            Said at the end of the line.
        """
        if not self.began:
            self.began = True
            print(f"{self.head:<54} {'measured':>13} {'budget':>13} {'ratio':>7}  bare floor", flush=True)
        limit = "" if budget is None else number(budget, unit)
        share = "" if not budget else f"{value / budget:.0%}"
        bare = "" if not floor else f"{number(floor, unit)}, x{value / floor:.2g}  "
        print(
            f"{what:<54} {number(value, unit):>13} {limit:>13} {share:>7}  {bare}{note}".rstrip(), flush=True
        )
        if budget is not None and (value < budget if more_is_better else value > budget):
            self.missed.append(what)


def number(value: float, unit: str = "s") -> str:
    """Return a value with its unit, seconds as us, ms or s."""
    for below, factor, name in UNITS.get(unit, ()):
        if value < below:
            return f"{value * factor:.1f} {name}" if name != "s" else f"{value:.2f} s"
    return f"{value:,.0f} {unit}" if value >= 100 else f"{value:.3g} {unit}"


def cpu(work: Callable[[], object]) -> float:
    """Return the CPU seconds, user and system, that this process spends on a piece of work, all its threads."""
    start = time.process_time()
    work()
    return time.process_time() - start


def wall(work: Callable[[], object]) -> float:
    """Return the seconds that pass."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def median(measure: Callable[[], float], times: int = 5) -> float:
    """Return the middle one of several measurements."""
    return statistics.median(measure() for _ in range(times))
