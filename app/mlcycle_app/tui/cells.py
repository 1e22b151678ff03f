"""Values of the store as cells of a list, and as lines of a card."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from unicodedata import category

from mlcycle_app.gateway import Gateway
from mlcycle_app.tui.ages import age, local, moment, zone_name
from mlcycle_app.tui.glyphs import KINDS, glyph, style_of

__all__ = ["NOTHING", "Cell", "cell", "harmless", "in_full", "number"]

STATES = {"verdict", "state", "status", "outcome", "gate"}
"""Columns whose words get glyph and colour."""
SIGN, OBEYED = "\N{REPLACEMENT CHARACTER}", ("Cc", "Cf")


@dataclass(frozen=True)
class Cell:
    """Words and how they look."""

    text: str
    style: str = ""


NOTHING = Cell("-", "dim")


def cell(key: str, value: Any, aged: str) -> Cell:
    """Return a value as one line.

    Parameters
    ----------
    key
        Its column.
    aged
        The column whose times are shown as ages.
    """
    if value is None:
        return NOTHING
    if key in STATES:
        kind = KINDS.get(str(value))
        return Cell(harmless(str(value))) if kind is None else Cell(f"{glyph(kind)} {value}", style_of(kind))
    if isinstance(value, datetime):
        return Cell(age(value, Gateway.now(), Gateway.wall()), "dim") if key == aged else Cell(moment(value))
    return Cell(number(value) if isinstance(value, int | float) else harmless(" ".join(str(value).split())))


def harmless(text: str) -> str:
    """Return text without what a terminal would obey: each such character becomes a sign, lines and tabs stay."""
    if text.isprintable():
        return text
    return "".join(
        SIGN if character not in "\n\t" and category(character) in OBEYED else character for character in text
    )


def number(value: int | float | bool) -> str:
    """Return a number with four digits that count, or yes and no."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.4g}" if abs(value) < 1e6 else f"{value:,.0f}"


def in_full(value: Any) -> str:
    """Return a value with nothing left out: JSON over several lines, times with their seconds."""
    if value is None:
        return "-"
    if isinstance(value, datetime):
        return f"{local(value).isoformat(sep=' ', timespec='seconds')} {zone_name(value)}".removesuffix(
            " UTC"
        )
    if isinstance(value, int | float):
        return number(value)
    text = harmless(str(value))
    if text[:1] in ("{", "["):
        try:
            return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
        except ValueError:
            return text
    return text
