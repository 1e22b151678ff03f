"""Colours, no colours, few characters: a state can always be told."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest
from rich.segment import Segment
from tests.tui.screen import press, segments, settle, text
from textual.color import Color

from mlcycle_app.gateway import UsageError
from mlcycle_app.tui.app import CycleApp
from mlcycle_app.tui.glyphs import GLYPHS, KINDS, PLAIN, STYLES
from mlcycle_app.tui.theme import ANSI, DARK, DARK_ANSI, LIGHT, LIGHT_ANSI, choose

Make = Callable[..., CycleApp]
SIZE = (80, 24)


def drawn(app: CycleApp) -> list[Segment]:
    return list(itertools.chain.from_iterable(segments(app)))


def contrast(one: Color, other: Color) -> float:
    """Return the ratio of WCAG 2, section 1.4.3."""
    linear = [
        [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in x.normalized]
        for x in (one, other)
    ]
    low, high = sorted(0.2126 * red + 0.7152 * green + 0.0722 * blue for red, green, blue in linear)
    return (high + 0.05) / (low + 0.05)


async def test_no_color_leaves_no_colour_and_the_cursor_can_still_be_seen(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    app = make(theme=choose("dark"))
    async with app.run_test(size=SIZE) as pilot:
        for number in range(8):
            await press(pilot, str(number))
            for _, style, _ in drawn(app):
                assert style is None or style.color is None or style.color.is_default
                assert style is None or style.bgcolor is None or style.bgcolor.is_default
        await press(pilot, "1")
        reverse = [segment.text for segment in drawn(app) if segment.style and segment.style.reverse]
        assert any("frugal" in words for words in reverse)  # the row
        assert any("1✓ Design" in words for words in reverse)  # the screen


async def test_few_colours_are_taken_from_the_terminals_own(make: Make) -> None:
    app = make(theme=ANSI)
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot)
        colours = [segment.style.color for segment in drawn(app) if segment.style and segment.style.color]
        assert colours and all(colour.is_default or colour.number is not None for colour in colours)
        assert all(colour.triplet is None for colour in colours)


@pytest.mark.parametrize("theme", [DARK, LIGHT], ids=["dark", "light"])
async def test_the_palette_draws_the_states(make: Make, theme: object) -> None:
    app = make(theme=theme)
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot)
        ticks = [segment.style for segment in drawn(app) if segment.text.strip() == "✓" and segment.style]
        green = app.current_theme.success
        assert {style.color.name for style in ticks if style.color} == {green}


async def test_ascii_draws_every_screen_without_boxes_and_blocks(make: Make) -> None:
    app = make(ascii=True)
    async with app.run_test(size=SIZE) as pilot:
        for key in (*"01234567", "t", "question_mark"):
            await press(pilot, key)
            assert [character for character in text(app) if ord(character) > 127] == []
        await press(pilot, "escape", "escape", "2")
        assert "x fail" in text(app) and "! warn" in text(app) and "+ ok" in text(app)


@pytest.mark.parametrize(("name", "value"), [("MLCYCLE_ASCII", "1"), ("TERM", "linux")])
async def test_ascii_is_taken_where_the_terminal_asks_for_it(
    make: Make, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    app = make()
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot)
        assert "+- lifecycle -" in text(app)


def test_every_state_has_a_glyph_of_its_own_in_both_alphabets() -> None:
    assert set(KINDS.values()) <= GLYPHS.keys() == STYLES.keys()
    plain = [PLAIN.get(ord(glyph), glyph) for glyph in GLYPHS.values()]
    assert len(set(GLYPHS.values())) == len(set(plain)) == len(GLYPHS)


@pytest.mark.parametrize(
    ("wanted", "environment", "chosen"),
    [
        ("auto", {"COLORTERM": "truecolor"}, DARK),
        ("auto", {"COLORTERM": "truecolor", "COLORFGBG": "0;15"}, LIGHT),
        ("auto", {"COLORTERM": "", "TERM": "xterm"}, ANSI),
        ("auto", {"COLORTERM": "", "TERM": "xterm-256color"}, DARK),
        ("light", {"COLORTERM": "", "TERM": "xterm"}, LIGHT),
        ("light", {"NO_COLOR": "1"}, ANSI),
        ("ansi", {}, ANSI),
    ],
)
def test_the_theme_fits_the_terminal_and_the_setting(
    monkeypatch: pytest.MonkeyPatch, wanted: str, environment: dict[str, str], chosen: object
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert choose(wanted) is chosen


def test_an_unknown_theme_is_refused_by_name() -> None:
    with pytest.raises(UsageError, match="no theme `mauve`"):
        choose("mauve")


@pytest.mark.parametrize(("theme", "named"), [(DARK, DARK_ANSI), (LIGHT, LIGHT_ANSI)], ids=["dark", "light"])
def test_words_can_be_read_on_every_ground(theme: object, named: object) -> None:
    grounds = [Color.parse(str(getattr(theme, name))) for name in ("background", "surface", "panel")]
    names = ("foreground", "primary", "success", "warning", "error")
    words = [Color.parse(str(getattr(theme, name))) for name in names]
    for ground, word in itertools.product(grounds, words):
        assert contrast(ground, word) >= 4.5, (ground.hex, word.hex)
    assert named.background_color == grounds[0].rgb  # type: ignore[attr-defined]
