"""Hints for scripts: an uncaught error is shown as a traceback, which knows nothing of hints but prints notes."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from mlcycle.errors import MlcycleError

__all__ = ["with_hint"]

Given = ParamSpec("Given")
Result = TypeVar("Result")


def with_hint(verb: Callable[Given, Result]) -> Callable[Given, Result]:
    """Give an error that leaves a verb its hint as a note, once however many verbs it leaves.

    Commands say the hint themselves and print no notes.
    """

    @wraps(verb)
    def told(*given: Given.args, **named: Given.kwargs) -> Result:
        try:
            return verb(*given, **named)
        except MlcycleError as error:
            note = f"try: {error.hint}"
            if error.hint and note not in getattr(error, "__notes__", ()):
                error.add_note(note)
            raise

    return told
