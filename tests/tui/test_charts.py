"""Curves, histograms, the ring, lists of limits: what they draw, with colours and without, and what a click does."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rich.cells import cell_len
from textual.app import App, ComposeResult
from textual.widget import Widget

from mlcycle_app.tui.card import Bins, Curve, Curves
from mlcycle_app.tui.glyphs import PLAIN, Ascii
from mlcycle_app.tui.theme import ANSI, DARK, LIGHT
from mlcycle_app.tui.widgets.curve import CurvePlot
from mlcycle_app.tui.widgets.histogram import Histogram, drawn
from mlcycle_app.tui.widgets.limits import Limit, Limits
from mlcycle_app.tui.widgets.plotting import Line, plot
from mlcycle_app.tui.widgets.ring import NODE_LINES, Node, Ring, layout
from mlcycle_app.tui.widgets.ticks import log_ticks, nice_ticks, short, time_ticks

NAN = math.nan
NOON = datetime(2026, 3, 10, 12, tzinfo=UTC).timestamp()


def lines(widget: Widget) -> list[str]:
    """Return what a widget draws."""
    return [
        "".join(segment.text for segment in widget.render_line(y)).rstrip() for y in range(widget.size.height)
    ]


def rows(*args: object, **options: object) -> list[str]:
    """Return a plot as text."""
    found = plot(*args, **options)  # type: ignore[arg-type]
    return ["".join(text for text, _ in row) for row in found.rows]


class Host(App[None]):
    """One widget, and what it said."""

    def __init__(self, widget: Widget, theme: object = DARK) -> None:
        super().__init__()
        self.widget = widget
        self.said: list[object] = []
        self.register_theme(theme)  # type: ignore[arg-type]
        self.theme = theme.name  # type: ignore[attr-defined]

    def compose(self) -> ComposeResult:
        yield self.widget

    def on_ring_chosen(self, event: Ring.Chosen) -> None:
        self.said.append(event.index)

    def on_limits_opened(self, event: Limits.Opened) -> None:
        self.said.append(event.limits.selected)


# Plots

numbers = st.floats(-1e6, 1e6) | st.just(NAN)


@given(
    st.lists(st.lists(numbers, max_size=60), max_size=4),
    st.integers(12, 120),
    st.integers(2, 20),
    st.none() | st.floats(-1e6, 1e6),
    st.booleans(),
)
def test_a_plot_is_as_large_as_asked_whatever_it_shows(
    ys: list[list[float]], width: int, height: int, limit: float | None, times: bool
) -> None:
    made = rows([Line(range(len(y)), y) for y in ys], width, height, limit=limit, times=times)
    assert len(made) == height
    assert all(cell_len(row) <= max(width, 14) for row in made)


def test_a_rising_line_rises_and_its_ends_stand_at_the_axes() -> None:
    made = rows([Line(range(40), range(40))], 44, 9)
    drawn = [{place for place, sign in enumerate(row) if 0x2800 < ord(sign) < 0x2900} for row in made[:-1]]
    assert min(drawn[-1]) == made[-2].index("┤") + 1 and max(drawn[0]) == 43
    assert all(max(below) <= min(above) + 1 for above, below in pairwise(drawn))
    assert sorted(set().union(*drawn)) == list(range(min(drawn[-1]), 44))
    assert made[0].startswith("40┤") and made[-2].startswith(" 0┤")


def test_a_gap_is_left_where_a_number_is_missing() -> None:
    whole = rows([Line(range(40), [1.0] * 40)], 44, 5)
    broken = rows([Line(range(40), [1.0] * 18 + [NAN] * 6 + [1.0] * 16)], 44, 5)
    [line] = [row for row in whole if "⠤" in row or "⠒" in row or "⠉" in row or "⣀" in row]
    gap = broken[whole.index(line)]
    assert gap[:20] == line[:20] and "   " in gap[18:30] and gap[-5:] == line[-5:]


@pytest.mark.parametrize("y", [[7.0], [NAN, 7.0, NAN]])
def test_a_single_point_is_seen(y: list[float]) -> None:
    assert "•" in "".join(rows([Line(range(len(y)), y)], 40, 6))


def test_the_limit_is_a_line_of_its_own_with_its_number_at_the_axis() -> None:
    made = plot([Line(range(50), [0.6 + place / 500 for place in range(50)])], 60, 9, limit=0.78)
    [row] = [row for row in made.rows if any(kind == "limit" for _, kind in row)]
    assert row[0] == ("0.78", "limit") and "╌╌╌" in "".join(text for text, kind in row if kind == "limit")


def test_a_limit_far_off_makes_the_scale_one_of_powers_so_that_the_curve_keeps_its_shape() -> None:
    assert plot([Line(range(9), [0.1] * 9)], 40, 8, limit=50).log
    assert not plot([Line(range(9), [30.0] * 9)], 40, 8, limit=50).log
    assert not plot([Line(range(9), [0.0, 1.0] * 4 + [2.0])], 40, 8, limit=50).log


def test_several_lines_end_in_letters() -> None:
    made = "\n".join(rows([Line(range(9), range(9)), Line(range(9), range(9, 0, -1))], 40, 8))
    assert "a" in made and "b" in made


def test_a_quarter_of_a_million_points_are_drawn_within_the_same_cells() -> None:
    made = rows([Line(range(250_000), [math.sin(place / 9000) for place in range(250_000)])], 60, 10)
    assert len(made) == 10 and all(len(row) == 60 for row in made)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.0, "0"),
        (0.07761, "0.0776"),
        (50.0, "50"),
        (1234.0, "1234"),
        (150_000, "150k"),
        (2.5e6, "2.5M"),
        (-3e9, "-3G"),
    ],
)
def test_numbers_are_short(value: float, words: str) -> None:
    assert short(value) == words


@example(0.125, 999999999.75, 4)
@given(st.floats(-1e9, 1e9), st.floats(1e-6, 1e9), st.integers(2, 9))
def test_ticks_lie_within_their_range_and_are_not_too_many(low: float, span: float, most: int) -> None:
    high = low + span
    for ticks in (nice_ticks(low, high, most), time_ticks(0, span, most)):
        assert len(ticks) <= most + 1
    near = span * 1e-6 + 4 * math.ulp(max(abs(low), abs(high)))
    assert all(low - near <= value <= high + near for value, _ in nice_ticks(low, high, most))


def test_ticks_say_round_things() -> None:
    assert [words for _, words in nice_ticks(0, 1, 5)] in (
        ["0.0", "0.5", "1.0"],
        ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"],
    )
    assert [words for _, words in time_ticks(NOON, NOON + 3600, 5)] == [
        "12:00",
        "12:15",
        "12:30",
        "12:45",
        "13:00",
    ]
    assert [words for _, words in time_ticks(NOON, NOON + 5 * 86400, 6)] == [
        "03-11",
        "03-12",
        "03-13",
        "03-14",
        "03-15",
    ]
    assert [words for _, words in log_ticks(-2, 2, 5)] == ["0.01", "0.1", "1", "10", "100"]


# The widget


def curves(**more: object) -> Curves:
    """Return two lines with a limit."""
    x = [NOON + 60 * minute for minute in range(60)]
    two = [Curve("p50", x, [10.0] * 60), Curve("p95", x, [30.0 + minute % 7 for minute in range(60)])]
    made = Curves("latency", two, 50.0, "<=", y_label="ms", times=True)
    return replace(made, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("theme", [DARK, LIGHT, ANSI], ids=lambda theme: theme.name)
async def test_a_curve_names_its_lines_its_unit_and_its_limit(theme: object) -> None:
    plotted = CurvePlot(curves())
    async with Host(plotted, theme).run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        shown = lines(plotted)
        assert len(shown) == 10
        for words in ("latency, ms", "╌ limit <= 50", "a p50 10", "b p95 33"):
            assert words in shown[0]
        assert "12:30" in shown[-1] and shown[-3].rstrip()[-1] != "│"
        assert [row.rstrip()[-1] for row in shown[1:-1]].count("a") == 1


async def test_the_lines_differ_in_colour_and_the_limit_from_both() -> None:
    plotted = CurvePlot(curves())
    async with Host(plotted).run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        head = {
            segment.text.strip(): segment.style.color for segment in plotted.render_line(0) if segment.style
        }
        assert len({head["a p50 10"], head["b p95 33"], head["╌ limit <= 50"]}) == 3


async def test_without_points_a_curve_says_so_and_takes_two_lines() -> None:
    plotted = CurvePlot(curves(lines=[Curve("p50", [1.0], [NAN])], empty="no request in this span"))
    async with Host(plotted).run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        assert lines(plotted) == ["latency", "no request in this span"]
        plotted.show(curves(height=6))
        await pilot.pause()
        assert plotted.size.height == 6


async def test_where_room_is_short_values_go_first_then_units_never_the_limit() -> None:
    plotted = CurvePlot(curves())
    async with Host(plotted).run_test(size=(34, 24)) as pilot:
        await pilot.pause()
        head = lines(plotted)[0]
        assert "limit <= 50" in head and "ms" not in head and "33" not in head


async def test_in_ascii_a_curve_is_still_a_curve() -> None:
    plotted = CurvePlot(curves())
    async with Host(plotted).run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        drawn_lines = [
            "".join(
                segment.text
                for segment in Ascii().apply(
                    list(plotted.render_line(y)), pilot.app.screen.background_colors[1]
                )
            )
            for y in range(plotted.size.height)
        ]
        assert all(line.isascii() for line in drawn_lines)
        assert "----" in "".join(drawn_lines) and "limit <= 50" in drawn_lines[0]


def test_braille_becomes_heavier_signs_with_more_dots() -> None:
    assert "⠀⠁⠃⠇⡇⣇⣧⣷⣿".translate(PLAIN) == " .-=+*%#@"
    assert len({"▘".translate(PLAIN), "▚".translate(PLAIN), "▛".translate(PLAIN)}) == 3
    assert all(chr(code).translate(PLAIN).isascii() for code in range(0x2800, 0x2900))


# Histograms


def test_a_histogram_says_n_of_each_side_and_draws_both_on_one_scale() -> None:
    text = drawn(Bins("age", ["<= 20", "> 20"], [10, 30], [50, 50], 40, 100), 70).plain.splitlines()
    assert text[0] == "age" and "reference, n 100" in text[1] and "now, n 40" in text[1]
    assert "50 %" in text[2] and "25 %" in text[2] and "75 %" in text[3]
    assert text[3].count("█") > text[2].count("█")


def test_a_histogram_of_nothing_and_one_without_reference() -> None:
    assert "no row has a value" in drawn(Bins("age", ["a"], [0], [0]), 40).plain
    alone = drawn(Bins("age", ["a", "b"], [1, 1], None, 2), 40).plain
    assert "reference" not in alone and alone.count("50 %") == 2


@given(st.integers(20, 140), st.lists(st.integers(0, 10**6), min_size=1, max_size=9))
def test_a_histogram_fits_its_width(width: int, counts: list[int]) -> None:
    labels = [f"between {place} and {place + 1}" for place in range(len(counts))]
    text = drawn(Bins("age", labels, counts, counts[::-1], 5, 7), width).plain
    assert all(cell_len(line.rstrip()) <= max(width, 40) for line in text.splitlines())


async def test_a_histogram_takes_a_line_a_bin() -> None:
    bars = Histogram(Bins("age", ["a", "b", "c"], [1, 2, 3], [3, 2, 1], 6, 6))
    async with Host(bars).run_test(size=(60, 20)) as pilot:
        await pilot.pause()
        assert bars.size.height == 5
        bars.show(Bins("age", ["a"], [1]))
        await pilot.pause()
        assert bars.size.height == 3


# The ring

SEVEN = [Node(str(number), "✓", f"phase{number}", "green", f"says {number}") for number in range(1, 8)]


@given(st.integers(6, 8), st.integers(10, 160), st.integers(2, 30))
def test_no_two_nodes_of_a_ring_overlap_and_all_lie_within(count: int, width: int, height: int) -> None:
    places = layout(count, width, height)
    cells = [
        (x, y)
        for one in places
        for x in range(one.x, one.x + one.width)
        for y in range(one.y, one.y + NODE_LINES)
    ]
    assert len(cells) == len(set(cells))
    assert all(0 <= x < width and 0 <= y < height for x, y in cells)
    assert len(places) in (0, count)


@pytest.mark.parametrize("count", [6, 7, 8])
async def test_a_click_on_a_node_says_which(count: int) -> None:
    ring = Ring()
    app = Host(ring)
    async with app.run_test(size=(66, 8)) as pilot:
        ring.show(
            [*SEVEN, Node("8", "!", "phase8", "yellow", "")][:count], ("next: act", "in phase 2"), marked=1
        )
        await pilot.pause()
        shown = "\n".join(lines(ring))
        assert all(f"{number} ✓ phase{number}" in shown for number in range(1, min(count, 7) + 1))
        assert shown.count("▶") == 2 and "▲" in shown and "▼" in shown and "next: act" in shown
        for index, place in enumerate(layout(count, 66, 8)):
            await pilot.click(ring, offset=(place.x + 3, place.y))
            await pilot.pause()
            assert app.said[-1] == index
        await pilot.click(ring, offset=(33, 4) if count == 8 else (24, 3))
        assert len(app.said) == count


# Limits


async def test_limits_have_a_cursor_that_keys_and_mouse_move() -> None:
    held = Limits("drift", "nothing yet", "drift")
    limits = [Limit(f"feature{place}", 0.1 * place, 0.2, 50, "ok") for place in range(12)]
    app = Host(held)
    async with app.run_test(size=(60, 8)) as pilot:
        held.show(limits, "")
        held.focus()
        await pilot.press("down", "down", "up", "enter")
        await pilot.pause()
        assert held.cursor == 1 and app.said == [limits[1]]
        await pilot.press("end")
        await pilot.pause()
        assert held.selected == limits[11] and held.scroll_offset.y > 0
        await pilot.click(held, offset=(5, 2), times=2)
        await pilot.pause()
        assert app.said[-1] == held.selected != limits[11]
        held.show(limits[:1], "")
        assert held.selected == limits[0]
        held.show([], "")
        assert held.selected is None


async def test_too_few_rows_are_said_and_never_green() -> None:
    held = Limits("drift", "nothing yet", "drift")
    async with Host(held).run_test(size=(60, 8)) as pilot:
        held.show(
            [
                Limit("auc", 0.9, 0.78, 21, "too few", ">=", least=30),
                Limit("f1", None, 0.5, 2, "too few", ">=", 30),
            ],
            "",
        )
        await pilot.pause()
        text = held._lines.render()
        assert "0.9, n 21 < 30, no verdict" in text.plain and "f1  n 2 < 30, no verdict" in text.plain  # type: ignore[union-attr]
        assert not any("green" in str(span.style) for span in text.spans)  # type: ignore[union-attr]
