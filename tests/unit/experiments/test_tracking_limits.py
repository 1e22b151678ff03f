"""What may be logged, and that what may not leaves nothing behind."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import mlcycle
from mlcycle.errors import UsageError
from mlcycle.experiments.limits import journal_number, valid_key, valid_path, whole_step
from mlcycle.store import Store
from mlcycle.workspace import Workspace

WORD = re.compile(r"\w")


class Scalar:
    """What torch, jax and their like give: a number behind `item()`."""

    def __init__(self, *values: float) -> None:
        self.values = values

    def item(self) -> float:
        [value] = self.values
        return value


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    """Return an empty workspace that is found from here, and leave no run active."""
    (tmp_path / "mlcycle.yaml").write_text("name: test\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLCYCLE_WORKSPACE", raising=False)
    yield Workspace(tmp_path)
    while mlcycle.active_run():
        mlcycle.end_run("failed")


@given(st.text(max_size=260))
def test_a_key_is_what_the_rule_says_and_nothing_else(key: str) -> None:
    allowed = (
        1 <= len(key) <= 250
        and all(WORD.match(sign) or sign in "/.-: " for sign in key)
        and key == key.strip()
        and all(piece not in ("", ".", "..") for piece in key.split("/"))
    )
    try:
        assert valid_key(key) == key
        assert allowed
    except UsageError:
        assert not allowed


@given(st.lists(st.from_regex(r"[\w.\-: ]{1,20}", fullmatch=True), min_size=1, max_size=5).map("/".join))
def test_no_key_leads_out_of_a_folder(key: str) -> None:
    try:
        valid_key(key)
    except UsageError:
        return
    folder = Path("/inside")
    assert (folder / key).is_relative_to(folder)
    assert ".." not in (folder / key).parts


@pytest.mark.parametrize(
    "key", ["../x", "a//b", "/a", "./a", "a/.", "a\0b", "a`b", "a\nb", "a😀", " a", "a ", "a\\b", 3, None]
)
def test_a_bad_key_anywhere_in_a_batch_refuses_all_of_it_and_makes_no_file(
    workspace: Workspace, key: Any
) -> None:
    with mlcycle.start_run() as run:
        before = sorted(path for path in workspace.home.rglob("*") if path.is_file())
        for batch in (run.log_params, run.set_tags, run.log_metrics):
            with pytest.raises(UsageError):
                batch({"fine": 1, "long": 2, key: 3})
        with pytest.raises(UsageError):
            run.log_params({"text": "x" * 100_000, key: 3})
        assert sorted(path for path in workspace.home.rglob("*") if path.is_file()) == before
    found = mlcycle.get_run(run.run_id)
    assert (found.params, found.tags, found.metrics) == ({}, {}, {})


@pytest.mark.parametrize(
    "path", ["", "/a", "../a", "a/../b", "a//b", "a\\b", "C:x", "a\0", "a\nb", "x" * 1001]
)
def test_a_path_stays_inside_its_run(path: str) -> None:
    with pytest.raises(UsageError, match="not a path inside"):
        valid_path(path)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (True, 1.0),
        ("1.5", 1.5),
        (2**53 + 1, 2.0**53),
        (Fraction(1, 2), 0.5),
        (np.float32(0.5), 0.5),
        (np.int64(3), 3.0),
        (np.array([[4.0]]), 4.0),
        (Scalar(0.25), 0.25),
        (np.float64("nan"), "NaN"),
        (math.inf, "Infinity"),
        (-math.inf, "-Infinity"),
    ],
)
def test_numbers_of_every_kind_are_kept_as_numbers(given: object, kept: float | str) -> None:
    assert journal_number("x", given) == kept


@pytest.mark.parametrize(
    "given", [None, "abc", "", [1], {}, 1j, 10**400, np.array([1.0, 2.0]), Scalar(1, 2), object()]
)
def test_what_is_no_number_is_refused(given: object) -> None:
    with pytest.raises(UsageError, match="no number"):
        journal_number("x", given)


@given(st.floats())
def test_every_float_comes_through_the_store_as_it_was(value: float) -> None:
    kept = float(journal_number("x", value))
    assert kept == value or (math.isnan(kept) and math.isnan(value))


@pytest.mark.parametrize(("given", "step"), [(-5, -5), (2.0, 2), (np.int32(7), 7), (-(2**63), -(2**63))])
def test_a_step_is_a_whole_number_of_any_sign(given: Any, step: int) -> None:
    assert whole_step(given) == step


@pytest.mark.parametrize("given", [1.5, 2**63, -(2**63) - 1, None, "a", "3", math.nan, math.inf, [1]])
def test_a_step_that_is_none_is_refused(given: Any) -> None:
    with pytest.raises(UsageError, match="no step"):
        whole_step(given)


def test_a_changed_param_refuses_its_whole_batch_and_an_equal_one_is_fine(workspace: Workspace) -> None:
    with mlcycle.start_run() as run:
        run.log_params({"a": 1, "b": None})
        assert run.log_params({"a": "1", "b": "null"})
        with pytest.raises(UsageError, match="'1' already"):
            run.log_params({"new": 1, "a": 2})
        assert run.log_params({"new": 2})
    assert mlcycle.get_run(run.run_id).params == {"a": "1", "b": "null", "new": "2"}


def test_a_batch_must_be_a_mapping(workspace: Workspace) -> None:
    with mlcycle.start_run() as run:
        for batch in (run.log_params, run.set_tags, run.log_metrics):
            with pytest.raises(UsageError, match="not a list"):
                batch([("a", 1)])  # type: ignore[arg-type]


def test_odd_texts_are_kept_as_they_are(workspace: Workspace) -> None:
    odd = {
        "quote": 'it\'s "x"',
        "lines": "a\nb\r\n",
        "nul": "a\0b",
        "emoji": "😀",
        "empty": "",
        "space": " a ",
    }
    with mlcycle.start_run() as run:
        run.log_params(odd)
        run.set_tags(odd)
        run.log_params({"half": "\ud800"})
    found = mlcycle.get_run(run.run_id)
    assert found.params == odd | {"half": "?"}
    assert found.tags == odd


def test_a_megabyte_is_kept_whole_and_lists_stay_light(workspace: Workspace) -> None:
    text = "äöü€" * 300_000
    with mlcycle.start_run() as run:
        assert run.log_params({"text": text, "short": 1})
        assert run.set_tags({"text": text})
        with pytest.raises(UsageError) as refused:
            run.log_param("text", text + "!")
        assert len(str(refused.value)) < 400
    found = mlcycle.get_run(run.run_id)
    assert found.params["text"] == text
    assert found.tags["text"] == text
    [row] = Store(workspace).read("SELECT max(length(value)) AS longest FROM params")
    assert row["longest"] < 100


def test_the_last_value_is_that_of_the_greatest_step_and_equal_points_count_once(
    workspace: Workspace,
) -> None:
    with mlcycle.start_run() as run:
        for step, value in ((3, 0.3), (-1, 0.1), (2, 0.2)):
            run.log_metric("loss", value, step)
        run.log_metrics({"odd": math.nan, "up": math.inf, "down": -math.inf})
    found = mlcycle.get_run(run.run_id).metrics
    assert found["loss"] == 0.3
    assert math.isnan(found["odd"])
    assert (found["up"], found["down"]) == (math.inf, -math.inf)
    # The end of the run appends its last point once more, to wait for the disk.
    assert Store(workspace).read("SELECT count(*) AS n FROM metrics")[0]["n"] == 6


def test_what_a_full_disk_refused_may_be_logged_again(
    workspace: Workspace, capfd: pytest.CaptureFixture[str]
) -> None:
    with mlcycle.start_run() as run:
        # A file in place of the folder: nothing can be kept in it, whoever asks.
        kept = workspace.artifacts
        if kept.is_dir():
            kept.rename(workspace.home / "aside")
        kept.write_text("")
        assert run.log_param("text", "x" * 100_000) is False
        assert mlcycle.log_text("x", "a.txt") is False
        assert mlcycle.log_artifact(workspace.root / "mlcycle.yaml") is False
        assert run.log_metric("loss", 1.0)
        kept.unlink()
        assert run.log_param("text", "x" * 100_000)
    assert capfd.readouterr().err.count("cannot be kept") == 1
    assert mlcycle.get_run(run.run_id).params["text"] == "x" * 100_000


def test_a_run_that_could_not_be_begun_is_there_once_there_is_room(
    workspace: Workspace, capfd: pytest.CaptureFixture[str]
) -> None:
    workspace.home.mkdir()
    workspace.journal.write_text("")  # nothing can be journaled while a file stands in the folder's place
    with mlcycle.start_run("patient") as run:
        assert mlcycle.log_metric("loss", 1.0) is False
        workspace.journal.unlink()
        assert mlcycle.log_metric("loss", 2.0) is True
    found = mlcycle.get_run(run.run_id)
    assert (found.name, found.status, found.metrics) == ("patient", "finished", {"loss": 2.0})
    said = capfd.readouterr().err.splitlines()
    assert sorted(line.split(" are ")[0] for line in said) == [
        "mlcycle: metric records",
        "mlcycle: run records",
    ]


def test_an_end_that_was_not_kept_is_written_when_tried_again(
    workspace: Workspace, capfd: pytest.CaptureFixture[str]
) -> None:
    workspace.home.mkdir()
    workspace.journal.write_text("")
    run = mlcycle.start_run("patient")
    assert run.end("FAILED") is False
    workspace.journal.unlink()
    assert run.end() is True
    assert mlcycle.get_run(run.run_id).status == "failed"


def test_a_bad_tag_or_name_leaves_no_run_active(workspace: Workspace) -> None:
    for wrong in ({"tags": {"../x": 1}}, {"name": ""}, {"name": 3}, {"experiment": "a\0b"}):
        with pytest.raises(UsageError):
            mlcycle.start_run(**wrong)
        assert mlcycle.active_run() is None
