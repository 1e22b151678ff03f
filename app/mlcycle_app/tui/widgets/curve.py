"""Curves with axes, units, a legend and the limit they are held against. One widget; knows no phase."""

from __future__ import annotations

import math
from typing import ClassVar

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual.geometry import Size
from textual.strip import Strip
from textual.widget import Widget

from mlcycle_app.tui.card import Curve, Curves
from mlcycle_app.tui.widgets.plotting import LETTERS, Line, Piece, plot
from mlcycle_app.tui.widgets.ticks import short

__all__ = ["CurvePlot"]

COLOURS = 6
"""Lines that have a colour of their own; then it begins anew, and letters tell them apart."""


class CurvePlot(Widget):
    """The plot. Draws itself into whatever room it is given, `Curves.height` lines where it may choose."""

    ALLOW_SELECT = False
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        *("curve--title", "curve--axis", "curve--limit", "curve--empty"),
        *(f"curve--line-{number}" for number in range(COLOURS)),
    }
    DEFAULT_CSS = """
    CurvePlot { height: auto; width: 1fr; }
    CurvePlot > .curve--title { text-style: bold; }
    CurvePlot > .curve--axis { color: $text-muted; }
    CurvePlot > .curve--empty { color: $text-muted; }
    CurvePlot > .curve--limit { color: $error; }
    CurvePlot > .curve--line-0 { color: $primary; }
    CurvePlot > .curve--line-1 { color: $accent; }
    CurvePlot > .curve--line-2 { color: $success; }
    CurvePlot > .curve--line-3 { color: $foreground; }
    CurvePlot > .curve--line-4 { color: $warning; }
    CurvePlot > .curve--line-5 { color: $secondary; }
    """

    def __init__(self, curves: Curves | None = None, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._curves = curves
        self._known = "" if curves is None else repr(curves)
        self._rows: list[list[Piece]] | None = None
        self._drawn_at = Size(0, 0)

    @property
    def curves(self) -> Curves | None:
        """What is drawn."""
        return self._curves

    def show(self, curves: Curves) -> None:
        """Draw curves in place of those there were; the same ones cost nothing."""
        known = repr(curves)  # NaN is unlike itself, its name is not
        if known == self._known:
            return
        grown = self._curves is None or self._curves.height != curves.height
        self._curves, self._known, self._rows = curves, known, None
        self.refresh(layout=grown)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """As many lines as the curves ask for; one line says that there are none."""
        if self._curves is None:
            return 0
        return max(3, self._curves.height) if _has_points(self._curves) else 2

    def render_line(self, y: int) -> Strip:
        """Draw one line; all are made at once, and kept until something is another."""
        if self._rows is None or self._drawn_at != self.size:
            self._rows, self._drawn_at = self._drawn(), self.size
        base = self.rich_style
        if y >= len(self._rows):
            return Strip.blank(self.size.width, base)
        segments = [Segment(text, base + self._style(kind) if kind else base) for text, kind in self._rows[y]]
        return Strip(segments).adjust_cell_length(self.size.width, base)

    def _style(self, kind: str) -> Style:
        if kind.startswith("line-"):
            kind = f"line-{int(kind[5:]) % COLOURS}"
        return self.get_component_rich_style(f"curve--{kind}", partial=True)

    def _drawn(self) -> list[list[Piece]]:
        curves, (width, height) = self._curves, self.size
        if curves is None or not width or not height:
            return []
        if not _has_points(curves):
            return [_cut([(curves.title, "title")], width), _cut([(curves.empty, "empty")], width)]
        lines = [Line(one.x, one.y) for one in curves.lines]
        drawn = plot(lines, width, height - 1, limit=curves.limit, times=curves.times, x_label=curves.x_label)
        return [_head(curves, width, log=drawn.log), *drawn.rows]


def _has_points(curves: Curves) -> bool:
    return any(math.isfinite(y) for one in curves.lines for y in one.y)


def _head(curves: Curves, width: int, *, log: bool) -> list[Piece]:
    """Return title, unit, limit, and each line with its newest value: as much of it as there is room for."""
    unit = f", {curves.y_label}" if curves.y_label else ""
    scale = ", log" if log else ""
    limit = "" if curves.limit is None else f"  ╌ {f'limit {curves.sign}'.strip()} {short(curves.limit)}"
    for units, values in ((unit + scale, True), (unit + scale, False), (scale, True), (scale, False)):
        names = [
            (f"  {words}", f"line-{number}")
            for number, words in enumerate(_names(curves, values=values))
            if words
        ]
        pieces = [(curves.title, "title"), (units, "axis"), (limit, "limit"), *names]
        if sum(cell_len(text) for text, _ in pieces) <= width:
            return pieces
    return _cut(pieces, width)


def _names(curves: Curves, *, values: bool) -> list[str]:
    several = len(curves.lines) > 1
    names = []
    for number, one in enumerate(curves.lines):
        letter = LETTERS[number % len(LETTERS)] if several else ""
        name = one.name if several or one.name != curves.title else ""
        newest = _newest(one) if values or not several else ""
        names.append(" ".join(word for word in (letter, name, newest) if word))
    return names


def _newest(line: Curve) -> str:
    return next((short(y) for y in reversed(line.y) if math.isfinite(y)), "")


def _cut(pieces: list[Piece], width: int) -> list[Piece]:
    kept: list[Piece] = []
    left = width
    for text, kind in pieces:
        wide = cell_len(text)
        if wide > left:
            if left > 1:
                kept.append((set_cell_size(text, left - 1) + "…", kind))
            break
        kept.append((text, kind))
        left -= wide
    return kept
