"""Measured numbers against their limits, a line each: glyph, name, bar with the limit in its middle, value, limit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.text import Text
from textual.app import ComposeResult, RenderResult
from textual.containers import VerticalScroll
from textual.widgets import Static

from mlcycle_app.tui.glyphs import KINDS, glyph, style_of
from mlcycle_app.tui.widgets.rows import cut

__all__ = ["Limit", "Limits"]

LONGEST, SHORTEST = 24, 12
"""Cells of a name, with room and without."""
LEAST_BAR = 5
ROOM_FOR_N = 58


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

    @property
    def held(self) -> str:
        """The limit in words."""
        return "" if self.limit is None else f"{self.sign or 'limit'} {_short(self.limit)}"


class _Lines(Static):
    """The drawn lines."""

    def __init__(self, empty: str) -> None:
        super().__init__()
        self._empty = empty
        self._limits: Sequence[Limit] | None = None
        self._words = "reading …"

    def show(self, limits: Sequence[Limit]) -> None:
        if limits != self._limits:
            self._limits, self._words = limits, self._empty
            self.refresh(layout=True)

    def say(self, words: str) -> None:
        self._words = words
        self.refresh(layout=True)

    def render(self) -> RenderResult:
        return _drawn(self._limits, self.size.width) if self._limits else Text(self._words, style="dim")


class Limits(VerticalScroll):
    """A bordered list of numbers with limits."""

    def __init__(self, title: str, empty: str, name: str) -> None:
        super().__init__(id=name, classes="pane")
        self.border_title = title
        self._lines = _Lines(empty)

    def compose(self) -> ComposeResult:
        """The lines."""
        yield self._lines

    def give_up(self) -> None:
        """Nothing could be read."""
        self._lines.say("not read")

    def show(self, limits: Sequence[Limit], subtitle: str) -> None:
        """Draw numbers; the subtitle says the window they belong to. A limit that all share is said there, once."""
        shared = {limit.held for limit in limits}
        if len(limits) > 1 and len(shared) == 1 and limits[0].limit is not None:
            subtitle = f"{limits[0].held}, {subtitle}"
        self.border_subtitle = subtitle
        self._lines.show(limits)


def _drawn(limits: Sequence[Limit], width: int) -> Text:
    shared = len(limits) > 1 and len({limit.held for limit in limits}) == 1
    held = 0 if shared else max(len(limit.held) for limit in limits) + 1
    most = max(len(f"{limit.n:,}") for limit in limits) + 4 if width >= ROOM_FOR_N else 0
    room = width - 2 - 7 - held - most
    name = min(LONGEST, max(len(limit.name) for limit in limits))
    bar = room - name - 1
    if bar < LEAST_BAR:
        name = max(min(name, SHORTEST), min(name, room - 1 - LEAST_BAR))
        bar = room - name - 1
    scale = max((limit.value or 0.0 for limit in limits if not limit.limit), default=0.0)
    return Text("\n", no_wrap=True, overflow="ellipsis").join(
        _line(limit, name, bar if bar >= LEAST_BAR else 0, held, most, scale) for limit in limits
    )


def _line(limit: Limit, name: int, bar: int, held: int, most: int, scale: float) -> Text:
    kind = KINDS.get(limit.verdict, "none")
    style = style_of(kind)
    text = Text(no_wrap=True, overflow="ellipsis", end="")
    text.append(f"{glyph(kind)} ", style=style).append(cut(limit.name, name)).append(" ")
    if limit.value is None:
        return text.append(f"{limit.verdict}, n {limit.n:,}", style="dim")
    if bar:
        top = 2 * limit.limit if limit.limit else scale
        text.append_text(_bar(limit.value / top if top else 0.0, bar, style, limited=bool(limit.limit)))
    text.append(f" {_short(limit.value):>6}", style="bold")
    if held:
        text.append(f" {limit.held:<{held - 1}}", style="dim")
    if most:
        text.append(f"  n {limit.n:>{most - 4},}", style="dim")
    return text


def _bar(share: float, width: int, style: str, *, limited: bool) -> Text:
    halves = round(min(1.0, max(0.0, share)) * width * 2)
    drawn = ("━" * (halves // 2) + "╸" * (halves % 2)).ljust(width)[:width]
    text, middle = Text(end=""), width // 2
    for place, sign in enumerate(drawn):
        if limited and place == middle:
            text.append("┿" if sign == "━" else "│", style=style if sign == "━" else "dim")
        else:
            text.append(sign, style=style)
    return text


def _short(value: float) -> str:
    for size, unit in ((1e9, "G"), (1e6, "M")):
        if abs(value) >= size:
            return f"{value / size:.3g}{unit}"
    if abs(value) >= 1000:
        return f"{value / 1000:.0f}k" if abs(value) >= 99_999.5 else f"{value:,.0f}"
    words = f"{value:.3g}"
    return words if len(words) <= 6 else f"{value:.4f}"
