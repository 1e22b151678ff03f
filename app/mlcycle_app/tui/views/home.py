"""0 Home: the lifecycle as a board and as a ring, the next thing to do, what runs, and what happened lately."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Static

from mlcycle_app.commands import COMMANDS, PHASES
from mlcycle_app.gateway import MlcycleError
from mlcycle_app.tables import TABLES
from mlcycle_app.tui.ages import age
from mlcycle_app.tui.cells import Cell
from mlcycle_app.tui.columns import Column
from mlcycle_app.tui.glyphs import glyph, style_of
from mlcycle_app.tui.messages import OpenScreen, TwinChanged
from mlcycle_app.tui.performing import Performs
from mlcycle_app.tui.selection import Selection
from mlcycle_app.tui.views.base import PhaseView
from mlcycle_app.tui.widgets.notice import Notice
from mlcycle_app.tui.widgets.pane import LOADING, Pane
from mlcycle_app.tui.widgets.ring import Node, Ring
from mlcycle_app.tui.widgets.rows import Rows, cut
from mlcycle_app.tui.widgets.status_line import StatusLine

if TYPE_CHECKING:
    from mlcycle_app.gateway import Board, Gateway, PhaseState

__all__ = ["HomeView"]

ROOM_FOR_NEXT = 96
"""Cells of the board from which on it says what to do next."""
ROOM_FOR_RING, RING = 132, 66
"""Cells of the view from which on the ring stands beside the board, and its width."""
BOARD, NEXT = 10, 4
"""Lines of two panes."""
LOUD = ("failed", "attention")
"""States whose sentence is coloured, not just their glyph."""
RUNNING = """
SELECT 'run' AS what, coalesce(name, right(run_id::VARCHAR, 8)) AS name, started_at AS since
    FROM runs WHERE status = 'running'
UNION ALL SELECT 'retraining', reason, ts FROM triggers WHERE state = 'running'
UNION ALL SELECT 'server', deployment || ' with ' || model || ':' || version, since
    FROM deployments WHERE state = 'running'
ORDER BY what, since
"""
"""What goes on in this workspace, whoever started it."""


class HomeView(PhaseView):
    """The Home screen. The board is read by the frame, which draws it in the strip too."""

    number: ClassVar[int] = 0
    every: ClassVar[float] = 2.0
    declares: ClassVar[bool] = True
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "r",
            "do_next",
            "Do",
            show=False,
            id="home.next",
            tooltip="do what the phase under the cursor waits for",
        ),
    ]

    def __init__(self, gateway: Gateway) -> None:
        super().__init__(gateway)
        self._board: Board | None = None
        self._offered = 0
        """The line that the cursor was put on because something waits there."""
        self._words = LOADING.plain
        self._told: Text | None = None
        self._going_on: Sequence[Mapping[str, Any]] = ()
        self._stale = False

    def compose(self) -> ComposeResult:
        """The board above, the next action and the events below."""
        yield Notice()
        with Horizontal(id="lifecycle", classes="group"):
            with Vertical(id="board-pane", classes="pane") as pane:
                pane.border_title = "lifecycle"
                yield Rows(name="board")
            with Vertical(id="ring-pane", classes="pane") as pane:
                pane.border_title = "the cycle"
                pane.display = False
                pane.styles.width = RING
                yield Ring(id="ring")
        with Vertical(id="next-pane", classes="pane") as pane:
            pane.border_title = "next action"
            yield Static(LOADING, id="next")
        yield Pane("events", TABLES["events"], labels=False)

    def on_resize(self) -> None:
        """Wider screens have room for the ring, and for what to do next."""
        self.query_one("#ring-pane").display = self.size.width >= ROOM_FOR_RING
        self.query_one("#lifecycle").styles.height = "1fr" if self.screen.has_class("-short") else BOARD
        self._fill()

    @property
    def command(self) -> str:
        """The command of the phase under the cursor, or of the events."""
        phase = self._under_cursor() if self._on_board else None
        return super().command if phase is None else phase.command

    @property
    def selected(self) -> Selection:
        """The phase under the cursor, with what it says and the command it waits for; or the event."""
        phase = self._under_cursor()
        if not self._on_board or phase is None:
            return super().selected if not self._on_board else Selection()
        row = {
            "phase": phase.phase,
            "state": phase.state,
            "says": phase.says,
            "next": phase.next,
            "command": phase.command,
            "at": phase.at,
        }
        return Selection(id="command", row=row)

    def on_mount(self) -> None:
        """Show the phases at once, before anything is known of them."""
        self._fill()

    def read(self) -> Any:
        """Read what happened lately, and what goes on."""
        with self.gateway.one_state():
            return super().read(), self.gateway.rows(RUNNING)

    def draw(self, data: Any) -> None:
        """Draw what happened."""
        pages, self._going_on = data
        self.query_one(Pane).show_page(pages["events"])
        self._tell()

    def show_board(self, board: Board) -> None:
        """Draw the board; the cursor goes along with what waits, unless it was put elsewhere."""
        stays = self._board is not None and self._list.cursor != self._offered
        self._board = board
        self._fill()
        if board.next is not None and not stays:
            self._offered = self._list.cursor = board.next.number - 1
        self._tell()

    def show_age(self, seconds: float | None) -> None:
        """Dim the board while it could not be read for so long; None brings the colours back."""
        pane = self.query_one("#board-pane")
        self._stale = self._list.stale = seconds is not None
        self._ring()
        if seconds is None:
            pane.border_subtitle = "from 7 back to 1"
        elif self._board is not None:
            pane.border_subtitle = f"last read {max(1, round(seconds))} s ago"
        else:
            self._words = "not read"
            self._fill()

    def on_rows_moved(self, event: Rows.Moved) -> None:
        """Explain the phase under the cursor."""
        if event.rows is self._list:
            self._tell()
            self._ring()

    def on_ring_chosen(self, event: Ring.Chosen) -> None:
        """Open the phase."""
        event.stop()
        self.post_message(OpenScreen(event.index + 1))

    def action_do_next(self) -> None:
        """Do what the phase under the cursor waits for: run its command, or show the list that it is about."""
        phase, app = self._under_cursor(), self.app
        if phase is None or not isinstance(app, Performs):
            return
        if not phase.next:
            self.app.query_one(StatusLine).say(f"nothing waits in {phase.phase}")
            return
        words, given = _parted(phase.command)
        if any(words == table.command for table in TABLES.values()):
            self.post_message(OpenScreen(phase.number))
        else:
            app.perform(words, given, ask=None if given else False, sure=f"Run {phase.command}?")

    def on_rows_opened(self, event: Rows.Opened) -> None:
        """Open the phase."""
        if event.rows is self._list:
            self.post_message(OpenScreen(event.index + 1))

    def on_rows_laid(self, event: Rows.Laid) -> None:
        """The board always fits."""
        event.stop()

    def draw_error(self, error: MlcycleError) -> None:
        """Say in the events' pane what is wrong."""
        super().draw_error(error)
        if self._board is None:
            self.query_one("#next", Static).update(Text("not read", style="dim"))

    @property
    def _on_board(self) -> bool:
        """Whether the keyboard is in the board, or was there last: else it is in the events."""
        pane = self.query_one(Pane)
        for widget in (self.app.focused, self.last_focus):
            if widget is not None and self in widget.ancestors:
                return pane not in widget.ancestors
        return True

    @property
    def _list(self) -> Rows:
        return self.query_one("#board", Rows)

    def _under_cursor(self) -> PhaseState | None:
        if self._board is None or not self.is_mounted:
            return None
        return self._board.phases[self._list.cursor]

    def _fill(self) -> None:
        if self._board is None:
            lines = [
                [
                    Cell(str(number)),
                    Cell("…", "dim"),
                    Cell(name, "bold"),
                    Cell(self._words, "dim"),
                    Cell(""),
                    Cell(""),
                ]
                for number, name in enumerate(PHASES)
                if number
            ]
        else:
            lines = [self._line(phase) for phase in self._board.phases]
        says, waits, ages = (max(len(line[place].text) for line in lines) for place in (3, 4, 5))
        columns = [
            Column("#", 1),
            Column("", 1),
            Column("phase", 11),
            Column("state", max(says, 5), stretch=True),
            Column("age", max(ages, 6), right=True),
            Column("next", max(waits, 4)),
        ]
        ring = RING if self.size.width >= ROOM_FOR_RING else 0
        if self.size.width - ring < ROOM_FOR_NEXT:
            columns = columns[:-1]
        self._list.show(columns, [[*line[:4], line[5], line[4]] for line in lines])
        self._ring()

    def _ring(self) -> None:
        if self._board is None or not self.query_one("#ring-pane").display:
            return
        nodes = [
            Node(
                str(phase.number),
                glyph(phase.state),
                phase.phase,
                style_of(phase.state),
                phase.next or phase.says,
            )
            for phase in self._board.phases
        ]
        waits = self._board.next
        centre = (
            ("nothing waits", "")
            if waits is None
            else (f"next: {waits.next}", f"in {waits.number} {waits.phase}")
        )
        self.query_one(Ring).show(nodes, centre, marked=self._list.cursor, stale=self._stale)

    def _line(self, phase: PhaseState) -> list[Cell]:
        style = style_of(phase.state)
        return [
            Cell(str(phase.number), "dim"),
            Cell(glyph(phase.state), style),
            Cell(phase.phase, "bold"),
            Cell(phase.says, style if phase.state in LOUD else ""),
            Cell(phase.next, "yellow"),
            Cell(age(phase.at, self.gateway.now(), self.gateway.wall()), "dim"),
        ]

    def _tell(self) -> None:
        phase = self._under_cursor()
        if phase is None:
            return
        text = Text(no_wrap=True, overflow="ellipsis", end="")
        text.append(f"{phase.number} {phase.phase}: ", style="bold")
        text.append(phase.next or "nothing waits here", style="bold yellow" if phase.next else "dim")
        text.append("\n" + cut(phase.says, max(20, self.size.width - 4)))
        if self._going_on:
            text.append("\n").append_text(self._going())
        self.query_one("#next-pane").styles.height = NEXT + bool(self._going_on)
        if text != self._told:
            self._told = text
            self.query_one("#next", Static).update(text)
            self.post_message(TwinChanged())

    def _going(self) -> Text:
        """Return what runs in this workspace, as one line."""
        text = Text(end="")
        for place, row in enumerate(self._going_on):
            since = age(row["since"], self.gateway.now(), self.gateway.wall())
            text.append("   " * bool(place)).append(
                f"{glyph('running')} {row['what']} ", style=style_of("running")
            )
            text.append(row["name"]).append(f", {since}", style="dim")
        return text


def _parted(command: str) -> tuple[str, dict[str, list[str]]]:
    """Return a command's words, and its flags as `perform` takes them."""
    typed = shlex.split(command)[1:]
    flags = {word[2:].replace("-", "_"): ["yes"] for word in typed if word.startswith("--")}
    line = " ".join(word for word in typed if not word.startswith("--"))
    known = [one.words for one in COMMANDS if f"{line} ".startswith(f"{one.words} ")]
    return max(known, key=len), flags
