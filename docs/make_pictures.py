"""Write docs/pictures/: every screen of the UI on the sample product, as SVG.

    .venv/bin/python docs/make_pictures.py          plays the story (a minute) and draws it
    .venv/bin/python docs/make_pictures.py DIR      draws a workspace that is there

One workspace gives the same pictures, byte by byte: both clocks stand still. Another play of the story differs where
it must, in the ids of runs and in what was measured. Nothing in a picture leads elsewhere: fonts that Rich links to
are left out, and so are paths of this machine.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

__all__ = ["PICTURES", "SIZE", "cleaned", "draw", "main"]

PICTURES = Path(__file__).parent / "pictures"
SIZE = (120, 36)
STILL = 2
"""Looks that must find the same picture before it is taken."""
LOOKS = 100
PAUSE_S = 0.15
NAMESPACE = "http://www.w3.org/2000/svg"
DEFECT = "ui.log"
"""Stands on a screen that met a defect."""
FONT = '"Fira Code", "DejaVu Sans Mono", Menlo, Consolas, monospace'
HIDDEN = (
    "NO_COLOR",
    "COLORFGBG",
    "MLCYCLE_WORKSPACE",
    "MLCYCLE_ASCII",
    "MLCYCLE_UI_ASCII",
    "MLCYCLE_UI_THEME",
)


class _Quiet:
    """Listens to the story and tells nobody."""

    def begin(self, phase: str, does: str, total: int | None = None) -> None:
        """A step begins."""

    def advance(self, done: int, total: int | None = None) -> None:
        """So much of the step is done."""

    def learnt(self, phase: str, words: str) -> None:
        """What the step taught."""


def cleaned(svg: str) -> str:
    """Return a picture without what would be fetched from elsewhere."""
    svg = re.sub(r"\s*@font-face\s*\{[^}]*\}", "", svg)
    svg = re.sub(r"<!--.*?-->\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r"font-family: (?:Fira Code|arial)[^;]*;", f"font-family: {FONT};", svg)
    return "\n".join(line.rstrip() for line in svg.splitlines() if line.strip()) + "\n"


def draw(folder: Path, *, now: datetime, wall: datetime, numbers: Sequence[int] = range(8)) -> dict[str, str]:
    """Return screens as SVG, by their names.

    Parameters
    ----------
    folder
        The workspace.
    now
        The time in the story.
    wall
        The time on the wall, from which ages are counted.
    numbers
        Of the screens, all unless said.
    """
    with _standing(folder, now, wall):
        return asyncio.run(_screens(folder, numbers))


@contextlib.contextmanager
def _standing(folder: Path, now: datetime, wall: datetime) -> Iterator[None]:
    """Stop both clocks, and stand in the workspace: commands then need no path to be shown."""
    from mlcycle import clock

    before, wall_before, names = (
        Path.cwd(),
        clock.wall,
        {name: os.environ.get(name) for name in (*HIDDEN, clock.VARIABLE)},
    )
    for name in HIDDEN:
        os.environ.pop(name, None)
    clock.set_now(now)
    clock.wall = lambda: wall
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)
        clock.wall = wall_before
        for name, value in names.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


async def _screens(folder: Path, numbers: Sequence[int]) -> dict[str, str]:
    from textual.pilot import Pilot

    from mlcycle_app.commands import PHASES
    from mlcycle_app.gateway import Gateway
    from mlcycle_app.tui.app import CycleApp, Look
    from mlcycle_app.tui.theme import DARK

    async def still(pilot: Pilot[None]) -> str:
        same, last = 0, ""
        for _ in range(LOOKS):
            await pilot.pause(PAUSE_S)
            await pilot.app.workers.wait_for_complete()
            shown = cleaned(pilot.app.export_screenshot(title="mlcycle"))
            same, last = (same + 1 if shown == last else 0), shown
            if same == STILL:
                return shown
        raise RuntimeError("the screen never stands still")

    pictures = {}
    app = CycleApp(Gateway.open(folder), look=Look(DARK))
    async with app.run_test(size=SIZE) as pilot:
        for number in numbers:
            name = PHASES[number]
            await pilot.press(str(number))
            picture = pictures[name.lower()] = await still(pilot)
            if DEFECT in picture:
                raise RuntimeError(f"{name} could not be drawn whole: its log is in {folder / '.mlcycle'}")
    return pictures


@contextlib.contextmanager
def _played() -> Iterator[tuple[Path, datetime]]:
    """Play the story; yield where it is and when it ends there. Its model server lives meanwhile."""
    from mlcycle_sample.story import play

    with tempfile.TemporaryDirectory(prefix="mlcycle-pictures-") as place:
        # Whoever runs this does not want the workspace among those opened lately.
        os.environ["XDG_STATE_HOME"] = os.environ["XDG_CONFIG_HOME"] = f"{place}/user"
        folder = Path(place) / "mlcycle-demo"
        with play(folder, seed=None, tell=_Quiet(), keep_serving=True) as outcome:
            yield folder, outcome.now


def main() -> None:
    """Write all pictures."""
    os.environ["TEXTUAL_ANIMATIONS"] = "none"  # Textual looks once, when it is imported
    from mlcycle import clock

    parser = argparse.ArgumentParser(description="Write docs/pictures/.")
    parser.add_argument(
        "folder", nargs="?", type=Path, help="a workspace; the story is played unless it is given"
    )
    parser.add_argument("--now", type=datetime.fromisoformat, help="the time in that workspace")
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        if options.folder is not None:
            folder, now = options.folder.resolve(), options.now or clock.now()
        else:
            folder, now = stack.enter_context(_played())
        pictures = draw(folder, now=now, wall=clock.wall())
    PICTURES.mkdir(exist_ok=True)
    for name, picture in pictures.items():
        (PICTURES / f"{name}.svg").write_text(picture, encoding="utf-8")


if __name__ == "__main__":
    main()
