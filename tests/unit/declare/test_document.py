"""YAML with places: what is read, and what is refused with file, line and column."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from mlcycle.declare import scalar
from mlcycle.declare.document import parse, read
from mlcycle.errors import DeclarationError

FILE = Path("design.yaml")

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=40)
PLAIN = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
)


@pytest.mark.parametrize(
    ("text", "line", "column", "words"),
    [
        ("a:\n\tb: 1", 2, 1, "a tab"),
        ("a: 1\na: 2", 2, 1, "given twice; the first is on line 1"),
        ("x:\n  a: 1\n  b: 2\n  a: 3", 4, 3, "given twice"),
        ("- 1", 1, 1, "must be a mapping (`key: value` lines), found a list"),
        ("word", 1, 1, "must be a mapping"),
        ("a: &x [1]\nb: *x", 1, 4, "anchors and aliases"),
        ("a: !!python/object:os.system x", 1, 4, "tags"),
        ("a: 1\n---\nb: 2", 2, 1, "a second document"),
        ("é: \x01", 1, 4, "control character"),
        ("a: 'x\nb: 2", 2, 5, "never closed"),
        ("a: [1\nb: 2", 2, 2, "`[` that is never closed"),
        ("a: b: c", 1, 5, "a `:` where no key can be"),
        ("count: *", 1, 9, "`*` or `&` needs quotes"),
        ("a: .inf", 1, 4, "must be finite"),
        ("a: 1e999", 1, 4, "must be finite"),
        ("a: 99999999999999999999", 1, 4, "does not fit 64 bits"),
        ("? [a]\n: b", 1, 3, "a key must be plain text"),
    ],
)
def test_broken_yaml_is_refused_in_plain_words_with_its_place(
    text: str, line: int, column: int, words: str
) -> None:
    with pytest.raises(DeclarationError) as caught:
        parse(text, FILE)
    assert (caught.value.line, caught.value.column) == (line, column)
    assert str(caught.value).startswith(f"design.yaml:{line}:{column}: ")
    assert words in str(caught.value)


@pytest.mark.parametrize(
    "text", ["[" * 100_000, "- " * 100_000, "\n".join(" " * i + "a:" for i in range(500))]
)
def test_hostile_nesting_is_an_error_and_no_crash(text: str) -> None:
    with pytest.raises(DeclarationError, match="nested deeper than 40 levels"):
        parse(text, FILE)


def test_scalars_keep_what_yaml_1_1_would_change() -> None:
    document = parse("no: no\n2: 007\nday: 2024-01-31\nx: 1e3\ny: [.5, ~, true, 'true', '1']", FILE)
    assert document.value == {
        "no": "no",
        "2": "007",
        "day": "2024-01-31",
        "x": 1000.0,
        "y": [0.5, None, True, "true", "1"],
    }


def test_a_file_of_comments_declares_nothing() -> None:
    assert parse("# nothing\n", FILE).value is None


def test_the_place_of_a_value_is_its_own_and_of_a_block_its_key() -> None:
    document = parse("spine:\n  table: orders\n  key: [a, b]\n", FILE)
    assert document.place(("spine",))[1:] == (1, 1)
    assert document.place(("spine", "table"))[1:] == (2, 10)
    assert document.place(("spine", "key", 1))[1:] == (3, 12)


def test_the_place_of_what_is_not_written_is_the_nearest_thing_around_it() -> None:
    document = parse("\nspine:\n  table: orders\n", FILE)
    assert document.place(("spine", "time", "zone"))[1:] == (2, 1)
    assert document.place(("views",))[1:] == (2, 1)


def test_bytes_that_are_not_utf8_are_refused_with_their_place(tmp_path: Path) -> None:
    path = tmp_path / "design.yaml"
    path.write_bytes(b"a: 1\nb: caf\xe9")
    with pytest.raises(DeclarationError, match=r"design\.yaml:2:7: byte 0xe9 is not UTF-8"):
        read(path, FILE)


def test_a_byte_order_mark_is_no_content(tmp_path: Path) -> None:
    path = tmp_path / "design.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: 1")
    assert parse(read(path, FILE), FILE).value == {"a": 1}


@given(value=st.one_of(TEXTS, PLAIN))
def test_a_written_scalar_is_read_back_by_us_as_it_was(value: str | float | bool | None) -> None:
    for text in (f"k: {scalar(value)}\n", f"k: [{scalar(value)}, 1]\n"):
        found = parse(text, FILE).value["k"]
        found = found[0] if isinstance(found, list) else found
        assert found == value
        assert type(found) is type(value)


@given(text=TEXTS)
def test_a_written_key_is_read_back_by_us_and_by_plain_yaml(text: str) -> None:
    written = f"{scalar(text)}: 1\n"
    assert parse(written, FILE).value == {text: 1}
    assert yaml.safe_load(written) == {text: 1}


@given(text=st.text(alphabet=st.sampled_from(list("ab:-[]{}#&*!|>'\"%@`,? \n\t\\")), max_size=60))
def test_any_text_is_read_or_refused_with_a_place(text: str) -> None:
    try:
        document = parse(text, FILE)
    except DeclarationError as error:
        assert error.file == FILE  # noqa: PT017  (either outcome is right)
    else:
        assert document.value is None or isinstance(document.value, dict)
