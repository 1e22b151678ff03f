"""What every command shares: `-w`, `--now`, `--json`, `--csv`, and the way from a function's answer to stdout."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import click

from mlcycle_app.cli.output import Answer, emit, say
from mlcycle_app.cli.progress import shown, wipe
from mlcycle_app.gateway import Gateway

__all__ = ["command", "consent", "every", "free_command", "listing", "trusting"]

Function = Callable[..., Answer]
FIRST = 500
"""Rows that a list command answers with unless it is asked for all."""


trusting = click.option(
    "--trust",
    is_flag=True,
    help="Let code of this workspace run from now on, though it was not made here; see MLCYCLE_TRUST.",
)
"""The flag of every command that may run what a workspace brought."""


every = click.option("--all", "every", is_flag=True, help="List them all, not the first 500 alone.")
"""The flag of every command that lists a table."""


def listing(gateway: Gateway, name: str, *, every: bool) -> Answer:
    """Answer with one of `tables.TABLES`, or with its first rows and a word about the others."""
    from mlcycle_app.tables import TABLES

    table = TABLES[name]
    if every:
        rows: Sequence[Mapping[str, Any]] = gateway.table(name, most=None)
    else:
        page = gateway.page(name, count=FIRST)
        rows = page.rows
        if page.total > len(rows):
            say(f"the first {len(rows):,} of {page.total:,}; --all lists them all")
    return Answer(rows, table.columns, empty=table.empty)


def consent() -> Callable[[str], bool] | None:
    """Return how to ask the person at the terminal for a yes; None if there is no terminal, or nobody at it."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return None

    def asked(question: str) -> bool:
        wipe()
        return click.confirm(question, default=False, err=True)

    return asked


def command(function: Function) -> click.Command:
    """Make a click command of a function that takes a Gateway first and returns an Answer."""
    return _command(function, opens=True)


def free_command(function: Function) -> click.Command:
    """The same for a command that needs no workspace to exist; it takes the folder given with `-w`, or None."""
    return _command(function, opens=False)


def _command(function: Function, *, opens: bool) -> click.Command:
    @functools.wraps(function)
    @click.pass_context
    def call(context: click.Context, /, **given: Any) -> None:
        above = context.ensure_object(dict)
        folder = given.pop("workspace_") or above.get("workspace")
        above["workspace"] = folder
        now = given.pop("now_") or above.get("now")
        as_json, as_csv = given.pop("json_"), given.pop("csv_")
        above["json"] = as_json or as_csv
        if as_json and as_csv:
            raise click.UsageError("--json or --csv, not both")
        Gateway.set_now(now)
        first = Gateway.open(folder) if opens else folder
        with shown():
            answer = function(first, **given)
        emit(answer, as_json=as_json, as_csv=as_csv)
        context.exit(answer.code)

    call.__click_params__ = getattr(function, "__click_params__", [])  # type: ignore[attr-defined]
    name = function.__name__.split("_")[-1]
    made = click.command(name=name)(call)
    made.params += [
        click.Option(["-w", "--workspace", "workspace_"], metavar="DIR", help="The workspace."),
        click.Option(["--now", "now_"], metavar="TIME", help="Act as if it were this time (UTC)."),
        click.Option(["--json", "json_"], is_flag=True, help="Answer as JSON."),
        click.Option(["--csv", "csv_"], is_flag=True, help="Answer as CSV: values are exact, formulas too."),
    ]
    return made
