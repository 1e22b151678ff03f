"""Measured numbers against their limits, a line each: glyph, name, bar with the limit in its middle, value, limit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.style import Style
from rich.text import Text
from textual import events
from textual.app import ComposeResult, RenderResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive
from textual.widgets import Static

from mlcycle_app.tui.glyphs import KINDS, glyph, style_of
from mlcycle_app.tui.widgets.rows import cut

__all__ = ["Limit", "Limits"]

LONGEST, SHORTEST = 24, 12
"""Cells of a name, with room and without."""
LEAST_BAR = 5
ROOM_FOR_N = 44


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
    least: int = 0
    """Rows that a verdict needs, where that is known; said when there are fewer."""
    key: str = ""
    """What it is called by elsewhere; for whoever asks what is under the cursor."""

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
        self._cursor: tuple[int, Style] | None = None

    def show(self, limits: Sequence[Limit]) -> None:
        if limits != self._limits:
            self._limits, self._words = limits, self._empty
            self.refresh(layout=True)

    def say(self, words: str) -> None:
        self._words = words
        self.refresh(layout=True)

    def mark(self, cursor: tuple[int, Style] | None) -> None:
        if cursor != self._cursor:
            self._cursor = cursor
            self.refresh()

    def render(self) -> RenderResult:
        if not self._limits:
            return Text(self._words, style="dim")
        return _drawn(self._limits, self.size.width, self._cursor)


class Limits(VerticalScroll, can_focus=True):
    """A bordered list of numbers with limits, and a cursor on one of them."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"limits--cursor"}
    DEFAULT_CSS = """
    Limits > .limits--cursor { background: $block-cursor-blurred-background; text-style: bold; }
    Limits:ansi > .limits--cursor { background: ansi_default; text-style: reverse; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "cursor_by(-1)", "Up", show=False, id="limits.up", tooltip="One line up"),
        Binding("down", "cursor_by(1)", "Down", show=False, id="limits.down", tooltip="One line down"),
        Binding("home", "cursor_home", "First", show=False, id="limits.home", tooltip="First line"),
        Binding("end", "cursor_end", "Last", show=False, id="limits.end", tooltip="Last line"),
        Binding("enter", "open", "Open", show=False, id="limits.open", tooltip="All about this number"),
    ]

    cursor: reactive[int] = reactive(0)
    """Index of the line it is on."""

    class Moved(Message):
        """The cursor is on another line."""

        def __init__(self, limits: Limits) -> None:
            super().__init__()
            self.limits = limits

    class Opened(Message):
        """The line under the cursor was asked for."""

        def __init__(self, limits: Limits) -> None:
            super().__init__()
            self.limits = limits

    def __init__(self, title: str, empty: str, name: str) -> None:
        super().__init__(id=name, classes="pane")
        self.border_title = Content(title)
        self._lines = _Lines(empty)
        self._limits: Sequence[Limit] = ()

    @property
    def selected(self) -> Limit | None:
        """The number under the cursor."""
        return self._limits[self.cursor] if self._limits else None

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
        self.border_subtitle = Content(subtitle)
        self._limits = limits
        self.cursor = max(0, min(self.cursor, len(limits) - 1))
        self._lines.show(limits)

    def watch_cursor(self) -> None:
        """Keep the cursor in sight."""
        self._mark()
        if self.cursor < self.scroll_offset.y:
            self.scroll_to(y=self.cursor, animate=False, force=True)
        elif self.cursor >= self.scroll_offset.y + max(1, self.scrollable_content_region.height):
            self.scroll_to(
                y=self.cursor - self.scrollable_content_region.height + 1, animate=False, force=True
            )
        self.post_message(self.Moved(self))

    def watch_has_focus(self, has_focus: bool) -> None:
        """The cursor shows only where keys act."""
        super().watch_has_focus(has_focus)
        self._mark()

    def notify_style_update(self) -> None:
        """Another theme colours the cursor otherwise."""
        super().notify_style_update()
        if self.is_mounted:
            self._mark()

    def action_cursor_by(self, by: int) -> None:
        """Move the cursor."""
        self.cursor = max(0, min(len(self._limits) - 1, self.cursor + by))

    def action_cursor_home(self) -> None:
        """Go to the first line."""
        self.cursor = 0

    def action_cursor_end(self) -> None:
        """Go to the last line."""
        self.cursor = max(0, len(self._limits) - 1)

    def action_scroll_down(self) -> None:
        """One line down: the frame's `j` scrolls whatever is no list."""
        self.action_cursor_by(1)

    def action_scroll_up(self) -> None:
        """One line up."""
        self.action_cursor_by(-1)

    def action_scroll_home(self) -> None:
        """Go to the first line."""
        self.action_cursor_home()

    def action_scroll_end(self) -> None:
        """Go to the last line."""
        self.action_cursor_end()

    def action_page_down(self) -> None:
        """Move by what fits."""
        self.action_cursor_by(max(1, self.scrollable_content_region.height - 1))

    def action_page_up(self) -> None:
        """The same, upwards."""
        self.action_cursor_by(-max(1, self.scrollable_content_region.height - 1))

    def action_open(self) -> None:
        """Ask for the number under the cursor."""
        if self._limits:
            self.post_message(self.Opened(self))

    def on_click(self, event: events.Click) -> None:
        """Take the cursor to the line; a second click opens it."""
        offset = event.get_content_offset(self)
        if offset is None or not 0 <= (index := offset.y + round(self.scroll_offset.y)) < len(self._limits):
            return
        if index == self.cursor and event.chain >= 2:
            self.action_open()
        self.cursor = index

    def _mark(self) -> None:
        style = self.get_component_rich_style("limits--cursor")
        self._lines.mark((self.cursor, style) if self.has_focus else None)


def _drawn(limits: Sequence[Limit], width: int, cursor: tuple[int, Style] | None = None) -> Text:
    shared = len(limits) > 1 and len({limit.held for limit in limits}) == 1
    held = 0 if shared else max(len(limit.held) for limit in limits) + 1
    most = max(len(f"{limit.n:,}") for limit in limits) + 4 if width >= ROOM_FOR_N else 0
    room = width - 2 - 7 - held - most
    name = whole = min(LONGEST, max(len(limit.name) for limit in limits))
    bar = room - name - 1
    if bar < LEAST_BAR:
        name = max(min(name, SHORTEST), min(name, room - 1 - LEAST_BAR))
        bar = room - name - 1
    if bar < LEAST_BAR:  # there will be none, and the name may have its place
        name = max(name, min(whole, room - 1))
    scale = max((limit.value or 0.0 for limit in limits if not limit.limit), default=0.0)
    lines = [_line(limit, name, bar if bar >= LEAST_BAR else 0, held, most, scale) for limit in limits]
    if cursor is not None and cursor[0] < len(lines):
        place, style = cursor
        lines[place].pad_right(max(0, width - lines[place].cell_len))
        lines[place].stylize(style)
    return Text("\n", no_wrap=True, overflow="ellipsis").join(lines)


def _line(limit: Limit, name: int, bar: int, held: int, most: int, scale: float) -> Text:
    kind = KINDS.get(limit.verdict, "none")
    style = style_of(kind)
    text = Text(no_wrap=True, overflow="ellipsis", end="")
    text.append(f"{glyph(kind)} ", style=style).append(cut(limit.name, name)).append(" ")
    if limit.verdict == "too few" and limit.least:
        value = "" if limit.value is None else f"{_short(limit.value)}, "
        return text.append(f"{value}n {limit.n:,} < {limit.least:,}, no verdict", style=style)
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
