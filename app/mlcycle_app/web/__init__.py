"""The UI in a browser on this machine: a guarded server, and a process of the UI for each tab. Light to import."""

from __future__ import annotations

import os

__all__ = ["DRIVER", "is_tab"]

DRIVER = "mlcycle_app.web.driver:TabDriver"
"""What Textual draws with in the process of a tab."""


def is_tab() -> bool:
    """Tell whether this process draws into a browser's tab instead of a terminal."""
    return os.environ.get("TEXTUAL_DRIVER") == DRIVER
