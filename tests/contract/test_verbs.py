"""The verbs that app calls by name through its gateway: a name in a string is one mypy cannot follow."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest

_APP = Path(__file__).parents[2] / "app" / "mlcycle_app"


def _named() -> list[str]:
    text = "\n".join(path.read_text(encoding="utf-8") for path in sorted(_APP.rglob("*.py")))
    return sorted(set(re.findall(r"""\b(?:do|free)\(\s*["']([a-z_.]+)["']""", text)))


@pytest.mark.parametrize("verb", _named())
def test_every_verb_that_app_names_exists_in_core(verb: str) -> None:
    room, _, name = verb.rpartition(".")
    assert callable(getattr(import_module(f"mlcycle.{room}"), name))
