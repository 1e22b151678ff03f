"""What may be logged: keys, names, paths, steps and numbers, each refused with a word of what would do."""

from __future__ import annotations

import math
import re
from functools import lru_cache
from typing import Any
from uuid import UUID

from mlcycle.errors import UsageError

__all__ = [
    "journal_number",
    "journal_text",
    "run_uuid",
    "valid_key",
    "valid_name",
    "valid_path",
    "whole_step",
]

KEY = re.compile(r"[\w/.\-: ]{1,250}")
LONGEST_NAME = 500


def run_uuid(text: str) -> str:
    """Return a run id as the store spells it."""
    try:
        return str(UUID(text))
    except ValueError as error:
        raise UsageError(f"{text!r} is no run id", hint="mlcycle runs list") from error


@lru_cache(maxsize=4096)
def valid_key(key: str) -> str:
    """Return a key that may name a param, a metric, a tag or a file."""
    pieces = key.split("/")
    if not KEY.fullmatch(key) or key != key.strip() or any(piece in ("", ".", "..") for piece in pieces):
        raise UsageError(
            f"{key!r} cannot be a key",
            hint="1 to 250 letters, digits and _ / . - : and spaces inside, no empty part",
        )
    return key


def valid_name(kind: str, name: str) -> str:
    """Return a name that a run or an experiment may have."""
    if not 1 <= len(name) <= LONGEST_NAME or "\0" in name or not name.strip():
        raise UsageError(f"{name[:40]!r} cannot name a {kind}", hint=f"use 1 to {LONGEST_NAME} characters")
    return name


def valid_path(name: str) -> str:
    """Return a path that stays inside a run."""
    pieces = name.split("/")
    if any(piece in ("", ".", "..") for piece in pieces) or re.search(r"[\\\x00]|^[A-Za-z]:", name):
        raise UsageError(f"{name!r} is not a path inside a run")
    return name


def whole_step(step: int) -> int:
    """Return a step as a whole number of 64 bits."""
    whole = int(step)
    if whole != step or not -(1 << 63) <= whole < 1 << 63:
        raise UsageError(f"{step!r} is no step", hint="a step is a whole number")
    return whole


def journal_number(key: str, value: object) -> float | str:
    """Return a number as the journal keeps it: NaN and the infinities as words."""
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError) as error:
        raise UsageError(
            f"metric {key!r} is {value!r}, which is no number", hint="log text as a tag"
        ) from error
    if math.isfinite(number):
        return number
    return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"


def journal_text(value: Any) -> str:
    """Return a value as the text that is kept of it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
