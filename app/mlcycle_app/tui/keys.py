"""The one table of keys: what the frame binds, what the footer shows, what help lists."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from textual.binding import Binding, BindingType

from mlcycle_app.commands import COMMANDS, PHASES, of_screen

__all__ = ["FOOTER", "KEYS", "Key", "give", "keyed", "of_view", "offered", "shown", "written_key"]


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
    rank: int = 5
    """In the footer: what does not fit is left out by falling rank."""

    def binding(self) -> Binding:
        """Return what Textual binds."""
        return Binding(
            self.keys, self.action, self.label or self.says, show=False, id=self.id, tooltip=self.says
        )


KEYS = (
    Key("0", "go(0)", "go.home", "0-7", "Home and the seven phases", "views", rank=6),
    *(
        Key(str(number), f"go({number})", f"go.{name.lower()}", "", f"Open {name}")
        for number, name in enumerate(PHASES)
        if number
    ),
    Key("left_square_bracket", "step(-1)", "go.previous", "[ ]", "previous, next phase"),
    Key("right_square_bracket", "step(1)", "go.next", "", "next phase"),
    Key("enter", "press('enter')", "open", "enter", "open what the cursor is on", "open", rows=True, rank=4),
    Key("escape", "back", "go.back", "esc", "one level back; never quits"),
    Key(
        "slash", "press('slash')", "filter", "/", "filter the list; esc shows all again", "filter", rows=True
    ),
    Key("s", "press('s')", "sort", "s S", "sort the list by a column; the other way round", rows=True),
    Key(
        "space", "press('space')", "mark", "space", "mark the row, for commands that take several", rows=True
    ),
    Key("tab", "app.focus_next", "pane.next", "tab", "next pane; shift+tab goes back"),
    Key("j", "move('down')", "move.down", "j k", "down, up; the arrows and page keys too"),
    Key("k", "move('up')", "move.up", "", "up"),
    Key("g", "move('home')", "move.top", "g G", "first, last line"),
    Key("G", "move('end')", "move.bottom", "", "last line"),
    Key("z", "zoom", "zoom", "z", "give the pane the whole screen, and back", "zoom", rank=9),
    Key("f5,ctrl+r", "reread", "refresh", "F5", "read again"),
    Key(
        "y",
        "copy",
        "copy",
        "y",
        "copy: the value, the row, the command, the SQL, or the table",
        "copy",
        rank=7,
    ),
    Key("E", "edit", "edit", "E", "edit this screen's declaration in $EDITOR, then check it"),
    Key("f2", "theme", "theme", "F2", "the next theme: dark, light, high contrast, 16 colours"),
    Key("t", "teach", "teach", "t", "why this phase exists", "why", rank=8),
    Key(
        "colon,ctrl+p",
        "palette",
        "palette",
        ":",
        "find a command, or a run, model, check ... by name",
        "find",
        rank=6,
    ),
    Key("exclamation_mark", "jobs", "jobs", "!", "jobs: progress, log, cancel"),
    Key("w", "places", "places", "w", "switch to another workspace"),
    Key("question_mark,f1", "help", "help", "?", "this page", "help", rank=2),
    Key("q,ctrl+q", "quit", "quit", "q", "quit", "quit", rank=0),
)


def of_view(number: int) -> list[BindingType]:
    """Return what a view binds: the keys of its screen's commands."""
    return [
        Binding(
            command.key,
            f"command('{command.words}')",
            command.label or command.summary,
            show=False,
            id=command.id,
            tooltip=command.summary,
        )
        for command in of_screen(number)
        if command.key
    ]


FOOTER = tuple(key for key in KEYS if key.label)
"""What the footer may show beside the commands of the screen, as far as there is room."""


_given: dict[str, str] = {}


def shown(name: str, keys: str) -> str:
    """Return how a key is written in footer and help: as the user's settings give it, else as said here.

    Parameters
    ----------
    name
        Its id in settings.
    keys
        The key it has by itself.
    """
    return _given.get(name, keys)


def written_key(name: str, keys: str = "") -> str:
    """Return how the key of an action is written in a sentence, as the user's settings give it.

    Parameters
    ----------
    name
        Its id in settings, such as `design.check`.
    keys
        The key it has by itself; looked up for commands and the frame's keys.
    """
    return shown(name, keys or _own().get(name, ""))


def offered(*keys: tuple[str, ...]) -> str:
    """Return what can be done to a thing, as its card says it: `r run   X reject`.

    Parameters
    ----------
    keys
        Of each the id in settings, the word, and the key it has by itself unless a table has it.
    """
    return "   ".join(f"{written_key(name, *own)} {word}" for name, word, *own in keys)


def keyed(text: str, number: int) -> str:
    """Return a text that names commands with the key of each before it, as it is pressed from a screen.

    `No run yet: mlcycle train` becomes `No run yet: r (mlcycle train)` on the screen that trains, and `4 r (...)` on
    another one. A command without a key, or already in brackets, stays alone.

    Parameters
    ----------
    text
        Such as what a list says while it is empty.
    number
        Of the screen it is read on.
    """

    def one(found: re.Match[str]) -> str:
        words = found[0]
        named = [command for command in COMMANDS if f"{words} ".startswith(f"mlcycle {command.words} ")]
        if not named:
            return words
        command = max(named, key=lambda command: len(command.words))
        if not command.key:
            return words
        there = "" if command.screen == number else f"{written_key(f'go.{PHASES[command.screen].lower()}')} "
        typed = f"mlcycle {command.words}"
        return f"{there}{written_key(command.id)} ({typed}){words.removeprefix(typed)}"

    return _COMMAND.sub(one, text)


_COMMAND = re.compile(r"(?<!\()\bmlcycle [a-z]+(?: [a-z-]+)?")


def _own() -> Mapping[str, str]:
    """Return how keys are written without settings, by id."""
    frame = {key.id: key.shown or key.keys.split(",")[0] for key in KEYS}
    # These two are written with others in one row of the table.
    return {
        **frame,
        "go.home": "0",
        "sort": "s",
        **{command.id: command.key for command in COMMANDS if command.key},
    }


def give(written: Mapping[str, str]) -> None:
    """Have `shown` write these ids so, and no others; see `keymap.use`."""
    _given.clear()
    _given.update(written)
