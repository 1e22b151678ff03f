"""Suggested checks to choose from: space marks, enter writes the marked ones into the check files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from mlcycle_app.tui.cells import harmless
from mlcycle_app.tui.widgets.laid import MARK

__all__ = ["Offer", "SuggestionsScreen"]


@dataclass(frozen=True)
class Offer:
    """One suggestion."""

    name: str
    """To accept it by."""
    check: str
    """As it would be written."""
    evidence: str
    file: str


class SuggestionsScreen(ModalScreen[list[str] | None]):
    """The list; answers with the names accepted, None if it was left.

    Parameters
    ----------
    title
        What they are for.
    offers
        At least one.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "dismiss(None)", "Close", id="suggestions.close", tooltip="Write nothing"),
        Binding(
            "enter", "accept", "Accept", priority=True, id="suggestions.accept", tooltip="Write those marked"
        ),
        Binding("space", "mark", "Mark", id="suggestions.mark", tooltip="Mark this one, or not"),
        Binding("a", "all", "All", id="suggestions.all", tooltip="Mark all, or none"),
        Binding("j", "move(1)", "Down", id="suggestions.down", tooltip="Down"),
        Binding("k", "move(-1)", "Up", id="suggestions.up", tooltip="Up"),
    ]
    DEFAULT_CSS = """
    SuggestionsScreen .dialog { width: 110; max-width: 98%; }
    SuggestionsScreen OptionList { height: auto; max-height: 16; border: none; padding: 0; background: $surface; }
    SuggestionsScreen #offer { height: 5; margin: 1 0 0 0; }
    """

    def __init__(self, title: str, offers: Sequence[Offer]) -> None:
        super().__init__()
        self._title = title
        self._offers = offers
        self._marked: set[int] = set()

    def compose(self) -> ComposeResult:
        """The list, and below it what speaks for the one under the cursor."""
        with Vertical(classes="dialog") as box:
            box.border_title = Content(harmless(self._title))
            box.border_subtitle = "space marks   a all   enter writes the marked   esc leaves"
            yield OptionList(*(Option(self._line(place)) for place in range(len(self._offers))), compact=True)
            yield Static(id="offer")

    def on_mount(self) -> None:
        """Begin in the list."""
        self.query_one(OptionList).focus()
        self._explain(0)

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        """Say what speaks for another one."""
        self._explain(event.option_index)

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """A click marks."""
        self._mark([event.option_index], on=event.option_index not in self._marked)

    def action_accept(self) -> None:
        """Answer with those marked; with the one under the cursor if none is."""
        under = self.query_one(OptionList).highlighted
        places = sorted(self._marked) or ([] if under is None else [under])
        self.dismiss([self._offers[place].name for place in places])

    def action_mark(self) -> None:
        """Mark the one under the cursor, or take its mark away; go on to the next."""
        shown = self.query_one(OptionList)
        if shown.highlighted is not None:
            self._mark([shown.highlighted], on=shown.highlighted not in self._marked)
            if shown.highlighted < len(self._offers) - 1:
                shown.highlighted += 1

    def action_all(self) -> None:
        """Mark all; if all are, none."""
        self._mark(range(len(self._offers)), on=len(self._marked) < len(self._offers))

    def action_move(self, by: int) -> None:
        """Move as vim's users expect."""
        shown = self.query_one(OptionList)
        if by > 0:
            shown.action_cursor_down()
        else:
            shown.action_cursor_up()

    def _mark(self, places: Iterable[int], *, on: bool) -> None:
        for place in places:
            (self._marked.add if on else self._marked.discard)(place)
            self.query_one(OptionList).replace_option_prompt_at_index(place, self._line(place))

    def _line(self, place: int) -> Text:
        marked = place in self._marked
        return Text(MARK if marked else " " * len(MARK), "bold").append(harmless(self._offers[place].name))

    def _explain(self, place: int) -> None:
        offer = self._offers[place]
        words = Text(harmless(offer.check), style="bold").append(harmless(f"\n{offer.evidence}\n"), "default")
        self.query_one("#offer", Static).update(words.append(f"would stand in {offer.file}", "dim"))
