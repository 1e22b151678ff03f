"""One line of a list as a strip: cells cut and padded to the columns that fit, numbers flush right."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from mlcycle_app.tui.cells import Cell
from mlcycle_app.tui.columns import GAP, Column

__all__ = ["AHEAD", "MARK", "cut", "drawn"]

MARK = "◆ "
"""Stands before a marked row; others have as many blanks."""
AHEAD = Cell("…", "dim")
"""Stands for every cell of a row that is still being read."""


def cut(text: str, width: int) -> str:
    """Return a text in that many cells: padded, or with an ellipsis where it goes on."""
    return (
        set_cell_size(text, width)
        if cell_len(text) <= width
        else set_cell_size(text, max(0, width - 1)) + "…"
    )


def drawn(
    cells: Sequence[Cell],
    columns: Sequence[Column],
    fitted: Sequence[tuple[int, int]],
    base: Style,
    width: int,
    *,
    before: str = "",
    plain: bool = False,
) -> Strip:
    """Return one line.

    Parameters
    ----------
    cells
        One a column, those included that found no room.
    columns, fitted
        The columns, and which of them fit how wide; see `columns.fit`.
    base
        How the line looks where a cell does not say otherwise.
    width
        Cells of the line.
    before
        Stands before the first column, such as `MARK`.
    plain
        Whether the cells' own looks are left out.
    """
    segments = [Segment(before, base)] if before else []
    used = len(before)
    for place, (index, wide) in enumerate(fitted):
        if place:
            segments.append(Segment(" " * GAP, base))
            used += GAP
        cell = cells[index]
        text = cut(cell.text, wide)
        if columns[index].right and (length := cell_len(cell.text)) < wide:
            text = " " * (wide - length) + cell.text
        segments.append(Segment(text, base if plain or not cell.style else base + Style.parse(cell.style)))
        used += wide
    if used < width:
        segments.append(Segment(" " * (width - used), base))
    return Strip(segments, max(used, width)).adjust_cell_length(width, base)
