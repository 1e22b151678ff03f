"""Which theme fits this terminal."""

from __future__ import annotations

import os

from textual.theme import Theme

__all__ = ["HARBOUR", "choose"]

HARBOUR = Theme(
    name="mlcycle",
    primary="#5fb3b3",
    secondary="#8fbcbb",
    accent="#e5c07b",
    foreground="#d8dee9",
    background="#11161c",
    surface="#171d25",
    panel="#1e2630",
    success="#8fbf7f",
    warning="#e5c07b",
    error="#e06c75",
    dark=True,
    variables={"footer-key-foreground": "#e5c07b", "border-blurred": "#37424f"},
)


def choose() -> str:
    """Return the theme's name: plain ANSI colours where there are few, or where colour is not wanted."""
    rich_colour = bool(os.environ.get("COLORTERM")) or "256color" in os.environ.get("TERM", "")
    return "mlcycle" if rich_colour and "NO_COLOR" not in os.environ else "ansi-dark"
