"""`w`: another workspace, one opened lately or any folder; or back to the start screen."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Static

from mlcycle_app.gateway import Gateway, MlcycleError
from mlcycle_app.tui import places
from mlcycle_app.tui.dialogs.picker import PickerScreen
from mlcycle_app.tui.folder import folder_of
from mlcycle_app.tui.reading import elsewhere
from mlcycle_app.tui.widgets.rows import Rows

if TYPE_CHECKING:
    from mlcycle.recent import Recent

__all__ = ["START", "Place", "PlacesScreen"]

START: Literal["start"] = "start"
"""Answer of who wants the start screen."""
Place = Path | Literal["start"]


class PlacesScreen(ModalScreen[Place | None]):
    """Answers a folder that is a workspace, `START`, or None.

    Parameters
    ----------
    current
        The workspace that is open.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,w", "dismiss(None)", "Close", id="places.close", tooltip="Stay here"),
        Binding("ctrl+o", "browse", "Browse", id="places.browse", tooltip="Choose a folder"),
        Binding("s", "start", "Start", id="places.start", tooltip="To the start screen"),
        Binding("d", "forget", "Forget", id="places.forget", tooltip="Take it off the list"),
        Binding("j", "move(1)", "Down", id="places.down", tooltip="One line down"),
        Binding("k", "move(-1)", "Up", id="places.up", tooltip="One line up"),
    ]

    def __init__(self, current: Path) -> None:
        super().__init__()
        self._current = current
        self._recent: Sequence[Recent] = ()

    def compose(self) -> ComposeResult:
        """The list, a path line, and the buttons."""
        with Vertical(classes="dialog places") as box:
            box.border_title = "switch to another workspace"
            box.border_subtitle = "enter opens  d forgets  ctrl+o browses  s start screen  esc stays"
            yield Rows(labels=False, name="places-list")
            yield Input(id="places-path", placeholder="or the folder of another one", compact=True)
            yield Static(id="places-error")
            with Horizontal(classes="buttons"):
                yield Button("Start screen", id="start", compact=True)
                yield Button("Browse", id="browse", compact=True)
                yield Button("Stay here", id="no", compact=True)

    def on_mount(self) -> None:
        """Look for what was opened last."""
        self.query_one(Rows).focus()
        self._look(first=True)

    @work(group="places.recent", exclusive=True)
    async def _look(self, *, first: bool = False) -> None:
        self._recent = await elsewhere(places.recent, "read recent")
        rows = self.query_one(Rows)
        lines = places.lines(self._recent, Gateway.wall(), current=self._current)
        others = [place for place, one in enumerate(self._recent) if one.root != self._current]
        rows.show(places.COLUMNS, lines, cursor=others[0] if first and others else None)
        if not self._recent:
            self.query_one(Input).focus()

    @on(Rows.Opened)
    def _opened(self, event: Rows.Opened) -> None:
        event.stop()
        self._take(self._recent[event.index].root)

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        text = event.value.strip()
        if text:
            folder, name = folder_of(text, places.here())
            self._take(folder / name)

    @on(Input.Changed)
    def _typed(self) -> None:
        self._say("")

    @work(group="places.take", exclusive=True)
    async def _take(self, folder: Path) -> None:
        try:
            gateway = await elsewhere(lambda: places.workspace_at(folder), "look at a workspace")
        except MlcycleError as error:
            self._say(places.short_of(error, folder).message)
        else:
            self.dismiss(gateway.workspace.root)

    def action_browse(self) -> None:
        """Choose a folder."""

        def chosen(folder: Path | None) -> None:
            if folder is not None:
                self._take(folder)

        above = self._current.parent
        self.app.push_screen(
            PickerScreen(above, kind="folder", title=places.OPEN, marker=places.MARKER), chosen
        )

    def action_start(self) -> None:
        """Go to the start screen."""
        self.dismiss(START)

    def action_forget(self) -> None:
        """Take the workspace under the cursor off the list; the workspace itself stays."""
        rows = self.query_one(Rows)
        if rows.has_focus and self._recent:
            self._forget(self._recent[rows.cursor].root)

    @work(group="places.forget")
    async def _forget(self, root: Path) -> None:
        await elsewhere(lambda: places.forget(root), "forget")
        self._look()

    def action_move(self, by: int) -> None:
        """Move in the list."""
        self.query_one(Rows).action_cursor_by(by)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """The same with the mouse."""
        event.stop()
        if event.button.id == "start":
            self.action_start()
        elif event.button.id == "browse":
            self.action_browse()
        else:
            self.dismiss(None)

    def _say(self, words: str) -> None:
        self.query_one("#places-error", Static).update(Text(f"✗ {words}" if words else "", style="bold red"))
