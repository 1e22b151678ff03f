"""Jobs in words: how far one is, how long it takes still, how it ended."""

from __future__ import annotations

from math import ceil

from rich.cells import cell_len
from rich.text import Text

from mlcycle_app.tui.glyphs import glyph, style_of
from mlcycle_app.tui.job import KINDS, Job, Progress

__all__ = ["bar", "count", "duration", "how_far", "line", "outcome", "running", "what"]

BAR = 24
"""Cells of a bar where there is room."""
LEAST_BAR = 6
UNITS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def duration(seconds: float) -> str:
    """Return a length of time in its largest unit, with a decimal below ten."""
    size, unit = next(((size, unit) for size, unit in UNITS if seconds >= size), UNITS[-1])
    value = seconds / size
    return f"{value:.1f} {unit}" if value < 9.95 else f"{value:.0f} {unit}"


def bar(share: float, width: int) -> str:
    """Return a bar of that many cells."""
    halves = round(share * width * 2)
    full, half = divmod(halves, 2)
    return "━" * full + ("╸" if half else "") + "─" * (width - full - half)


def count(progress: Progress) -> str:
    """Return how much is done, of how much."""
    return f"{progress.done:,}" if not progress.total else f"{progress.done:,}/{progress.total:,}"


def what(job: Job) -> str:
    """Return what a job is at: its title, and the part of the work it is at if that has another name."""
    named = job.progress.what if job.progress is not None else ""
    return job.title if not named or named in job.title else f"{job.title}: {named}"


def how_far(job: Job, width: int) -> str:
    """Return how far a job is and how much longer it takes; the bar takes what room is left."""
    progress = job.progress
    if progress is None or progress.share is None:
        done = "" if progress is None else f"{count(progress)}   "
        return f"{done}{_about(job.seconds)}"
    left = "" if job.left is None else f"  {_about(job.left)} left"
    before, after = count(progress), f" {int(progress.share * 100)} %{left}"
    room = min(BAR, width - len(before) - len(after) - 1)
    return f"{before} {bar(progress.share, room)}{after}" if room >= LEAST_BAR else f"{before}{after}"


def _about(seconds: float) -> str:
    return f"{ceil(seconds)} s" if seconds < 60 else duration(seconds)


def running(job: Job, width: int) -> str:
    """Return one line about a job at work: what it is at, and how far it is."""
    named = what(job)
    return f"{named} {how_far(job, width - cell_len(named) - 1)}"


def line(jobs: list[Job], width: int) -> Text:
    """Return the status line while jobs run: the one that began last, and how many others."""
    others = f"   and {len(jobs) - 1} more" if len(jobs) > 1 else ""
    text = Text(f"{glyph('running')} ", style=style_of("running"), no_wrap=True, overflow="ellipsis")
    return text.append(running(jobs[-1], width - 2 - len(others)), style="default").append(
        others, style="dim"
    )


def outcome(job: Job) -> Text:
    """Return how a job ended, in one line."""
    kind = KINDS[job.state]
    text = Text(no_wrap=True, overflow="ellipsis")
    said = {"done": f"done in {duration(job.seconds)}", "refused": "says no"}.get(job.state, job.state)
    text.append(f"{glyph(kind)} {job.title} {said}", style=style_of(kind))
    # Of what is done the last line says little: it is the end of a table more often than not.
    if job.last and (job.state in ("refused", "failed") or (job.state == "done" and job.said == 1)):
        text.append(f": {job.last}")
    return text.append(f"   {job.hint}") if job.hint else text
