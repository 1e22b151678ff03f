"""Which rows a version may be judged on."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import numpy as np
from tests.unit.experiments import product

from mlcycle.experiments.rows import Rows
from mlcycle.models import fresh
from mlcycle.workspace import Workspace


def rows(keys: list[int], moment: str) -> Rows:
    columns: dict[str, Any] = {
        "key": np.array(keys),
        "as_of": np.array([moment] * len(keys), "datetime64[us]"),
    }
    return Rows(columns, ("key",))


def test_without_a_time_column_the_moment_a_set_was_built_at_does_not_tell_rows_apart() -> None:
    learnt, judged = rows([1, 2, 3], "2030-01-01"), rows([2, 3, 4], "2030-02-01")
    assert fresh.shared(learnt, judged, timed=False) == 2
    assert fresh.shared(learnt, judged, timed=True) == 0


def test_the_newest_moment_of_rows_is_none_where_they_have_none() -> None:
    assert fresh.newest([rows([1], "2030-01-01"), rows([1], "2030-02-01")]) == product.month(1) + timedelta(
        days=1
    )
    assert fresh.newest([rows([1], "NaT"), Rows({}, ())]) is None


def test_moments_whose_targets_are_not_known_yet_are_no_fresh_rows(machines: Workspace) -> None:
    known = product.month(5) + timedelta(days=15)
    assert span(machines, 3, known) == (product.month(4), product.month(5))
    assert span(machines, 3, known - timedelta(days=1)) == (product.month(4), product.month(4))
    assert span(machines, 5, known) == (None, None)


def span(machines: Workspace, month: int, now: datetime) -> tuple[datetime | None, datetime | None]:
    found = fresh.fresh(machines, product.month(month), now)
    return found.start, found.end
