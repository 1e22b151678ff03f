"""The one table of keys: what the frame binds, what the footer shows, what help lists."""

from __future__ import annotations

from dataclasses import dataclass

from textual.binding import Binding

from mlcycle_app.commands import PHASES

__all__ = ["FOOTER", "KEYS", "Key"]


@dataclass(frozen=True)
class Key:
    """One key, or several that do the same."""

    keys: str
    """As Textual spells them, between commas."""
    action: str
    id: str
    shown: str
    """How the footer and help write it; empty: another row of the table speaks for it."""
    says: str
    """One line for help and tooltip."""
    label: str = ""
    """Its word in the footer; empty keeps it out."""
    rows: bool = False
    """Whether it is a list's key, which the list binds itself."""

    def binding(self) -> Binding:
        """Return what Textual binds."""
        return Binding(
            self.keys, self.action, self.label or self.says, show=False, id=self.id, tooltip=self.says
        )


KEYS = (
    Key("0", "go(0)", "go.home", "0-7", "Home and the seven phases", "views"),
    *(
        Key(str(number), f"go({number})", f"go.{name.lower()}", "", f"Open {name}")
        for number, name in enumerate(PHASES)
        if number
    ),
    Key("left_square_bracket", "step(-1)", "go.previous", "[ ]", "previous, next phase"),
    Key("right_square_bracket", "step(1)", "go.next", "", "next phase"),
    Key("enter", "press('enter')", "open", "enter", "open what the cursor is on", "open", rows=True),
    Key("escape", "back", "go.back", "esc", "one level back; never quits"),
    Key("tab", "app.focus_next", "pane.next", "tab", "next pane; shift+tab goes back"),
    Key("j", "move('down')", "move.down", "j k", "down, up; the arrows and page keys too"),
    Key("k", "move('up')", "move.up", "", "up"),
    Key("g", "move('home')", "move.top", "g G", "first, last line"),
    Key("G", "move('end')", "move.bottom", "", "last line"),
    Key("z", "zoom", "zoom", "z", "give the pane the whole screen, and back", "zoom"),
    Key("r", "reread", "refresh", "r", "read again"),
    Key("y", "copy", "copy", "y", "copy the command shown above the footer"),
    Key("t", "teach", "teach", "t", "why this phase exists", "why"),
    Key("question_mark,f1", "help", "help", "?", "this page", "help"),
    Key("q,ctrl+q", "quit", "quit", "q", "quit", "quit"),
)

FOOTER = tuple(key for key in KEYS if key.label)
"""At most six, so that they fit 60 columns."""
