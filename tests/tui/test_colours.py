"""Colours, no colours, few characters: a state can always be told."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable

import pytest
from rich.color import Color as RichColor
from rich.color import ColorSystem
from rich.segment import Segment
from tests.tui.screen import press, segments, settle, text
from textual.color import Color
from textual.theme import Theme

from mlcycle.workspace import Workspace
from mlcycle_app.gateway import UsageError
from mlcycle_app.tui.app import CycleApp
from mlcycle_app.tui.glyphs import GLYPHS, KINDS, PLAIN, STYLES
from mlcycle_app.tui.theme import ANSI, CONTRAST, DARK, LIGHT, THEMES, choose, named, next_theme

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


OWN = pytest.mark.parametrize("theme", [DARK, LIGHT, CONTRAST], ids=["dark", "light", "contrast"])
GROUNDS = ("background", "surface", "panel")
WORDS = ("foreground", "primary", "secondary", "accent", "success", "warning", "error")


def least(theme: Theme) -> float:
    return 7.0 if theme is CONTRAST else 4.5


@OWN
def test_words_can_be_read_on_every_ground(theme: Theme) -> None:
    grounds = [Color.parse(str(getattr(theme, name))) for name in GROUNDS]
    grounds.append(Color.parse(theme.variables["block-cursor-blurred-background"]))
    words = [Color.parse(str(getattr(theme, name))) for name in WORDS]
    words.append(Color.parse(theme.variables["text-muted"]))
    for ground, word in itertools.product(grounds, words):
        assert contrast(ground, word) >= least(theme), (ground.hex, word.hex)
    assert named(theme).background_color == grounds[0].rgb


@OWN
def test_the_names_of_colours_can_be_read_too(theme: Theme) -> None:
    ground = Color.parse(str(theme.background))
    for red, green, blue in named(theme).ansi_colors._colors[1:7]:
        assert contrast(ground, Color(red, green, blue)) >= least(theme)


@OWN
async def test_everything_drawn_can_be_read(make: Make, theme: Theme) -> None:
    app = make(theme=theme)
    async with app.run_test(size=(140, 40)) as pilot:
        for key in (*"01234567", "t", "question_mark", "escape", "w", "escape", "colon"):
            await press(pilot, key)
            faint = {
                (round(ratio, 2), segment.text.strip(), key, str(segment.style))
                for segment in drawn(app)
                if is_words(segment.text)
                and (len(app.screen_stack) == 1 or is_on(segment, str(theme.surface)))
                and (ratio := ratio_of(segment)) < least(theme)
            }
            assert faint == set()


def is_words(text: str) -> bool:
    return any(character.isalnum() for character in text)


def is_on(segment: Segment, ground: str) -> bool:
    """Whether it is part of the dialog: what lies behind one is meant to be faint."""
    style = segment.style
    return style is not None and style.bgcolor is not None and style.bgcolor.name == ground


def ratio_of(segment: Segment) -> float:
    style = segment.style
    if style is None or style.color is None or style.bgcolor is None:
        return 21.0
    word, ground = style.color.triplet, style.bgcolor.triplet
    assert word is not None and ground is not None
    return contrast(Color(*ground), Color(*word))


@pytest.mark.parametrize("name", THEMES)
async def test_no_theme_leaves_a_colour_where_none_is_wanted(
    make: Make, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    app = make(theme=choose(name))
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot)
        styles = [segment.style for segment in drawn(app) if segment.style]
        codes = [style.render("x", color_system=ColorSystem.TRUECOLOR) for style in styles]
        assert [code for code in codes if re.search(r"[\[;](?:3[0-8]|4[0-8]|9\d|10\d)[;m]", code)] == []
        assert len(re.findall(f"[1-7][{''.join(GLYPHS.values())}] ", text(app).splitlines()[0])) == 7


@pytest.mark.parametrize("name", THEMES)
def test_on_sixteen_colours_only_what_failed_is_red(name: str) -> None:
    theme = THEMES[name]
    for part in (*GROUNDS, *WORDS):
        colour = str(getattr(theme, part) or "")
        if colour.startswith("#"):
            number = RichColor.parse(colour).downgrade(ColorSystem.STANDARD).number
            assert part == "error" or number not in (1, 9), (part, colour)
        else:
            assert part == "error" or "red" not in colour, (part, colour)


@pytest.mark.parametrize("term", ["xterm", "linux"])
async def test_a_terminal_with_few_colours_gets_its_own_and_shows_no_error_that_is_none(
    empty: Workspace, make: Make, monkeypatch: pytest.MonkeyPatch, term: str
) -> None:
    monkeypatch.setenv("TERM", term)
    monkeypatch.setenv("COLORTERM", "")
    assert choose("auto") is ANSI
    app = make(empty, theme=choose("auto"))
    async with app.run_test(size=SIZE) as pilot:
        for key in "01234567":
            await press(pilot, key)
            red = [s.text for s in drawn(app) if s.style and s.style.color and s.style.color.number in (1, 9)]
            assert red == []


async def test_the_next_theme_is_worn_at_once_with_its_own_green(make: Make) -> None:
    app = make(theme=DARK)
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot)
        for theme in (LIGHT, CONTRAST, ANSI, DARK):
            app.wear(next_theme(app.theme))
            await settle(pilot)
            assert app.theme == theme.name
            ticks = [s.style for s in drawn(app) if s.text.strip() == "✓" and s.style and s.style.color]
            names = {style.color.name for style in ticks if style.color}
            assert names == ({"green"} if theme is ANSI else {str(theme.success)})


def test_where_no_colour_is_wanted_the_next_theme_is_the_plain_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert next_theme(DARK.name) is ANSI


def test_a_misspelt_theme_is_answered_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="no theme `contrst`; did you mean `contrast`"):
        choose("contrst")
