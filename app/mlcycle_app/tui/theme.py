"""The colours: dark, light, high contrast, plain, and which fits this terminal. No other file names a colour's value.

Widgets say `green`, `yellow`, `red`, `cyan` and `dim`; what these look like is decided here, or by the terminal itself.
"""

from __future__ import annotations

import difflib
import os
from dataclasses import replace

from rich.terminal_theme import TerminalTheme
from textual.theme import BUILTIN_THEMES, Theme

from mlcycle_app.gateway import UsageError

__all__ = [
    "ANSI",
    "CONTRAST",
    "CONTRAST_ANSI",
    "DARK",
    "DARK_ANSI",
    "LIGHT",
    "LIGHT_ANSI",
    "THEMES",
    "choose",
    "named",
    "next_theme",
]

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
    error="#f08a92",
    dark=True,
    variables={
        "border-blurred": "#3d4a58",
        "scrollbar": "#3d4a58",
        "scrollbar-background": "#171d25",
        "text-muted": "#b8c1cc",
        "block-cursor-blurred-background": "#21333c",
    },
)
LIGHT = Theme(
    name="mlcycle-light",
    primary="#1a6666",
    secondary="#2b6f6f",
    accent="#7a5000",
    foreground="#111820",
    background="#fbfaf7",
    surface="#f2f0ea",
    panel="#e6e3da",
    success="#2f6f2f",
    warning="#7a5000",
    error="#b3261e",
    dark=False,
    variables={
        "border-blurred": "#b9b4a6",
        "scrollbar": "#b9b4a6",
        "scrollbar-background": "#f2f0ea",
        "text-muted": "#20282f",
        "block-cursor-blurred-background": "#d5e6e3",
    },
)
CONTRAST = Theme(
    name="mlcycle-contrast",
    primary="#5ce1e6",
    secondary="#9be7ff",
    accent="#ffd75f",
    foreground="#ffffff",
    background="#000000",
    surface="#0d0d0d",
    panel="#1c1c1c",
    success="#87ff87",
    warning="#ffd75f",
    error="#ffb0b0",
    dark=True,
    variables={
        "border-blurred": "#a8a8a8",
        "scrollbar": "#a8a8a8",
        "scrollbar-background": "#000000",
        "text-muted": "#eeeeee",
        "text-disabled": "#bcbcbc",
        "block-cursor-blurred-background": "#0c2a30",
    },
)
"""For eyes and rooms that need it: words have 7:1 at least."""
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
THEMES = {"dark": DARK, "light": LIGHT, "contrast": CONTRAST, "ansi": ANSI}
"""By the name that settings use, in the order in which they follow each other."""


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
CONTRAST_ANSI = _named(CONTRAST, "#000000", "#9ecbff", "#ffb3ff", "#ffffff")
_NAMED = {DARK.name: DARK_ANSI, LIGHT.name: LIGHT_ANSI, CONTRAST.name: CONTRAST_ANSI}


def named(theme: Theme) -> TerminalTheme:
    """Return what `green`, `red` and the other names look like in a theme, where the terminal does not decide that."""
    return _NAMED.get(theme.name) or (DARK_ANSI if theme.dark else LIGHT_ANSI)


def next_theme(name: str) -> Theme:
    """Return the theme after one: dark, light, contrast, ansi, and round again.

    Parameters
    ----------
    name
        Of the theme that is worn, as Textual knows it. Where colour is unwanted (`NO_COLOR`) the plain one stays.
    """
    if os.environ.get("NO_COLOR"):
        return ANSI
    own = list(THEMES.values())
    place = next((place for place, theme in enumerate(own) if theme.name == name), -1)
    return own[(place + 1) % len(own)]


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
        names = ["auto", *THEMES]
        near = difflib.get_close_matches(wanted, [*names, *known], n=1)
        meant = f"; did you mean `{near[0]}`?" if near else ""
        listed = f"{', '.join(names[:-1])} or {names[-1]}"
        raise UsageError(f"there is no theme `{wanted}`{meant}", hint=f"set ui.theme to {listed}")
    if os.environ.get("NO_COLOR"):
        return ANSI
    if wanted != "auto":
        return known[wanted]
    many = bool(os.environ.get("COLORTERM")) or "256color" in os.environ.get("TERM", "")
    if not many:
        return ANSI
    ground = os.environ.get("COLORFGBG", "").rpartition(";")[2]
    return LIGHT if ground in ("7", "15") else DARK
