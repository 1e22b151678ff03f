"""What workers tell the screen. Past tense, frozen, and carrying the generation they answer, so that stale news is dropped."""

from __future__ import annotations

from typing import Any

from textual.message import Message

from mlcycle_app.gateway import MlcycleError

__all__ = ["BoardRead", "Failed", "Loaded", "OpenScreen"]


class Loaded(Message):
    """A view's data has been read."""

    def __init__(self, generation: int, data: Any) -> None:
        super().__init__()
        self.generation = generation
        self.data = data


class Failed(Message):
    """A view's data could not be read."""

    def __init__(self, generation: int, error: MlcycleError) -> None:
        super().__init__()
        self.generation = generation
        self.error = error


class BoardRead(Message):
    """The lifecycle board has been read: the strip redraws."""

    def __init__(self, board: Any) -> None:
        super().__init__()
        self.board = board


class OpenScreen(Message):
    """Somebody asked for a screen by its number."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number
