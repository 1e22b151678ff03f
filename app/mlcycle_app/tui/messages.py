"""What views and workers tell the frame: in the past tense, with the generation it answers: stale news is dropped."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from textual.message import Message

if TYPE_CHECKING:
    from mlcycle_app.gateway import MlcycleError
    from mlcycle_app.tui.card import Card

__all__ = [
    "BoardFailed",
    "BoardRead",
    "CardFailed",
    "CardRead",
    "Failed",
    "Loaded",
    "OpenRow",
    "OpenScreen",
    "TwinChanged",
]


class Loaded(Message):
    """A view's data has been read."""

    def __init__(self, view: int, generation: int, data: Any) -> None:
        super().__init__()
        self.view = view
        self.generation = generation
        self.data = data


class Failed(Message):
    """A view's data could not be read."""

    def __init__(self, view: int, generation: int, error: MlcycleError) -> None:
        super().__init__()
        self.view = view
        self.generation = generation
        self.error = error


class CardRead(Message):
    """All about the row under the cursor has been read; None if there is no row."""

    def __init__(self, generation: int, card: Card | None) -> None:
        super().__init__()
        self.generation = generation
        self.card = card


class CardFailed(Message):
    """The row under the cursor could not be read in full."""

    def __init__(self, generation: int, error: MlcycleError) -> None:
        super().__init__()
        self.generation = generation
        self.error = error


class BoardRead(Message):
    """The lifecycle board has been read."""


class BoardFailed(Message):
    """The lifecycle board could not be read."""

    def __init__(self, error: MlcycleError) -> None:
        super().__init__()
        self.error = error


class OpenScreen(Message):
    """Somebody asked for a screen by its number."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


class OpenRow(Message):
    """Somebody asked for one row of a list in full."""

    def __init__(self, title: str, row: Mapping[str, Any]) -> None:
        super().__init__()
        self.title = title
        self.row = row


class TwinChanged(Message):
    """The command that does the same from the shell is another one now: the pane or the cursor has changed."""
