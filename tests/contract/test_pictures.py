"""The pictures in the documentation: one of each screen, and nothing in them leads elsewhere."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from docs.make_pictures import NAMESPACE, PICTURES, cleaned, draw
from tests.tui import factory

from mlcycle_app.commands import PHASES

_DRAWN = sorted(PICTURES.glob("*.svg"))
_LEADS_ELSEWHERE = re.compile(
    r"https?:|//[a-z]|@import|@font-face|url\((?!#)|href|<script|<image|<foreignObject"
)


def _faults(svg: str) -> list[str]:
    ET.fromstring(svg)
    return [
        svg[found.start() : found.start() + 60]
        for found in _LEADS_ELSEWHERE.finditer(svg.replace(NAMESPACE, ""))
    ]


@pytest.mark.skipif(not _DRAWN, reason="no pictures drawn; docs/make_pictures.py draws them")
def test_there_is_one_picture_of_every_screen() -> None:
    assert [path.stem for path in _DRAWN] == sorted(name.lower() for name in PHASES)


@pytest.mark.parametrize("path", _DRAWN, ids=lambda path: path.name)
def test_a_picture_asks_for_nothing_from_elsewhere_and_names_no_path(path: Path) -> None:
    svg = path.read_text(encoding="utf-8")
    assert _faults(svg) == []
    assert re.findall(r"/(?:home|tmp|root|work|Users)\b[^<]*", svg) == []


def test_links_of_rich_are_left_out() -> None:
    svg = (
        f'<svg class="t" xmlns="{NAMESPACE}">\n<!-- Generated with Rich https://www.textualize.io -->\n<style>\n'
        '@font-face {\n src: local("F"),\n url("https://cdn.example/f.woff2") format("woff2");\n}\n'
        ".m { font-family: Fira Code, monospace; }\n</style><g clip-path='url(#c)'/></svg>"
    )
    assert _faults(svg) != []
    assert _faults(cleaned(svg)) == []
    assert "monospace" in cleaned(svg)


def test_one_workspace_gives_the_same_pictures_twice(tmp_path: Path) -> None:
    folder = factory.full(tmp_path / "parcels").root
    first = draw(folder, now=factory.NOW, wall=factory.NOW)
    assert list(first) == [name.lower() for name in PHASES]
    for number in (6, 0):
        name = PHASES[number].lower()
        assert draw(folder, now=factory.NOW, wall=factory.NOW, numbers=[number]) == {name: first[name]}
    for svg in first.values():
        assert _faults(svg) == []
        assert str(tmp_path) not in svg
