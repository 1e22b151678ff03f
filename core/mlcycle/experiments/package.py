"""The model package: one uncompressed zip of `package.json` and the model file, equal bytes for equal contents."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mlcycle.errors import DataError

__all__ = ["FORMAT", "Package", "read_package", "write_package"]

FORMAT = 1
DESCRIPTION = "package.json"
MODELS = ("model.onnx", "model.skops")
MOST_DESCRIPTION = 4 << 20
MOST_MODEL = 1 << 30
FIXED = (1980, 1, 1, 0, 0, 0)
"""The earliest time a zip can carry: packages of equal contents have equal hashes."""


@dataclass(frozen=True)
class Package:
    """What a package holds, read and not run."""

    description: dict[str, Any]
    """`package.json`."""
    model: bytes


def write_package(description: Mapping[str, Any], model: bytes) -> bytes:
    """Return the bytes of a package; `description["file"]` names the model file."""
    file = str(description["file"])
    if file not in MODELS:
        raise DataError(f"a package cannot hold {file!r}, only {' or '.join(MODELS)}")
    text = json.dumps(description, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False).encode()
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name, content in ((DESCRIPTION, text), (file, model)):
            entry = zipfile.ZipInfo(name, date_time=FIXED)
            entry.external_attr = 0o644 << 16
            entry.create_system = 3  # else the zip says on which kind of system it was made
            archive.writestr(entry, content)
    return out.getvalue()


def read_package(content: bytes) -> Package:
    """Read a package without running anything of it.

    Raises
    ------
    DataError
        If it is no zip, is compressed, damaged or too large, or holds anything but the two files it may.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = {entry.filename: entry for entry in archive.infolist()}
            description = json.loads(_member(archive, entries, DESCRIPTION, MOST_DESCRIPTION))
            file = description.get("file") if isinstance(description, dict) else None
            if file not in MODELS or sorted(archive.namelist()) != sorted((DESCRIPTION, file)):
                raise DataError(f"this is no model package: it holds {', '.join(sorted(entries))}")
            model = _member(archive, entries, file, MOST_MODEL)
    except (zipfile.BadZipFile, EOFError, ValueError, NotImplementedError, RuntimeError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"this is no model package: {error}", hint="mlcycle doctor") from error
    if description.get("format") != FORMAT:
        raise DataError(f"the package has format {description.get('format')!r}, this program reads {FORMAT}")
    return Package(description, model)


def _member(archive: zipfile.ZipFile, entries: Mapping[str, zipfile.ZipInfo], name: str, most: int) -> bytes:
    entry = entries.get(name)
    if entry is None:
        raise DataError(f"this is no model package: it holds no {name}")
    # A stored member cannot swell, so its size bounds what is read.
    if entry.compress_type != zipfile.ZIP_STORED or entry.file_size > most:
        raise DataError(f"this is no model package: {name} is compressed or larger than {most} bytes")
    return archive.read(entry)
