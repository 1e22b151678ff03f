"""What light paths load, by looking at `sys.modules` in a fresh interpreter: a static graph cannot see that."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

_HEAVY = ("duckdb", "polars", "sklearn", "textual")
_NOT_FOR_HOME = (
    "numpy",
    "polars",
    "sklearn",
    "textual_plot",
    "markdown_it",
    "textual.widgets._markdown",
    "click",
    "mlcycle_app.tui.dialogs.jobs",
)
_LIGHT_PATHS = {
    "import mlcycle": "import mlcycle",
    "mlcycle --version": "import sys; sys.argv = ['mlcycle', '--version']; from mlcycle_app.main import main; main()",
    "mlcycle --help": "import sys; sys.argv = ['mlcycle', '--help']; from mlcycle_app.main import main; main()",
    "the model server": "import mlcycle.serving.__main__, mlcycle.serving.app, mlcycle.serving.runtime",
}


@pytest.mark.parametrize("path", _LIGHT_PATHS)
def test_light_paths_load_no_heavy_library(path: str) -> None:
    probe = (
        "import atexit, sys\n"
        f"atexit.register(lambda: print('loaded', *sorted(set({_HEAVY!r}) & set(sys.modules)), file=sys.stderr))\n"
        + _LIGHT_PATHS[path]
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[-1] == "loaded"


def test_the_journal_loads_the_standard_library_alone() -> None:
    probe = (
        "import sys; before = set(sys.modules)\n"
        "import mlcycle.journal\n"
        "new = {name.split('.')[0] for name in set(sys.modules) - before}\n"
        "print(*sorted(new - set(sys.stdlib_module_names) - {'mlcycle'}))"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_home_stands_without_what_other_screens_need(tmp_path: Path) -> None:
    (tmp_path / "mlcycle.yaml").write_text("name: lamps\n", encoding="utf-8")
    probe = (
        "import asyncio, sys\n"
        "from pathlib import Path\n"
        "from mlcycle.store import Store\n"
        "from mlcycle.workspace import Workspace\n"
        "from mlcycle_app.gateway import Gateway\n"
        "from mlcycle_app.tui.app import CycleApp\n"
        "async def look(workspace):\n"
        "    app = CycleApp(Gateway(workspace))\n"
        "    async with app.run_test(size=(80, 24)) as pilot:\n"
        "        await pilot.pause()\n"
        "        await app.workers.wait_for_complete()\n"
        "        await pilot.pause()\n"
        "        assert app.query_one('#view-0').is_mounted\n"
        "workspace = Workspace(Path(sys.argv[1]))\n"
        "Store.create(workspace)\n"
        "asyncio.run(look(workspace))\n"
        f"print('loaded', *sorted(set({_NOT_FOR_HOME!r}) & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", probe, str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "loaded"
