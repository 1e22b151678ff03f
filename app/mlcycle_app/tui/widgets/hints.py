"""The last line: the keys that matter now."""

from __future__ import annotations

from textual.app import RenderResult

from mlcycle_app.tui.keys import FOOTER
from mlcycle_app.tui.widgets.line import Line
from mlcycle_app.tui.widgets.rows import Rows

__all__ = ["Hints"]


class Hints(Line):
    """The footer."""

    def __init__(self) -> None:
        super().__init__("hints")

    def on_mount(self) -> None:
        """Redraw when the focus has moved: other keys matter then."""
        self.screen.bindings_updated_signal.subscribe(self, lambda _: self.refresh())

    def render(self) -> RenderResult:
        """Draw the keys; those of lists only while a list has them."""
        text = self._begin()
        for key in FOOTER:
            if key.rows and not isinstance(self.app.focused, Rows):
                continue
            action = key.action if "." in key.action else f"app.{key.action}"
            self._say(text, f" {key.shown} ", "bold yellow", action)
            self._say(text, f"{key.label} ", "", action)
        return text
