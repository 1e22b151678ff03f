"""A ring of nodes that follow each other and come back to the first: glyph, word and colour, a click opens one.

Nodes stand in three rows, the way round is clockwise. Knows no phase: it is given words and says which was clicked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from mlcycle_app.tui.widgets.rows import cut

__all__ = ["Node", "Ring", "layout"]

NODE_LINES = 2
"""A head with glyph and word, and a line that says how it stands."""
LEAST_NODE, WIDEST_NODE, LEAST_GAP = 13, 26, 4


@dataclass(frozen=True)
class Node:
    """One station of the ring."""

    key: str
    """What it is called by, such as the key that opens it."""
    glyph: str
    word: str
    style: str
    says: str = ""


@dataclass(frozen=True)
class Place:
    """Where a node is drawn."""

    x: int
    y: int
    width: int


class Ring(Widget):
    """The ring. What has the keyboard stays beside it; it shows where that one is."""

    ALLOW_SELECT = False
    DEFAULT_CSS = "Ring { width: 1fr; height: 1fr; }"

    class Chosen(Message):
        """A node was clicked."""

        def __init__(self, index: int) -> None:
            super().__init__()
            self.index = index

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._stations: Sequence[Node] = ()
        self._centre: Sequence[str] = ()
        self._marked = -1
        self._stale = False

    def show(
        self, nodes: Sequence[Node], centre: Sequence[str] = (), *, marked: int = -1, stale: bool = False
    ) -> None:
        """Draw nodes.

        Parameters
        ----------
        centre
            Lines that stand in the middle of the ring.
        marked
            Index of the node where the cursor is.
        stale
            Whether they are old; they are then drawn without their colours.
        """
        new = (tuple(nodes), tuple(centre), marked, stale)
        if new != (self._stations, self._centre, self._marked, self._stale):
            self._stations, self._centre, self._marked, self._stale = new
            self.refresh()

    def render_line(self, y: int) -> Strip:
        """Draw one line."""
        width = self.size.width
        cells: list[tuple[str, Style]] = [(" ", self.rich_style)] * width
        if self._stations:
            self._paint(y, cells)
        segments = [Segment(text, style) for text, style in _joined(cells)]
        return Strip(segments).adjust_cell_length(width, self.rich_style)

    def on_click(self, event: events.Click) -> None:
        """Open the node under the mouse."""
        for index, place in enumerate(layout(len(self._stations), *self.size)):
            if place.x <= event.x < place.x + place.width and place.y <= event.y < place.y + NODE_LINES:
                self.post_message(self.Chosen(index))
                return

    def _paint(self, y: int, cells: list[tuple[str, Style]]) -> None:
        base, dim = self.rich_style, self.rich_style + Style(dim=True)
        places = layout(len(self._stations), *self.size)
        if not places:
            return
        for x, sign in _arrows(places, y):
            cells[x] = (sign, dim)
        for index, (node, place) in enumerate(zip(self._stations, places, strict=True)):
            line = y - place.y
            if not 0 <= line < NODE_LINES:
                continue
            own = base if self._stale else base + Style.parse(node.style)
            style = dim if self._stale else own
            if line == 0:
                head = f" {node.key} {node.glyph} {node.word} "
                style += Style(bold=True, reverse=index == self._marked)
                _write(cells, place.x, cut(head, min(place.width, cell_len(head))), style)
            else:
                _write(cells, place.x + 1, cut(node.says, place.width - 1), dim)
        self._paint_centre(y, cells, places)

    def _paint_centre(self, y: int, cells: list[tuple[str, Style]], places: Sequence[Place]) -> None:
        left, right = places[-1].x + places[-1].width + 1, max(place.x for place in places) - 1
        top = (self.size.height - len(self._centre)) // 2
        line = y - top
        if 0 <= line < len(self._centre) and right - left > LEAST_NODE:
            words = self._centre[line]
            words = cut(words, min(cell_len(words), right - left))
            style = self.rich_style + Style(bold=line == 0, dim=line > 0 or self._stale)
            _write(cells, left + (right - left - cell_len(words)) // 2, words, style)


def layout(count: int, width: int, height: int) -> list[Place]:
    """Return where each node stands, clockwise from the upper left; nothing if there is no room.

    The upper row has three, the sides one each, the lower row the rest from right to left.
    """
    if count < 6 or count > 8:
        return []
    lower = count - 5
    node = min(WIDEST_NODE, (width - 2 * LEAST_GAP) // 3)
    if node < LEAST_NODE or height < 3 * NODE_LINES + 2:
        return []
    columns = [0, (width - node) // 2, width - node]
    rows = [0, (height - NODE_LINES) // 2, height - NODE_LINES]
    below = {1: [1], 2: [2, 0], 3: [2, 1, 0]}[lower]
    return [
        *(Place(x, rows[0], node) for x in columns),
        Place(columns[2], rows[1], node),
        *(Place(columns[column], rows[2], node) for column in below),
        Place(columns[0], rows[1], node),
    ]


def _arrows(places: Sequence[Place], y: int) -> list[tuple[int, str]]:
    """Return the signs of the way between nodes on one line."""
    found: list[tuple[int, str]] = []
    for place, following in zip(places, [*places[1:], places[0]], strict=True):
        if place.y == following.y:
            if y != place.y:
                continue
            right = following.x > place.x
            start, end = (
                (place.x + place.width, following.x) if right else (following.x + following.width, place.x)
            )
            line = list(range(start + 1, end - 1))
            signs = "─" * (len(line) - 1)
            found += zip(line, f"{signs}▶" if right else f"◀{signs}", strict=True)
            continue
        middle = place.x + min(6, place.width // 2)
        down = following.y > place.y
        top, bottom = (place.y + NODE_LINES, following.y) if down else (following.y + NODE_LINES, place.y)
        if top <= y < bottom:
            tip = bottom - 1 if down else top
            found.append((middle, ("▼" if down else "▲") if y == tip else "│"))
    return found


def _write(cells: list[tuple[str, Style]], x: int, words: str, style: Style) -> None:
    for sign in words:
        wide = cell_len(sign)
        if not 0 <= x <= len(cells) - max(1, wide):
            return
        if wide:
            cells[x] = (sign, style)
            if wide == 2:
                cells[x + 1] = ("", style)
            x += wide


def _joined(cells: Sequence[tuple[str, Style]]) -> list[tuple[str, Style]]:
    found: list[tuple[str, Style]] = []
    for sign, style in cells:
        if found and found[-1][1] == style:
            found[-1] = (found[-1][0] + sign, style)
        else:
            found.append((sign, style))
    return found
