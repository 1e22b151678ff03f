"""The parts below the screens: tables of keys and lists, what fits a width, ages, bars, threads nobody waits for."""

from __future__ import annotations

import asyncio
import shlex
import threading
from collections import Counter
from datetime import datetime, timedelta
from importlib import import_module

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from mlcycle_app.commands import COMMANDS, PHASES, of_screen
from mlcycle_app.tables import TABLES
from mlcycle_app.tui.ages import age, moment
from mlcycle_app.tui.cells import cell, in_full
from mlcycle_app.tui.columns import GAP, LEAST, TELLING, Column, fit
from mlcycle_app.tui.keys import FOOTER, KEYS
from mlcycle_app.tui.reading import elsewhere
from mlcycle_app.tui.widgets.limits import Limit, _drawn
from mlcycle_app.tui.widgets.rows import cut

NOW = datetime(2026, 3, 10, 12)


def test_no_key_is_bound_twice() -> None:
    bound = Counter(name for key in KEYS for name in key.keys.split(","))
    assert [name for name, times in bound.items() if times > 1] == []
    assert len({key.id for key in KEYS}) == len(KEYS)


def test_keys_that_terminals_cannot_send_are_not_bound() -> None:
    bound = {name for key in KEYS for name in key.keys.split(",")}
    assert bound.isdisjoint({"ctrl+i", "ctrl+m", "ctrl+h", "ctrl+left_square_bracket", "ctrl+@"})


def test_every_key_says_what_it_does_and_its_footer_word_is_short() -> None:
    assert all(key.says for key in KEYS)
    assert FOOTER[0].shown == "0-7" and {key.id for key in FOOTER} >= {"help", "quit", "palette"}
    assert all(len(key.label) <= 10 for key in FOOTER)


@pytest.mark.parametrize("number", range(len(PHASES)))
def test_on_each_screen_a_commands_key_is_its_own(number: int) -> None:
    keys = [command.key for command in of_screen(number) if command.key]
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.words)
def test_every_command_has_a_function_and_a_summary(command: object) -> None:
    module = import_module(f"mlcycle_app.cli.{command.module}")  # type: ignore[attr-defined]
    assert callable(getattr(module, command.function))  # type: ignore[attr-defined]
    assert command.summary and not command.summary.endswith(".")  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", TABLES)
def test_every_table_names_a_command_that_exists(name: str) -> None:
    said = shlex.split(TABLES[name].command)
    [command] = [one for one in COMMANDS if one.words.split() == said[: len(one.words.split())]]
    made = getattr(import_module(f"mlcycle_app.cli.{command.module}"), command.function)
    made.make_context(command.words, said[len(command.words.split()) :])  # raises if it takes no such words


columns = st.lists(
    st.builds(Column, st.just("x"), st.integers(1, 60), st.booleans(), st.booleans()), max_size=12
)


@given(columns, st.integers(1, 200))
def test_columns_never_take_more_than_the_room(wished: list[Column], room: int) -> None:
    laid = fit(wished, room)
    assert sum(width + GAP for _, width in laid) - GAP <= room
    assert [index for index, _ in laid] == sorted({index for index, _ in laid})
    assert bool(laid) == bool(wished)


@given(columns, st.integers(1, 200))
def test_numbers_are_shown_whole_or_not_at_all_and_so_are_words_that_tell_less(
    wished: list[Column], room: int
) -> None:
    laid = fit(wished, room)
    for index, width in laid:
        column, alone = wished[index], len(laid) == 1
        words = not column.right and index < TELLING - 1 and width >= LEAST
        assert column.stretch or alone or width == column.width or (words and width < column.width)


def test_words_that_tell_much_are_cut_before_they_give_way_to_what_tells_less() -> None:
    wished = [Column("state", 10), Column("name", 30, stretch=True), Column("metrics", 31), Column("git", 3)]
    assert fit(wished, 50) == [(0, 10), (1, 15), (2, 21)]


def test_the_stretching_column_takes_what_is_left() -> None:
    wished = [Column("state", 10), Column("words", 90, stretch=True), Column("age", 5)]
    assert fit(wished, 60) == [(0, 10), (1, 60 - 10 - 5 - 2 * GAP), (2, 5)]


@given(st.text(max_size=40), st.integers(1, 30))
def test_a_cut_text_is_as_wide_as_asked(words: str, width: int) -> None:
    words = "".join(character for character in words if character.isprintable())
    assert cell_len(cut(words, width)) == width


@pytest.mark.parametrize(
    ("ago", "words"),
    [
        (timedelta(seconds=0.2), "now"),
        (timedelta(seconds=59), "59 s"),
        (timedelta(minutes=61), "1 h"),
        (timedelta(days=3, hours=5), "3 d"),
        (timedelta(days=800), "2 y"),
        (timedelta(days=-5), "2026-03-15"),
    ],
)
def test_ages_are_said_in_their_largest_unit(ago: timedelta, words: str) -> None:
    assert age(NOW - ago, NOW) == words


def test_what_lies_ahead_of_the_storys_clock_is_as_old_as_the_walls_says() -> None:
    wall = NOW + timedelta(days=300)
    assert age(wall - timedelta(minutes=4), NOW, wall) == "4 min"
    assert age(None, NOW) == ""
    assert moment(datetime(2026, 3, 1)) == "2026-03-01" and moment(NOW) == "2026-03-10 12:00"


def test_cells_show_states_with_glyph_and_colour_and_say_nothing_for_null() -> None:
    assert (cell("state", "open", "").text, cell("state", "open", "").style) == ("! open", "yellow")
    assert cell("verdict", "unheard of", "").text == "unheard of"
    assert [cell("x", value, "").text for value in (None, True, 1234, 0.25, "a\n b")] == [
        "-",
        "yes",
        "1,234",
        "0.25",
        "a b",
    ]
    assert in_full('{"a": 1}') == '{\n  "a": 1\n}' and in_full("{half") == "{half"


def test_limits_show_sign_value_and_a_mark_in_the_middle_of_the_bar() -> None:
    lines = _drawn(
        [Limit("punctual", 0.6, 0.8, 12, "alert", ">="), Limit("quick", None, 50.0, 3, "too few", "<=")], 60
    ).plain.splitlines()
    assert (
        lines[0].startswith("✗ punctual ━")
        and ">= 0.8" in lines[0]
        and "n 12" in lines[0]
        and "│" in lines[0]
    )
    assert lines[1].split("  ")[-1].strip().endswith("too few, n 3")


@given(st.integers(34, 120), st.lists(st.floats(0, 1e6), min_size=1, max_size=5))
def test_limits_fit_their_width(width: int, values: list[float]) -> None:
    limits = [Limit("a_name_of_some_length", value, 0.2, 1_000, "ok") for value in values]
    assert all(cell_len(line) <= width for line in _drawn(limits, width).plain.splitlines())


async def test_a_read_elsewhere_returns_raises_and_can_be_left_alone() -> None:
    assert await elsewhere(lambda: 7, "seven") == 7
    with pytest.raises(ZeroDivisionError):
        await elsewhere(lambda: 1 // 0, "nothing")
    go = threading.Event()
    left = asyncio.create_task(elsewhere(go.wait, "waits"))
    await asyncio.sleep(0)
    left.cancel()
    with pytest.raises(asyncio.CancelledError):
        await left
    go.set()
