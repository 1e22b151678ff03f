"""The wheel: what is in it, and that it works when nothing of the checkout is on the path."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return next(folder.glob("*.whl"))


SHIPPED = {".sql", ".yaml", ".tcss", ".md", ".toml", ".json", ".html", ".css", ".js"}


def _data_files() -> set[str]:
    found = set()
    for root in ("core", "app", "sample_data"):
        for path in (_ROOT / root).rglob("*"):
            if path.suffix in SHIPPED or path.name == "py.typed":
                found.add(path.relative_to(_ROOT / root).as_posix())
    return found


def test_the_wheel_holds_the_three_packages_and_all_their_data(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    tops = {name.split("/")[0] for name in names if ".dist-info" not in name}
    assert tops == {"mlcycle", "mlcycle_app", "mlcycle_sample"}
    assert _data_files() - names == set()


def test_the_wheel_works_without_the_checkout(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    # PYTHONPATH comes before the editable install's path entry; -P keeps the working folder out.
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site")}
    probe = (
        "import mlcycle, mlcycle_app, mlcycle_sample, sys; from pathlib import Path;"
        "from mlcycle_sample.workspace import write_declarations;"
        "where = {Path(m.__file__).parents[1] for m in (mlcycle, mlcycle_app, mlcycle_sample)};"
        "assert where == {Path(sys.argv[1])}, where;"
        "print(len(write_declarations(Path(sys.argv[2]))))"
    )
    arguments = [str(tmp_path / "site"), str(tmp_path / "workspace")]
    command = [sys.executable, "-P", "-c", probe, *arguments]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip()) == (0, "12"), done.stderr
    command = [sys.executable, "-P", "-m", "mlcycle_app", "--version"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[0] == "mlcycle"
