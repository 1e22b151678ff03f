"""Builds the command tree from the command table, loading a command's module only when it is called."""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any

import click

from mlcycle_app.cli.output import say
from mlcycle_app.cli.unexpected import tell_unexpected
from mlcycle_app.commands import Command, nouns

__all__ = ["cli", "run"]

INTERRUPTED = 130
COULD_NOT = 3
QUERY_INTERRUPTED = "Query interrupted"
"""What DuckDB says, as a RuntimeError, when ctrl+c ends a query."""


class _Lazy(click.Group):
    """A group whose commands are rows of the table."""

    def __init__(self, rows: list[Command], **attributes: Any) -> None:
        super().__init__(**attributes)
        self._rows = {row.words.split()[-1]: row for row in rows}

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self._rows)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        row = self._rows.get(name)
        return None if row is None else _load(row)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in self._rows:
            _refuse(ctx, f"{ctx.info_name} {args[0]}", [f"{ctx.info_name} {name}" for name in self._rows])
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, row.summary) for name, row in self._rows.items()])


class _Root(click.Group):
    """The top level: verbs, and nouns with verbs below."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(nouns())

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        rows = nouns().get(name)
        if rows is None:
            return None
        if len(rows) == 1 and rows[0].words == name:
            return _load(rows[0])
        return _Lazy(
            rows, name=name, help=f"{name.capitalize()}: {', '.join(row.words.split()[-1] for row in rows)}."
        )

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            listed = []
            for name, rows in nouns().items():
                if len(rows) == 1 and rows[0].words == name:
                    listed.append((name, rows[0].summary))
                else:
                    listed.append((f"{name} {'|'.join(row.words.split()[-1] for row in rows)}", ""))
            formatter.write_dl(listed)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in nouns():
            _refuse(ctx, args[0], list(nouns()))
        return super().resolve_command(ctx, args)


def _refuse(ctx: click.Context, typed: str, known: list[str]) -> None:
    import difflib

    near = difflib.get_close_matches(typed, known, 1)
    ctx.fail(f"no command {typed!r}" + (f"; did you mean {near[0]!r}?" if near else ""))


def _load(row: Command) -> click.Command:
    module = importlib.import_module(f"mlcycle_app.cli.{row.module}")
    command: click.Command = getattr(module, row.function)
    return command


@click.group(
    cls=_Root,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Without a command the terminal UI opens on the nearest workspace. Every command has --json.",
)
@click.version_option(package_name="mlcycle", message="mlcycle %(version)s")
@click.option(
    "-w",
    "--workspace",
    metavar="DIR",
    help="The workspace; else MLCYCLE_WORKSPACE, else the nearest parent's.",
)
@click.option(
    "--now", metavar="TIME", help="Act as if it were this time (UTC): for stories, tests and classes."
)
@click.pass_context
def cli(context: click.Context, workspace: str | None, now: str | None) -> None:
    """Step one machine-learning product through its whole life, on this machine alone."""
    context.ensure_object(dict).update(workspace=workspace, now=now)
    if context.invoked_subcommand is None:
        from mlcycle_app.tui.start import open_ui

        context.exit(open_ui(workspace, now))


def run(arguments: list[str]) -> int:
    """Run the command line; return the exit code. Errors are said in two lines: what is wrong, what to type next."""
    from mlcycle_app.gateway import MlcycleError

    told: dict[str, Any] = {}
    try:
        code = cli.main(arguments, prog_name="mlcycle", standalone_mode=False, obj=told)
        sys.stdout.flush()
    except (click.exceptions.Abort, KeyboardInterrupt):
        return _interrupted()
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except MlcycleError as error:
        say(f"mlcycle: {error.message}")
        if error.hint:
            say(f"  try: {error.hint}")
        return error.exit_code
    except BrokenPipeError:
        # Whoever read us has gone; without this the interpreter would complain about it once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return COULD_NOT
    except Exception as error:  # noqa: BLE001 - the outermost border: what nobody foresaw is kept and told
        if type(error) is RuntimeError and str(error) == QUERY_INTERRUPTED:
            return _interrupted()
        tell_unexpected(error, told.get("workspace"))
        return COULD_NOT
    return code if isinstance(code, int) else 0


def _interrupted() -> int:
    say("interrupted")
    return INTERRUPTED
