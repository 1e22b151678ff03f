"""The documentation against what it describes: commands, options, links, generated pages."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from docs.make_reference import commands_page, declarations_page, views_page

from mlcycle.declare.schema import KINDS
from mlcycle_app.cli.root import cli

_ROOT = Path(__file__).parents[2]
_PAGES = sorted([*_ROOT.glob("*.md"), *(_ROOT / "docs").rglob("*.md")])
_LONGEST_DECISION = 60


def _blocks(page: Path, language: str) -> Iterator[str]:
    yield from re.findall(
        rf"^```{language}\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )


def _shell_lines(program: str) -> list[tuple[str, list[str]]]:
    """Return the commands of that program in all shell blocks, with the page that shows them."""
    found = []
    for page in _PAGES:
        for line in "\n".join(_blocks(page, "sh")).splitlines():
            words = shlex.split(line, comments=True)
            if words and words[0].rsplit("/", 1)[-1] == program:
                found.append((page.name, words[1:]))
    return found


def _resolve(words: list[str]) -> tuple[click.Command, list[str]]:
    command: click.Command = cli
    context = click.Context(cli, info_name="mlcycle")
    rest = list(words)
    while rest and isinstance(command, click.Group):
        if rest[0] == "-w":
            rest = rest[2:]
            continue
        found = command.get_command(context, rest[0])
        assert found is not None, f"mlcycle {' '.join(words)}: no command {rest[0]}"
        command, rest = found, rest[1:]
        context = click.Context(command, parent=context)
    return command, rest


@pytest.mark.parametrize(("page", "words"), _shell_lines("mlcycle"))
def test_every_command_shown_exists_with_its_options(page: str, words: list[str]) -> None:
    command, rest = _resolve(words)
    own = rest[: rest.index("--")] if "--" in rest else rest
    known = {
        option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)
    }
    assert [word for word in own if word.startswith("--") and word.split("=")[0] not in known] == [], page


@pytest.mark.parametrize(("page", "words"), _shell_lines("make"))
def test_every_make_target_shown_exists(page: str, words: list[str]) -> None:
    targets = re.findall(r"^([a-z]+):", (_ROOT / "Makefile").read_text(), re.MULTILINE)
    assert words[0] in targets, page


def test_the_readme_shows_commands() -> None:
    assert len(_shell_lines("mlcycle")) > 20


def test_python_shown_uses_names_that_exist() -> None:
    import mlcycle

    for page in _PAGES:
        for block in _blocks(page, "python"):
            compile(block, page.name, "exec")
            missing = [name for name in re.findall(r"\bmlcycle\.(\w+)", block) if not hasattr(mlcycle, name)]
            assert missing == [], page.name


@pytest.mark.parametrize("page", _PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8"))
    lost = [target for target in targets if "://" not in target and not (page.parent / target).exists()]
    assert lost == []


def test_the_command_reference_is_what_help_says() -> None:
    page = (_ROOT / "docs" / "reference" / "commands.md").read_text(encoding="utf-8")
    assert page == commands_page(), "make reference"


def test_the_view_reference_is_what_the_store_has() -> None:
    page = (_ROOT / "docs" / "reference" / "views.md").read_text(encoding="utf-8")
    assert page == views_page(), "make reference"
    made = (_ROOT / "core" / "mlcycle" / "store" / "views.sql").read_text(encoding="utf-8")
    assert sorted(re.findall(r"^## `(\w+)`", page, re.MULTILINE)) == sorted(
        re.findall(r"CREATE VIEW (\w+)", made)
    )


def test_the_declaration_reference_is_what_the_types_say() -> None:
    page = (_ROOT / "docs" / "reference" / "declarations.md").read_text(encoding="utf-8")
    assert page == declarations_page(), "make reference"
    for name in KINDS:
        assert f"`{name}.yaml`" in page or f"`{name}/" in page, name


def test_every_command_has_words_of_help() -> None:
    silent = re.findall(r"^### (.*)\n\n\n", commands_page(), re.MULTILINE)
    assert silent == []


@pytest.mark.parametrize("page", sorted((_ROOT / "docs" / "adr").glob("*.md")), ids=lambda page: page.name)
def test_decisions_are_numbered_short_and_have_a_status(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    number = int(page.name[:4])
    assert text.startswith(f"# {number}. ")
    assert "- Status: " in text
    assert text.count("\n") <= _LONGEST_DECISION
