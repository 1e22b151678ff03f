"""A card over the whole screen: what is too wide for the pane beside a list. Base of the dialogs that show one."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen

from mlcycle_app.tui.card import Card
from mlcycle_app.tui.widgets.detail import Detail

__all__ = ["CardScreen"]


class CardScreen(ModalScreen[None]):
    """One card, scrolled by the keys that move in lists.

    Parameters
    ----------
    card
        What is shown at first; None if a subclass brings it later.
    end
        Whether its last lines are shown first, as of a log.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "dismiss", "Close", id="card.close", tooltip="Close this card"),
        Binding("j,down", "scroll('down')", "Down", show=False, id="card.down", tooltip="Down"),
        Binding("k,up", "scroll('up')", "Up", show=False, id="card.up", tooltip="Up"),
        Binding("g,home", "scroll('home')", "First", show=False, id="card.top", tooltip="First line"),
        Binding("G,end", "scroll('end')", "Last", show=False, id="card.bottom", tooltip="Last line"),
        Binding("pagedown", "scroll('page_down')", "", show=False, id="card.page", tooltip="Further down"),
        Binding("pageup", "scroll('page_up')", "", show=False, id="card.page_up", tooltip="Further up"),
    ]

    def __init__(self, card: Card | None = None, *, end: bool = False) -> None:
        super().__init__()
        self._card = card
        self._end = end

    def compose(self) -> ComposeResult:
        """The card, whatever the width of the terminal."""
        detail = Detail()
        detail.styles.display = "block"
        detail.styles.width, detail.styles.height = "98%", "94%"
        yield detail

    async def on_mount(self) -> None:
        """Draw what there is already."""
        self.query_one(Detail).focus()
        if self._card is not None:
            await self.draw(self._card)
        if self._end:
            self.call_after_refresh(self.action_scroll, "end")

    async def draw(self, card: Card) -> None:
        """Draw a card in place of the one before."""
        self._card = card
        await self.query_one(Detail).show(card)

    def action_scroll(self, how: str) -> None:
        """Move in the card."""
        getattr(self.query_one(Detail), f"scroll_{how}")(animate=False)
