"""Paths with a part from the environment: found where the variable says, and never written with its value."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.data.conftest import Product

from mlcycle import data
from mlcycle.errors import DataError, DeclarationError

VARIABLE = "MLCYCLE_TEST_HOME"
ROWS = "id,amount\n1,2\n"


def test_a_path_with_a_variable_is_found_and_kept_as_it_is_declared(
    product: Product, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path_factory.mktemp("hidden")
    (home / "things.csv").write_text(ROWS)
    monkeypatch.setenv(VARIABLE, str(home))
    product.source(path=f"${{env:{VARIABLE}}}/things.csv")
    [batch] = data.ingest(product.workspace)
    assert (batch.path, batch.rows) == (f"${{env:{VARIABLE}}}/things.csv", 1)


@pytest.mark.parametrize(
    ("value", "declared", "kept"),
    [
        ("deep/er", "{}/d*.csv", "{}/day.csv"),
        ("deep/er/", "./{}/d*.csv", "./{}/day.csv"),
        ("er", "deep/{}/d*.csv", "deep/{}/day.csv"),
        ("er", "de*/{}/*.csv", "deep/{}/day.csv"),
        ("day.csv", "**/{}", "deep/er/{}"),
        ("d", "{}eep/er/day.csv", "{}eep/er/day.csv"),
    ],
)
def test_a_pattern_keeps_the_part_of_the_variable_and_shows_what_it_matched(
    product: Product, monkeypatch: pytest.MonkeyPatch, value: str, declared: str, kept: str
) -> None:
    product.write("deep/er/day.csv", ROWS)
    monkeypatch.setenv(VARIABLE, value)
    reference = f"${{env:{VARIABLE}}}"
    product.source(path=declared.format(reference))
    [batch] = data.ingest(product.workspace)
    assert batch.path == kept.format(reference)


def test_the_value_of_a_variable_is_a_path_and_no_pattern(
    product: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    product.write("a[1]/things.csv", ROWS)
    product.write("a1/things.csv", "id,amount\n1,2\n3,4\n")
    monkeypatch.setenv(VARIABLE, "a[1]")
    product.source(path=f"${{env:{VARIABLE}}}/t*.csv")
    assert [batch.rows for batch in data.ingest(product.workspace)] == [1]


def test_a_missing_variable_is_named_with_the_line_that_asks_for_it(
    product: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    product.source(path=f"${{env:{VARIABLE}}}/things.csv")
    with pytest.raises(DeclarationError, match=rf"data\.yaml:1:\d+: .*{VARIABLE} is not set") as caught:
        data.ingest(product.workspace)
    assert caught.value.hint == f"export {VARIABLE}=..."


def test_a_file_of_a_folder_matches_a_name_that_comes_from_a_variable(
    product: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = product.write("inbox/drop/orders.csv", ROWS)
    monkeypatch.setenv(VARIABLE, "far/away/orders.csv")
    product.source(path=f"${{env:{VARIABLE}}}")
    assert [batch.path for batch in data.ingest(product.workspace, file.parent)] == ["inbox/drop/orders.csv"]


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("csv", None),
        ("csv", ""),
        ("csv", "id,colour\n1,red\n"),
        ("csv", "id,amount\nx,y\n"),
        ("json", "[{"),
        ("parquet", "PAR1"),
        ("arrow", "ARROW1"),
        ("sqlite", "no database"),
    ],
)
def test_no_error_about_a_file_says_the_value_of_a_variable(
    product: Product,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    content: str | None,
) -> None:
    home: Path = tmp_path_factory.mktemp("planted-secret")
    monkeypatch.setenv(VARIABLE, str(home))
    product.source(path=f"${{env:{VARIABLE}}}/things.{kind}", format=kind)
    if content is not None:
        (home / f"things.{kind}").write_text(content)
    with pytest.raises(DataError) as caught:
        data.ingest(product.workspace)
    assert f"${{env:{VARIABLE}}}/things.{kind}" in caught.value.message
    assert "planted-secret" not in caught.value.message + caught.value.hint
