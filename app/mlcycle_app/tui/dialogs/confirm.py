"""A question before something that cannot simply be undone: no is where the focus is."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Static

__all__ = ["ConfirmScreen"]


class ConfirmScreen(ModalScreen[bool]):
    """One question, two answers.

    Parameters
    ----------
    question
        What will happen, with names.
    verb
        On the button that does it.
    typed
        What must be typed for a yes; nothing unless said.
    more
        Further words below the question.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(False)", "No", id="confirm.no", tooltip="Leave all as it is"),
        Binding("left", "app.focus_previous", "", show=False, id="confirm.left"),
        Binding("right", "app.focus_next", "", show=False, id="confirm.right"),
    ]

    def __init__(self, question: str, *, verb: str, typed: str = "", more: str = "") -> None:
        super().__init__()
        self._question = question
        self._verb = verb
        self._typed = typed
        self._more = more
        self._why = ""

    def compose(self) -> ComposeResult:
        """The question, the name to type, and the two buttons."""
        with Vertical(classes="dialog confirm") as box:
            box.border_subtitle = "esc leaves all as it is"
            yield Static(Text(self._question, style="bold"), id="question")
            if self._more:
                yield Static(Text(self._more))
            if self._typed:
                yield Static(Text(f"type {self._typed} to say yes", style="dim"))
                yield Input(id="typed", compact=True)
            with Horizontal(classes="buttons"):
                yield Button("Cancel", id="no", compact=True)
                yield Button(
                    Text(self._verb), id="yes", variant="warning", compact=True, disabled=bool(self._typed)
                )

    def on_mount(self) -> None:
        """No is the answer of who just presses enter; a name to type comes first."""
        self.query_one("#typed" if self._typed else "#no").focus()
        if self._why:
            self.void(self._why)

    def void(self, why: str) -> None:
        """Say in the question's place why there is nothing to ask any more; only no is left as an answer.

        It stays until a key is pressed: one that was meant for it must not reach what lies below.
        """
        self._why = why
        if not self.query("#yes"):
            return  # it is not drawn yet; the buttons come last
        self.query_one("#question", Static).update(Text(why, style="bold"))
        self.query_one("#yes").display = False
        for line in self.query("#typed"):
            line.display = False
        close = self.query_one("#no", Button)
        close.label = "Close"
        close.focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Allow the yes once the name stands there."""
        self.query_one("#yes", Button).disabled = event.value.strip() != self._typed

    def on_input_submitted(self) -> None:
        """Enter behind the right name is a yes."""
        if not self._why and not self.query_one("#yes", Button).disabled:
            self.dismiss(True)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Answer."""
        self.dismiss(event.button.id == "yes" and not self._why)
