"""State as glyph, word and colour together, so that none of the three is needed to read it; and all of it in ASCII."""

from __future__ import annotations

import os
import re
import sys

from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

__all__ = ["KINDS", "Ascii", "Harmless", "ascii_only", "glyph", "style_of"]

OBEYED = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
SIGN = "\N{REPLACEMENT CHARACTER}"
GLYPHS = {"ok": "✓", "attention": "!", "failed": "✗", "running": "●", "none": "○"}
STYLES = {"ok": "green", "attention": "yellow", "failed": "bold red", "running": "cyan", "none": "dim"}

KINDS = {
    "ok": "ok", "pass": "ok", "approved": "ok", "finished": "ok", "admitted": "ok", "done": "ok", "closed": "ok",
    "warn": "attention", "watch": "attention", "open": "attention", "too few": "attention", "arrived": "attention",
    "alert": "failed", "fail": "failed", "failed": "failed", "error": "failed", "refused": "failed", "killed": "failed",
    "rejected": "failed",
    "running": "running", "starting": "running",
    "not measured": "none", "stopped": "none", "acknowledged": "none",
}  # fmt: skip
"""Every state word of the store and the kind it is of."""

DOTS = " .-=+*%#@"
"""What stands for a cell of braille, by how many of its eight dots are set; a quarter of a block counts as two."""
QUARTERS = {
    **dict.fromkeys("▖▗▘▝", 2), **dict.fromkeys("▚▞", 4), **dict.fromkeys("▙▛▜▟", 6),
}  # fmt: skip

PLAIN = {
    **{0x2800 + mask: DOTS[mask.bit_count()] for mask in range(256)},
    **{ord(character): DOTS[dots] for character, dots in QUARTERS.items()},
} | {
    ord(character): plain
    for characters, plain in (
        ("╭╮╰╯┌┐└┘┏┓┗┛├┤┬┴┼┿", "+"), ("─▔╸", "-"), ("━═╌┄", "="), ("│┃╎╏┆▏▎▕", "|"), ("▁▂", "_"), ("▃▄", "-"),
        ("▅▆▇▀", "="), ("█▉▊▋▌▍▐", "#"),
        ("✓", "+"), ("✗×", "x"), ("●•◆", "*"), ("○−", "-"), ("…", "~"), ("·", "."), ("▶→", ">"),
        ("◀←", "<"), ("▲↑", "^"), ("▼↓", "v"), ("░", "."), ("▒", ":"), ("▓", "%"),
    )
    for character in characters
}  # fmt: skip
"""Box and block characters and their stand-ins, a cell each; letters that people wrote stay as they are."""


def ascii_only() -> bool:
    """Return whether the terminal is known to lack box and block characters."""
    return (
        os.environ.get("MLCYCLE_ASCII") == "1" or os.environ.get("TERM") == "linux" or sys.platform == "win32"
    )


def glyph(kind: str) -> str:
    """Return the glyph of a kind of state."""
    return GLYPHS[kind]


def style_of(kind: str) -> str:
    """Return the colour of a kind of state."""
    return STYLES[kind]


class Harmless(LineFilter):
    """Takes out of every line that leaves for the terminal what it would obey, whichever widget let it through."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """Replace control characters, each by a sign of one cell."""
        return [
            segment
            if segment.text.isprintable()
            else Segment(OBEYED.sub(SIGN, segment.text), segment.style, segment.control)
            for segment in segments
        ]


class Ascii(LineFilter):
    """Redraws every line that leaves for the terminal in ASCII, whichever widget drew it."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """Translate the segments of one line."""
        return [Segment(text.translate(PLAIN), style, control) for text, style, control in segments]
