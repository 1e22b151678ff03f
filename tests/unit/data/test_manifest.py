"""Parts are compared with their name before anybody reads numbers out of them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mlcycle.data.manifest import verify_parts
from mlcycle.errors import DataError
from mlcycle.hashing import sha256_bytes


def part(folder: Path, content: bytes = b"PAR1 some rows PAR1") -> Path:
    path = folder / f"{sha256_bytes(content)}.parquet"
    path.write_bytes(content)
    return path


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_a_whole_part_is_taken(tmp_path: Path) -> None:
    verify_parts([part(tmp_path), part(tmp_path, b"other")], "rows")


def test_a_flipped_byte_is_named_by_the_parts_first_digits_with_what_to_type(tmp_path: Path) -> None:
    path = part(tmp_path)
    flip(path)
    with pytest.raises(DataError, match=f"part {path.stem[:8]} of rows does not hold") as error:
        verify_parts([path], "rows")
    assert error.value.hint == "mlcycle doctor"


def test_a_part_that_was_whole_is_read_again_once_it_has_changed(tmp_path: Path) -> None:
    path = part(tmp_path)
    verify_parts([path], "rows")
    flip(path)
    found = path.stat()
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns + 1))
    with pytest.raises(DataError, match="does not hold"):
        verify_parts([path], "rows")


def test_a_part_that_is_gone_is_said_to_be_gone(tmp_path: Path) -> None:
    path = part(tmp_path)
    path.unlink()
    with pytest.raises(DataError, match="is gone"):
        verify_parts([path], "rows")


def test_a_folder_or_a_link_in_a_parts_place_is_not_read(tmp_path: Path) -> None:
    path = part(tmp_path)
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DataError, match="cannot be read"):
        verify_parts([path], "rows")
    path.unlink()
    path.mkdir()
    with pytest.raises(DataError, match="cannot be read"):
        verify_parts([path], "rows")
