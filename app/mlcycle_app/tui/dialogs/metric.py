"""`m` on the runs: the metric that the list shows as a column of its own, best first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import OptionList
from textual.widgets.option_list import Option

__all__ = ["MetricScreen"]


class MetricScreen(ModalScreen[str | None]):
    """The metrics; answers with the one chosen, empty for none, None if left.

    Parameters
    ----------
    runs
        Metric to how many runs have it.
    shown
        The one that has a column now.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,m", "dismiss(None)", "Close", id="metric.close", tooltip="Leave the list as it is"),
        Binding("j", "move(1)", "Down", id="metric.down", tooltip="Down"),
        Binding("k", "move(-1)", "Up", id="metric.up", tooltip="Up"),
    ]

    def __init__(self, runs: Mapping[str, int], shown: str | None) -> None:
        super().__init__()
        self._runs = runs
        self._shown = shown

    def compose(self) -> ComposeResult:
        """One line a metric; the cursor is on the one that is shown, else on the first."""
        with Vertical(classes="dialog menu") as page:
            page.border_title = "metric shown as a column, best first"
            page.border_subtitle = "enter shows; esc leaves"
            options = OptionList(Option(Text("none: newest runs first")))
            for name, count in self._runs.items():
                options.add_option(Option(Text(name).append(f"  {count:,} run{'s' * (count != 1)}", "dim")))
            names = list(self._runs)
            options.highlighted = 1 + (names.index(self._shown) if self._shown in names else 0)
            yield options

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Answer."""
        event.stop()
        self.dismiss("" if event.option_index == 0 else list(self._runs)[event.option_index - 1])

    def action_move(self, by: int) -> None:
        """Move as vim's users expect."""
        options = self.query_one(OptionList)
        if by > 0:
            options.action_cursor_down()
        else:
            options.action_cursor_up()
