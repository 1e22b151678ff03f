"""Runs side by side: what differs first, each metric with the best marked, curves on one chart, and all at a glance."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from textual import work
from textual.binding import Binding, BindingType

from mlcycle_app.gateway import MlcycleError
from mlcycle_app.tui.card import Axis, Card, Curve, Curves, Listing, Part, Scale, Words
from mlcycle_app.tui.cells import number
from mlcycle_app.tui.dialogs.card import CardScreen
from mlcycle_app.tui.reading import elsewhere
from mlcycle_app.tui.widgets.coordinates import LETTERS
from mlcycle_app.tui.widgets.detail import Detail

if TYPE_CHECKING:
    from mlcycle.experiments.model import Comparison, Difference, RunCurve

__all__ = ["MOST", "CompareScreen", "curves_of"]

MOST = 12
"""Runs that are compared at once."""
MOST_AXES = 12
BEST = "✓"
CURVES = 12
"""Lines of the chart."""


class CompareScreen(CardScreen):
    """The comparison; `m` draws the next metric.

    Parameters
    ----------
    found
        The runs, and where they differ.
    better
        Metric to `less` or `more`, or None where nobody knows.
    drawable
        Metrics that one of the runs logged at several steps.
    read
        Returns a metric's curves; called in another thread.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("c", "dismiss", "Close", show=False, id="compare.close", tooltip="Close the comparison"),
        Binding("m", "metric", "Metric", id="compare.metric", tooltip="Draw the next metric"),
    ]

    def __init__(
        self,
        found: Comparison,
        *,
        better: Mapping[str, str | None],
        drawable: Sequence[str],
        read: Callable[[str], list[RunCurve]],
    ) -> None:
        super().__init__()
        self._found = found
        self._better = better
        self._drawable = drawable
        self._read = read
        self._at = 0
        self._curves: Curves | None = None

    async def on_mount(self) -> None:
        """Draw the tables at once, and the first metric's curves when they are read."""
        await super().on_mount()
        await self._show()
        if self._drawable:
            self._fetch(self._drawable[0])

    def action_metric(self) -> None:
        """Draw the next metric over its steps."""
        if len(self._drawable) > 1:
            self._at = (self._at + 1) % len(self._drawable)
            self._fetch(self._drawable[self._at])

    @work(group="compare.curves", exclusive=True)
    async def _fetch(self, metric: str) -> None:
        try:
            found = await elsewhere(lambda: self._read(metric), "read curves")
        except MlcycleError as error:
            await self.query_one(Detail).say(f"{error.message}\n{error.hint}", "not read")
            return
        self._curves = curves_of(metric, found, height=CURVES)
        await self._show()

    async def _show(self) -> None:
        found, names = self._found, _names(self._found)
        parts: list[Part] = [Listing("runs", _runs(found, names))]
        chosen = [row for row in found.rows if row.kind == "param"]
        differ = [row for row in chosen if row.differs]
        parts.append(
            Listing(
                "params that differ", _side_by_side("param", differ), most=40, empty="every param is the same"
            )
        )
        metrics = [row for row in found.rows if row.kind == "metric"]
        parts.append(
            Listing(
                f"metrics, last values ({BEST} the best of these runs)",
                [
                    _metric(row, self._better.get(row.key))
                    for row in sorted(metrics, key=lambda row: not row.differs)
                ],
                most=40,
                empty="none of them logged a metric",
            )
        )
        if self._curves is not None:
            parts.append(self._curves)
        axes = _axes([*differ, *(row for row in metrics if row.differs)])
        parts.append(Scale("parallel coordinates: who lies together is alike", names, axes))
        read = [row for row in found.rows if row.kind not in ("param", "metric") and row.differs]
        if read:
            parts.append(Listing("what they read differs", _side_by_side("input", read)))
        alike = [f"{row.key}={row.values[0]}" for row in chosen if not row.differs]
        if alike:
            parts.append(Words(", ".join(alike), "params that are the same in all"))
        keys = "esc closes   j k scroll" + ("   m next metric" if len(self._drawable) > 1 else "")
        await self.draw(Card(f"{len(names)} runs side by side", parts, keys))


def curves_of(metric: str, found: Sequence[RunCurve], *, height: int) -> Curves:
    """Return one metric of several runs as a chart that says what was left out of it."""
    thinned = [curve for curve in found if curve.thinned]
    title = metric
    if thinned:
        most = max(curve.points for curve in thinned)
        title += f" (of up to {most:,} points the least and greatest of each stretch)"
    lines = [Curve(curve.name, [float(step) for step in curve.steps], curve.values) for curve in found]
    return Curves(title, lines, x_label="step", height=height, empty=f"no run logged {metric}")


def _names(found: Comparison) -> list[str]:
    names = [run.name or run.run_id[-8:] for run in found.runs]
    return [
        f"{name} {run.run_id[-8:]}" if names.count(name) > 1 else name
        for name, run in zip(names, found.runs, strict=True)
    ]


def _runs(found: Comparison, names: Sequence[str]) -> list[dict[str, Any]]:
    return [
        {
            " ": LETTERS[place],
            "run": names[place],
            "status": run.status,
            "started": run.started_at,
            "seconds": None
            if run.ended_at is None
            else round((run.ended_at - run.started_at).total_seconds(), 2),
            "experiment": run.experiment,
            "id": run.run_id[-8:],
        }
        for place, run in enumerate(found.runs)
    ]


def _side_by_side(what: str, rows: Sequence[Difference]) -> list[dict[str, Any]]:
    return [
        {what: row.key} | {LETTERS[place]: value for place, value in enumerate(row.values)} for row in rows
    ]


def _metric(row: Difference, better: str | None) -> dict[str, Any]:
    known = [value for value in row.values if _is_finite(value)]
    best = None
    if known and row.differs and better is not None:
        best = min(known) if better == "less" else max(known)
    shown = {
        LETTERS[place]: None if value is None else f"{number(value)}{f' {BEST}' if value == best else ''}"
        for place, value in enumerate(row.values)
    }
    return {"metric": row.key} | shown | {"better": better or "who knows"}


def _axes(rows: Sequence[Difference]) -> list[Axis]:
    return [Axis(row.key, [_value(value) for value in row.values]) for row in rows[:MOST_AXES]]


def _value(value: Any) -> float | str | None:
    if value is None or isinstance(value, int | float):
        return value
    try:
        return float(value)
    except ValueError:
        return str(value)


def _is_finite(value: Any) -> bool:
    return isinstance(value, int | float) and value == value and abs(value) != float("inf")
