"""A form for any command, made from what click knows of it; the command line grows below while it is filled in."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import click
from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.suggester import SuggestFromList
from textual.widgets import Button, Checkbox, Input, Label, Static

from mlcycle_app.commands import Command
from mlcycle_app.tui.filled import YES, Filled, parameters, words_of

__all__ = ["FormScreen"]

LABEL = 16
"""Cells of a field's name."""


class FormScreen(ModalScreen[Filled | None]):
    """One line a parameter: what is required first. Enter runs, esc forgets.

    Parameters
    ----------
    command
        What is to be run.
    given
        Values that stand there already.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "Cancel", id="form.cancel", tooltip="Run nothing"),
        Binding("up", "app.focus_previous", "", show=False, id="form.up", tooltip="The field above"),
        Binding("down", "app.focus_next", "", show=False, id="form.down", tooltip="The field below"),
        Binding("ctrl+o", "pick", "", show=False, id="form.pick", tooltip="Choose a file"),
        Binding("ctrl+s", "run", "", show=False, id="form.run", tooltip="Run the command"),
    ]

    def __init__(self, command: Command, given: Filled) -> None:
        super().__init__()
        self._command = command
        self._given = given
        self._fields = [
            _Field(one, given.get(one.name or "", ()), command.summary) for one in parameters(command)
        ]

    @property
    def asks(self) -> bool:
        """Whether there is anything to fill in."""
        return bool(self._fields)

    def compose(self) -> ComposeResult:
        """Fields, the help of the one that has the keyboard, and the command line."""
        with Vertical(classes="dialog form") as box:
            box.border_title = self._command.summary
            box.border_subtitle = "enter runs, esc cancels"
            with VerticalScroll(classes="fields", can_focus=False):
                yield from self._fields
            yield Static(id="form-help")
            yield Static(id="form-error")
            yield Static(id="form-line")
            with Horizontal(classes="buttons"):
                yield Button("Cancel", id="no", compact=True)
                yield Button("Run", id="yes", variant="primary", compact=True)

    def on_mount(self) -> None:
        """Begin where something is missing."""
        waiting = [field for field in self._fields if field.required and not field.values]
        (waiting or self._fields)[0].box.focus()
        self._show_line()

    def on_descendant_focus(self) -> None:
        """Say what the field is for."""
        for field in self._fields:
            if field.box.has_focus:
                self.query_one("#form-help", Static).update(Text(field.help, style="dim"))

    @on(Input.Changed)
    @on(Checkbox.Changed)
    def _changed(self) -> None:
        self._show_line()

    @on(Input.Submitted)
    def action_run(self) -> None:
        """Run, if everything is as the command wants it; else say what is not, at the first field where."""
        for field in self._fields:
            wrong = field.wrong()
            if wrong:
                self.query_one("#form-error", Static).update(
                    Text(f"✗ {field.label}: {wrong}", style="bold red")
                )
                field.box.focus()
                return
        self.dismiss(self._filled())

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """The same with the mouse."""
        if event.button.id == "yes":
            self.action_run()
        else:
            self.dismiss(None)

    def action_pick(self) -> None:
        """Choose a file for the field that has the keyboard, if it takes one."""
        for field in self._fields:
            if field.box.has_focus and field.is_path:
                self._pick(field)

    def _pick(self, field: _Field) -> None:
        from mlcycle_app.tui.dialogs.picker import PickerScreen

        def picked(path: Path | None) -> None:
            if path is not None:
                field.write(str(path))

        self.app.push_screen(PickerScreen(None), picked)

    def _filled(self) -> dict[str, Sequence[str]]:
        return {field.key: field.values for field in self._fields if field.values}

    def _show_line(self) -> None:
        self.query_one("#form-error", Static).update("")
        words = shlex.join(words_of(self._command, self._filled()))
        line = Text("$ ", style="dim").append(f"mlcycle {words}", style="bold")
        self.query_one("#form-line", Static).update(line)


class _Field(Horizontal):
    """One parameter."""

    def __init__(self, parameter: click.Parameter, given: Sequence[str], summary: str) -> None:
        super().__init__(classes="field")
        self._parameter = parameter
        self.key = parameter.name or ""
        self.required = parameter.required
        self.label = self.key.replace("_", " ")
        kind = parameter.type
        self.is_path = isinstance(kind, click.Path)
        choices = list(kind.choices) if isinstance(kind, click.Choice) else []
        self.many = parameter.nargs == -1 or parameter.multiple
        self._given = isinstance(parameter, click.Option) and not self.many and any(given)
        self._is_text = isinstance(kind, click.types.StringParamType)
        default = parameter.default if isinstance(parameter.default, str | int | float) else None
        self._falls_back = self.is_path or default is not None
        said = getattr(parameter, "help", None) or getattr(parameter, "metavar", None) or ""
        notes = [said.rstrip(".")] if said else [summary]
        notes += [f"one of {', '.join(choices)}"] if choices else []
        notes += ["several: between blanks"] if self.many else []
        notes += ["ctrl+o chooses a file"] if self.is_path else []
        self.help = "; ".join(notes)
        self.box: Input | Checkbox
        if isinstance(parameter, click.Option) and parameter.is_flag:
            self.box = Checkbox("", YES in given, compact=True)
        else:
            text = shlex.join(given) if self.many else " ".join(given)
            shown = "required" if self.required else "" if default in (None, "") else str(default)
            self.box = Input(
                text,
                placeholder=shown,
                compact=True,
                suggester=SuggestFromList(choices) if choices else None,
            )

    def compose(self) -> ComposeResult:
        yield Label(f"{self.label[: LABEL - 2]:<{LABEL - 2}}{'*' if self.required else ' '} ")
        yield self.box

    @property
    def values(self) -> Sequence[str]:
        """What stands there; of a text that was given and is emptied, the empty text."""
        if isinstance(self.box, Checkbox):
            return [YES] if self.box.value else []
        text = self.box.value.strip()
        if not text:
            return [""] if self._given and self._is_text else []
        if not self.many:
            return [text]
        try:
            return shlex.split(text)
        except ValueError:
            return text.split()

    def write(self, text: str) -> None:
        """Put a value there."""
        if isinstance(self.box, Input):
            self.box.value = shlex.quote(text) if self.many else text

    def wrong(self) -> str:
        """Return what is wrong with what stands there; empty if nothing is."""
        values = self.values
        if not any(values):
            if self.required:
                return "is needed"
            stuck = self._given and not self._is_text and not self._falls_back
            return "cannot be emptied here; take it out of the file" if stuck else ""
        if isinstance(self.box, Checkbox):
            return ""
        context = click.Context(click.Command("form"))
        for value in values:
            try:
                self._parameter.type.convert(value, self._parameter, context)
            except click.BadParameter as error:
                return error.message.rstrip(".")
        return ""
