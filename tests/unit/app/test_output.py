"""Answers: JSON for programs, columns for people."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlcycle_app.cli.output import Answer, emit, plain


@dataclass(frozen=True)
class Lamp:
    name: str
    at: datetime
    heat: float


LAMP = Lamp("a", datetime(2026, 1, 1), math.nan)


def test_a_dataclass_becomes_an_object_with_iso_times_and_words_for_what_json_lacks() -> None:
    assert plain(LAMP) == {"name": "a", "at": "2026-01-01T00:00:00", "heat": "NaN"}


def test_json_is_one_line_that_a_program_can_read(capsys: pytest.CaptureFixture[str]) -> None:
    emit(Answer([LAMP, LAMP]), as_json=True)
    told = capsys.readouterr()
    assert len(json.loads(told.out)) == 2
    assert told.err == ""


def test_an_empty_table_says_what_to_do_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    emit(Answer([], empty="no lamp yet"), as_json=False)
    told = capsys.readouterr()
    assert (told.out, told.err) == ("", "no lamp yet\n")


def test_a_long_cell_is_cut_for_people_but_not_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    answer = Answer([{"name": "x" * 200}])
    emit(answer, as_json=False)
    assert "…" in capsys.readouterr().out
    emit(answer, as_json=True)
    assert json.loads(capsys.readouterr().out)[0]["name"] == "x" * 200


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.text()
        | st.datetimes()
        | st.just(Path("a/b")),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner),
        max_leaves=20,
    )
)
def test_whatever_core_returns_can_be_written_as_strict_json(value: object) -> None:
    json.loads(json.dumps(plain(value), allow_nan=False))
