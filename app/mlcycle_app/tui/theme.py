"""The colours: a dark, a light and a plain theme, and which fits this terminal. No other file names a colour's value.

Widgets say `green`, `yellow`, `red`, `cyan` and `dim`; what these look like is decided here, or by the terminal itself.
"""

from __future__ import annotations

import os
from dataclasses import replace

from rich.terminal_theme import TerminalTheme
from textual.theme import BUILTIN_THEMES, Theme

from mlcycle_app.gateway import UsageError

__all__ = ["ANSI", "DARK", "DARK_ANSI", "LIGHT", "LIGHT_ANSI", "THEMES", "choose"]

DARK = Theme(
    name="mlcycle-dark",
    primary="#5fb3b3",
    secondary="#8fbcbb",
    accent="#e5c07b",
    foreground="#d8dee9",
    background="#11161c",
    surface="#171d25",
    panel="#1e2630",
    success="#8fbf7f",
    warning="#e5c07b",
    error="#e8757e",
    dark=True,
    variables={"border-blurred": "#3d4a58", "scrollbar": "#3d4a58", "scrollbar-background": "#171d25"},
)
LIGHT = Theme(
    name="mlcycle-light",
    primary="#1a6666",
    secondary="#2b6f6f",
    accent="#8a5a00",
    foreground="#1f2933",
    background="#fbfaf7",
    surface="#f2f0ea",
    panel="#e6e3da",
    success="#2f6f2f",
    warning="#8a5a00",
    error="#b3261e",
    dark=False,
    variables={"border-blurred": "#b9b4a6", "scrollbar": "#b9b4a6", "scrollbar-background": "#f2f0ea"},
)
ANSI = replace(
    BUILTIN_THEMES["ansi-dark"],
    name="mlcycle-ansi",
    primary="ansi_cyan",
    accent="ansi_yellow",
    variables={
        **BUILTIN_THEMES["ansi-dark"].variables,
        "border-blurred": "ansi_default",
        "scrollbar": "ansi_white",
        "scrollbar-background": "ansi_default",
        "scrollbar-corner-color": "ansi_default",
    },
)
THEMES = {"dark": DARK, "light": LIGHT, "ansi": ANSI}
"""By the name that settings use."""


def _rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _named(theme: Theme, black: str, blue: str, magenta: str, white: str) -> TerminalTheme:
    eight = [
        _rgb(str(colour))
        for colour in (black, theme.error, theme.success, theme.warning, blue, magenta, theme.primary, white)
    ]
    return TerminalTheme(_rgb(str(theme.background)), _rgb(str(theme.foreground)), eight, eight)


DARK_ANSI = _named(DARK, "#11161c", "#81a1c1", "#b48ead", "#d8dee9")
LIGHT_ANSI = _named(LIGHT, "#1f2933", "#2a5d9f", "#7b3f8c", "#fbfaf7")


def choose(wanted: str = "auto") -> Theme:
    """Return the theme.

    Parameters
    ----------
    wanted
        `auto`, a name of `THEMES`, or one of Textual's own. Where colour is unwanted (`NO_COLOR`) it is always the
        plain one, and `auto` takes it where colours are few.

    Raises
    ------
    UsageError
        If there is no such theme.
    """
    known = {**BUILTIN_THEMES, **THEMES}
    if wanted != "auto" and wanted not in known:
        raise UsageError(f"there is no theme `{wanted}`", hint="set ui.theme to auto, dark, light or ansi")
    if os.environ.get("NO_COLOR"):
        return ANSI
    if wanted != "auto":
        return known[wanted]
    many = bool(os.environ.get("COLORTERM")) or "256color" in os.environ.get("TERM", "")
    if not many:
        return ANSI
    ground = os.environ.get("COLORFGBG", "").rpartition(";")[2]
    return LIGHT if ground in ("7", "15") else DARK
