"""Secrets stay in the environment: declarations carry `${env:NAME}`, resolved only where it is used."""

from __future__ import annotations

import os
import re

from mlcycle.errors import UsageError

__all__ = ["names", "resolve"]

_REFERENCE = re.compile(r"\$\{env:([A-Za-z_][A-Za-z0-9_]*)\}")


def names(text: str) -> list[str]:
    """Return the environment variables a declared text refers to."""
    return _REFERENCE.findall(text)


def resolve(text: str) -> str:
    """Replace every `${env:NAME}` by the variable's value. Never store, log or show what comes back.

    Raises
    ------
    UsageError
        If a variable is not set; names it, never a value.
    """
    for name in names(text):
        if name not in os.environ:
            raise UsageError(f"the environment variable {name} is not set", hint=f"export {name}=...")
    return _REFERENCE.sub(lambda found: os.environ[found[1]], text)
