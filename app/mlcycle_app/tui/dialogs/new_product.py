"""A new product from a data file: which column is to be predicted, which says when, which says who, and the folder."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Label, Static

from mlcycle_app.tui.cells import NOTHING, Cell
from mlcycle_app.tui.columns import Column
from mlcycle_app.tui.folder import shown
from mlcycle_app.tui.widgets.rows import Rows

if TYPE_CHECKING:
    from mlcycle.design import FileColumn

__all__ = ["NewProductScreen", "guessed"]

TARGET, TIME, KEY = "target", "time", "key"
OPTIONAL = (TIME, KEY)
NAMED = {TARGET: "predict this", TIME: "says when", KEY: "says who"}
LABELS = ("role", "column", "type", "values")


class NewProductScreen(ModalScreen[Sequence[str] | None]):
    """Answers the words after `mlcycle` that make the workspace.

    Parameters
    ----------
    file
        The data.
    columns
        What is in it.
    folder
        Where the workspace would go.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "Cancel", id="new.cancel", tooltip="Make nothing"),
        Binding("t", "role('target')", "Target", id="new.target", tooltip="Predict the column under the cursor"),
        Binding("w", "role('time')", "When", id="new.time", tooltip="This column says which moment a row is about"),
        Binding("o", "role('key')", "Who", id="new.key", tooltip="This column names a row's entity"),
        Binding("ctrl+s", "make", "Make", id="new.make", tooltip="Make the workspace"),
        Binding("j", "move(1)", "Down", id="new.down", tooltip="One column down"),
        Binding("k", "move(-1)", "Up", id="new.up", tooltip="One column up"),
    ]  # fmt: skip

    def __init__(self, file: Path, columns: Sequence[FileColumn], folder: str) -> None:
        super().__init__()
        self._file = file
        self._columns = columns
        self._folder = folder
        self._roles = guessed(columns)

    @property
    def words(self) -> list[str]:
        """What would be run."""
        words = ["init", self.folder, "--from", str(self._file)]
        for role in (TARGET, *OPTIONAL):
            if role in self._roles:
                words += [f"--{role}", self._roles[role]]
        return words

    @property
    def folder(self) -> str:
        """Where the workspace goes, as typed."""
        return self.query_one("#new-folder", Input).value.strip()

    def compose(self) -> ComposeResult:
        """Columns, folder, and the command line as it grows."""
        with Vertical(classes="dialog new-product") as box:
            box.border_title = Content(f"new product from {shown(self._file.name)}")
            box.border_subtitle = "t target  w when  o who  ctrl+s makes it  esc cancels"
            yield Static(
                Text("Which column is to be predicted? t on it, or enter. The others may stay open."),
                id="new-asks",
            )
            yield Rows(name="new-columns")
            with Horizontal(classes="field"):
                yield Label("folder ")
                yield Input(self._folder, id="new-folder", compact=True)
            yield Static(id="new-line")
            yield Static(id="new-error")
            with Horizontal(classes="buttons"):
                yield Button("Target", id="target", compact=True)
                yield Button("When", id="time", compact=True)
                yield Button("Who", id="key", compact=True)
                yield Button("Cancel", id="no", compact=True)
                yield Button("Make it", id="yes", variant="primary", compact=True)

    def on_mount(self) -> None:
        """Begin at the last column, which the target often is."""
        rows = self.query_one(Rows)
        self._draw()
        rows.cursor = len(self._columns) - 1
        rows.focus()

    def action_role(self, role: str) -> None:
        """Give the column under the cursor a role, or take it away again."""
        name = self._columns[self.query_one(Rows).cursor].name
        if self._roles.get(role) == name:
            del self._roles[role]
        else:
            self._roles = {other: taken for other, taken in self._roles.items() if taken != name}
            self._roles[role] = name
        self._draw()

    def action_move(self, by: int) -> None:
        """Go to another column."""
        self.query_one(Rows).action_cursor_by(by)

    def action_make(self) -> None:
        """Answer, if it is known what to predict and where to."""
        if TARGET not in self._roles:
            self._say("choose the column to predict: t on it")
            self.query_one(Rows).focus()
        elif not self.folder:
            self._say("the workspace needs a folder")
            self.query_one("#new-folder", Input).focus()
        else:
            self.dismiss(self.words)

    @on(Rows.Opened)
    def _opened(self, event: Rows.Opened) -> None:
        event.stop()
        self.action_role(TARGET)

    @on(Input.Changed)
    def _typed(self) -> None:
        self._show_line()

    @on(Input.Submitted)
    def _submitted(self) -> None:
        self.action_make()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """The same with the mouse."""
        event.stop()
        if event.button.id in NAMED:
            self.action_role(event.button.id or "")
        elif event.button.id == "yes":
            self.action_make()
        else:
            self.dismiss(None)

    def _draw(self) -> None:
        roles = {name: role for role, name in self._roles.items()}
        lines = [self._line(column, roles.get(column.name, "")) for column in self._columns]
        widths = [
            max(len(label), *(len(line[place].text) for line in lines)) for place, label in enumerate(LABELS)
        ]
        widths[0] = max(map(len, NAMED.values()))
        stretch = (False, False, False, True)
        columns = [
            Column(label, min(width, 40) if not wide else width, stretch=wide)
            for label, width, wide in zip(LABELS, widths, stretch, strict=True)
        ]
        self.query_one(Rows).show(columns, lines)
        self._show_line()

    def _line(self, column: FileColumn, role: str) -> list[Cell]:
        style = "bold yellow" if role == TARGET else "cyan"
        values = ", ".join(shown(" ".join(value.split()))[:30] for value in column.examples)
        return [
            Cell(NAMED[role], style) if role else NOTHING,
            Cell(shown(column.name), "bold" if role else ""),
            Cell(column.type, "dim"),
            Cell(values + (", …" if column.varies else "")) if values else NOTHING,
        ]

    def _show_line(self) -> None:
        self._say("")
        line = Text("$ ", style="dim").append(f"mlcycle {shown(shlex.join(self.words))}", style="bold")
        self.query_one("#new-line", Static).update(line)

    def _say(self, words: str) -> None:
        error = self.query_one("#new-error", Static)
        error.update(Text(f"✗ {words}", style="bold red"))
        error.display = bool(words)


def guessed(columns: Sequence[FileColumn]) -> dict[str, str]:
    """Return the roles that the first rows suggest: a moment for when, an id for who; never the target."""
    found = {}
    moments = [column for column in columns if column.type == "timestamp"]
    moments += [column for column in columns if column.type == "date"]
    if moments:
        found[TIME] = moments[0].name
    names = [column.name for column in columns if column.type in ("text", "integer") and _is_id(column.name)]
    if names:
        found[KEY] = names[0]
    return found


def _is_id(name: str) -> bool:
    plain = name.casefold()
    return plain in ("id", "key", "uuid") or plain.endswith(("_id", " id", "_key")) or name.endswith("Id")
