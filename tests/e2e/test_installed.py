"""The installed wheel in a real terminal: walked through, made small, quit, broken, signalled, and given back."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.e2e.terminal import Terminal, terminal
from tests.tui import factory

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
VIEWS = (
    ("1", "requirements"),
    ("2", "checks"),
    ("3", "training sets"),
    ("4", "runs"),
    ("5", "model versions"),
    ("6", "drift"),
    ("7", "triggers"),
    ("0", "lifecycle"),
)
BROKEN = """\
import sys
import mlcycle_app.tui.{module} as module
def broken(*_):
    raise ValueError("planted in " + "the UI")
module.{app}.{action} = broken
from mlcycle_app.main import main
main()
"""
Command = Sequence[str]


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of a fresh environment that has the wheel; its libraries are this one's."""
    folder = tmp_path_factory.mktemp("installed")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    made = folder / "venv"
    venv.create(made, symlinks=True)
    found = made / "bin" / "python"
    wheel = next(folder.glob("*.whl"))
    install = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(found),
        "install",
        "-q",
        "--no-index",
        "--no-deps",
    ]
    subprocess.run([*install, str(wheel)], check=True, capture_output=True)
    site = next(made.glob("lib/python*/site-packages"))
    # A path alone: files that end in .pth over there, such as the editable install's, are not read.
    (site / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return found


@pytest.fixture(scope="module")
def mlcycle(python: Path) -> Command:
    return [str(python.parent / "mlcycle")]


@pytest.fixture(scope="module")
def parcels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace that has been round the cycle."""
    return factory.full(tmp_path_factory.mktemp("story") / "parcels").root


@pytest.fixture(autouse=True)
def _own_state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("MLCYCLE_WORKSPACE", raising=False)
    monkeypatch.delenv("PYTHONPATH", raising=False)


def test_it_is_the_wheel_that_runs(python: Path) -> None:
    probe = "import mlcycle_app, mlcycle, mlcycle_sample; print(mlcycle_app.__file__, mlcycle.__file__)"
    done = subprocess.run([python, "-c", probe], cwd=ROOT.parent, capture_output=True, text=True, check=True)
    assert all(place.startswith(str(python.parents[1])) for place in done.stdout.split())


def test_all_views_are_walked_in_a_large_window_a_tiny_one_and_a_large_one_again(
    mlcycle: Command, parcels: Path
) -> None:
    with terminal("-w", str(parcels), columns=140, lines=40, command=mlcycle) as shown:
        shown.wait_for("next action")
        walk(shown, VIEWS)
        shown.resize(60, 15)
        for key, name in VIEWS[:-1]:
            shown.type(key)
            shown.wait_for(NAMES[key])
            assert all(len(line) <= 60 for line in shown.text().splitlines()), name
        shown.resize(140, 40)
        walk(shown, VIEWS)
        shown.type("q")
        assert shown.wait_for_end() == 0
        assert shown.is_restored()


NAMES = dict(
    zip("1234567", ("Design", "Data", "Features", "Experiments", "Deploy", "Monitor", "Retrain"), strict=True)
)


def walk(shown: Terminal, views: Sequence[tuple[str, str]]) -> None:
    for key, words in views:
        shown.type(key)
        shown.wait_for(words)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_views_and_start_screen_with_the_terminal_restored(
    mlcycle: Command, parcels: Path, tmp_path: Path, number: int
) -> None:
    for words, seen in ((["-w", str(parcels)], "next action"), ([], "the sample product")):
        with terminal(*words, command=mlcycle, cwd=tmp_path) as shown:
            shown.wait_for(seen)
            shown.process.send_signal(number)
            assert shown.wait_for_end() == 128 + number
            assert shown.is_restored()


def test_a_defect_ends_it_with_an_exit_code_the_terminal_and_the_name_of_the_log(
    python: Path, parcels: Path
) -> None:
    code = BROKEN.format(module="app", app="CycleApp", action="action_zoom")
    with terminal("-w", str(parcels), command=[str(python), "-c", code]) as shown:
        shown.wait_for("next action")
        shown.type("z")
        assert shown.wait_for_end() == 3
        assert shown.is_restored()
        said = shown.raw.rpartition(b"\x1b[?1049l")[2].decode()
    log = parcels / ".mlcycle" / "ui.log"
    assert "the UI stopped: ValueError: planted in the UI" in said and str(log) in said
    assert "Traceback" not in said and "planted in the UI" in log.read_text()


def test_a_defect_of_the_start_screen_is_kept_in_the_users_own_log(python: Path, tmp_path: Path) -> None:
    code = BROKEN.format(module="starting", app="StartApp", action="action_new")
    with terminal(command=[str(python), "-c", code], cwd=tmp_path) as shown:
        shown.wait_for("the sample product")
        shown.type("n")
        assert shown.wait_for_end() == 3
        assert shown.is_restored()
        assert b"planted in the UI" in shown.raw
    logs = list((tmp_path / "state").rglob("ui.log"))
    assert len(logs) == 1 and "planted in the UI" in logs[0].read_text()


def test_an_empty_folder_shows_the_start_screen_and_q_leaves(mlcycle: Command, tmp_path: Path) -> None:
    with terminal(command=mlcycle, cwd=tmp_path) as shown:
        shown.wait_for("the sample product")
        shown.wait_for("open a folder")
        shown.type("q")
        assert shown.wait_for_end() == 0
        assert shown.is_restored()
    assert list(tmp_path.iterdir()) == []


def test_what_is_opened_is_offered_the_next_time_and_w_leads_to_the_start_screen(
    mlcycle: Command, parcels: Path, tmp_path: Path
) -> None:
    with terminal("-w", str(parcels), command=mlcycle, cwd=tmp_path) as shown:
        shown.wait_for("next action")
        shown.type("w")
        shown.wait_for("switch to another workspace")
        shown.wait_for("open  ")
        shown.type("s")
        shown.wait_for("the sample product")
        shown.type("\r")
        shown.wait_for("next action")
        shown.type("q")
        assert shown.wait_for_end() == 0
        assert shown.is_restored()


@pytest.mark.parametrize(
    "environment",
    [
        {"HOME": None, "XDG_CONFIG_HOME": None},
        {"HOME": "/dev/null/home", "XDG_STATE_HOME": None, "XDG_CONFIG_HOME": None},
        {"XDG_STATE_HOME": "/dev/null/state"},
        {"TERM": "xterm", "COLORTERM": None},
        {"TERM": "linux", "COLORTERM": None},
        {"NO_COLOR": "1"},
    ],
    ids=[
        "no home",
        "a home that is not there",
        "state that cannot be written",
        "xterm",
        "linux",
        "no colour",
    ],
)
def test_it_starts_in_poor_surroundings(
    mlcycle: Command, parcels: Path, tmp_path: Path, environment: dict[str, str | None]
) -> None:
    for words, seen in ((["-w", str(parcels)], "next action"), ([], "the sample product")):
        with terminal(*words, command=mlcycle, cwd=tmp_path, environment=environment) as shown:
            shown.wait_for(seen)
            shown.type("q")
            assert shown.wait_for_end() == 0, shown.text()
            assert shown.is_restored()


def test_a_folder_that_is_gone_is_no_reason_not_to_start(mlcycle: Command, tmp_path: Path) -> None:
    command = ["sh", "-c", 'cd "$0" && rmdir "$0" && exec "$@"', str(tmp_path / "gone"), *mlcycle]
    (tmp_path / "gone").mkdir()
    with terminal(command=command) as shown:
        shown.wait_for("the sample product")
        shown.type("o")
        shown.wait_for("open a workspace")
        shown.type("\x1bq")
        shown.process.send_signal(signal.SIGTERM)
        shown.wait_for_end()
        assert shown.is_restored()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read_is_no_reason_not_to_start(mlcycle: Command, tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir()
    command = ["sh", "-c", 'cd "$0" && chmod 0 "$0" && exec "$@"', str(closed), *mlcycle]
    with terminal(command=command) as shown:
        shown.wait_for("the sample product")
        shown.type("q")
        assert shown.wait_for_end() == 0
    closed.chmod(0o700)


def test_a_mistake_in_the_settings_is_said_with_its_line_before_the_screen_is_taken(
    mlcycle: Command, parcels: Path, tmp_path: Path
) -> None:
    file = tmp_path / "config" / "mlcycle" / "config.toml"
    file.parent.mkdir(parents=True)
    for text, words in (
        ('[keys]\nqiut = "x"\n', ":2: no action is called `qiut`; did you mean `quit`?"),
        ('[ui]\ntheme = "drak"\n', ":2: `ui.theme`"),
        ('[ui]\ntime_zone = "Prague"\n', "did you mean `Europe/Prague`?"),
    ):
        file.write_text(text)
        with terminal("-w", str(parcels), command=mlcycle, columns=200) as shown:
            assert shown.wait_for_end() == 2
            assert words in shown.text() and b"\x1b[?1049h" not in shown.raw
