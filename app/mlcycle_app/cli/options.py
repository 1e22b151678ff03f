"""What every command shares: `-w`, `--now`, `--json`, and the way from a function's answer to stdout."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any

import click

from mlcycle_app.cli.output import Answer, emit
from mlcycle_app.gateway import Gateway

__all__ = ["command", "consent", "free_command", "trusting"]

Function = Callable[..., Answer]


trusting = click.option(
    "--trust",
    is_flag=True,
    help="Let code of this workspace run from now on, though it was not made here; see MLCYCLE_TRUST.",
)
"""The flag of every command that may run what a workspace brought."""


def consent() -> Callable[[str], bool] | None:
    """Return how to ask the person at the terminal for a yes; None if there is no terminal, or nobody at it."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return None
    return lambda question: click.confirm(question, default=False, err=True)


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
        above["json"] = as_json = given.pop("json_")
        Gateway.set_now(now)
        first = Gateway.open(folder) if opens else folder
        answer = function(first, **given)
        emit(answer, as_json=as_json)
        context.exit(answer.code)

    call.__click_params__ = getattr(function, "__click_params__", [])  # type: ignore[attr-defined]
    name = function.__name__.split("_")[-1]
    made = click.command(name=name)(call)
    made.params += [
        click.Option(["-w", "--workspace", "workspace_"], metavar="DIR", help="The workspace."),
        click.Option(["--now", "now_"], metavar="TIME", help="Act as if it were this time (UTC)."),
        click.Option(["--json", "json_"], is_flag=True, help="Answer as JSON."),
    ]
    return made
