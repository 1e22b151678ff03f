"""Secrets stay in the environment: declarations carry `${env:NAME}`, resolved only where it is used."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

from mlcycle.errors import UsageError

__all__ = ["hide", "names", "resolve"]

_REFERENCE = re.compile(r"\$\{env:([A-Za-z_][A-Za-z0-9_]*)\}")


def names(text: str) -> list[str]:
    """Return the environment variables a declared text refers to."""
    return _REFERENCE.findall(text)


def resolve(text: str, turn: Callable[[str], str] = str) -> str:
    """Replace every `${env:NAME}` by the variable's value. Never store, log or show what comes back.

    Parameters
    ----------
    turn
        What to make of each value on its way in, such as escaping it.

    Raises
    ------
    UsageError
        If a variable is not set; names it, never a value.
    """
    for name in names(text):
        if name not in os.environ:
            raise UsageError(f"the environment variable {name} is not set", hint=f"export {name}=...")
    return _REFERENCE.sub(lambda found: turn(os.environ[found[1]]), text)


def hide(text: str, declared: str) -> str:
    """Put `${env:NAME}` back wherever the value of a variable that is declared stands in a text."""
    for name in names(declared):
        value = os.environ.get(name, "")
        for form in (value, str(Path(value)), str(Path(value).expanduser())):
            # A bare root or dot tells nothing, and stands in every path.
            if form.strip("/\\.~"):
                text = text.replace(form, f"${{env:{name}}}")
    return text
