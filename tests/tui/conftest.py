"""The UI in a terminal that is not there: fixed clock, fixed colours, no animation, a real store behind it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

os.environ["TEXTUAL_ANIMATIONS"] = "none"  # Textual looks once, when it is imported

from tests.tui import factory
from tests.tui.factory import Stage, Staged

from mlcycle import clock
from mlcycle.workspace import Workspace
from mlcycle_app.tui import frame as frame_module
from mlcycle_app.tui.app import CycleApp, Look
from mlcycle_app.tui.theme import DARK
from mlcycle_app.tui.views import base as base_module


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-frames", action="store_true", help="rewrite tests/tui/frames with what is drawn now"
    )


@pytest.fixture
def update_frames(request: pytest.FixtureRequest) -> bool:
    """Whether golden frames are rewritten instead of compared."""
    return bool(request.config.getoption("--update-frames", default=False))


@pytest.fixture(autouse=True)
def _still(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Stop the clocks, name the terminal, and hide the user's own settings."""
    monkeypatch.setenv(clock.VARIABLE, factory.NOW.isoformat())
    monkeypatch.setattr(clock, "wall", lambda: factory.NOW)
    monkeypatch.setattr(frame_module, "TICK_S", 3600.0)  # tests tick by hand
    monkeypatch.setattr(base_module, "AFTER_S", 0.0)
    for name in (
        "NO_COLOR",
        "COLORFGBG",
        "MLCYCLE_WORKSPACE",
        "MLCYCLE_ASCII",
        "MLCYCLE_UI_ASCII",
        "MLCYCLE_UI_THEME",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLORTERM", "truecolor")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


@pytest.fixture(scope="session")
def full(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace that has been round the cycle; looked at, never changed."""
    return factory.full(tmp_path_factory.mktemp("full") / "parcels")


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace in which nothing has happened."""
    return factory.empty(tmp_path_factory.mktemp("empty") / "parcels")


@pytest.fixture(scope="session")
def _flats(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A product of its own, made from a file as a user would; see `factory.flats`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(clock.VARIABLE, factory.MADE.isoformat())
        patch.setattr(clock, "wall", lambda: factory.MADE)
        return factory.flats(tmp_path_factory.mktemp("flats"))


@pytest.fixture
def own(_flats: Workspace, tmp_path: Path) -> Workspace:
    """A copy of it that a test may change."""
    shutil.copytree(_flats.root, tmp_path / "flats")
    return Workspace(tmp_path / "flats")


@pytest.fixture
def stage() -> Iterator[Stage]:
    """What becomes of reads; whatever waits is let go in the end."""
    made = Stage()
    yield made
    made.let_go()


@pytest.fixture
def make(full: Workspace, stage: Stage) -> Callable[..., CycleApp]:
    """Make the app on the full workspace, or on another one."""

    def made(workspace: Workspace | None = None, **look: object) -> CycleApp:
        first = look.pop("first", 0)
        assert isinstance(first, int)
        shown = Look(**{"theme": DARK, **look})  # type: ignore[arg-type]
        return CycleApp(Staged(workspace or full, stage), look=shown, first=first)

    return made
