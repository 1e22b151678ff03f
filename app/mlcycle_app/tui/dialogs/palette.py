"""`:` finds by a few letters: a command, or a run, feature, check, model by its name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.fuzzy import Matcher
from textual.screen import ModalScreen
from textual.style import Style
from textual.widgets import Input, OptionList
from textual.widgets.option_list import Option

from mlcycle_app.commands import COMMANDS, PHASES, Command
from mlcycle_app.gateway import Gateway, MlcycleError
from mlcycle_app.things import Thing, things
from mlcycle_app.tui.keys import KEYS
from mlcycle_app.tui.reading import elsewhere

__all__ = ["Choice", "PaletteScreen"]

MOST = 50
"""Matches that are listed."""
WIDEST = 96
"""Cells of the whole page."""
THING = 0.95
"""Weight of a thing: a command that fits as well comes before it."""
NOT_HERE = frozenset({"demo", "serve", "watch", "web", "run"})
"""Commands that stay in front until they are interrupted, or need words of their own: run from the shell."""


@dataclass(frozen=True)
class Choice:
    """What was chosen: one of the three."""

    command: str = ""
    """Words of a command."""
    action: str = ""
    """An action of the frame."""
    thing: Thing | None = None


@dataclass(frozen=True)
class _Entry:
    text: str
    """What is matched."""
    says: str
    choice: Choice
    bonus: float


class PaletteScreen(ModalScreen[Choice | None]):
    """A line to type into, and what matches it, the best first.

    Parameters
    ----------
    gateway
        Whose things are found; they come while one types.
    screen
        Number of the screen below: its commands come first.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "Close", id="palette.close", tooltip="Do nothing"),
        Binding("down", "cursor('cursor_down')", "", show=False, id="palette.down"),
        Binding("up", "cursor('cursor_up')", "", show=False, id="palette.up"),
        Binding("pagedown", "cursor('page_down')", "", show=False, id="palette.page_down"),
        Binding("pageup", "cursor('page_up')", "", show=False, id="palette.page_up"),
    ]

    def __init__(self, gateway: Gateway, screen: int) -> None:
        super().__init__()
        self._gateway = gateway
        self._entries = [
            _of_command(command, screen) for command in COMMANDS if command.words not in NOT_HERE
        ]
        self._entries += [
            _Entry(key.says, f"key {key.shown}" if key.shown else "", Choice(action=key.action), 0.8)
            for key in KEYS
            if not key.rows and not key.action.startswith(("move", "press", "palette"))
        ]
        self._found: list[_Entry] = []

    def compose(self) -> ComposeResult:
        """The line and the list."""
        with Vertical(classes="dialog palette") as box:
            box.border_title = "find"
            box.border_subtitle = "enter does it, esc closes"
            yield Input(placeholder="a command, run, feature, check, model ...", compact=True)
            listed = OptionList(compact=True)
            listed.can_focus = False
            yield listed

    def on_mount(self) -> None:
        """List what there is, and read what has a name here."""
        self.query_one(Input).focus()
        self._list("")
        self._read()

    @work(group="palette.things")
    async def _read(self) -> None:
        try:
            found = await elsewhere(partial(things, self._gateway), "read things")
        except MlcycleError as error:
            self.query_one(".palette").border_subtitle = Content(f"only commands: {error.message}")
            return
        self._entries += [_of_thing(thing) for thing in found]
        self._list(self.query_one(Input).value)

    @on(Input.Changed)
    def _changed(self, event: Input.Changed) -> None:
        self._list(event.value)

    @on(Input.Submitted)
    def _submitted(self) -> None:
        place = self.query_one(OptionList).highlighted
        if place is not None and place < len(self._found):
            self.dismiss(self._found[place].choice)

    @on(OptionList.OptionSelected)
    def _selected(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(self._found[event.option_index].choice)

    def action_cursor(self, how: str) -> None:
        """Move in the list while the line keeps the keyboard."""
        getattr(self.query_one(OptionList), f"action_{how}")()

    def _list(self, words: str) -> None:
        listed = self.query_one(OptionList)
        width = max(20, min(WIDEST, round(self.size.width * 0.96)) - 10)
        self._found, prompts = _best(self._entries, words.strip(), width)
        listed.clear_options()
        listed.add_options([Option(prompt) for prompt in prompts])
        if self._found:
            listed.highlighted = 0


def _best(entries: Sequence[_Entry], words: str, width: int) -> tuple[list[_Entry], list[Content]]:
    if not words:
        found = sorted((entry for entry in entries if entry.choice.command), key=lambda entry: -entry.bonus)[
            :MOST
        ]
        return found, [_prompt(Content(entry.text), entry, width) for entry in found]
    # A name may be written in one word where one types two: `roll back` finds `rollback`.
    typed = dict.fromkeys((words, "".join(words.split())))
    matchers = [Matcher(one, match_style=Style(bold=True, underline=True)) for one in typed]
    scored = []
    for entry in entries:
        score, matcher = max(((one.match(entry.text), one) for one in matchers), key=lambda pair: pair[0])
        if score > 0:
            scored.append((score * entry.bonus, matcher, entry))
    best = sorted(scored, key=lambda one: -one[0])[:MOST]
    found = [entry for _, _, entry in best]
    return found, [_prompt(matcher.highlight(entry.text), entry, width) for _, matcher, entry in best]


def _prompt(text: Content, entry: _Entry, width: int) -> Content:
    room = width - len(entry.says) - 2
    if len(text.plain) > room:
        text = text[: max(1, room - 1)] + "…"
    return Content.assemble(text, " " * (room + 2 - len(text.plain)), (entry.says, "dim"))


def _of_command(command: Command, screen: int) -> _Entry:
    key = f"{PHASES[command.screen]} {command.key}" if command.key else PHASES[command.screen]
    here = 1.3 if command.screen == screen else 1.0
    return _Entry(f"{command.words}: {command.summary}", key, Choice(command=command.words), here)


def _of_thing(thing: Thing) -> _Entry:
    more = f" ({thing.more})" if thing.more else ""
    return _Entry(f"{thing.kind} {thing.name}{more}", PHASES[thing.screen], Choice(thing=thing), THING)
