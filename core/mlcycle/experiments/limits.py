"""What may be logged: keys, names, paths, steps and numbers, each refused with a word of what would do."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from uuid import UUID

from mlcycle.errors import UsageError

__all__ = [
    "items",
    "journal_number",
    "journal_text",
    "run_uuid",
    "valid_key",
    "valid_name",
    "valid_path",
    "whole_step",
]

KEY = re.compile(r"[\w/.\-: ]{1,250}")
NO_PATH = re.compile(r"[\\\x00-\x1f\x7f]|^[A-Za-z]:")
LONGEST_NAME = 500
LONGEST_PATH = 1000
UNKNOWN = object()


def items(what: str, given: object) -> list[tuple[Any, Any]]:
    """Return the pairs of a mapping, which is what a batch must be."""
    if not isinstance(given, Mapping):
        raise UsageError(
            f"{what} are keys with values, not a {type(given).__name__}",
            hint="give a dict; vars(...) makes one of a namespace",
        )
    return list(given.items())


def run_uuid(text: str) -> str:
    """Return a run id as the store spells it."""
    try:
        return str(UUID(text))
    except ValueError as error:
        raise UsageError(f"{text[:80]!r} is no run id", hint="mlcycle runs list") from error


@lru_cache(maxsize=4096)
def valid_key(key: str) -> str:
    """Return a key that may name a param, a metric, a tag or a file."""
    pieces = key.split("/") if isinstance(key, str) else ("",)
    if any(piece in ("", ".", "..") for piece in pieces) or not KEY.fullmatch(key) or key != key.strip():
        shown = repr(key if not isinstance(key, str) or len(key) <= 80 else key[:80] + "...")
        raise UsageError(
            f"{shown} cannot be a key",
            hint="1 to 250 letters, digits and _ / . - : and spaces inside, no empty part",
        )
    return key


def valid_name(kind: str, name: str) -> str:
    """Return a name that a run or an experiment may have."""
    if not isinstance(name, str) or len(name) > LONGEST_NAME or "\0" in name or not name.strip():
        raise UsageError(
            f"{str(name)[:40]!r} cannot name a {kind}", hint=f"use 1 to {LONGEST_NAME} characters"
        )
    return name


def valid_path(name: str) -> str:
    """Return a path that stays inside a run."""
    if len(name) > LONGEST_PATH or NO_PATH.search(name) or {"", ".", ".."} & set(name.split("/")):
        raise UsageError(
            f"{name[:80]!r} is not a path inside a run", hint="use names with / between, as plots/loss.png"
        )
    return name


def whole_step(step: object) -> int:
    """Return a step as a whole number of 64 bits."""
    if type(step) is not int:
        step = _item(step)
    try:
        whole = int(step)  # type: ignore[call-overload]
    except (TypeError, ValueError, OverflowError):
        whole = None
    if whole is None or whole != step or not -(1 << 63) <= whole < 1 << 63:
        raise UsageError(f"{str(step)[:40]} is no step", hint="a step is a whole number of 64 bits")
    return int(whole)


def journal_number(key: str, value: object) -> float | str:
    """Return a number as the journal keeps it: NaN and the infinities as words.

    Scalars of other libraries (anything with `item()`) and text that is a number are taken as numbers.
    """
    if type(value) is float:
        number = value
    else:
        try:
            number = float(_item(value))  # type: ignore[arg-type]
        except (TypeError, ValueError, OverflowError) as error:
            raise UsageError(
                f"metric {key!r} is {repr(value)[:80]}, which is no number", hint="log text as a tag"
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


def _item(value: object) -> object:
    """Return the plain value inside a scalar of numpy, torch and their like; anything else as it is."""
    item = getattr(value, "item", None)
    if not callable(item):
        return value
    try:
        return item()
    except (TypeError, ValueError, RuntimeError):  # it holds more than one
        return UNKNOWN
