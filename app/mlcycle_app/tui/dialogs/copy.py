"""`y`: what can be copied of what is under the cursor, each by one key; and the whole list as a file."""

from __future__ import annotations

import json
from io import StringIO
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Static, TextArea

from mlcycle_app.exporting import export, plain, write_table, written
from mlcycle_app.gateway import MlcycleError
from mlcycle_app.pages import Arrangement
from mlcycle_app.tables import TABLES
from mlcycle_app.tui import crash
from mlcycle_app.tui.cells import harmless
from mlcycle_app.tui.clipboard import offer
from mlcycle_app.tui.reading import elsewhere

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mlcycle_app.gateway import Gateway
    from mlcycle_app.tui.selection import Selection

__all__ = ["CopyScreen"]


class CopyScreen(ModalScreen[None]):
    """Shows the text itself, so that it can be marked by hand where the terminal takes nothing.

    Parameters
    ----------
    gateway
        The workspace.
    selection
        What is under the cursor.
    arranged
        How its list is filtered and sorted.
    twin
        The command that shows the same, as typed after `mlcycle`.
    screen
        Name of the screen, as `mlcycle show` takes it.
    """

    DEFAULT_CSS = """
    CopyScreen .copy-keys { height: auto; }
    CopyScreen .copy-said { height: auto; margin: 1 0; }
    CopyScreen .copy-text { height: auto; max-height: 38vh; margin: 0 0 1 0; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "dismiss", "Close", id="copy.close", tooltip="Close"),
        Binding("v", "value", "Value", id="copy.value", tooltip="Copy a value; again, the next column's"),
        Binding("r", "row", "Row", id="copy.row", tooltip="Copy the row as JSON"),
        Binding("c", "command", "Command", id="copy.command", tooltip="Copy the command that shows the same"),
        Binding("s", "sql", "SQL", id="copy.sql", tooltip="Copy the query behind the list"),
        Binding("t", "export('csv')", "CSV", id="copy.csv", tooltip="Write the whole list as CSV"),
        Binding("j", "export('json')", "JSON", id="copy.json", tooltip="Write the whole list as JSON"),
        Binding("w", "screen", "Screen", id="copy.screen", tooltip="Write the whole screen as plain text"),
    ]

    def __init__(
        self, gateway: Gateway, selection: Selection, arranged: Arrangement, twin: str, screen: str = ""
    ) -> None:
        super().__init__()
        self._screen_name = screen
        self._gateway = gateway
        self._selection = selection
        self._arranged = arranged
        self._twin = twin
        self._column = ""

    def compose(self) -> ComposeResult:
        """The keys, what became of the last one, and the text."""
        with Vertical(classes="dialog copy") as page:
            page.border_title = "copy"
            page.border_subtitle = "esc closes"
            yield Static(self._keys(), classes="copy-keys")
            yield Static("each key copies at once", classes="copy-said")
            text = TextArea("", read_only=True, compact=True, soft_wrap=True, classes="copy-text")
            text.display = False
            yield text

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Leave out what there is nothing of."""
        if action in ("value", "row"):
            return self._selection.row is not None
        if action in ("sql", "export"):
            return self._selection.table in TABLES
        if action == "screen":
            return bool(self._screen_name)
        return bool(self._twin) if action == "command" else True

    def action_value(self) -> None:
        """Copy the value that commands take; again, the one of the next column."""
        row = self._selection.row
        if row is None:
            return
        names = list(row)
        if not self._column:
            self._column = self._selection.id if self._selection.id in row else names[0]
        else:
            self._column = names[(names.index(self._column) + 1) % len(names)]
        value = plain(row[self._column])
        words = (
            ""
            if value is None
            else value
            if isinstance(value, str)
            else json.dumps(value, ensure_ascii=False)
        )
        self._copy(words, f"{self._column}: ")

    def action_row(self) -> None:
        """Copy every column."""
        self._copy(json.dumps(plain(self._selection.row), ensure_ascii=False, indent=2))

    def action_command(self) -> None:
        """Copy the command line."""
        self._copy(self._gateway.typed(self._twin))

    def action_sql(self) -> None:
        """Copy the query, with the filter and the order of the list."""
        self._copy(self._gateway.page_sql(self._selection.table, self._arranged))

    def action_export(self, form: str) -> None:
        """Write every row that passes the filter into a file."""
        gateway, name, arranged = self._gateway, self._selection.table, self._arranged

        def text() -> str:
            out = StringIO(newline="")
            write_table(gateway, name, arranged, form, out)
            return out.getvalue()

        self._write(f"{name.replace(' ', '-')}.{form}", text, lambda: export(gateway, name, arranged, form))

    def action_screen(self) -> None:
        """Write what the whole screen shows into a file."""
        from mlcycle_app.cli.show import gathered, text_of  # brings the command line

        gateway, name = self._gateway, self._screen_name

        def text() -> str:
            return text_of(gathered(gateway, name)) + "\n"

        self._write(f"{name}.txt", text, lambda: written(gateway, name, text()))

    @work(exclusive=True, group="copy")
    async def _write(self, name: str, text: Callable[[], str], write: Callable[[], Path]) -> None:
        """Write a file here, or send it to the browser that the UI is drawn in."""
        self._say("writing …")
        try:
            if self.app.is_web:
                found = await elsewhere(text, f"write {name}")
                self.app.deliver_text(StringIO(found, newline=""), save_filename=name)
                self._say(f"{name} is on its way to the browser's downloads")
            else:
                self._show(str(await elsewhere(write, f"write {name}")))
                self._say("written into this file")
        except MlcycleError as error:
            self._fail(error)
        except Exception as error:  # noqa: BLE001 - a defect in one file must not take the UI along
            self._fail(crash.tell(self._gateway, error, f"{name} could not be written"))

    @work(exclusive=True, group="copy")
    async def _copy(self, text: str, about: str = "") -> None:
        self._show(text)
        self._say(about + await offer(self.app, text))

    def _show(self, text: str) -> None:
        area = self.query_one(TextArea)
        area.display = True
        area.load_text(harmless(text))
        area.focus(scroll_visible=False)

    def _fail(self, error: MlcycleError) -> None:
        """Say what went wrong, beside no text that an earlier key has left."""
        self.query_one(TextArea).display = False
        self._say(harmless(f"{error.message}   {error.hint}"), "bold red")

    def _say(self, words: str, style: str = "") -> None:
        self.query_one(".copy-said", Static).update(Text(words, style=style))

    def _keys(self) -> Text:
        text = Text()
        row, table = self._selection.row, TABLES.get(self._selection.table)
        if row is not None:
            _line(text, "v", "the value", "again: the next column's")
            _line(text, "r", "the row", "as JSON")
        if self._twin:
            _line(text, "c", "the command", f"mlcycle {self._twin}")
        if table is not None:
            _line(text, "s", "the SQL", "for mlcycle sql, with filter and order")
            _line(text, "t", "the whole list", "into a file here, as CSV")
            _line(text, "j", "the whole list", "into a file here, as JSON")
        if self._screen_name:
            _line(text, "w", "the screen", "into a file here, as plain text")
        return text


def _line(text: Text, key: str, what: str, more: str) -> None:
    if text:
        text.append("\n")
    text.append(f" {key} ", "bold yellow").append(f" {what:<15} ").append(more, "dim")
