from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import pytest
from tests.unit.serving.packages import FEATURES, binary, description, graph, write

from mlcycle.errors import DataError
from mlcycle.hashing import sha256_file
from mlcycle.serving.package import open_package


def test_a_package_opens_with_its_signature_model_and_hash(tmp_path: Path) -> None:
    path = binary(tmp_path / "m.zip")
    package = open_package(path, sha256=sha256_file(path))
    assert (package.signature.model, package.signature.version, package.signature.width) == ("machines", 3, 4)
    assert package.model == graph()
    assert package.sha256 == sha256_file(path)


def test_a_package_with_another_hash_is_refused_as_damaged(tmp_path: Path) -> None:
    path = binary(tmp_path / "m.zip")
    with pytest.raises(DataError, match="damaged"):
        open_package(path, sha256="0" * 64)


def test_a_package_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone\.zip cannot be read"):
        open_package(tmp_path / "gone.zip")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no zip", b"\x00" * 100])
def test_what_is_no_zip_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "m.zip"
    path.write_bytes(content)
    with pytest.raises(DataError, match="not a model package"):
        open_package(path)


@pytest.mark.parametrize("name", ["../evil.py", "model.pkl", "package.json.bak"])
def test_a_package_holds_nothing_but_its_two_files(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / "m.zip", description(), graph(), more={name: b"x"})
    with pytest.raises(DataError, match="a model package holds"):
        open_package(path)


def test_compressed_members_are_refused_because_they_could_swell(tmp_path: Path) -> None:
    path = tmp_path / "m.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("package.json", "{}")
    with pytest.raises(DataError, match="compressed"):
        open_package(path)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"format": 2}, "format"),
        ({"task": "ranking"}, "task"),
        ({"features": []}, "features"),
        ({"features": [FEATURES[0], FEATURES[0]]}, "twice"),
        ({"features": [{"name": "a", "type": "category", "categories": ["x", "x"]}]}, "category twice"),
        ({"features": [{"name": 'size "', "type": "number"}]}, "no quotes"),
        ({"features": [{"name": "a", "type": "text"}]}, r"features\[0\]\.type"),
        ({"file": "../model.onnx"}, "file must be"),
        ({"file": "model.skops"}, "file must be"),
        ({"task": "multiclass", "classes": None}, "classes"),
        ({"output": {"name": "p", "column": None}}, "output column"),
    ],
)
def test_a_signature_that_contradicts_itself_is_refused_by_name(
    tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    path = write(tmp_path / "m.zip", description() | changes, graph())
    with pytest.raises(DataError, match=said):
        open_package(path)


def test_a_signature_may_say_more_than_this_program_knows(tmp_path: Path) -> None:
    assert open_package(binary(tmp_path / "m.zip", licence="MIT")).signature.model == "machines"
