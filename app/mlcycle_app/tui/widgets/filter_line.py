"""The line at the bottom of a list into which a filter is typed."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import Input

__all__ = ["FilterLine"]


class FilterLine(Input):
    """Tells every letter; enter keeps the filter and leaves the line, esc drops it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "drop", "Drop", show=False, id="filter.drop", tooltip="Show all rows again"),
        Binding("down,tab", "keep", "Keep", show=False, id="filter.keep", tooltip="Back to the list"),
    ]

    class Left(Message):
        """The line is to be closed."""

        def __init__(self, *, drop: bool) -> None:
            super().__init__()
            self.drop = drop
            """Whether the filter goes too."""

    def __init__(self, words: str) -> None:
        super().__init__(words, placeholder="rows that hold ...", compact=True, select_on_focus=False)
        self.cursor_position = len(words)

    def action_drop(self) -> None:
        """Leave the line and the filter."""
        self.post_message(self.Left(drop=True))

    def action_keep(self) -> None:
        """Leave the line."""
        self.post_message(self.Left(drop=False))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter leaves the line too."""
        event.stop()
        self.action_keep()
