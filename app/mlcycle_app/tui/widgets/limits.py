"""Measured numbers as bars against their limits: one line each, glyph, name, bar, value, limit, n."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.text import Text
from textual.app import ComposeResult, RenderResult
from textual.containers import VerticalScroll
from textual.widgets import Static

from mlcycle_app.tui.glyphs import KINDS, ascii_only, glyph, style_of

__all__ = ["Limit", "Limits"]

EIGHTHS = " ▏▎▍▌▋▊▉█"


@dataclass(frozen=True)
class Limit:
    """One number and what it is held against."""

    name: str
    value: float | None
    limit: float | None
    n: int
    verdict: str
    sign: str = ""
    """The comparison, such as `>=`; drawn before the limit."""


class _Lines(Static):
    """The drawn lines."""

    def __init__(self, empty: str) -> None:
        super().__init__()
        self._empty = empty
        self._limits: Sequence[Limit] | None = None

    def show(self, limits: Sequence[Limit]) -> None:
        self._limits = limits
        self.refresh(layout=True)

    def render(self) -> RenderResult:
        if self._limits is None:
            return Text("reading …", style="dim")
        if not self._limits:
            return Text(self._empty, style="dim")
        width = max(24, self.size.width)
        name = min(22, max(len(limit.name) for limit in self._limits))
        bar = max(4, width - name - 36)
        most = max((2 * (limit.limit or 0) for limit in self._limits), default=0)
        return Text("\n").join(_line(limit, name, bar, most) for limit in self._limits)


class Limits(VerticalScroll):
    """A bordered list of numbers with limits."""

    def __init__(self, title: str, empty: str, *, id: str) -> None:
        super().__init__(id=id, classes="pane")
        self.border_title = title
        self._lines = _Lines(empty)

    def compose(self) -> ComposeResult:
        """The lines."""
        yield self._lines

    def show(self, limits: Sequence[Limit], subtitle: str) -> None:
        """Draw numbers; the subtitle says the window they belong to."""
        self.border_subtitle = subtitle
        self._lines.show(limits)


def _line(limit: Limit, name: int, width: int, most: float) -> Text:
    kind = KINDS.get(limit.verdict, "none")
    style = style_of(kind)
    text = Text(no_wrap=True)
    text.append(f"{glyph(kind)} ", style=style).append(f"{limit.name[:name]:<{name}} ")
    if limit.value is None:
        return text.append(f"{limit.verdict}", style="dim").append(f"  n {limit.n:,}", style="dim")
    top = 2 * limit.limit if limit.limit else most
    text.append(_bar(limit.value / top if top else 0.0, width), style=style)
    text.append(f" {_short(limit.value):>7}", style="bold")
    held = f"{limit.sign or 'limit'} {_short(limit.limit)}" if limit.limit is not None else ""
    return text.append(f" {held:<13}", style="dim").append(f"n {limit.n:,}", style="dim")


def _bar(share: float, width: int) -> str:
    share = min(1.0, max(0.0, share))
    if ascii_only():
        return ("#" * round(share * width)).ljust(width, ".")
    eighths = round(share * width * 8)
    full, rest = divmod(eighths, 8)
    return ("█" * full + (EIGHTHS[rest] if rest else "")).ljust(width)[:width]


def _short(value: float) -> str:
    return f"{value:,.3g}" if abs(value) < 1000 else f"{value:,.0f}"
