"""Text on its way out of the UI: to the terminal's clipboard, to tmux, and what can honestly be said of that."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING, Any

from mlcycle_app.tui.reading import elsewhere

if TYPE_CHECKING:
    from textual.app import App

__all__ = ["LONG", "offer"]

TMUX = ("tmux", "load-buffer", "-w", "-")
"""Puts stdin into tmux's buffer, and by -w into the clipboard of the terminal around it."""
TMUX_S = 2.0
LONG = 75_000
"""Bytes after which some terminals cut what they are sent, or drop it."""


async def offer(app: App[Any], text: str) -> str:
    """Send a text to whatever may take it; return what happened, as far as that can be known.

    A terminal does not answer whether it took a text that came as OSC 52; tmux does.
    """
    app.copy_to_clipboard(text)
    said = "sent to the terminal's clipboard; if nothing arrives there, mark the text by hand"
    if len(text.encode()) > LONG:
        said = "sent to the terminal's clipboard, but so long a text may not arrive whole"
    if os.environ.get("TMUX"):
        taken = await elsewhere(lambda: _load(text), "tmux load-buffer")
        said += "; it is in tmux's buffer too" if taken else "; tmux did not take it"
    return said


def _load(text: str) -> bool:
    try:
        done = subprocess.run(
            TMUX,
            input=text.encode(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=TMUX_S,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return done.returncode == 0
