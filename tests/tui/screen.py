"""What stands on the screen, as text; and the golden frames it is compared with."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from rich.segment import Segment
from textual.pilot import Pilot
from textual.worker import WorkerCancelled

from mlcycle_app.tui.app import CycleApp

FRAMES = Path(__file__).parent / "frames"


def segments(app: CycleApp) -> list[list[Segment]]:
    """Return the drawn lines. The one place that touches Textual's private compositor."""
    return [list(strip) for strip in app.screen._compositor.render_strips()]


def text(app: CycleApp) -> str:
    """Return the whole screen, a line a row, without blanks at the ends."""
    return "\n".join("".join(segment.text for segment in line).rstrip() for line in segments(app)) + "\n"


async def settle(pilot: Pilot[None]) -> None:
    """Wait until nothing is read and the screen stands still."""
    app = pilot.app
    assert isinstance(app, CycleApp)
    for _ in range(20):
        before = text(app)
        await pilot.pause()
        with suppress(WorkerCancelled):  # a card that the cursor has left is not read to its end
            await app.workers.wait_for_complete()
        await pilot.pause()
        if text(app) == before:
            return


async def press(pilot: Pilot[None], *keys: str) -> None:
    """Press keys one after the other, waiting after each until it is done."""
    for key in keys:
        await pilot.press(key)
        await settle(pilot)


def compare(name: str, drawn: str, *, update: bool) -> str:
    """Compare a frame with the golden one; return what differs, nothing if all is well."""
    path = FRAMES / f"{name}.txt"
    if update:
        path.write_text(drawn, encoding="utf-8")
        return ""
    if not path.exists():
        return f"{name}: no golden frame; run pytest tests/tui --update-frames\n{drawn}"
    wanted = path.read_text(encoding="utf-8")
    if wanted == drawn:
        return ""
    marked = (
        f"{'  ' if old == new else '! '}{new}" + ("" if old == new else f"\n- {old}")
        for old, new in zip(_lines(wanted, drawn), _lines(drawn, wanted), strict=True)
    )
    return f"{name}:\n" + "\n".join(marked)


def _lines(frame: str, other: str) -> list[str]:
    lines, more = frame.split("\n"), other.split("\n")
    return lines + [""] * (len(more) - len(lines))
