"""`mlcycle demo`: the sample product once round the whole cycle, then the UI on what it left."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import click

from mlcycle_app.cli.output import plain, say
from mlcycle_app.cli.progress import shown

__all__ = ["demo"]


@click.command()
@click.option(
    "--dir",
    "folder",
    type=click.Path(path_type=Path),
    default=Path("mlcycle-demo"),
    show_default=True,
    help="The workspace to make.",
)
@click.option("--seed", type=int, default=None, help="Another seed: the same story with other numbers.")
@click.option("--headless", is_flag=True, help="End when the story ends: no UI, nothing left running.")
@click.option("--json", "as_json", is_flag=True, help="Print what came out as one JSON document.")
@click.pass_context
def demo(context: click.Context, folder: Path, seed: int | None, headless: bool, as_json: bool) -> None:
    """Take the sample product once round the whole cycle: design, data, quality, features, experiments, gate,
    deployment, live predictions, drift, retraining, promotion. Offline, on real files, in about a minute.
    """
    # The one place that knows the sample, which is a third party to core and app.
    from mlcycle_sample.story import play

    window = not headless and not as_json and sys.stdin.isatty() and sys.stdout.isatty()
    # In the UI's jobs the steps' own progress is told; on a terminal the bar below each step stands for it.
    telling = nullcontext() if sys.stderr.isatty() else shown()
    with (
        telling,
        _teller(quiet=as_json) as teller,
        play(folder, seed=seed, tell=teller, keep_serving=window) as outcome,
    ):
        if as_json:
            print(json.dumps(plain(outcome.document), ensure_ascii=False))
        else:
            typed = f"{_typed()} -w {folder}"
            say(f"\nThe workspace is {folder}/. Look round: {typed} status   or the UI: {typed}")
        if window:
            from mlcycle_app.tui.start import open_ui

            teller.close()
            context.exit(open_ui(str(folder), outcome.now.isoformat()))


def _typed() -> str:
    """Return how the command is typed here: by its path where it is not on PATH."""
    return "mlcycle" if shutil.which("mlcycle") else sys.argv[0]


class _Teller:
    """Tells the story as it goes: a line a step, and a bar under it while the step works."""

    def __init__(self, progress: Any) -> None:
        self._progress = progress
        self._task: Any = None
        self._closed = False

    def begin(self, phase: str, does: str, total: int | None = None) -> None:
        """A step begins."""
        self.end()
        self._task = self._progress.add_task(f"{phase:<12} {does}", total=total)

    def advance(self, done: int, total: int | None = None) -> None:
        """So much of the step is done."""
        if self._task is not None:
            self._progress.update(self._task, completed=done, total=total)

    def learnt(self, phase: str, words: str) -> None:
        """What the step taught, in one line."""
        self.end()
        console = self._progress.console
        if not console.is_terminal:
            console.print(f"{phase:<12} {words}", highlight=False, markup=False, soft_wrap=True)
            return
        from rich.table import Table

        line = Table.grid(padding=(0, 1))
        line.add_column(width=12, style="bold cyan")
        line.add_column()
        line.add_row(phase, words)
        console.print(line)

    def end(self) -> None:
        """The step's bar goes; its line stays."""
        if self._task is not None:
            self._progress.remove_task(self._task)
            self._task = None

    def close(self) -> None:
        """Give the terminal back."""
        if not self._closed:
            self.end()
            self._progress.stop()
            self._closed = True


class _Silence:
    """Tells nothing: the JSON document says it all."""

    def begin(self, phase: str, does: str, total: int | None = None) -> None:
        """Ignore."""

    def advance(self, done: int, total: int | None = None) -> None:
        """Ignore."""

    def learnt(self, phase: str, words: str) -> None:
        """Ignore."""

    def close(self) -> None:
        """Ignore."""


@contextmanager
def _teller(*, quiet: bool) -> Iterator[_Teller | _Silence]:
    if quiet:
        yield _Silence()
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        SpinnerColumn,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
    )

    console = Console(stderr=True)
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TaskProgressColumn(text_format_no_percentage=""),
        TimeElapsedColumn(),
    )
    progress = Progress(
        *columns, console=console, transient=True, refresh_per_second=4, disable=not console.is_terminal
    )
    progress.start()
    teller = _Teller(progress)
    try:
        yield teller
    finally:
        teller.close()
