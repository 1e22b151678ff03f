"""How `models gate` and `models promote` are told which rows to judge on."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from mlcycle_app.cli.deploy import judged_rows
from mlcycle_app.gateway import Gateway, UsageError, Workspace

MAY, JUNE = datetime(2030, 5, 1), datetime(2030, 6, 1)


@pytest.mark.parametrize(
    ("text", "rows"),
    [(None, None), ("2030-05-01", MAY), ("2030-05-01..2030-06-01", (MAY, JUNE))],
)
def test_rows_to_judge_on_are_named_by_one_moment_or_from_one_to_another(
    tmp_path: Path, text: str | None, rows: object
) -> None:
    assert judged_rows(Gateway(Workspace(tmp_path)), text) == rows


@pytest.mark.parametrize("text", ["", "..", "2030-05-01..", "..2030-06-01", "May", "2030-06-01..2030-05-01"])
def test_what_names_no_moments_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError):
        judged_rows(Gateway(Workspace(tmp_path)), text)
