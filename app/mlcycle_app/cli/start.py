"""Commands that begin, look and mend: init, status, doctor, sql, schema, trace, config show, config path."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from mlcycle_app.cli.options import command, free_command
from mlcycle_app.cli.output import Answer
from mlcycle_app.gateway import Gateway, free

__all__ = ["config_path", "config_show", "doctor", "init", "schema", "sql", "status", "trace"]

GLYPHS = {"ok": "✓", "attention": "!", "failed": "✗", "running": "●", "none": "○"}


@free_command
@click.argument("folder", required=False, default=".", type=click.Path(path_type=Path))
@click.option(
    "--from",
    "from_file",
    type=click.Path(path_type=Path),
    help="A CSV, JSON lines, Parquet or SQLite file to begin with.",
)
@click.option("--target", help="The column to predict.")
@click.option("--time", help="The column that says which moment a row is about.")
@click.option("--key", help="The column that names a row's entity.")
def init(
    _: str | None, folder: Path, from_file: Path | None, target: str | None, time: str | None, key: str | None
) -> Answer:
    """Make a workspace in FOLDER: commented templates, or declarations that run at once from a data file."""
    made = free("design.init", folder, from_file=from_file, target=target, time=time, key=key)
    return Answer(replace(made, next=Gateway.open(made.root).typed(made.next.removeprefix("mlcycle "))))


@command
def status(gateway: Gateway) -> Answer:
    """Show the lifecycle board: each phase's state, number, and what to do next."""
    board = gateway.board()
    lines = [f"{board.product}"]
    lines += [
        f"  {phase.number} {GLYPHS[phase.state]} {phase.phase:<12} {phase.says}" for phase in board.phases
    ]
    if board.next is not None:
        lines.append(
            f"next: {board.next.next}   $ {gateway.typed(board.next.command.removeprefix('mlcycle '))}"
        )
    return Answer(
        {
            "product": board.product,
            "workspace": gateway.workspace.root,
            "phases": list(board.phases),
            "next": board.next,
        },
        text="\n".join(lines),
    )


@command
@click.option("--mend", is_flag=True, help="Mend what can be mended.")
def doctor(gateway: Gateway, mend: bool) -> Answer:
    """Examine the workspace; exit code 1 when something is to mend or damaged."""
    report = gateway.do("store.doctor.mend" if mend else "store.doctor.examine")
    healthy = report.exit_code == 0
    lines = [f"mended   {finding.what}  {finding.where}" for finding in report.mended]
    lines += [f"{finding.level:<8} {finding.what}  {finding.where}" for finding in report.findings]
    if healthy:
        lines.append("healthy")
    lines += _remedies(gateway, report.findings, mended=mend)
    found = {"healthy": healthy, "findings": report.findings, "mended": report.mended}
    return Answer(found, text="\n".join(lines), code=report.exit_code)


@command
@click.argument("query")
def sql(gateway: Gateway, query: str) -> Answer:
    """Ask the store a question over its public views; nothing outside it can be read."""
    names, rows = gateway.sql(query)
    names = _distinct(names)
    return Answer([dict(zip(names, row, strict=True)) for row in rows], tuple(names), empty="no row")


@free_command
@click.argument("folder", required=False, type=click.Path(path_type=Path))
def schema(_: str | None, folder: Path | None) -> Answer:
    """Write a JSON Schema for every declaration into FOLDER, or print them all."""
    if folder is None:
        return Answer(free("declare.schemas"))
    return Answer([{"file": path} for path in free("declare.write_schemas", folder)])


@command
@click.argument("what")
def trace(gateway: Gateway, what: str) -> Answer:
    """Follow the thread: from a requirement's name, or from a prediction's id."""
    found = gateway.do("retrain.trace", what)
    return Answer(found, text=found.describe())


@free_command
def config_show(_: str | None) -> Answer:
    """Print each setting with its value and where it comes from; a mistake in the file is said with its line."""
    settings = free("settings.load")
    if settings.keys:
        from mlcycle_app.tui.keymap import keymap  # brings the UI, which alone knows its actions

        keymap(settings.keys)
    return Answer(
        [{"setting": name, "value": value, "source": source} for name, value, source in settings.explain()]
    )


@free_command
def config_path(_: str | None) -> Answer:
    """Print where the user's settings lie, whether the file exists or not."""
    path = free("settings.config_file")
    return Answer({"file": path, "exists": path.exists()}, text=str(path))


def _remedies(gateway: Gateway, findings: Sequence[Any], *, mended: bool) -> Iterator[str]:
    """Say what to type about what was found, each once."""
    damaged = [finding for finding in findings if finding.level == "damaged"]
    store = gateway.workspace.database.relative_to(gateway.workspace.root).as_posix()
    if not mended and any(finding.level == "mend" for finding in findings):
        yield f"mend what can be mended with: {gateway.typed('doctor --mend')}"
    if any(finding.where == store or finding.where.startswith("table ") for finding in damaged):
        yield f"make the store again from its copy and logs with: {gateway.typed('store restore')}"
    if any(finding.what.startswith(("file ", "archive file ")) for finding in damaged):
        words = gateway.typed("store restore BACKUP")
        yield f"take the file, and the store as it was then, from a backup that has it with: {words}"


def _distinct(names: Sequence[str]) -> list[str]:
    """Number the names of a query's columns that come twice, so that none hides another."""
    taken: list[str] = []
    for name in names:
        number, free_name = 1, name
        while free_name in taken:
            number += 1
            free_name = f"{name}_{number}"
        taken.append(free_name)
    return taken
