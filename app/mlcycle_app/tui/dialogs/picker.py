"""Choosing a file or a folder, for any form: a path to type, and below it what lies there."""

from __future__ import annotations

import os
from pathlib import Path
from typing import ClassVar, Literal

from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Static

from mlcycle_app.gateway import Gateway
from mlcycle_app.tui.folder import COLUMNS, UP, Entry, Folder, Lines, folder_of, read_folder, shown
from mlcycle_app.tui.reading import elsewhere
from mlcycle_app.tui.widgets.rows import Rows

__all__ = ["Kind", "PickerScreen"]

Kind = Literal["file", "folder", "any"]
TITLES = {"file": "choose a file", "folder": "choose a folder", "any": "choose a file or a folder"}
KEYS = "enter opens, tab completes, ctrl+s chooses, esc cancels"


class PickerScreen(ModalScreen[Path | None]):
    """A path line, and the folder it is in; letters behind the last slash narrow the list down.

    Parameters
    ----------
    start
        The folder to begin in, or a file in it; the workspace's inbox unless said, else where the program was started.
    kind
        What may be chosen.
    title
        Said in the border.
    marker
        A file; folders with it are marked, and enter chooses them.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "Cancel", id="picker.cancel", tooltip="Choose nothing"),
        Binding("ctrl+s", "choose", "Choose", id="picker.choose", tooltip="Choose what the path line says"),
        Binding(
            "tab", "complete", "Complete", id="picker.complete", tooltip="Complete the name", priority=True
        ),
        Binding(
            "full_stop,ctrl+t", "hidden", "Hidden", id="picker.hidden", tooltip="Show hidden files, or not"
        ),
        Binding("backspace,left", "up", "Up", id="picker.up", tooltip="The folder above"),
        Binding("right", "into", "Into", id="picker.into", tooltip="Into the folder under the cursor"),
        Binding("down", "below", "List", id="picker.below", tooltip="From the path line to the list"),
        Binding("j", "move(1)", "Down", id="picker.down", tooltip="One line down"),
        Binding("k", "move(-1)", "Up", id="picker.line_up", tooltip="One line up"),
    ]

    def __init__(
        self, start: Path | None = None, *, kind: Kind = "any", title: str = "", marker: str = ""
    ) -> None:
        super().__init__()
        self._marker = marker
        self._kind = kind
        self._title = title or TITLES[kind]
        self._start = start
        self._folder = Folder(Path(os.sep))
        self._listed: list[Entry] = []
        self._hidden = False
        self._cursor_on = ""

    @property
    def folder(self) -> Path:
        """The folder that is listed."""
        return self._folder.path

    def compose(self) -> ComposeResult:
        """Path, list, a word, and the buttons."""
        with Vertical(classes="dialog picker") as box:
            box.border_title = self._title
            box.border_subtitle = KEYS
            yield Input(id="picker-path", compact=True)
            yield Rows(labels=False, name="picker-list")
            yield Static("reading …", id="picker-word")
            with Horizontal(classes="buttons"):
                yield Button("Cancel", id="no", compact=True)
                yield Button("Choose", id="yes", variant="primary", compact=True)

    def on_mount(self) -> None:
        """List the folder to begin in."""
        self.query_one(Rows).focus()
        self._begin()

    @work(group="picker.begin")
    async def _begin(self) -> None:
        start = await elsewhere(lambda: _first(self._start, self._inbox()), "find a folder")
        self._write(start)

    def _inbox(self) -> Path | None:
        gateway = getattr(self.app, "gateway", None)
        return gateway.workspace.inbox if isinstance(gateway, Gateway) else None

    @property
    def text(self) -> str:
        """What stands in the path line."""
        return self.query_one("#picker-path", Input).value

    def _write(self, folder: Path, name: str = "") -> None:
        text = str(folder)
        line = self.query_one("#picker-path", Input)
        line.value = text if name == "" and text.endswith(os.sep) else os.path.join(text, name)  # noqa: PTH118 - ends with /
        line.cursor_position = len(line.value)

    @on(Input.Changed, "#picker-path")
    def _typed(self) -> None:
        folder, _ = folder_of(self.text, self.folder)
        if folder == self.folder and self._folder.entries:
            self._list()
        else:
            self._read(folder)

    @work(group="picker.read", exclusive=True)
    async def _read(self, folder: Path) -> None:
        self.query_one("#picker-word", Static).update("reading …")
        found = await elsewhere(lambda: read_folder(folder, self._marker), "read a folder")
        self._folder = found
        self._list()

    def _list(self) -> None:
        _, begin = folder_of(self.text, self.folder)
        files = self._kind != "folder"
        self._listed = self._folder.matching(begin, hidden=self._hidden, files=files)
        rows = self.query_one(Rows)
        names = [entry.name for entry in self._listed]
        cursor = names.index(self._cursor_on) if self._cursor_on in names else min(1, len(names) - 1)
        if begin:
            cursor = 0
        rows.show(COLUMNS, Lines(self._listed, Gateway.wall()), cursor=max(0, cursor))
        self._cursor_on = ""
        word = self.query_one("#picker-word", Static)
        if self._folder.wrong:
            word.update(Text(f"✗ {self._folder.wrong}", style="bold red"))
        else:
            word.update(Text(self._count()))

    def _count(self) -> str:
        files = self._kind != "folder"
        entries = [entry for entry in self._folder.entries if entry.name != UP and (files or entry.is_folder)]
        hidden = 0 if self._hidden else sum(entry.is_hidden for entry in entries)
        seen = len(entries) - hidden
        shown_ones = [entry for entry in self._listed if entry.name != UP]
        said = f"{len(shown_ones):,} of {len(entries):,}"
        if not shown_ones:
            nothing = "nothing here" if files else "no folder in here"
            said = (
                nothing
                if not seen
                else "the one name here does not fit"
                if seen == 1
                else f"none of {seen:,} names fits"
            )
        return said + (f"; . shows {hidden:,} hidden" if hidden else "")

    @on(Rows.Opened)
    def _opened(self, event: Rows.Opened) -> None:
        event.stop()
        self._open(self._listed[event.index])

    def _open(self, entry: Entry) -> None:
        if entry.name == UP:
            self.action_up()
        elif entry.is_folder and not entry.is_meant:
            self._write(self.folder / entry.name)
        else:
            self.dismiss(self.folder / entry.name)

    @on(Input.Submitted, "#picker-path")
    def _submitted(self) -> None:
        self._take(self.text, open_folders=self._kind == "file")

    def action_choose(self) -> None:
        """Choose what the path line says; with the list in hand, the file under the cursor."""
        rows = self.query_one(Rows)
        entry = self._listed[rows.cursor] if rows.has_focus and self._listed else None
        if entry is not None and not entry.is_folder:
            self._open(entry)
        else:
            self._take(self.text, open_folders=False)

    @work(group="picker.take", exclusive=True)
    async def _take(self, text: str, *, open_folders: bool) -> None:
        folder, name = folder_of(text, self.folder)
        path = folder / name if name else folder
        is_folder, exists = await elsewhere(lambda: _facts(path), "look at a path")
        if is_folder and (open_folders or (self._kind == "file")):
            self._write(path)
            if not open_folders:
                self._say(f"{shown(path.name)} is a folder: choose a file in it")
        elif exists and (is_folder or self._kind != "folder"):
            self.dismiss(path)
        elif exists:
            self._say(f"{shown(path.name)} is a file: choose a folder")
        elif len(self._listed) == 1:
            self._open(self._listed[0])
        else:
            self._say(f"there is no {shown(path.name)} here")

    def _say(self, words: str) -> None:
        self.query_one("#picker-word", Static).update(Text(f"✗ {words}", style="bold red"))

    def action_complete(self) -> None:
        """Complete the name as far as all that fit agree; elsewhere go to the next part."""
        line = self.query_one("#picker-path", Input)
        _, begin = folder_of(self.text, self.folder)
        names = [entry.name for entry in self._listed if entry.name != UP]
        if not line.has_focus or not begin or not names:
            self.focus_next()
            return
        common = _agreed([name.casefold() for name in names])
        if len(names) == 1:
            self._write(self.folder, names[0] + (os.sep if self._listed[-1].is_folder else ""))
        elif len(common) > len(begin):
            self._write(self.folder, names[0][: len(common)])
        else:
            self.query_one(Rows).focus()

    def action_hidden(self) -> None:
        """Show hidden files, or hide them again."""
        self._hidden = not self._hidden
        self._list()

    def action_up(self) -> None:
        """Go to the folder above, with the cursor on this one."""
        self._cursor_on = self.folder.name
        self._write(self.folder.parent)

    def action_into(self) -> None:
        """Go into the folder under the cursor."""
        rows = self.query_one(Rows)
        entry = self._listed[rows.cursor] if self._listed else None
        if entry is not None and entry.is_folder and entry.name != UP:
            self._write(self.folder / entry.name)

    def action_below(self) -> None:
        """Go from the path line to the list."""
        self.query_one(Rows).focus()

    def action_move(self, by: int) -> None:
        """Move in the list."""
        self.query_one(Rows).action_cursor_by(by)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """The same with the mouse."""
        if event.button.id == "yes":
            self.action_choose()
        else:
            self.dismiss(None)


def _first(start: Path | None, inbox: Path | None) -> Path:
    """Return the first folder of those to begin in that is there; the root always is."""
    for path in (start, start.parent if start is not None else None, inbox):
        if path is not None and _facts(path.absolute() if path.is_absolute() else _here() / path)[0]:
            return path if path.is_absolute() else _here() / path
    return _here()


def _here() -> Path:
    try:
        return Path.cwd()
    except OSError:  # the folder the program was started in is gone
        return Path(os.sep)


def _facts(path: Path) -> tuple[bool, bool]:
    """Return whether a path is a folder, and whether it is there at all."""
    try:
        return path.is_dir(), path.exists()
    except (OSError, ValueError):
        return False, False


def _agreed(names: list[str]) -> str:
    """Return the letters with which all names begin."""
    least, most = min(names), max(names)
    same = next(
        (place for place, letter in enumerate(least) if most[place : place + 1] != letter), len(least)
    )
    return least[:same]
