"""Where a workspace is looked for: folders that may not be read, or are gone, are answered in words."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROBE = """
import os, sys
from mlcycle.errors import WorkspaceError
from mlcycle.workspace import Workspace
os.environ.pop("MLCYCLE_WORKSPACE", None)
os.chdir(sys.argv[1])
{then}
if os.geteuid() == 0:
    os.seteuid(65534)  # root may read everything
for given in (None, sys.argv[1]):
    try:
        print(Workspace.find(given))
    except WorkspaceError as error:
        print(error.message)
"""


@pytest.mark.parametrize(
    ("then", "words"),
    [
        ("os.chmod(sys.argv[1], 0)", ["is not in a workspace", "no mlcycle.yaml in it"]),
        ("os.rmdir(sys.argv[1])", ["the current folder is gone", "does not exist"]),
    ],
    ids=["may not be read", "is gone"],
)
def test_a_folder_that_cannot_be_looked_into_is_no_workspace(
    tmp_path: Path, then: str, words: list[str]
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    command = [sys.executable, "-c", PROBE.format(then=then), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for line, expected in zip(done.stdout.splitlines(), words, strict=True):
        assert expected in line
    if folder.exists():
        folder.chmod(0o700)
