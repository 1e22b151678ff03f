"""State as glyph, word and colour together, so that none of the three is needed to read it."""

from __future__ import annotations

import os
import sys

from rich.text import Text

__all__ = ["ascii_only", "glyph", "mark", "style_of"]

GLYPHS = {"ok": "✓", "attention": "!", "failed": "✗", "running": "●", "none": "○"}
ASCII = {"ok": "+", "attention": "!", "failed": "x", "running": "*", "none": "-"}
STYLES = {"ok": "green", "attention": "yellow", "failed": "bold red", "running": "cyan", "none": "dim"}

KINDS = {
    "ok": "ok", "pass": "ok", "approved": "ok", "finished": "ok", "admitted": "ok", "done": "ok", "closed": "ok",
    "warn": "attention", "watch": "attention", "open": "attention", "too few": "attention", "acknowledged": "none", "arrived": "attention",
    "alert": "failed", "fail": "failed", "failed": "failed", "error": "failed", "refused": "failed", "killed": "failed", "rejected": "failed",
    "running": "running", "starting": "running",
    "not measured": "none", "stopped": "none",
}  # fmt: skip
"""Every state word of the store and the kind it is of."""


def ascii_only() -> bool:
    """Return whether the terminal should get plain ASCII glyphs."""
    return os.environ.get("MLCYCLE_ASCII") == "1" or os.environ.get("TERM") == "linux" or sys.platform == "win32"


def glyph(kind: str) -> str:
    """Return the glyph of a kind of state."""
    return (ASCII if ascii_only() else GLYPHS)[kind]


def style_of(kind: str) -> str:
    """Return the colour of a kind of state."""
    return STYLES[kind]


def mark(word: str) -> Text:
    """Return a state word with its glyph and colour; an unknown word stays plain."""
    kind = KINDS.get(word)
    return Text(word) if kind is None else Text(f"{glyph(kind)} {word}", style=STYLES[kind])
