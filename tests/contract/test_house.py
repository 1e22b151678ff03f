"""The house rules a linter does not know: sizes of files and functions, and whom core may know."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]
_FOLDERS = ("core", "app", "sample_data", "tests", "benchmarks")
_FILE_LINES, _FUNCTION_LINES = 500, 60

_LONGER: dict[str, str] = {}
"""Exceptions: `path` or `path::function`, each with its reason."""

_SAMPLE_WORDS = re.compile(
    r"harbour.box|churn|cancelled_30d|sessions_30d|last_amount|reseller|\bcustomers?\b|customer_id",
    re.IGNORECASE,
)
_DOORS_TO_THE_SAMPLE = {"app/mlcycle_app/cli/demo.py"}
"""The one command whose job is the sample."""


def _files(*folders: str) -> Iterator[tuple[str, str]]:
    for folder in folders:
        for path in sorted((_ROOT / folder).rglob("*.py")):
            yield path.relative_to(_ROOT).as_posix(), path.read_text(encoding="utf-8")


def _docstring_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    # What is told to the caller does not make a function long.
    first = node.body[0]
    if ast.get_docstring(node) is None or first.end_lineno is None:
        return 0
    return first.end_lineno - first.lineno + 1


def test_no_file_is_longer_than_500_lines() -> None:
    long = {
        name: lines
        for name, text in _files(*_FOLDERS)
        if (lines := text.count("\n")) > _FILE_LINES and name not in _LONGER
    }
    assert long == {}


def test_no_function_is_longer_than_60_lines() -> None:
    long = {}
    for name, text in _files(*_FOLDERS):
        for node in ast.walk(ast.parse(text)):
            if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) or node.end_lineno is None:
                continue
            lines, label = node.end_lineno - node.lineno + 1 - _docstring_lines(node), f"{name}::{node.name}"
            if lines > _FUNCTION_LINES and label not in _LONGER:
                long[label] = lines
    assert long == {}


def test_exceptions_to_the_sizes_still_exist() -> None:
    for name in _LONGER:
        path, _, function = name.partition("::")
        assert (_ROOT / path).is_file(), name
        assert f"def {function}" in (_ROOT / path).read_text(), name


def test_nothing_in_core_or_app_knows_the_sample_product() -> None:
    known = [
        f"{name}:{number}: {line.strip()}"
        for name, text in _files("core", "app")
        if name not in _DOORS_TO_THE_SAMPLE
        for number, line in enumerate(text.splitlines(), 1)
        if _SAMPLE_WORDS.search(line)
    ]
    assert known == []


@pytest.mark.parametrize("word", ["utils", "helpers", "misc", "common"])
def test_no_module_is_named_after_nothing(word: str) -> None:
    assert [name for name, _ in _files("core", "app", "sample_data") if Path(name).stem == word] == []


def test_every_module_says_what_it_owns() -> None:
    silent = [
        name
        for name, text in _files("core", "app", "sample_data")
        if text.strip() and ast.get_docstring(ast.parse(text)) is None
    ]
    assert silent == []
