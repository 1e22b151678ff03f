"""A small disk of a test's own: it can be filled to the last bytes, and fail so that it may only be read."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mlcycle.store import Store, writers
from mlcycle.workspace import Workspace

__all__ = ["Disk", "keep_writing", "mounted", "product", "sync"]

MB = 16
PIECE = 1 << 20


class Disk:
    """A mounted folder."""

    def __init__(self, path: Path, image: Path | None) -> None:
        self.path, self.image = path, image
        self._filler = path / "filler"

    def fill(self, left: int) -> None:
        """Leave about so many bytes free; the system counts in blocks."""
        with self._filler.open("ab") as file:
            for piece in (PIECE, 4096, 512):
                while shutil.disk_usage(self.path).free >= left + piece:
                    try:
                        file.write(b"\xff" * piece)
                        file.flush()
                    except OSError:
                        break
                os.fsync(file.fileno())  # ext4 gives out blocks when it writes them

    def empty(self) -> None:
        """Make room again."""
        self._filler.unlink()
        sync(self)  # ext4 gives blocks back with its journal

    def fail(self) -> None:
        """Let the file system turn read-only as a broken disk makes it: under the open files of whoever writes."""
        assert self.image is not None
        device = subprocess.run(
            ["findmnt", "-no", "SOURCE", str(self.path)], capture_output=True, text=True, check=True
        ).stdout.strip()
        switch = Path("/sys/fs/ext4") / Path(device).name / "trigger_fs_error"
        try:
            switch.write_text("test")
        except FileNotFoundError:
            pytest.skip("this kernel cannot make ext4 fail")
        except OSError:
            pass  # the file system says no to the write that has made it read-only
        with pytest.raises(OSError, match="Read-only"):
            (self.path / "probe").touch()

    def repair(self) -> None:
        """Look the file system over and mount it again, as one does after a disk has failed."""
        assert self.image is not None
        writers.close_all()
        subprocess.run(["umount", str(self.path)], check=True)
        subprocess.run(["e2fsck", "-fy", str(self.image)], capture_output=True)
        _mount(self.path, self.image)

    def remount(self, how: str) -> None:
        """Mount read-only (`ro`) or for writing (`rw`); nobody may have a file open for writing."""
        subprocess.run(["mount", "-o", f"remount,{how}", str(self.path)], check=True)


@contextmanager
def mounted(path: Path, kind: str) -> Iterator[Disk]:
    """Mount a small tmpfs or ext4 at a folder; skips the test where that is not permitted."""
    if os.name != "posix" or os.getuid() != 0:
        pytest.skip("only root can mount")
    path.mkdir()
    image = None if kind == "tmpfs" else path.with_suffix(".image")
    if image is not None:
        if shutil.which("mkfs.ext4") is None:
            pytest.skip("no mkfs.ext4 here")
        with image.open("wb") as file:
            file.truncate(MB << 20)
        subprocess.run(["mkfs.ext4", "-q", "-m", "0", str(image)], check=True)
    _mount(path, image)
    try:
        yield Disk(path, image)
    finally:
        writers.close_all()
        subprocess.run(["umount", "-l", str(path)], check=True)


def _mount(path: Path, image: Path | None) -> None:
    if image is None:
        line = ["mount", "-t", "tmpfs", "-o", f"size={MB}m", "tmpfs", str(path)]
    else:
        line = ["mount", "-o", "loop,errors=remount-ro", str(image), str(path)]
    if subprocess.run(line, capture_output=True).returncode:
        pytest.skip("mounting is not permitted here")


def sync(disk: Disk) -> None:
    """Wait until the disk has everything; what a killed process wrote it would get in its own time."""
    subprocess.run(["sync", "-f", str(disk.path)], check=True)


def product(disk: Disk) -> Workspace:
    """Make a workspace with one source on the disk."""
    root = disk.path / "product"
    root.mkdir()
    (root / "mlcycle.yaml").write_text("name: test\n")
    (root / "data.yaml").write_text(DATA)
    workspace = Workspace(root)
    Store.create(workspace)
    return workspace


def keep_writing(workspace: Workspace) -> None:
    """Let this process write to the last byte, not only while a twentieth of the disk is free."""
    for stream in ("run", "metric", "prediction"):
        writers.writer(str(workspace.journal), stream).least_free = 0


DATA = """
sources:
  rows: {path: rows-*.csv, format: csv, key: id, columns: {id: integer, text: text}}
"""
