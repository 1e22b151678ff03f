"""A hint is something to type: every command that a message names must exist."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlcycle_app.commands import COMMANDS

ROOT = Path(__file__).parents[2]
NAMED = re.compile(r"\bmlcycle ([a-z]+)(?: ([a-z]+))?")
VERBS = {command.words for command in COMMANDS if " " not in command.words}
PAIRS = {command.words for command in COMMANDS if " " in command.words}
NOUNS = {words.split()[0] for words in PAIRS}


def _hints() -> Iterator[tuple[str, str]]:
    for folder in ("core", "app", "sample_data"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                said = _said(node)
                if said is not None:
                    for text in ast.walk(said):
                        if isinstance(text, ast.Constant) and isinstance(text.value, str):
                            yield f"{path.relative_to(ROOT)}:{text.lineno}", text.value


def _said(node: ast.AST) -> ast.AST | None:
    """Return the expression behind `hint=...` or `HINT... = ...`."""
    if isinstance(node, ast.keyword) and node.arg == "hint":
        return node.value
    if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and "HINT" in t.id for t in node.targets):
        return node.value
    return None


HINTS = sorted(set(_hints()))


def test_there_are_hints_to_look_at() -> None:
    assert len(HINTS) > 50


@pytest.mark.parametrize(("place", "hint"), HINTS, ids=[place for place, _ in HINTS])
def test_every_command_a_hint_names_exists(place: str, hint: str) -> None:
    for noun, verb in NAMED.findall(hint):
        if noun in VERBS:
            continue
        assert noun in NOUNS, f"{place} names mlcycle {noun}"
        assert f"{noun} {verb}" in PAIRS, f"{place} names mlcycle {noun} {verb}"
