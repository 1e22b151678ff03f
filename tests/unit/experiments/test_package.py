"""The model package."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest

from mlcycle.errors import DataError
from mlcycle.experiments.package import read_package, write_package
from mlcycle.serving.package import open_package

SAID = {
    "format": 1,
    "model": "m",
    "version": 1,
    "task": "binary",
    "runtime": "onnx",
    "file": "model.onnx",
    "features": [{"name": "a", "type": "number"}],
    "missing": "nan",
    "classes": ["0", "1"],
    "output": {"name": "probabilities", "column": 1},
}


def zipped(*members: tuple[str, bytes], how: int = zipfile.ZIP_STORED) -> bytes:
    """Return a zip of members."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", how) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return out.getvalue()


def test_equal_contents_have_equal_bytes() -> None:
    assert write_package(SAID, b"model") == write_package(dict(reversed(SAID.items())), b"model")


def test_what_was_written_is_read_here_and_by_the_server(tmp_path: Path) -> None:
    content = write_package(SAID, b"model")
    found = read_package(content)
    assert (found.description, found.model) == (SAID, b"model")
    path = tmp_path / "model.zip"
    path.write_bytes(content)
    assert open_package(path).signature.width == 1


@pytest.mark.parametrize(
    "content",
    [
        b"no zip",
        zipped(("package.json", b"{}")),
        zipped(("package.json", b'{"format": 1, "file": "model.pkl"}'), ("model.pkl", b"")),
        zipped(("package.json", b'{"format": 1, "file": "model.onnx"}'), ("model.onnx", b""), ("../x", b"")),
        zipped(("package.json", b'{"format": 9, "file": "model.onnx"}'), ("model.onnx", b"")),
        zipped(
            ("package.json", b'{"format": 1, "file": "model.onnx"}'),
            ("model.onnx", b"0" * 99),
            how=zipfile.ZIP_DEFLATED,
        ),
        zipped(("package.json", b"[1]"), ("model.onnx", b"")),
        zipped(("package.json", b"\xff"), ("model.onnx", b"")),
        write_package(SAID, b"model")[:-40],
    ],
)
def test_anything_else_is_refused(content: bytes) -> None:
    with pytest.raises(DataError):
        read_package(content)


def test_a_flipped_byte_of_the_model_is_noticed() -> None:
    content = bytearray(write_package(SAID, b"the model itself"))
    content[content.index(b"the model itself")] ^= 1
    with pytest.raises(DataError):
        read_package(bytes(content))


def test_a_package_cannot_hold_another_file() -> None:
    with pytest.raises(DataError, match=r"model\.pkl"):
        write_package({**SAID, "file": "model.pkl"}, b"")
