"""The terminal UI's one line for an error: what to type is always to be seen."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from mlcycle_app.tui.widgets.status_line import GAP, beside

PLACE = "/home/somebody/my shops/north/.mlcycle/store.duckdb"
GONE = f"✗ {PLACE} is missing, though .mlcycle/data, .mlcycle/backup hold files"
DAMAGED = f"✗ {PLACE} cannot be read: IO Error: Could not read enough bytes"
AGAIN = "mlcycle store restore makes it again from the log, as far as that reaches"
COPY = (
    "keep a copy of the folder, then mlcycle store restore: it makes the store again from its backup and logs"
)


@pytest.mark.parametrize("width", [38, 58, 78])
@pytest.mark.parametrize(("message", "hint"), [(GONE, AGAIN), (DAMAGED, COPY)])
def test_of_a_long_error_the_file_and_the_command_stay(message: str, hint: str, width: int) -> None:
    said, typed = beside(message, hint, width)
    assert said.startswith("✗ store.duckd") and typed == "mlcycle store restore"


def test_an_error_that_fits_is_shown_as_it_is() -> None:
    assert beside("✗ /a/b is gone", "try again", 78) == ("✗ /a/b is gone", "try again")
    assert beside(GONE, AGAIN, 200) == (GONE, AGAIN)


def test_two_paths_in_one_message_lose_their_folders_and_nothing_else() -> None:
    said, typed = beside("✗ /a/b c/d.csv is not in /e/f, nor is 1/2", AGAIN, 60)
    assert said == "✗ d.csv is not in f, nor is 1/2" and typed == "mlcycle store restore"


@given(st.text(max_size=90), st.text(max_size=90), st.integers(10, 120))
def test_message_and_hint_together_fit_the_line(message: str, hint: str, width: int) -> None:
    said, typed = beside(message, hint, width)
    assert cell_len(said) + (GAP + cell_len(typed) if typed else 0) <= width
