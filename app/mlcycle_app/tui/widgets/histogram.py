"""A histogram of now beside its reference, a bin a line: shares of both on one scale. Knows no phase."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len
from rich.text import Text
from textual.app import RenderResult
from textual.geometry import Size
from textual.widget import Widget

from mlcycle_app.tui.card import Bins
from mlcycle_app.tui.widgets.rows import cut

__all__ = ["Histogram", "drawn"]

LONGEST = 18
"""Cells of a bin's name."""
WIDEST = 40
"""Cells of the longest bar."""
SHARE = 5
"""Cells of a share, such as ` 12 %`."""
EIGHTHS = " ▏▎▍▌▋▊▉█"
NOW, THEN = "cyan", "dim"


class Histogram(Widget):
    """The histogram. Says n of each side in its first line, because a share of few rows is no share."""

    DEFAULT_CSS = "Histogram { height: auto; width: 1fr; }"

    def __init__(self, bins: Bins | None = None, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._bins = bins

    @property
    def bins(self) -> Bins | None:
        """What is drawn."""
        return self._bins

    def show(self, bins: Bins) -> None:
        """Draw bins in place of those there were."""
        if bins != self._bins:
            self._bins = bins
            self.refresh(layout=True)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """A line for the title, one for the columns, and one a bin."""
        return 0 if self._bins is None else 2 + max(1, len(self._bins.labels))

    def render(self) -> RenderResult:
        """Draw the bins into the widget's width."""
        return Text("") if self._bins is None else drawn(self._bins, self.size.width)


def drawn(bins: Bins, width: int) -> Text:
    """Return the histogram as text of a width."""
    title = Text(cut(bins.title, min(width, cell_len(bins.title))), style="bold", no_wrap=True, end="")
    now, reference = _shares(bins.now), _shares(bins.reference or ())
    if not any(now) and not any(reference):
        return Text("\n").join([title, Text("no row has a value", style="dim")])
    name = min(LONGEST, max((cell_len(label) for label in bins.labels), default=0), max(4, width // 3))
    sides = 2 if bins.reference is not None else 1
    bar = max(1, min(WIDEST, (width - name - sides * (SHARE + 3)) // sides))
    most = max([*now, *reference])
    head = Text(" " * (name + 1), style="dim", no_wrap=True, overflow="ellipsis", end="")
    if sides == 2:
        head.append(cut(f"reference, n {bins.n_reference:,}", bar + SHARE + 3))
    head.append(f"now, n {bins.n_now:,}", style=NOW)
    lines = [title, head]
    for place, label in enumerate(bins.labels):
        line = Text(cut(label, name) + " ", no_wrap=True, overflow="ellipsis", end="")
        for shares, style in ((reference, THEN), (now, NOW))[-sides:]:
            share = shares[place] if place < len(shares) else 0.0
            line.append(_bar(share / most if most else 0.0, bar), style=style)
            line.append(f" {share * 100:>3.0f} % " if share >= 0.005 or not share else "  <1 % ", style=style)
            line.append(" ")
        line.rstrip()
        lines.append(line)
    return Text("\n").join(lines)


def _shares(counts: Sequence[float]) -> list[float]:
    total = sum(counts)
    return [count / total if total else 0.0 for count in counts]


def _bar(share: float, width: int) -> str:
    eighths = round(share * width * 8)
    if share > 0:
        eighths = max(1, eighths)
    full, rest = divmod(eighths, 8)
    return ("█" * full + (EIGHTHS[rest] if rest else "")).ljust(width)
