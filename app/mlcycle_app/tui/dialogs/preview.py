"""`p` on Features: one entity at a moment, each value with the source rows that gave it and those it cannot see yet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar

from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Label

from mlcycle_app.gateway import Gateway, MlcycleError
from mlcycle_app.tui.ages import moment_utc as shown_moment
from mlcycle_app.tui.card import Card, Facts, Listing, Part, Words
from mlcycle_app.tui.reading import elsewhere
from mlcycle_app.tui.widgets.detail import Detail

if TYPE_CHECKING:
    from mlcycle.features import Explained, Explanation, SourceRow

__all__ = ["PreviewScreen", "explained"]

VALUES = "values; rows ahead lie in the future, unknown ones became known later"
SHOWN = 5
"""Rows of each feature that are shown; all are counted."""


class PreviewScreen(ModalScreen[None]):
    """Two fields, and below them the answer.

    Parameters
    ----------
    gateway
        The workspace.
    entity, moment
        What stands in the fields at first.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss", "Close", id="preview.close", tooltip="Close"),
        Binding("tab", "app.focus_next", "", show=False, id="preview.next", tooltip="The next field"),
        Binding("j,down", "scroll('down')", "Down", show=False, id="preview.down", tooltip="Down"),
        Binding("k,up", "scroll('up')", "Up", show=False, id="preview.up", tooltip="Up"),
        Binding("pagedown", "scroll('page_down')", "", show=False, id="preview.page", tooltip="Further down"),
        Binding("pageup", "scroll('page_up')", "", show=False, id="preview.page_up", tooltip="Further up"),
        Binding("g", "scroll('home')", "", show=False, id="preview.top", tooltip="First line"),
        Binding("G", "scroll('end')", "", show=False, id="preview.bottom", tooltip="Last line"),
        Binding("q", "dismiss", "", show=False, id="preview.quit", tooltip="Close"),
    ]
    DEFAULT_CSS = """
    PreviewScreen #preview { width: 98%; height: 94%; }
    PreviewScreen #asked { height: 1; margin: 0 1; }
    PreviewScreen #asked Label { width: auto; padding: 0 1 0 0; }
    PreviewScreen #asked Input { width: 1fr; height: 1; border: none; padding: 0 1; margin: 0 2 0 0; }
    """

    def __init__(self, gateway: Gateway, entity: str, moment: datetime | None) -> None:
        super().__init__()
        self._gateway = gateway
        self._entity = entity
        self._moment = moment or gateway.now()

    def compose(self) -> ComposeResult:
        """The fields and the answer."""
        with Vertical(id="preview"):
            with Horizontal(id="asked"):
                yield Label("entity")
                yield Input(
                    self._entity, placeholder="its key; several joined by |", id="entity", compact=True
                )
                yield Label("at")
                yield Input(shown_moment(self._moment), placeholder="now", id="moment", compact=True)
            detail = Detail()
            detail.styles.display, detail.styles.width = "block", "100%"
            detail.border_subtitle = "enter asks   tab fields   ↑ ↓ scroll   esc closes"
            yield detail

    async def on_mount(self) -> None:
        """Begin in the first field; what stands there is asked at once."""
        self.query_one("#entity", Input).focus()
        if self._entity:
            self.ask()
        else:
            await self.query_one(Detail).say("whose features, and at which moment?")

    @on(Input.Submitted)
    def ask(self) -> None:
        """Ask for what stands in the fields."""
        entity = self.query_one("#entity", Input).value.strip()
        moment = self.query_one("#moment", Input).value.strip()
        if entity:
            self._fetch(entity, moment)

    @work(group="preview", exclusive=True)
    async def _fetch(self, entity: str, moment: str) -> None:
        detail = self.query_one(Detail)

        def read() -> Explanation:
            found: Explanation = self._gateway.do(
                "features.explain", entity, as_of=self._gateway.moment(moment or None), most=SHOWN
            )
            return found

        detail.add_class("-stale")
        try:
            card = explained(await elsewhere(read, "explain features"))
        except MlcycleError as error:
            await detail.say(
                Text(error.message, "bold red").append(f"\n{error.hint}", "default"), "not found"
            )
            return
        await detail.show(card)

    def action_scroll(self, how: str) -> None:
        """Move in the answer."""
        getattr(self.query_one(Detail), f"scroll_{how}")(animate=False)


def explained(found: Explanation) -> Card:
    """Return the card of an explanation: all values first, then feature by feature the rows behind them."""
    asked = "" if found.as_of == found.asked else f", asked about {shown_moment(found.asked)}"
    versions = ", ".join(f"{name}@{version[:8]}" for name, version in found.dataset_versions.items())
    facts: list[tuple[str, object]] = [
        ("entity", found.entity),
        ("moment", f"{shown_moment(found.as_of or found.asked)} UTC{asked}"),
        ("read from", versions),
    ]
    parts: list[Part] = [Facts(facts), Listing(VALUES, [_value(one) for one in found.features], most=200)]
    for group in _alike(found.features):
        parts += _behind(group)
    title = f"{found.entity} at {shown_moment(found.as_of or found.asked)}"
    return Card(title, parts, "enter asks   tab fields   ↑ ↓ scroll   esc closes")


def _value(one: Explained) -> dict[str, Any]:
    first = one.given_by[0] if one.given_by else None
    more = f" +{one.given - 1:,}" if one.given and one.given > 1 else ""
    return {
        "feature": one.feature,
        "value": "-" if one.value is None else one.value,
        "given by": f"{_name(first)}{more}" if first else "not traced" if one.rows is None else "no row",
        "ahead": _count(one, "in the future"),
        "unknown": _count(one, "not yet known"),
    }


def _count(one: Explained, why: str) -> int | None:
    return next((left.rows for left in one.left_out if left.why == why and left.rows), None)


def _alike(features: Sequence[Explained]) -> list[list[Explained]]:
    """Group features that follow each other and come from one and the same row, or are not traced at all."""
    groups: list[list[Explained]] = []
    for one in features:
        last = groups[-1][0] if groups else None
        whole = all(row.value is None for row in one.given_by)
        if (
            last is not None
            and whole
            and (last.view, last.given_by, last.rows) == (one.view, one.given_by, one.rows)
        ):
            groups[-1].append(one)
        else:
            groups.append([one])
    return groups


def _behind(group: Sequence[Explained]) -> Iterator[Part]:
    one = group[0]
    said = [f"{each.feature}: {each.how}" if len(group) > 1 else each.how for each in group]
    words = "\n".join(
        [*(dict.fromkeys(said) if one.rows is not None else ()), *([one.note] if one.note else [])]
    )
    hidden = [
        f"{left.rows:,} {'row is' if left.rows == 1 else 'rows are'} {left.why}; the next is {_name(left.nearest)}"
        f"{_when(left.nearest)}"
        for left in one.left_out
        if left.rows and left.nearest is not None
    ]
    names = ", ".join(each.feature for each in group)
    yield Words("\n".join([words, *hidden]), f"{names} ({one.view})")
    if one.given_by:
        rows = [_row(row) for row in one.given_by]
        more = (one.given or 0) - len(rows)
        title = f"given by {one.given:,} of {one.rows:,} rows" if one.rows != 1 else "given by the only row"
        title += f", the newest {len(rows)}" if more > 0 else ""
        yield Listing(title, rows, most=SHOWN)


def _row(row: SourceRow) -> dict[str, Any]:
    return {
        "dataset": row.dataset,
        "key": row.key,
        "value": row.value,
        "event time": row.event_time,
        "known": row.known_at,
        "file": row.batch and row.batch.rpartition("/")[2],
        "part": row.part[:8],
        "row of it": row.row,
    }


def _name(row: SourceRow | None) -> str:
    return "" if row is None else f"{row.dataset} {row.key}" if row.key else row.dataset


def _when(row: SourceRow | None) -> str:
    if row is None or row.event_time is None:
        return ""
    known = f", known {shown_moment(row.known_at)}" if row.known_at not in (None, row.event_time) else ""
    return f", {shown_moment(row.event_time)}{known}"
