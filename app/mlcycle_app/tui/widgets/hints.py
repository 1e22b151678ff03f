"""The last line: the keys that matter now, as many as fit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from textual.app import RenderResult
from textual.widget import Widget

from mlcycle_app.commands import of_screen
from mlcycle_app.tui.keys import FOOTER, Key, shown
from mlcycle_app.tui.widgets.line import Line
from mlcycle_app.tui.widgets.pane import Pane
from mlcycle_app.tui.widgets.rows import Rows

__all__ = ["Hints"]

MOST_OF_SCREEN = 3
"""Commands of the screen that are shown."""


@dataclass(frozen=True)
class _Hint:
    keys: str
    label: str
    action: str
    rank: float
    """What does not fit is left out by falling rank."""

    @property
    def width(self) -> int:
        return len(self.keys) + len(self.label) + 3


class Hints(Line):
    """The footer."""

    def __init__(self) -> None:
        super().__init__("hints")
        self.screen_number = 0
        self.own: Sequence[tuple[str, str, str]] = ()
        """Keys of the view that are no commands: as written, label, action."""

    def show(self, number: int, own: Sequence[tuple[str, str, str]]) -> None:
        """Show the keys of another screen."""
        self.screen_number, self.own = number, own
        self.refresh()

    def on_mount(self) -> None:
        """Redraw when the focus has moved: other keys matter then."""
        self.screen.bindings_updated_signal.subscribe(self, lambda _: self.refresh())

    def render(self) -> RenderResult:
        """Draw the keys; those of lists only while a list has them."""
        text = self._begin()
        hints = list(self._hints())
        while len(hints) > 1 and sum(hint.width for hint in hints) > self.size.width:
            hints.remove(max(hints, key=lambda hint: hint.rank))
        for hint in hints:
            self._say(text, f" {hint.keys} ", "bold yellow", hint.action)
            self._say(text, f"{hint.label} ", "", hint.action)
        return text

    async def action_command(self, words: str) -> None:
        """Do what the key of a command does on the screen that is shown."""
        for view in self.screen.query(".view"):
            if view.display:
                await self.app.run_action(f"command('{words}')", view)

    def _hints(self) -> Iterator[_Hint]:
        focused = self.app.focused
        in_list = isinstance(focused, Rows)
        commands = [command for command in of_screen(self.screen_number) if command.key and command.label]
        for command in commands[:MOST_OF_SCREEN]:
            action = f"command('{command.words}')"
            yield _Hint(shown(command.id, command.key or ""), command.label, action, 1)
        if isinstance(focused, Rows) and focused.marks:
            yield _Hint(shown("mark", "space"), "mark", "app.press('space')", 3)
        for place, (keys, label, action) in enumerate(self.own[:MOST_OF_SCREEN]):
            yield _Hint(keys, label, action, 3 + place / 10)
        for key in FOOTER:
            if (key.rows and not in_list) or (key.id == "filter" and not _filters(focused)):
                continue
            action = key.action if "." in key.action else f"app.{key.action}"
            yield _Hint(_keys(key), key.label, action, key.rank)


def _filters(focused: Widget | None) -> bool:
    """Return whether the list that has the keyboard can be filtered."""
    return focused is not None and any(isinstance(one, Pane) and one.is_paged for one in focused.ancestors)


def _keys(key: Key) -> str:
    return shown(key.id, key.shown)
