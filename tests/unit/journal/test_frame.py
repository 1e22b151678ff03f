from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlcycle.journal.frame import RESERVED, control, encode, frame, parse

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
KEYS = st.text(min_size=1).filter(lambda key: key not in RESERVED)
RECORDS = st.dictionaries(KEYS, VALUES, min_size=1, max_size=4)


@given(st.lists(RECORDS, max_size=5))
@settings(max_examples=60)
def test_records_come_back_as_they_were_written(records: list[dict[str, object]]) -> None:
    chunk = b"".join(frame(encode(record)) for record in records)
    parsed = parse(chunk)
    assert [json.loads(payload) for payload in parsed.records] == [
        json.loads(json.dumps(record).encode("utf-8", "replace")) for record in records
    ]
    assert parsed.used == len(chunk) and not parsed.bad


@given(st.lists(RECORDS, min_size=1, max_size=4), st.data())
@settings(max_examples=60)
def test_a_cut_keeps_exactly_the_whole_lines(records: list[dict[str, object]], data: st.DataObject) -> None:
    lines = [frame(encode(record)) for record in records]
    chunk = b"".join(lines)
    cut = data.draw(st.integers(0, len(chunk)))
    parsed = parse(chunk[:cut])
    whole = chunk[:cut].count(b"\n")
    assert len(parsed.records) == whole
    assert parsed.used == sum(map(len, lines[:whole]))
    assert not parsed.bad


@given(st.lists(RECORDS, min_size=3, max_size=6), st.data())
@settings(max_examples=60)
def test_a_flipped_bit_costs_at_most_two_records_and_invents_none(
    records: list[dict[str, object]], data: st.DataObject
) -> None:
    payloads = [encode(record) for record in records]
    chunk = bytearray(b"".join(map(frame, payloads)))
    place = data.draw(st.integers(0, len(chunk) - 1))
    chunk[place] ^= 1 << data.draw(st.integers(0, 7))
    parsed = parse(bytes(chunk))
    assert set(parsed.records) <= set(payloads)
    assert len(parsed.records) >= len(payloads) - 2


@given(st.binary(max_size=300))
def test_any_bytes_can_be_parsed(chunk: bytes) -> None:
    parsed = parse(chunk)
    assert parsed.used == chunk.rfind(b"\n") + 1


def test_numbers_that_json_lacks_become_words() -> None:
    record = {"a": float("nan"), "b": [float("inf"), {"c": -float("inf")}], "d": np.float32("nan"), "e": 1.5}
    assert json.loads(encode(record)) == {
        "a": "NaN",
        "b": ["Infinity", {"c": "-Infinity"}],
        "d": "NaN",
        "e": 1.5,
    }


def test_times_ids_paths_and_numpy_numbers_become_plain() -> None:
    east = datetime(2026, 1, 2, 3, 4, tzinfo=timezone(timedelta(hours=2)))
    record = {
        "east": east,
        "naive": datetime(2026, 1, 2, 3, 4, 5, 6),
        "utc": datetime(2026, 1, 2, tzinfo=UTC),
        "id": UUID(int=7),
        "path": Path("a/b"),
        "n": np.int64(3),
    }
    assert json.loads(encode(record)) == {
        "east": "2026-01-02T01:04:00",
        "naive": "2026-01-02T03:04:05.000006",
        "utc": "2026-01-02T00:00:00",
        "id": str(UUID(int=7)),
        "path": "a/b",
        "n": 3,
    }


def test_text_that_is_no_utf8_does_not_lose_the_record() -> None:
    assert json.loads(encode({"name": "caf\udce9"})) == {"name": "caf?"}


def test_what_json_cannot_hold_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="object cannot be written"):
        encode({"a": object()})


def test_control_records_are_kept_apart_from_records() -> None:
    parsed = parse(control("start", format=1) + frame(b'{"a":1}'))
    assert parsed.records == [b'{"a":1}']
    assert parsed.controls == [{"_segment": "start", "format": 1}]


@pytest.mark.parametrize("key", sorted(RESERVED))
def test_the_journals_own_keys_are_refused(key: str) -> None:
    with pytest.raises(ValueError, match=key):
        encode({key: 1})


@pytest.mark.parametrize(
    "payload",
    [
        b'{"_segment":',
        b'{"_segment":"start"} {',
        b'{"_segment":7}',
        b'{"_segment":"start","format":"x"}',
        b'{"_segment":"refused","n":null}',
        b'{"_segment":"refused","n":-1}',
        b'{"_segment":"refused","n":' + b"9" * 5000 + b"}",
        b'{"_segment":' + b"[" * 100_000,
        b'{"_segment":"\xff"}',
    ],
)
def test_a_control_record_that_is_none_is_a_bad_line(payload: bytes) -> None:
    line = frame(payload)
    parsed = parse(line + frame(b'{"a":1}'))
    assert parsed.bad == [line[:-1]] and parsed.controls == [] and parsed.records == [b'{"a":1}']


@given(st.binary(max_size=40).filter(lambda rest: b"\n" not in rest))
def test_no_line_with_a_good_checksum_stops_the_reading(rest: bytes) -> None:
    parsed = parse(frame(b'{"_segment":' + rest))
    assert len(parsed.bad) + len(parsed.controls) == 1
