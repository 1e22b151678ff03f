"""`mlcycle store ...`: copies of the store, its way out as plain files, and its care."""

from __future__ import annotations

import shlex
import sys
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Any

import click

from mlcycle_app.cli.options import command, free_command
from mlcycle_app.cli.output import Answer, say
from mlcycle_app.gateway import Gateway, UsageError, Workspace

__all__ = ["store_backup", "store_compact", "store_export", "store_health", "store_restore"]

EXPORT = "export.json"


class _Days(click.ParamType[timedelta]):
    """A number of days, such as 90d."""

    name = "days"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        digits, unit = str(value)[:-1], str(value)[-1:]
        if unit != "d" or not digits.isdecimal() or len(digits) > 6:
            self.fail(f"{value!r} is no number of days, such as 90d", param, ctx)
        return timedelta(days=int(digits))


@command
@click.argument("dest", required=False, type=click.Path(path_type=Path))
def store_backup(gateway: Gateway, dest: Path | None) -> Answer:
    """Copy the store as it is now: beside itself, or with all contents and declarations into DEST.

    DEST is a workspace itself, best on another disk; a second backup into it copies only what is new.
    """
    done = gateway.do("store.backup", dest)
    text = f"backup of {done.bytes / 1e6:,.1f} MB in {done.path}"
    return Answer(done, text=text)


@free_command
@click.argument("source", required=False, type=click.Path(path_type=Path))
@click.option("--yes", is_flag=True, help="Replace the store that is there without asking.")
def store_restore(folder: str | None, source: Path | None, yes: bool) -> Answer:
    """Put the store back from its own backups and logs, or from SOURCE, made by store backup or store export.

    The store that is there goes to .mlcycle/recovery. An export also comes back into a new folder, named with -w.
    Exit code 1 when something could not be had back.
    """
    gateway = _place(folder, source)
    if gateway.workspace.database.exists() and not yes and not _agreed(gateway, source):
        return Answer({"restored": False}, text="nothing was changed", code=1)
    done = gateway.do("store.restore", source)
    taken = asdict(done)
    if "rows" in taken:
        lines = [
            f"taken from {done.source}: {done.rows:,} rows, {done.contents} contents, {done.declarations} texts"
        ]
        lines += [f"left out {name}" for name in done.left_out]
    else:
        lines = [
            f"restored from {done.source}: {done.changes:,} changes and {done.records:,} records taken again"
        ]
    if done.set_aside:
        lines.append(f"the store that was there is {done.set_aside}")
    lines += [f"missing  {finding.what}  {finding.where}" for finding in done.missing]
    return Answer(done, text="\n".join(lines), code=1 if done.missing else 0)


@command
@click.argument("dest", type=click.Path(path_type=Path))
def store_export(gateway: Gateway, dest: Path) -> Answer:
    """Write everything as Parquet and JSON into the new folder DEST, to be read without mlcycle.

    Exit code 1 when rows name contents that are gone or damaged.
    """
    done = gateway.do("store.exporting.export", dest)
    held = f"{done.tables} tables with {done.rows:,} rows and {done.files:,} files"
    lines = [f"{held}, {done.bytes / 1e6:,.1f} MB in {done.path}", "its README.md says how to read it"]
    lines += [f"missing  {finding.what}  {finding.where}" for finding in done.missing]
    return Answer(done, text="\n".join(lines), code=1 if done.missing else 0)


@command
@click.option(
    "--older-than", type=_Days(), help="First move predictions older than this, such as 90d, to the archive."
)
@click.option(
    "--drop-archive", type=_Days(), help="First delete archived predictions older than this, such as 365d."
)
def store_compact(gateway: Gateway, older_than: timedelta | None, drop_archive: timedelta | None) -> Answer:
    """Give back the room that the store's file does not use; first do what `retention` in monitor.yaml says.

    Histograms by day and judged windows of predictions stay for ever.
    """
    moved = gateway.do("monitor.retain", older_than=older_than, drop_archive=drop_archive)
    done = gateway.do("store.compacting.compact")
    lines = [f"{done.before_bytes / 1e6:,.1f} MB before, {done.after_bytes / 1e6:,.1f} MB now"]
    if moved.rows:
        lines.append(f"{moved.rows:,} predictions of {moved.days} days moved to the archive")
    if moved.dropped:
        lines.append(f"{moved.dropped} archived days deleted")
    return Answer(asdict(done) | {"retained": moved}, text="\n".join(lines))


@command
def store_health(gateway: Gateway) -> Answer:
    """Show what is not folded yet, what was refused, who holds the store, and the newest backup."""
    lost = gateway.do("store.lost.loss")
    if lost is not None:
        raise lost
    return Answer(gateway.health())


def _place(folder: str | None, source: Path | None) -> Gateway:
    """Open the workspace; an export brings its own declarations, so that an empty folder will do."""
    root = Path(folder).expanduser().resolve() if folder else None
    if root is None or source is None or not (source / EXPORT).is_file():
        return Gateway.open(folder)
    if root.exists() and (root.is_file() or any(root.iterdir())):
        return Gateway.open(folder)
    root.mkdir(parents=True, exist_ok=True)
    return Gateway(Workspace(root))


def _agreed(gateway: Gateway, source: Path | None) -> bool:
    where = gateway.workspace.database
    if not sys.stdin.isatty():
        words = ["store", "restore", *([] if source is None else [str(source)]), "--yes"]
        raise UsageError(f"{where} would be replaced", hint=gateway.typed(shlex.join(words)))
    say(f"{where} will be replaced, and kept in .mlcycle/recovery")
    return click.confirm("Replace it?", err=True)
