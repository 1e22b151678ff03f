"""Owns the model package as the server sees it: a zip of the signature and one model file, opened with suspicion."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from mlcycle.errors import DataError
from mlcycle.hashing import sha256_bytes

__all__ = ["Feature", "Output", "Package", "Signature", "open_package"]

SIGNATURE_FILE = "package.json"
SIGNATURE_BYTES = 4 << 20
MODEL_BYTES = 1 << 30
UNTYPABLE = '"\\'
"""What msgspec cannot have in the name of a typed field."""
SUFFIX = {"onnx": ".onnx", "skops": ".skops"}


class Feature(msgspec.Struct, frozen=True):
    """One input: a number is one column of the matrix, a category one column for each known value."""

    name: Annotated[str, Meta(min_length=1)]
    type: Literal["number", "category"]
    categories: tuple[str, ...] = ()

    @property
    def width(self) -> int:
        """Columns it takes in the matrix."""
        return 1 if self.type == "number" else len(self.categories)


class Output(msgspec.Struct, frozen=True):
    """Where the score lies in what the model returns."""

    name: str
    column: int | None = None


class Signature(msgspec.Struct, frozen=True):
    """`package.json`: what the model is, what it eats and where its answer lies."""

    format: Literal[1]
    model: Annotated[str, Meta(min_length=1)]
    version: int
    task: Literal["binary", "multiclass", "regression"]
    runtime: Literal["onnx", "skops"]
    file: str
    features: Annotated[tuple[Feature, ...], Meta(min_length=1)]
    output: Output
    missing: Literal["nan", "zero"] = "nan"
    classes: tuple[str, ...] | None = None
    key: tuple[str, ...] = ()
    run_id: str | None = None
    training_set_id: str | None = None
    created_at: str | None = None
    parity: float | None = None

    @property
    def width(self) -> int:
        """Columns of the matrix."""
        return sum(feature.width for feature in self.features)


@dataclass(frozen=True)
class Package:
    """An opened package: the signature, the model's bytes, and the hash of the whole file."""

    signature: Signature
    model: bytes
    sha256: str


def open_package(path: Path, *, sha256: str | None = None) -> Package:
    """Read a package without unpacking or running anything of it.

    Parameters
    ----------
    path
        The zip. Only `package.json` and the one model file it names may be in it, both uncompressed.
    sha256
        The hash the whole file must have; not compared when absent.

    Raises
    ------
    DataError
        If the file cannot be read, has another hash, holds anything else, or its signature is not valid.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(
            f"the model package {path} cannot be read: {error.strerror or error}", hint="mlcycle models list"
        ) from error
    found = sha256_bytes(content)
    if sha256 is not None and found != sha256:
        raise DataError(
            f"the model package {path} is damaged: its SHA-256 is {found}, not {sha256}",
            hint="mlcycle doctor",
        )
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            signature = _signature(_member(archive, SIGNATURE_FILE, SIGNATURE_BYTES), path)
            _expect_only(archive, {SIGNATURE_FILE, signature.file}, path)
            model = _member(archive, signature.file, MODEL_BYTES)
    except (zipfile.BadZipFile, KeyError, NotImplementedError, RuntimeError, EOFError) as error:
        raise DataError(f"{path} is not a model package: {error}", hint="mlcycle models list") from error
    return Package(signature, model, found)


def _member(archive: zipfile.ZipFile, name: str, limit: int) -> bytes:
    entry = archive.getinfo(name)
    # Stored entries cannot expand, so the file's own size bounds what is read.
    if entry.compress_type != zipfile.ZIP_STORED or entry.file_size > limit:
        raise zipfile.BadZipFile(f"{name} is compressed or larger than {limit} bytes")
    return archive.read(entry)


def _expect_only(archive: zipfile.ZipFile, names: set[str], path: Path) -> None:
    found = archive.namelist()
    if len(found) != len(names) or set(found) != names:
        raise DataError(f"{path} holds {sorted(found)}, but a model package holds {sorted(names)}")


def _signature(content: bytes, path: Path) -> Signature:
    try:
        signature = msgspec.json.decode(content, type=Signature)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: {SIGNATURE_FILE}: {error}") from error
    wrong = _contradiction(signature)
    if wrong:
        raise DataError(f"{path}: {SIGNATURE_FILE}: {wrong}")
    return signature


def _contradiction(signature: Signature) -> str:
    names = [feature.name for feature in signature.features]
    if len(set(names)) != len(names):
        return "a feature is named twice"
    if signature.file != f"model{SUFFIX[signature.runtime]}":
        return f"file must be model{SUFFIX[signature.runtime]}, not {signature.file!r}"
    for feature in signature.features:
        if any(sign in UNTYPABLE or sign < " " for sign in feature.name):
            return f"the server cannot take a feature named {feature.name!r}: no quotes, backslashes or line ends"
        if len(set(feature.categories)) != len(feature.categories):
            return f"feature {feature.name!r} has a category twice"
    if signature.task == "multiclass" and not signature.classes:
        return "a multiclass model must name its classes"
    if signature.task == "binary" and signature.output.column is None:
        return "a binary model must say which output column is the score"
    return ""
