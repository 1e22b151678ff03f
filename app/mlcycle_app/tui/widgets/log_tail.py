"""A log: follows its end unless scrolled up; long lines are folded, words are looked for with `/`, `n` and `N`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.cells import chop_cells
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.widgets import Input

__all__ = ["LogPane", "LogTail"]

MOST = 2_000
"""Lines that are kept."""
FOUND = Style(reverse=True)
QUIET = "nothing said yet"


class LogTail(ScrollView, can_focus=True):
    """The lines. Draws only those that are seen."""

    DEFAULT_CSS = (
        "LogTail { height: 1fr; overflow-x: hidden; scrollbar-gutter: stable; scrollbar-size-vertical: 1; }"
    )

    ALLOW_SELECT = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("k", "scroll_up", "Up", show=False, id="log.up", tooltip="One line up"),
        Binding("j", "scroll_down", "Down", show=False, id="log.down", tooltip="One line down"),
        Binding("g", "scroll_home", "First", show=False, id="log.top", tooltip="First line"),
        Binding("G", "scroll_end", "Last", show=False, id="log.bottom", tooltip="Last line; follows again"),
    ]

    class Changed(Message):
        """Following, or what is looked for, is another one now."""

    def __init__(self) -> None:
        super().__init__()
        self.following = True
        """Whether new lines come into sight by themselves."""
        self.said = 0
        """Lines there have been in all."""
        self.words = ""
        """What is looked for."""
        self.hits: list[int] = []
        """The lines it stands in, by number; the first line ever is 0."""
        self.hit: int | None = None
        """The line looked at."""
        self._of: object = None
        self._lines: list[str] = []
        self._folded: list[tuple[int, str]] = []
        self._width = 0

    @property
    def first(self) -> int:
        """Number of the first line that is kept."""
        return self.said - len(self._lines)

    def show(self, lines: Sequence[str], said: int | None = None, *, of: object = None) -> None:
        """Show a log, or what came to it since.

        Parameters
        ----------
        lines
            Its last lines.
        said
            How many there have been in all; unless said, these are all.
        of
            Whose log it is: another one begins at its end.
        """
        said = len(lines) if said is None else said
        more = said - self.said
        if of != self._of or more < 0 or more > len(lines):
            self._of, self.following, self.hit = of, True, None
            self._lines, more = [], len(lines)
            self._folded.clear()
        elif not more:
            return
        fresh = list(lines)[len(lines) - more :] if more else []
        self.said = said
        self._lines += fresh
        number = said - len(fresh)
        self._folded += [
            part for place, line in enumerate(fresh) for part in self._fold(number + place, line)
        ]
        gone = self._trim()
        self._look(fresh, number)
        self._lay(gone)

    def look_for(self, words: str) -> None:
        """Mark the lines in which words stand, and go to the last one."""
        self.words, self.hits, self.hit = words.casefold(), [], None
        self._look(self._lines, self.first)
        self.step(-1)
        self.refresh()

    def step(self, by: int) -> None:
        """Go to the next or previous line that was looked for, round the end."""
        if self.hits:
            place = self.hits.index(self.hit) + by if self.hit in self.hits else (0 if by > 0 else -1)
            self.hit = self.hits[place % len(self.hits)]
            top = next((y for y, (number, _) in enumerate(self._folded) if number == self.hit), 0)
            self.following = False
            self.scroll_to(y=max(0, top - self.size.height // 2), animate=False, force=True)
            self.refresh()
        self.post_message(self.Changed())

    def render_line(self, y: int) -> Strip:
        """Draw one visible line."""
        base, width = self.rich_style, self.scrollable_content_region.width
        place = y + self.scroll_offset.y
        if not self._folded and y == 0:
            return Strip([Segment(QUIET, base + Style(dim=True))]).adjust_cell_length(width, base)
        if not 0 <= place < len(self._folded):
            return Strip.blank(width, base)
        number, text = self._folded[place]
        return Strip(self._marked(text, base, chosen=number == self.hit)).adjust_cell_length(width, base)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Who scrolls up wants to read; who comes back to the end wants to follow."""
        super().watch_scroll_y(old_value, new_value)
        at_end = round(new_value) >= self.max_scroll_y
        if at_end != self.following and (at_end or new_value < old_value):
            self.following = at_end
            self.post_message(self.Changed())

    def on_resize(self, event: events.Resize) -> None:
        """Fold the lines into the new width."""
        width = self.scrollable_content_region.width
        if width != self._width:
            self._width = width
            self._folded = [
                part
                for place, line in enumerate(self._lines)
                for part in self._fold(self.first + place, line)
            ]
        self._lay(0)

    def _fold(self, number: int, line: str) -> list[tuple[int, str]]:
        if self._width < 1 or len(line) * 2 <= self._width:
            return [(number, line)]
        return [(number, piece) for piece in chop_cells(line, self._width)] or [(number, "")]

    def _trim(self) -> int:
        """Let go of the oldest lines; return how many folded ones that were."""
        del self._lines[: max(0, len(self._lines) - MOST)]
        gone = next((y for y, (number, _) in enumerate(self._folded) if number >= self.first), 0)
        del self._folded[:gone]
        self.hits = [hit for hit in self.hits if hit >= self.first]
        return gone

    def _look(self, lines: Sequence[str], number: int) -> None:
        if self.words:
            self.hits += [number + place for place, line in enumerate(lines) if self.words in line.casefold()]

    def _lay(self, gone: int) -> None:
        following = self.following
        self.virtual_size = Size(self._width, len(self._folded))
        if following:
            self.scroll_end(animate=False, force=True, immediate=True, x_axis=False)
        elif gone:
            self.scroll_to(y=max(0, self.scroll_y - gone), animate=False, force=True, immediate=True)
        self.following = following
        self.refresh()

    def _marked(self, text: str, base: Style, *, chosen: bool) -> list[Segment]:
        low, width = text.casefold(), len(self.words)
        if not width or self.words not in low or len(low) != len(text):
            return [Segment(text, base + FOUND if chosen else base)]
        segments, at = [], 0
        while (found := low.find(self.words, at)) >= 0:
            segments += [Segment(text[at:found], base), Segment(text[found : found + width], base + FOUND)]
            at = found + width
        return [*segments, Segment(text[at:], base)]


class LogPane(Vertical):
    """A log in a border that says what is shown, with a line to look for words."""

    DEFAULT_CSS = "LogPane .search { height: 1; }"

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "look", "Search", id="log.search", tooltip="Look for words in the log"),
        Binding("n", "step(1)", "Next", show=False, id="log.next", tooltip="Next line with the words"),
        Binding(
            "N", "step(-1)", "Previous", show=False, id="log.previous", tooltip="Line before with the words"
        ),
    ]

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - Textual's name for it
        super().__init__(id=id, classes="pane")

    def compose(self) -> ComposeResult:
        """The log, and below it the line to type in, when it is wanted."""
        yield LogTail()
        line = Input(placeholder="look for …", compact=True, classes="search")
        line.display = False
        yield line

    @property
    def log_tail(self) -> LogTail:
        """The log itself."""
        return self.query_one(LogTail)

    def show(self, title: str, lines: Sequence[str], said: int | None = None, *, of: object = None) -> None:
        """Show a log under a title; see `LogTail.show`."""
        self.border_title = Content(title)
        self.log_tail.show(lines, said, of=of)
        self._subtitle()

    def action_look(self) -> None:
        """Ask for words."""
        line = self.query_one(Input)
        line.display = True
        line.focus()

    def action_step(self, by: int) -> None:
        """Go to the next or previous line with the words."""
        self.log_tail.step(by)

    def close_search(self) -> bool:
        """Put the line away, or forget the words; tell whether there was anything to close."""
        line, log = self.query_one(Input), self.log_tail
        if line.display:
            line.display = False
            log.focus()
        elif log.words:
            line.clear()
            log.look_for("")
        else:
            return False
        return True

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Look for what was typed."""
        event.stop()
        self.close_search()
        self.log_tail.look_for(event.value)

    def on_log_tail_changed(self, event: LogTail.Changed) -> None:
        """Say so in the border."""
        event.stop()
        self._subtitle()

    def _subtitle(self) -> None:
        log = self.log_tail
        if log.words:
            place = log.hits.index(log.hit) + 1 if log.hit in log.hits else 0
            self.border_subtitle = (
                f"{place} of {len(log.hits)}, n N go on" if log.hits else f"nowhere: {log.words}"
            )
            return
        shown = f"last {log.said - log.first:,} of {log.said:,} lines" if log.first else f"{log.said:,} lines"
        shown = "1 line" if log.said == 1 else shown
        self.border_subtitle = shown if log.following else f"{shown}, scrolled up: G follows"
