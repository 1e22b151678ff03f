from __future__ import annotations

import json
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.serving.packages import GOOD, description

from mlcycle.serving.matrix import BadRequest, Decoder, Matrix, MatrixBuilder
from mlcycle.serving.package import Signature

SIGNATURE = msgspec.convert(description(), Signature)
ZERO = msgspec.convert(description(missing="zero"), Signature)
DECODE = Decoder(SIGNATURE, max_rows=5)


def build(*rows: dict[str, Any], signature: Signature = SIGNATURE) -> Matrix:
    body = json.dumps({"instances": [{"features": row} for row in rows]}).encode()
    return MatrixBuilder(signature)(DECODE(body).instances)


def refused(body: bytes) -> BadRequest:
    with pytest.raises(BadRequest) as caught:
        MatrixBuilder(SIGNATURE)(DECODE(body).instances)
    return caught.value


def changed(**changes: Any) -> bytes:
    rows = [GOOD, GOOD, GOOD, {key: value for key, value in (GOOD | changes).items() if value != "absent"}]
    return json.dumps({"instances": [{"features": row} for row in rows]}).encode()


def test_features_lie_in_the_signatures_order_whatever_the_requests_order() -> None:
    row = dict(reversed(GOOD.items()))
    assert build(row).values.tolist() == [[1.0, 0.0, 1.0, 2.0]]
    assert build(row).values.dtype == np.float32


def test_an_unseen_category_is_all_zeros_and_counted_by_column() -> None:
    matrix = build(GOOD | {"plan": "gold"}, GOOD | {"plan": "lead"}, GOOD)
    assert matrix.values[:, 1:3].tolist() == [[0, 0], [0, 0], [0, 1]]
    assert matrix.unseen == {"plan": 2}


def test_a_missing_category_is_all_zeros_and_not_counted() -> None:
    matrix = build(GOOD | {"plan": None})
    assert matrix.values[0, 1:3].tolist() == [0, 0]
    assert matrix.unseen == {}


def test_a_missing_number_is_nan_or_zero_as_the_model_was_fitted() -> None:
    assert np.isnan(build(GOOD | {"age": None}).values[0, 0])
    assert build(GOOD | {"age": None}, signature=ZERO).values[0, 0] == 0.0


def test_a_boolean_is_one_or_zero() -> None:
    assert build(GOOD | {"age": True}, GOOD | {"age": False}).values[:, 0].tolist() == [1.0, 0.0]


def test_values_are_kept_as_they_came_for_the_journal() -> None:
    assert build(GOOD | {"plan": "gold", "age": None}).features == [(None, "gold", 2.0)]


def test_one_single_feature_makes_a_matrix_too() -> None:
    signature = msgspec.convert(description(features=[{"name": "a", "type": "number"}]), Signature)
    batch = Decoder(signature, max_rows=5)(b'{"instances":[{"features":{"a":4}}]}')
    assert MatrixBuilder(signature)(batch.instances).values.tolist() == [[4.0]]


def test_keys_that_are_no_feature_are_counted_and_passed_over() -> None:
    body = json.dumps(
        {"instances": [{"features": GOOD | {"shoe": 42, "hat": [1]}}, {"features": GOOD}], "parameters": {}}
    )
    batch = DECODE(body.encode())
    assert (len(batch.instances), batch.unknown_features) == (2, 2)


@pytest.mark.parametrize(
    ("body", "path", "reason"),
    [
        (changed(age="old"), "$.instances[3].features.age", "wrong type"),
        (changed(age=[1]), "$.instances[3].features.age", "wrong type"),
        (changed(plan=1), "$.instances[3].features.plan", "wrong type"),
        (changed(plan="x" * 1001), "$.instances[3].features.plan", "wrong type"),
        (changed(age="absent"), "$.instances[3].features.age", "missing"),
        (changed(**{"days since": "absent"}), "$.instances[3].features.days since", "missing"),
        (changed(age=1e39), "$.instances[3].features.age", "too large"),
    ],
)
def test_a_wrong_value_is_refused_with_its_path(body: bytes, path: str, reason: str) -> None:
    error = refused(body)
    assert (error.status, error.path, error.reason, error.rows) == (422, path, reason, 4)


@pytest.mark.parametrize(
    ("body", "status", "path"),
    [
        (b"", 400, ""),
        (b"{", 400, ""),
        (b"\xff\xfe", 400, ""),
        (b'{"instances":[{"features":{"age":NaN,"plan":"pro","days since":1}}]}', 400, ""),
        (b'{"instances":[{"features":{"age":1,"plan":"\xff","days since":1}}]}', 400, ""),
        (b'{"x":' + b"[" * 100_000, 400, ""),
        (b"[]", 422, "$"),
        (b"{}", 422, "$.instances"),
        (b'{"instances":[]}', 422, "$.instances"),
        (b'{"instances":"all"}', 422, "$.instances"),
        (b'{"instances":[7]}', 422, "$.instances[0]"),
        (b'{"instances":[{}]}', 422, "$.instances[0].features"),
        (b'{"instances":[{"features":null}]}', 422, "$.instances[0].features"),
        (
            b'{"instances":[{"features":{"age":1e999,"plan":"pro","days since":1}}]}',
            422,
            "$.instances[0].features.age",
        ),
    ],
)
def test_a_wrong_body_is_refused_and_never_a_crash(body: bytes, status: int, path: str) -> None:
    error = refused(body)
    assert (error.status, error.path) == (status, path)


@pytest.mark.parametrize("text", ["yesterday", "2026-13-01", "0001-01-01T00:00:00+10:00"])
def test_a_time_that_is_none_is_refused_with_its_path(text: str) -> None:
    error = refused(json.dumps({"instances": [{"features": GOOD, "as_of": text}]}).encode())
    assert (error.status, error.path) == (422, "$.instances[0].as_of")


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2026-01-01", "2026-01-01T00:00:00"),
        ("2026-01-01T12:00:00Z", "2026-01-01T12:00:00"),
        ("2026-01-01T12:00:00+02:00", "2026-01-01T10:00:00"),
    ],
)
def test_times_are_kept_as_naive_utc(text: str, utc: str) -> None:
    body = json.dumps({"instances": [{"features": GOOD, "as_of": text, "entity": 7}]}).encode()
    assert DECODE(body).as_of == [utc]


def test_more_rows_than_allowed_are_refused() -> None:
    body = json.dumps({"instances": [{"features": GOOD}] * 6}).encode()
    assert (refused(body).status, refused(body).rows) == (413, 6)


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_are_decoded_or_refused(body: bytes) -> None:
    with pytest.raises(BadRequest) as caught:
        DECODE(body)
    assert caught.value.status in {400, 422}


@given(
    st.lists(
        st.tuples(
            st.none() | st.floats(width=32, allow_nan=False, allow_infinity=False),
            st.none() | st.sampled_from(["basic", "pro", "gold", ""]),
            st.none() | st.integers(-(2**53), 2**53),
        ),
        min_size=1,
        max_size=5,
    )
)
def test_the_matrix_holds_every_value_in_its_column(
    rows: list[tuple[float | None, str | None, int | None]],
) -> None:
    matrix = build(*({"age": age, "plan": plan, "days since": days} for age, plan, days in rows))
    for line, (age, plan, days) in zip(matrix.values, rows, strict=True):
        assert np.isnan(line[0]) if age is None else line[0] == np.float32(age)
        assert line[1:3].tolist() == [plan == "basic", plan == "pro"]
        assert np.isnan(line[3]) if days is None else line[3] == np.float32(days)
    assert matrix.unseen.get("plan", 0) == sum(plan not in {None, "basic", "pro"} for _, plan, _ in rows)
