"""What both programs of the terminal have, the UI and the start screen: look, signals, and a way out for defects."""

from __future__ import annotations

import asyncio
import os
import signal
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, TypeVar

from textual.app import App
from textual.filter import LineFilter, NoColor

from mlcycle_app.tui import keymap
from mlcycle_app.tui.glyphs import Ascii, Harmless, ascii_only
from mlcycle_app.tui.theme import LIGHT_ANSI, choose, named

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from textual.theme import Theme

__all__ = ["Frame", "Look"]

Result = TypeVar("Result")
HANGUP = 1
TICK_S = 1.0
HARMLESS = Harmless()


@dataclass(frozen=True)
class Look:
    """How the UI looks; from the user's settings."""

    theme: Theme
    teach: bool = False
    """Whether the teaching panel is open at the start."""
    ascii: bool = False
    """Whether to draw without box and block characters."""
    keys: Mapping[str, str] = field(default_factory=dict)
    """Other keys for actions, by id; see `keymap`."""


class Frame(App[Result]):
    """A program that fits its terminal and leaves it as it was, whatever ends it."""

    TITLE = "mlcycle"
    ENABLE_COMMAND_PALETTE = False
    CSS_PATH: ClassVar[list[str]] = ["styles/frame.tcss", "styles/widgets.tcss", "styles/places.tcss"]  # type: ignore[assignment]
    # Textual writes `ClassVar[...] | None`, which makes them instance variables to a type checker.
    HORIZONTAL_BREAKPOINTS: ClassVar = [(0, "-tiny"), (76, "-narrow"), (100, "-wide"), (132, "-xwide")]  # type: ignore[misc]
    VERTICAL_BREAKPOINTS: ClassVar = [(0, "-short"), (20, "-plain"), (36, "-tall")]  # type: ignore[misc]

    def __init__(self, look: Look | None = None) -> None:
        super().__init__()
        self.crash: Exception | None = None
        """What ended the program, if it was a defect."""
        self.look = look or Look(choose())
        self._redrawn: list[LineFilter] = [Ascii()] if self.look.ascii or ascii_only() else []
        self._started_by = os.getppid()
        self.set_reactive(App.ansi_theme_light, LIGHT_ANSI)
        self.wear(self.look.theme)
        keymap.use(self, self.look.keys)

    def wear(self, theme: Theme) -> None:
        """Draw in this theme from now on."""
        if theme.dark:
            self.set_reactive(App.ansi_theme_dark, named(theme))
        self.register_theme(theme)
        self.theme = theme.name

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Send nothing that a terminal would obey, no grey without colours, and in ASCII every line redrawn."""
        colours = [NoColor()] if self.no_color else super().get_line_filters()
        return [HARMLESS, *colours, *self._redrawn]

    async def on_mount(self) -> None:
        """Restore the terminal when told to end, and end with whoever started us."""
        if not self.is_headless:
            for name in ("SIGTERM", "SIGHUP"):
                if hasattr(signal, name):
                    self._on_signal(getattr(signal, name))
        self.set_interval(TICK_S, self.tick)

    def tick(self) -> None:
        """Once a second: leave if whoever started us is gone."""
        if os.getppid() != self._started_by:
            self.leave(128 + HANGUP)

    def leave(self, code: int) -> None:
        """End the program for a reason from outside; subclasses end first what they started."""
        self.exit(return_code=code)

    def _on_signal(self, number: signal.Signals) -> None:
        asyncio.get_running_loop().add_signal_handler(number, lambda: self.leave(128 + number))

    def _fatal_error(self) -> None:
        # Textual would print the traceback with all locals over the terminal; `start` keeps it in a file instead.
        error = self._exception
        self.crash = error if isinstance(error, Exception) else RuntimeError("unknown")
        self._close_messages_no_wait()
