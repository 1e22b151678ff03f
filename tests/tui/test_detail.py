"""The pane beside the lists: what a card becomes, in how much room it has, and what nobody may smuggle through it."""

from __future__ import annotations

from collections.abc import Callable

from rich.console import Console
from tests.tui.screen import press, settle, text

from mlcycle_app.tui.app import CycleApp
from mlcycle_app.tui.card import Card, Facts, Listing, Words
from mlcycle_app.tui.widgets.detail import Detail, _listing

Make = Callable[..., CycleApp]
ROWS = [{"verdict": "pass", "note": "a note of many words that goes on", "n": 1453, "value": 0.5}] * 3


def drawn(part: Listing, width: int) -> list[str]:
    console = Console(width=width, color_system=None)
    with console.capture() as said:
        console.print(_listing(part))
    return [line.rstrip() for line in said.get().splitlines()]


def test_a_listing_draws_whole_columns_only_and_cuts_words_not_numbers() -> None:
    wide, narrow = drawn(Listing("t", ROWS), 60), drawn(Listing("t", ROWS), 34)
    assert wide[1].split()[-2:] == ["1,453", "0.5"]
    assert "1,453" in narrow[1] and "…" in narrow[1] and "value" not in narrow[0]


def test_a_listing_says_how_many_rows_it_leaves_out() -> None:
    assert drawn(Listing("t", ROWS, most=1), 60)[-1] == "and 2 more"
    assert drawn(Listing("t", [], empty="nobody asked yet"), 60) == ["nobody asked yet"]


async def test_no_name_is_markup_and_no_control_character_reaches_the_terminal(make: Make) -> None:
    app = make()
    async with app.run_test(size=(140, 40)) as pilot:
        await press(pilot, "1")
        card = Card(
            "a[@click=app.quit]\x1b]0;x\x07b",
            [Facts([("k\x1b[2J", "v\x1b[2J")]), Words("w\x1b[31m", "t\x9b31m")],
        )
        await app.query_one("#view-1 Detail", Detail).show(card)
        await settle(pilot)
        page = text(app)
        assert "\x1b" not in page and "\x9b" not in page and "a[@click=app.quit]" in page


async def test_moving_on_draws_the_next_card_and_esc_gives_the_list_back(make: Make) -> None:
    app = make()
    async with app.run_test(size=(100, 30)) as pilot:
        await press(pilot, "1")
        detail = app.query_one("#view-1 Detail", Detail)
        first = detail.card
        await press(pilot, "j")
        assert first is not None and detail.card is not None and detail.card.title != first.title
        await press(pilot, "enter")
        assert app.focused is detail
        await press(pilot, "escape")
        assert app.focused is app.query_one("#view-1 Rows")
        assert "Design" in text(app).splitlines()[0]
