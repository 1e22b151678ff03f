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

from mlcycle_app.exporting import export, plain, write_table
from mlcycle_app.gateway import MlcycleError
from mlcycle_app.pages import Arrangement
from mlcycle_app.tables import TABLES
from mlcycle_app.tui.cells import harmless
from mlcycle_app.tui.clipboard import offer
from mlcycle_app.tui.reading import elsewhere

if TYPE_CHECKING:
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
    """

    DEFAULT_CSS = """
    CopyScreen .copy-keys { height: auto; }
    CopyScreen .copy-said { height: auto; margin: 1 0; }
    CopyScreen .copy-text { height: auto; max-height: 38vh; margin: 0 0 1 0; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,y", "dismiss", "Close", id="copy.close", tooltip="Close"),
        Binding("v", "value", "Value", id="copy.value", tooltip="Copy a value; again, the next column's"),
        Binding("r", "row", "Row", id="copy.row", tooltip="Copy the row as JSON"),
        Binding("c", "command", "Command", id="copy.command", tooltip="Copy the command that shows the same"),
        Binding("s", "sql", "SQL", id="copy.sql", tooltip="Copy the query behind the list"),
        Binding("t", "export('csv')", "CSV", id="copy.csv", tooltip="Write the whole list as CSV"),
        Binding("j", "export('json')", "JSON", id="copy.json", tooltip="Write the whole list as JSON"),
    ]

    def __init__(self, gateway: Gateway, selection: Selection, arranged: Arrangement, twin: str) -> None:
        super().__init__()
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

    @work(exclusive=True, group="copy")
    async def action_export(self, form: str) -> None:
        """Write every row that passes the filter into a file."""
        self._say("writing …")
        name, arranged = self._selection.table, self._arranged
        try:
            if self.app.is_web:
                out = StringIO(newline="")
                count = await elsewhere(
                    lambda: write_table(self._gateway, name, arranged, form, out), f"export {name}"
                )
                out.seek(0)
                self.app.deliver_text(out, save_filename=f"{name.replace(' ', '-')}.{form}")
                self._say(f"{count:,} rows are on their way to the browser's downloads")
                return
            path, count = await elsewhere(
                lambda: export(self._gateway, name, arranged, form), f"export {name}"
            )
        except MlcycleError as error:
            self._say(f"{error.message}   {error.hint}", "bold red")
            return
        self._show(str(path))
        self._say(f"{count:,} rows are in this file")

    @work(exclusive=True, group="copy")
    async def _copy(self, text: str, about: str = "") -> None:
        self._show(text)
        self._say(about + await offer(self.app, text))

    def _show(self, text: str) -> None:
        area = self.query_one(TextArea)
        area.display = True
        area.load_text(harmless(text))
        area.focus(scroll_visible=False)

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
        return text


def _line(text: Text, key: str, what: str, more: str) -> None:
    if text:
        text.append("\n")
    text.append(f" {key} ", "bold yellow").append(f" {what:<15} ").append(more, "dim")
