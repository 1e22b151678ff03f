"""The start screen: what `mlcycle` shows where there is no workspace yet. Whatever is chosen ends in a folder to open.

Looking runs nothing and trusts nothing: to open a workspace from here is what `mlcycle -w DIR` is. What is made here is
made by the same commands that a shell would be given, as jobs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from rich.table import Table
from rich.text import Text
from textual import work
from textual.app import ComposeResult, RenderResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Static

from mlcycle_app.commands import PHASES
from mlcycle_app.gateway import Gateway, MlcycleError, free
from mlcycle_app.tui import places
from mlcycle_app.tui.cells import Cell
from mlcycle_app.tui.columns import Column
from mlcycle_app.tui.dialogs.new_product import NewProductScreen
from mlcycle_app.tui.dialogs.picker import PickerScreen
from mlcycle_app.tui.dialogs.working import WorkingScreen
from mlcycle_app.tui.frame import Frame
from mlcycle_app.tui.jobs import Jobs
from mlcycle_app.tui.keys import KEYS, shown
from mlcycle_app.tui.quitting import Quits
from mlcycle_app.tui.reading import elsewhere
from mlcycle_app.tui.widgets.line import Line
from mlcycle_app.tui.widgets.rows import Rows
from mlcycle_app.tui.widgets.status_line import StatusLine

if TYPE_CHECKING:
    from mlcycle.recent import Recent
    from mlcycle_app.tui.frame import Look

__all__ = ["StartApp"]

SAMPLE = "mlcycle-demo"
TITLE = "a machine-learning product through its whole life, offline"
EMPTY = "No workspace has been opened yet. What you open is listed here."
ROUND = (
    "what the product must achieve, as numbers",
    "what arrives, checked before it is used",
    "what was known at each moment, and only that",
    "runs, compared on the same rows",
    "the model that passes the gate, served",
    "what it predicts, and whether it still holds",
    "when to learn anew, and whether that is better",
)


@dataclass(frozen=True)
class _Choice:
    key: str
    id: str
    action: str
    name: str
    says: str
    label: str


CHOICES = (
    _Choice("s", "start.sample", "sample", "the sample product", "once round, offline, in about a minute", "sample"),
    _Choice("n", "start.new", "new", "new from a data file", "CSV, JSON, Parquet, Arrow or SQLite", "new"),
    _Choice("o", "start.open", "open", "open a folder", "a workspace that is there already", "open"),
)  # fmt: skip
QUIT, HELP = (next(key for key in KEYS if key.id == name) for name in ("quit", "help"))


class StartApp(Quits):
    """Three ways to begin, and the workspaces opened last.

    Parameters
    ----------
    look
        As in the settings.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        *(
            Binding(one.key, one.action, one.label, show=False, id=one.id, tooltip=one.says)
            for one in CHOICES
        ),
        Binding("d", "forget", "forget", show=False, id="start.forget", tooltip="Take it off the list"),
        Binding("j", "move(1)", "down", show=False, id="start.down", tooltip="One line down"),
        Binding("k", "move(-1)", "up", show=False, id="start.up", tooltip="One line up"),
        HELP.binding(),
        QUIT.binding(),
    ]

    def __init__(self, look: Look | None = None) -> None:
        super().__init__(look)
        self.chosen: Path | None = None
        """The workspace to open, once there is one."""
        self.jobs = Jobs(places.here())
        self._recent: Sequence[Recent] = ()

    def compose(self) -> ComposeResult:
        """What to do at the left, what it is about at the right where there is room."""
        head = Text(" mlcycle ", style="bold reverse").append(
            f"  {TITLE}", style="default not bold not reverse"
        )
        yield Static(head, id="strip")
        with Horizontal(id="start"):
            with Vertical(id="start-left"):
                with Vertical(id="start-choices", classes="pane") as choices:
                    choices.border_title = "begin"
                    yield Rows(labels=False, name="choices")
                with Vertical(id="start-recent", classes="pane") as recent:
                    recent.border_title = "recent"
                    yield Static(EMPTY, classes="message")
                    yield Rows(labels=False, name="recent")
            with Vertical(id="start-round", classes="pane") as about:
                about.border_title = "once round"
                yield Static(_round())
        yield StatusLine()
        yield _Hints("hints")

    async def on_mount(self) -> None:
        """Draw the choices, and look for what was opened last."""
        self.query_one(StatusLine).follow(self.jobs)
        lines = [
            [Cell(shown(one.id, one.key), "bold yellow"), Cell(one.name, "bold"), Cell(one.says, "dim")]
            for one in CHOICES
        ]
        widths = [max(len(line[place].text) for line in lines) for place in range(3)]
        columns = [Column("", width, stretch=place == 2) for place, width in enumerate(widths)]
        self._choices.show(columns, lines)
        self._choices.focus()
        self._look(first=True)

    def tick(self) -> None:
        """Leave if whoever started us is gone; there is no workspace yet that others could be at work in."""
        Frame.tick(self)

    @property
    def _choices(self) -> Rows:
        return self.query_one("#choices", Rows)

    @property
    def _list(self) -> Rows:
        return self.query_one("#recent", Rows)

    # What was opened last

    @work(group="start.recent", exclusive=True)
    async def _look(self, *, first: bool = False) -> None:
        self._recent = await elsewhere(places.recent, "read recent")
        rows = self._list
        self.query_one("#start-recent .message").display = not self._recent
        rows.display = bool(self._recent)
        rows.show(places.COLUMNS, places.lines(self._recent, Gateway.wall()))
        if first and any(one.exists for one in self._recent):
            rows.focus()
        elif not self._recent:
            self._choices.focus()

    def action_forget(self) -> None:
        """Take the workspace under the cursor off the list; the workspace itself stays."""
        if self._list.has_focus and self._recent:
            one = self._recent[self._list.cursor]
            self._forget(one.root)
            self._say(f"{one.root.name} is off the list; the folder stays as it is")

    @work(group="start.forget")
    async def _forget(self, root: Path) -> None:
        await elsewhere(lambda: places.forget(root), "forget")
        self._look()

    # What can be chosen

    def on_rows_opened(self, event: Rows.Opened) -> None:
        """Do what the cursor is on."""
        if event.rows is self._choices:
            self.call_next(self.run_action, CHOICES[event.index].action)
            return
        one = self._recent[event.index]
        if not one.exists:
            self._say(f"{one.root.name} is not there; {shown('start.forget', 'd')} takes it off the list")
        else:
            self.open(one.root)

    def action_move(self, by: int) -> None:
        """Move in the list that has the keyboard."""
        if isinstance(self.focused, Rows):
            self.focused.action_cursor_by(by)

    def action_press_enter(self) -> None:
        """Open what the cursor is on: for the mouse."""
        if isinstance(self.focused, Rows):
            self.focused.action_open()

    def action_help(self) -> None:
        """Show what every key does."""
        self.push_screen(_Help())

    def action_sample(self) -> None:
        """Make the sample product in a folder of its own, then open it."""
        folder = _free(SAMPLE)
        self._run(["demo", "--headless", "--dir", folder], folder, "the sample product")

    def action_open(self) -> None:
        """Choose a folder, then open it."""
        self.push_screen(PickerScreen(kind="folder", title=places.OPEN, marker=places.MARKER), self._opened)

    def action_new(self) -> None:
        """Choose a file, then what to learn from it."""
        self.push_screen(PickerScreen(kind="file", title="new product: choose its data"), self._picked)

    @work(group="start.open", exclusive=True)
    async def open(self, folder: Path) -> None:
        """End with this workspace, if it is one."""
        try:
            gateway = await elsewhere(lambda: places.workspace_at(folder), "look at a workspace")
        except MlcycleError as error:
            self.query_one(StatusLine).complain("open", places.short_of(error, folder))
            return
        self.chosen = gateway.workspace.root
        self.exit()

    def _opened(self, folder: Path | None) -> None:
        if folder is not None:
            self.open(folder)

    def _picked(self, file: Path | None) -> None:
        if file is not None:
            self._ask(file)

    @work(group="start.columns", exclusive=True)
    async def _ask(self, file: Path) -> None:
        self._say(f"reading the first rows of {file.name} …")
        try:
            found = await elsewhere(lambda: free("design.columns", file), "read columns")
        except MlcycleError as error:
            self.query_one(StatusLine).complain("open", places.short_of(error, file))
            return
        self.query_one(StatusLine).quiet()
        name = re.sub(r"[^a-z0-9]+", "-", file.stem.lower()).strip("-") or "product"
        self.push_screen(NewProductScreen(file, found, _free(name)), self._asked)

    def _asked(self, words: Sequence[str] | None) -> None:
        if words is not None:
            self._run(words, words[1], "the new product")

    def _run(self, words: Sequence[str], folder: str, title: str) -> None:
        def ended(done: bool | None) -> None:
            if done:
                self.open(Path(folder).expanduser())

        self.query_one(StatusLine).quiet()
        job = self.jobs.start(words, title=title)
        self.push_screen(WorkingScreen(self.jobs, job, title=title), ended)

    def _say(self, words: str) -> None:
        line = self.query_one(StatusLine)
        line.quiet()
        line.say(words)


class _Help(ModalScreen[None]):
    """`?`: the keys of the start screen."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,f1,q", "dismiss", "Close", id="help.close", tooltip="Close this page"),
    ]

    def compose(self) -> ComposeResult:
        """A line a key."""
        keys = [(shown(one.id, one.key), f"{one.name}: {one.says}") for one in CHOICES]
        keys += [
            (shown("rows.open", "enter"), "open what the cursor is on"),
            (shown("start.forget", "d"), "take a workspace off the list; its folder stays as it is"),
            ("tab", "from one list to the other"),
            (shown(HELP.id, HELP.shown), HELP.says),
            (shown(QUIT.id, QUIT.shown), QUIT.says),
        ]
        table = Table.grid(padding=(0, 2))
        table.add_column(style="bold yellow", justify="right", no_wrap=True)
        table.add_column()
        for key, says in keys:
            table.add_row(key, says)
        with Vertical(classes="dialog") as page:
            page.border_title = "help"
            page.border_subtitle = "esc closes"
            yield Static(table)
            yield Static(
                Text(
                    "\nThe same without this screen: mlcycle demo, mlcycle init, mlcycle -w DIR", style="dim"
                )
            )


class _Hints(Line):
    """The footer."""

    def on_mount(self) -> None:
        """Redraw when the focus has moved: other keys matter then."""
        self.screen.bindings_updated_signal.subscribe(self, lambda _: self.refresh())

    def render(self) -> RenderResult:
        """Draw the keys."""
        text = self._begin()
        for keys, label, action in self._keys():
            self._say(text, f" {keys} ", "bold yellow", action)
            self._say(text, f"{label} ", "", action)
        return text

    def _keys(self) -> Iterator[tuple[str, str, str]]:
        focused = self.app.focused
        if isinstance(focused, Rows):
            yield shown("rows.open", "enter"), "open", "app.press_enter"
        for one in CHOICES:
            yield shown(one.id, one.key), one.label, f"app.{one.action}"
        if isinstance(focused, Rows) and focused.id == "recent":
            yield shown("start.forget", "d"), "forget", "app.forget"
        yield "tab", "next", "app.focus_next"
        yield shown(HELP.id, HELP.shown), HELP.label, "app.help"
        yield shown(QUIT.id, QUIT.shown), QUIT.label, "app.quit"


def _round() -> Text:
    text = Text()
    for number, (name, says) in enumerate(zip(PHASES[1:], ROUND, strict=True), start=1):
        text.append(f"{number} {name:<12} ", style="bold cyan").append(f"{says}\n", style="default")
    text.append("\nA workspace is a folder: declarations that you write,", style="dim")
    text.append("\nand .mlcycle, which the tool writes. Nothing leaves this machine.", style="dim")
    return text


def _free(name: str) -> str:
    """Return a folder's name that nothing here has yet."""
    number, found = 1, name
    while _is_taken(places.here() / found):
        number += 1
        found = f"{name}-{number}"
    return f"./{found}"


def _is_taken(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # whoever makes it there will say why that fails
        return False
