"""The line above the footer: the last thing worth saying, kept until something newer or Escape."""

from __future__ import annotations

from rich.text import Text
from textual.widgets import Static

__all__ = ["StatusLine"]


class StatusLine(Static):
    """One line of words."""

    def __init__(self) -> None:
        super().__init__("", id="status")

    def say(self, words: str) -> None:
        """Show words."""
        self.update(Text(words, no_wrap=True, overflow="ellipsis"))

    def complain(self, words: str, hint: str = "") -> None:
        """Show an error with what to type next."""
        text = Text(f"✗ {words}", style="bold red", no_wrap=True, overflow="ellipsis")
        self.update(text + Text(f"   {hint}", style="default") if hint else text)
